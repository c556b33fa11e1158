"""The hub on its own: ``python -m flask_mercure_sse.server``."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all(ssl=False)  # before anything makes a lock or a socket; TLS is a proxy's job

import ipaddress  # noqa: E402
import logging  # noqa: E402
import secrets  # noqa: E402
import signal  # noqa: E402
from typing import Any  # noqa: E402

import click  # noqa: E402
import gevent  # noqa: E402
from gevent.pywsgi import WSGIHandler, WSGIServer  # noqa: E402

from ..hub.authority import Authority  # noqa: E402
from ..hub.hub import Hub  # noqa: E402
from ..protocol.tokens import MAKE_A_KEY_ANYWHERE, encode_token  # noqa: E402
from ..protocol.v0 import MERCURE_0  # noqa: E402
from ..protocol.version import HUB_PATH  # noqa: E402
from .cors import Cors  # noqa: E402
from .wsgi import HubFront  # noqa: E402

STOP_TIMEOUT = 1
"""Seconds that open connections get to end when the hub is told to stop."""

PUBLISHER_VARIABLES = ["MERCURE_PUBLISHER_SECRET_KEY", "MERCURE_PUBLISHER_JWT_KEY"]
SUBSCRIBER_VARIABLES = ["MERCURE_SUBSCRIBER_SECRET_KEY", "MERCURE_SUBSCRIBER_JWT_KEY"]


class Handler(WSGIHandler):
    """pywsgi's handler, with the raw request target: an encoded slash in a topic must stay one."""

    def get_environ(self) -> dict[str, Any]:
        return {**super().get_environ(), "REQUEST_URI": self.path}


@click.command(context_settings={"auto_envvar_prefix": "MERCURE", "show_default": True})
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", default=5500, type=click.IntRange(0, 65535), help="Port; 0 for any free one.")
@click.option("--publisher-secret", envvar=PUBLISHER_VARIABLES, help="Secret of publishers' tokens.")
@click.option("--subscriber-secret", envvar=SUBSCRIBER_VARIABLES, help="Secret of subscribers' tokens.")
@click.option("--allow-anonymous/--no-allow-anonymous", default=True, help="Show public updates to all.")
@click.option("--cors-origins", default="*", help="Origins of pages, separated by commas or spaces.")
@click.option("--subscriptions/--no-subscriptions", default=True, help="Tell who follows what.")
@click.option("--debug", is_flag=True, help="Log why requests are refused.")
def main(
    host: str,
    port: int,
    publisher_secret: str | None,
    subscriber_secret: str | None,
    allow_anonymous: bool,
    cors_origins: str,
    subscriptions: bool,
    debug: bool,
) -> None:
    """Run a Mercure hub.

    On a loopback address a missing secret is made up, so that the first try works.
    """
    logging.basicConfig(level=logging.INFO if debug else logging.WARNING)
    publisher_key = _secret(publisher_secret, host, "--publisher-secret")
    subscriber_key = _secret(subscriber_secret, host, "--subscriber-secret")
    hub = Hub(MERCURE_0, allow_anonymous=allow_anonymous, subscriptions=subscriptions)
    front = HubFront(
        hub,
        publishers=_authority(publisher_key),
        subscribers=_authority(subscriber_key),
        cors=Cors(tuple(cors_origins.replace(",", " ").split())),
    )
    server = WSGIServer((host, port), front, handler_class=Handler, log=None)
    server.start()
    click.echo(f"Hub: http://{host}:{server.server_port}{HUB_PATH}")
    click.echo(f"Publisher JWT: {encode_token(MERCURE_0.claims(publish=['*']), publisher_key)}")
    if not subscriber_secret:
        click.echo(f"Subscriber secret, made up for this run: {subscriber_key}")
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, server.stop, STOP_TIMEOUT)
    server.serve_forever(stop_timeout=STOP_TIMEOUT)


def _secret(given: str | None, host: str, option: str) -> str:
    if given:
        return given
    if not _is_loopback(host):
        raise click.UsageError(
            f"{option} is missing, and {host} is not a loopback address; make one with: {MAKE_A_KEY_ANYWHERE}"
        )
    return secrets.token_urlsafe(48)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _authority(key: str) -> Authority:
    return Authority(MERCURE_0, lambda: key)


def _read_env_file() -> None:
    """Read ``.env`` where python-dotenv is installed, as Flask's own command does."""
    try:
        from dotenv import find_dotenv, load_dotenv
    except ImportError:
        return
    load_dotenv(find_dotenv(usecwd=True))


if __name__ == "__main__":
    _read_env_file()
    main()
