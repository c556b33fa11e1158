"""External hubs as an app publishes on them: their URLs and the tokens that they want."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .app_keys import Keys
from .config import MercureConfig
from .named_hubs import NamedHub
from .protocol.errors import ConfigurationError
from .protocol.keys import Key, sign
from .protocol.version import ProtocolVersion
from .protocol.versions import speak
from .publishers.renewal import RenewedToken

TOKEN_LIFETIME = 900.0
"""Seconds for which a publisher's token is good that the app makes for itself, unless others are shorter."""


@dataclass(frozen=True, slots=True, eq=False)
class ExternalHub:
    """A further hub.

    :param url: its URL, as the app reaches it.
    :param public_url: its URL for browsers.
    :param token: returns the token for publishing on it.
    """

    url: str
    public_url: str
    token: Callable[[], str]


def renewed_token(version: ProtocolVersion, key: Callable[[], Key], config: MercureConfig) -> RenewedToken:
    """Return what makes the app's tokens for publishing.

    :param key: returns the key that signs them.
    """

    def make(lifetime: float) -> str:
        claims = version.claims(now=time.time(), lifetime=lifetime, publish=["*"])
        return sign(claims, key(), type=version.token_type)

    return RenewedToken(make, min(TOKEN_LIFETIME, config.token_lifetime or TOKEN_LIFETIME))


def external_hubs(config: MercureConfig, keys: Keys) -> Mapping[str, ExternalHub]:
    """Return the further hubs of an app, by name.

    :raises ConfigurationError: a hub has no token, or none can be made.
    """
    return {name: _external_hub(name, hub, config, keys) for name, hub in config.hubs.items()}


def _external_hub(name: str, hub: NamedHub, config: MercureConfig, keys: Keys) -> ExternalHub:
    public_url = hub.public_url or hub.url
    if token := hub.publisher_jwt:
        return ExternalHub(hub.url, public_url, lambda: token)
    if not hub.publisher_secret_key and not keys.find("publisher_secret_key"):
        raise ConfigurationError(
            f"MERCURE_HUBS: {name!r} has no token for publishing: give its publisher_jwt, or its "
            "publisher_secret_key to make them with"
        )
    version = speak(config.protocol, public_url, issuer=config.issuer).newest
    return ExternalHub(hub.url, public_url, renewed_token(version, _key_of(name, hub, keys), config))


def _key_of(name: str, hub: NamedHub, keys: Keys) -> Callable[[], Key]:
    if not hub.publisher_secret_key:
        return lambda: keys.signing_key("publisher_secret_key")
    key = keys.key_of(f"MERCURE_HUBS: {name}: publisher_secret_key", hub.publisher_secret_key)
    return lambda: key
