"""The hub on its own: ``python -m flask_mercure_sse.server``."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all(ssl=False)  # before anything makes a lock or a socket; TLS is a proxy's job

import ipaddress  # noqa: E402
import logging  # noqa: E402
import secrets  # noqa: E402
import select  # noqa: E402
import signal  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from typing import Any  # noqa: E402

import click  # noqa: E402
import gevent  # noqa: E402
from gevent import socket  # noqa: E402
from gevent.event import Event  # noqa: E402

from ..hub.authority import Authority  # noqa: E402
from ..hub.hub import Hub  # noqa: E402
from ..protocol.errors import ConfigurationError  # noqa: E402
from ..protocol.hub_url import checked_hub_url  # noqa: E402
from ..protocol.keys import MAKE_A_KEY_ANYWHERE, KeySource, sign  # noqa: E402
from ..protocol.limits import Limits  # noqa: E402
from ..protocol.text import words  # noqa: E402
from ..protocol.version import HUB_PATH  # noqa: E402
from ..protocol.versions import PROTOCOLS, Versions, has_fixed_path, speak  # noqa: E402
from .cors import Cors, checked_origins  # noqa: E402
from .front import Front  # noqa: E402
from .http_limits import HttpLimits  # noqa: E402
from .issuers import (  # noqa: E402
    Issuers,
    Role,
    authority,
    authorization_servers,
    is_key_set_url,
    key_source,
    read_issuers,
)

if hasattr(select, "EPOLLIN"):
    from .standalone import Standalone as Server
else:
    from .portable import PortableServer as Server

STOP_TIMEOUT = 1
"""Seconds that open connections get to end when the hub is told to stop."""

PUBLISHER_VARIABLES = ["MERCURE_PUBLISHER_SECRET_KEY", "MERCURE_PUBLISHER_JWT_KEY"]
PUBLIC_URL_VARIABLES = ["MERCURE_PUBLIC_URL", "MERCURE_PUBLIC_HUB_URL"]
SUBSCRIBER_VARIABLES = ["MERCURE_SUBSCRIBER_SECRET_KEY", "MERCURE_SUBSCRIBER_JWT_KEY"]


_LIMITS = Limits()


class _Checked(click.ParamType):  # pyright: ignore[reportMissingTypeArgument] - older ones take none
    """An option whose value a function reads, or refuses with the end of a sentence."""

    def __init__(self, name: str, read: Callable[[str], object]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(f"the value {error}", param, ctx)


_ORIGINS = _Checked("origins", checked_origins)
_EXACT_ORIGINS = _Checked("origins", lambda text: checked_origins(text, allow_any=False))
_LIMIT = click.IntRange(min=1)


@click.command(context_settings={"auto_envvar_prefix": "MERCURE", "show_default": True})
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", default=5500, type=click.IntRange(0, 65535), help="Port; 0 for any free one.")
@click.option("--public-url", envvar=PUBLIC_URL_VARIABLES, help="URL by which clients reach the hub.")
@click.option("--protocol", default="0.x", type=click.Choice(PROTOCOLS), help="Version of the protocol.")
@click.option("--publisher-secret", envvar=PUBLISHER_VARIABLES, help="Key of publishers' tokens.")
@click.option("--subscriber-secret", envvar=SUBSCRIBER_VARIABLES, help="Key of subscribers' tokens.")
@click.option("--algorithms", type=_Checked("names", words), help="Algorithms that tokens may have.")
@click.option("--issuer", help="Who signs with the two keys (1.0); the hub's URL where it is left out.")
@click.option("--issuers", type=_Checked("json", read_issuers), help="Others and their keys (1.0), as JSON.")
@click.option("--allow-anonymous/--no-allow-anonymous", default=True, help="Show public updates to all.")
@click.option("--cors-origins", default="*", type=_ORIGINS, help="Origins of pages that may use the hub.")
@click.option("--publish-origins", default="", type=_EXACT_ORIGINS, help="Origins whose pages publish.")
@click.option("--cookie-name", envvar="MERCURE_AUTHZ_COOKIE_NAME", help="Cookie with a browser's token.")
@click.option("--subscriptions/--no-subscriptions", default=True, help="Tell who follows what.")
@click.option("--max-body-size", default=_LIMITS.body_size, type=_LIMIT, help="Bytes of a request's body.")
@click.option("--max-topics", default=_LIMITS.topics, type=_LIMIT, help="Topics of one update.")
@click.option("--max-selectors", type=_LIMIT, help="Selectors of one subscriber.  [default: 1000; 1.0: 100]")
@click.option("--debug", is_flag=True, help="Log why requests are refused.")
def main(host: str, port: int, debug: bool, **options: Any) -> None:
    """Run a Mercure hub.

    A key is a secret, a PEM, or the URL of a JWK Set. On a loopback address a missing one is made up, so
    that the first try works.
    """
    logging.basicConfig(level=logging.INFO if debug else logging.WARNING)
    listener = socket.create_server((host, port), family=_family(host), backlog=1024)
    listener.setblocking(False)
    port = listener.getsockname()[1]  # known from now on
    url = _public_url(options["public_url"], options["protocol"])
    try:
        settings = Settings(host, port, url, options)
        standalone = settings.standalone(listener)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error
    standalone.start()
    click.echo(f"Hub: {url or _own_url(host, port)}")
    for line in settings.lines():
        click.echo(line)
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stopping.set)
    stopping.wait()
    standalone.stop(STOP_TIMEOUT)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class Settings:
    """The objects that the command's options ask for.

    :param url: the hub's public URL, None where nobody said it.
    :raises ConfigurationError: a key cannot be used.
    """

    def __init__(self, host: str, port: int, url: str | None, options: dict[str, Any]) -> None:
        self._options = options
        self._issuers: Issuers | None = options["issuers"]
        self._limits = Limits(options["max_body_size"], options["max_topics"], options["max_selectors"])
        self._url = url or _own_url("localhost" if _is_loopback(host) else host, port)
        if url is None and not _is_loopback(host) and options["protocol"] != PROTOCOLS[0]:
            raise click.UsageError(
                "--public-url is missing: tokens of Mercure 1.0 name the hub by it; give the clients' URL"
            )
        # Whatever a client calls this machine, it means this hub.
        names = ("localhost", "127.0.0.1", "::1") if _is_loopback(host) else ()
        self._aliases = [_own_url(name, port) for name in names]
        self._own_names = [options["issuer"]] if options["issuer"] else [self._url, *self._aliases]
        self._publisher_key = options["publisher_secret"] or _made_up(host, "--publisher-secret")
        self._subscriber_key = options["subscriber_secret"] or _made_up(host, "--subscriber-secret")
        self._publisher_keys = self._keys("--publisher-secret", self._publisher_key)
        self._subscriber_keys = self._keys("--subscriber-secret", self._subscriber_key)
        self._versions = self._speak()

    def standalone(self, listener: socket.socket) -> Server:
        """Return what serves requests."""
        options = self._options
        hub = Hub(
            self._versions, allow_anonymous=options["allow_anonymous"], subscriptions=options["subscriptions"]
        )
        front = Front(
            hub,
            publishers=self._authority("publisher", self._publisher_keys),
            subscribers=self._authority("subscriber", self._subscriber_keys),
            publish_origins=options["publish_origins"],
            cors=Cors(options["cors_origins"]),
        )
        return Server(listener, front, limits=HttpLimits(body_size=self._limits.body_size))

    def lines(self) -> Iterator[str]:
        """Yield what is told once, at the start: a publisher's token, and what was made up."""
        if not is_key_set_url(self._publisher_key):
            key = self._publisher_keys()[0]
            if key.can_sign:
                version = self._versions.newest
                claims = version.claims(now=time.time(), publish=["*"])
                yield f"Publisher JWT: {sign(claims, key, type=version.token_type)}"
        if not self._options["subscriber_secret"]:
            yield f"Subscriber secret, made up for this run: {self._subscriber_key}"

    def _authority(self, role: Role, own: KeySource) -> Authority:
        algorithms = self._options["algorithms"]
        return authority(role, own, own_names=self._own_names, issuers=self._issuers, algorithms=algorithms)

    def _keys(self, option: str, key: str) -> KeySource:
        return key_source(option, key, self._options["algorithms"])

    def _speak(self) -> Versions:
        return speak(
            self._options["protocol"],
            self._url,
            issuer=self._own_names[0],
            aliases=self._aliases,
            authorization_servers=authorization_servers(self._issuers),
            limits=self._limits,
            cookie_name=self._options["cookie_name"],
        )


def _public_url(given: str | None, protocol: str) -> str | None:
    if given is None:
        return None
    try:
        return checked_hub_url(given, fixed_path=has_fixed_path(protocol))
    except ValueError as error:
        raise click.UsageError(f"--public-url: {given!r} {error}") from error


def _own_url(host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}{HUB_PATH}"


def _made_up(host: str, option: str) -> str:
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
