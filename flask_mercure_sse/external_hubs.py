"""The further hubs of an app: their URLs, and the tokens that they want."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .app_keys import ROLES, Keys, Role, is_short
from .config import MercureConfig
from .hub_tokens import HubTokens
from .named_hubs import NamedHub
from .protocol.errors import ConfigurationError
from .protocol.keys import Key
from .protocol.versions import speak


@dataclass(frozen=True, slots=True, eq=False)
class ExternalHub:
    """A further hub.

    :param name: by which the app calls it.
    :param url: its URL, as the app reaches it.
    :param public_url: its URL for browsers.
    :param tokens: makes the tokens for it.
    :param publisher_token: returns the one with which the app publishes.
    """

    name: str
    url: str
    public_url: str
    tokens: HubTokens
    publisher_token: Callable[[], str]

    def hub_url(self, *, public: bool) -> str:
        """Return the hub's URL, as browsers or as the app reach it."""
        return self.public_url if public else self.url


def external_hubs(config: MercureConfig, keys: Keys) -> Mapping[str, ExternalHub]:
    """Return the further hubs of an app, by name.

    :raises ConfigurationError: a hub has no token for publishing, or one of its keys cannot be used.
    """
    return {name: _external_hub(name, hub, config, keys) for name, hub in config.hubs.items()}


def _external_hub(name: str, hub: NamedHub, config: MercureConfig, keys: Keys) -> ExternalHub:
    given = hub.publisher_jwt
    if not given and not hub.publisher_secret_key and not keys.find("publisher_secret_key"):
        raise ConfigurationError(
            f"MERCURE_HUBS: {name!r} has no token for publishing: give its publisher_jwt, or its "
            "publisher_secret_key to make them with"
        )
    public_url = hub.public_url or hub.url
    versions = speak(
        config.protocol,
        public_url,
        issuer=config.issuer,
        cookie_name=hub.authz_cookie_name or config.authz_cookie_name,
    )
    tokens = HubTokens(versions, config.token_lifetime, _signing_keys(name, hub, keys))
    publisher_token = (lambda: given) if given else tokens.for_publishing()
    return ExternalHub(name, hub.url, public_url, tokens, publisher_token)


def _signing_keys(name: str, hub: NamedHub, keys: Keys) -> Callable[[Role], Key]:
    """Return what finds the keys that sign the tokens for a hub: its own, else the app's."""
    own: dict[Role, Key] = {}
    for role in ROLES:
        if given := getattr(hub, role):
            own[role] = keys.key_of(setting_of_hub(name, role), given)
    return lambda role: own[role] if role in own else keys.signing_key(role)


def short_keys(hubs: Mapping[str, NamedHub]) -> list[str]:
    """Return the names of the settings of hubs whose secrets are shorter than HS256 asks for."""
    keys: list[tuple[str, Role, str | bytes | None]] = [
        (name, role, getattr(hub, role)) for name, hub in hubs.items() for role in ROLES
    ]
    return [setting_of_hub(name, role) for name, role, key in keys if is_short(key)]


def setting_of_hub(name: str, role: Role) -> str:
    """Return the name of the setting of a hub's key."""
    return f"MERCURE_HUBS: {name}: {role}"
