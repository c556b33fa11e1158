"""The URLs by which the standalone hub is known."""

from __future__ import annotations

from ..protocol.errors import ConfigurationError
from ..protocol.hub_url import checked_hub_url
from ..protocol.version import HUB_PATH
from ..protocol.versions import PROTOCOLS, has_fixed_path
from .listeners import Listener
from .sources import Told


class Identity:
    """A hub's URL, and its other names.

    :raises ConfigurationError: the public URL is not valid, or missing where it is needed.
    """

    def __init__(self, told: Told, listener: Listener) -> None:
        public_url = _public_url(told, listener)
        names = ("localhost", "127.0.0.1", "::1") if listener.is_loopback else ()
        self.url: str = public_url or _url_at(listener.host, listener.port)
        """As clients or at least this machine reach the hub."""
        self.name: str = public_url or _url_at(names[0] if names else listener.host, listener.port)
        """As tokens name the hub."""
        self.aliases: list[str] = [_url_at(name, listener.port) for name in names]
        """Other URLs that mean this hub: whatever a client calls its own machine."""
        issuer = told.options.issuer
        self.issuers: list[str] = [issuer] if issuer else [self.name, *self.aliases]
        """Who signs with the hub's own keys."""


def _public_url(told: Told, listener: Listener) -> str | None:
    given, protocol = told.options.public_url, told.options.protocol
    if given is not None:
        try:
            return checked_hub_url(given, fixed_path=has_fixed_path(protocol))
        except ValueError as error:
            raise ConfigurationError(f"{told.label('public_url')}: {given!r} {error}") from error
    missing = "--public-url is missing"
    if listener.port is None:
        raise ConfigurationError(f"{missing}: a Unix socket has no URL; give the clients' URL")
    if not listener.is_loopback and protocol != PROTOCOLS[0]:
        raise ConfigurationError(
            f"{missing}: tokens of Mercure 1.0 name the hub by it; give the clients' URL"
        )
    return None


def _url_at(host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}{HUB_PATH}"
