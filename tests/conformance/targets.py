"""The hubs to judge: this package's own, in each form and version, or any other that the environment names.

This is the one module here that knows the package, and it only starts it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.server.processes import free_port, serving

from .hub import FEATURES, Hub

if TYPE_CHECKING:
    from flask import Flask

PATH = "/.well-known/mercure"
PREFIX = "MERCURE_CONFORMANCE_"

PUBLISHER_KEY = "the publishers' secret, long enough for HS256"
SUBSCRIBER_KEY = "the subscribers' secret, long enough for HS256"
ISSUER = "https://issuer.example"
PAGE = "https://app.example"

OWN = {
    "standalone 0.x": ("0.x", "standalone"),
    "embedded 0.x": ("0.x", "embedded"),
    "standalone 1.0": ("1.0", "standalone"),
    "embedded 1.0": ("1.0", "embedded"),
}
"""This package's hubs: version and form by name."""

LEAVING = 0.5
"""Seconds between the comments of an embedded hub: so fast it notices that a client has left."""


def foreign(environment: Mapping[str, str] = os.environ) -> Hub | None:
    """Return the hub that the environment names, None where it names none."""
    known = {"URL", "PROTOCOL", "PUBLISHER_KEY", "SUBSCRIBER_KEY", "ALGORITHM", "ISSUER", "AUDIENCE"}
    known |= {"COOKIE_NAME", "CORS_ORIGIN", "PUBLISH_ORIGIN", "OPENING_COMMENT"}
    known |= {name.upper() for name in FEATURES} - {"CORS", "PUBLISH_ORIGINS"}
    given = {
        name.removeprefix(PREFIX): value for name, value in environment.items() if name.startswith(PREFIX)
    }
    if unknown := given.keys() - known:
        raise ValueError(f"unknown: {', '.join(PREFIX + name for name in sorted(unknown))}")
    if "URL" not in given:
        return None
    features = {name for name in FEATURES if given.get(name.upper(), "on") != "off"}
    features -= set() if given.get("CORS_ORIGIN") else {"cors"}
    features -= set() if given.get("PUBLISH_ORIGIN") else {"publish_origins"}
    return Hub(
        url=given["URL"],
        protocol=given.get("PROTOCOL", "1.0"),
        publisher_key=_key(given["PUBLISHER_KEY"]),
        subscriber_key=_key(given["SUBSCRIBER_KEY"]),
        algorithm=given.get("ALGORITHM", "HS256"),
        issuer=given.get("ISSUER", ISSUER),
        audience=given.get("AUDIENCE", ""),
        cookie=given.get("COOKIE_NAME", ""),
        cors_origin=given.get("CORS_ORIGIN", ""),
        publish_origin=given.get("PUBLISH_ORIGIN", ""),
        features=frozenset(features),
        opening_comment=given.get("OPENING_COMMENT", "on") != "off",
    )


def _key(given: str) -> str:
    """Return a secret, or the PEM file at a path."""
    is_path = len(given) < 4096 and "\n" not in given and Path(given).is_file()
    return Path(given).read_text() if is_path else given


@contextmanager
def own(name: str) -> Iterator[Hub]:
    """Start one of this package's hubs, and stop it at the end."""
    protocol, form = OWN[name]
    with {"standalone": standalone, "embedded": embedded}[form](protocol) as url:
        yield described(url, protocol)


def described(url: str, protocol: str) -> Hub:
    return Hub(
        url, protocol, PUBLISHER_KEY, SUBSCRIBER_KEY, issuer=ISSUER, cors_origin=PAGE, publish_origin=PAGE
    )


@contextmanager
def standalone(
    protocol: str,
    publisher_key: str = PUBLISHER_KEY,
    subscriber_key: str = SUBSCRIBER_KEY,
    algorithm: str = "HS256",
    switches: tuple[str, ...] = ("--allow-anonymous", "--subscriptions"),
    public_url: str | None = None,
) -> Iterator[str]:
    """Run the standalone hub and give its URL.

    :param public_url: its URL for browsers, where it is another.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}{PATH}"
    options = {
        "--host": "127.0.0.1",
        "--port": str(port),
        "--publisher-secret": publisher_key,
        "--subscriber-secret": subscriber_key,
        "--algorithms": algorithm,
        "--cors-origins": PAGE,
        "--publish-origins": PAGE,
        "--protocol": protocol,
        "--public-url": public_url or url,
        "--issuer": ISSUER,
    }
    arguments = [part for option in options.items() for part in option]
    with serving(
        *("flask_mercure_sse.server", *arguments, *switches),
        port=port,
        path=PATH,
    ) as server:
        yield url
        _check(server.log)


@contextmanager
def embedded(protocol: str) -> Iterator[str]:
    """Run an app with the embedded hub and give the hub's URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}{PATH}"
    with serving(
        *("gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "1", "--worker-class", "gevent"),
        *("--graceful-timeout", "1", "--log-level", "warning", "--limit-request-line", "8190"),
        f"{__name__}:app({protocol!r}, {url!r})",
        port=port,
        path=PATH,
    ) as server:
        yield url
        _check(server.log)


def _check(log: str) -> None:
    """Look for what no request may bring into a log: an error of the hub's own, or a token.

    Before the hub is stopped, because interpreters complain when they end amid open streams.
    """
    shown_at_the_start = "Publisher JWT: "
    lines = [line for line in log.splitlines() if not line.startswith(shown_at_the_start)]
    assert not [line for line in lines if "Traceback" in line or "eyJ" in line], "\n".join(lines)


def app(protocol: str, url: str) -> Flask:
    """Return a tiny app with the hub in it; runs in the server's process."""
    from flask import Flask

    from flask_mercure_sse import MercureSSE

    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="the app's own secret, which the hub does not use",
        MERCURE_PROTOCOL=protocol,
        MERCURE_HUB=True,
        MERCURE_PUBLIC_HUB_URL=url,
        MERCURE_PUBLISHER_SECRET_KEY=PUBLISHER_KEY,
        MERCURE_SUBSCRIBER_SECRET_KEY=SUBSCRIBER_KEY,
        MERCURE_ISSUER=ISSUER,
        MERCURE_HUB_ALLOW_PUBLISH=True,
        MERCURE_HUB_KEEPALIVE_INTERVAL=LEAVING,
        MERCURE_CORS_ORIGINS=PAGE,
        MERCURE_PUBLISH_ORIGINS=PAGE,
    )
    MercureSSE(app)
    return app
