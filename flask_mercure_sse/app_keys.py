"""The keys of an app's tokens."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from .config import MAKE_A_KEY, MercureConfig
from .protocol.errors import MissingKeyError
from .protocol.keys import KEY_LENGTH, Key, KeySource, is_pem
from .server.issuers import is_key_set_url, key_source

Role = Literal["publisher_secret_key", "subscriber_secret_key"]
ROLES: tuple[Role, ...] = ("publisher_secret_key", "subscriber_secret_key")


class Keys:
    """The keys of an app's tokens; what is not set for a role is the app's own SECRET_KEY.

    That one is read when it is needed, as Flask does: it may be set after the extension is.

    :raises ConfigurationError: a key cannot be used.
    """

    def __init__(self, app_config: Mapping[str, Any], config: MercureConfig) -> None:
        self._app_config = app_config
        self._algorithms = config.algorithms
        self._given: dict[Role, str | bytes | None] = {
            "publisher_secret_key": config.publisher_secret_key,
            "subscriber_secret_key": config.subscriber_secret_key,
        }
        self._own: dict[Role, KeySource] = {
            role: key_source(setting_of(role), key, config.algorithms)
            for role, key in self._given.items()
            if key
        }
        if app_config.get("SECRET_KEY") and len(self._own) < len(ROLES):
            _secret_key(app_config["SECRET_KEY"], config.algorithms)  # what cannot be used is told now

    def find(self, role: Role) -> str | bytes | None:
        """Return the key of a role as it is set, None where there is none."""
        return self._given[role] or self._app_config.get("SECRET_KEY")

    def source(self, role: Role) -> KeySource:
        """Return what gives the keys that check the tokens of a role."""
        return self._own.get(role) or (lambda: (self._app_key(role),))

    def signing_key(self, role: Role) -> Key:
        """Return the key that signs the tokens of a role.

        :raises MissingKeyError: there is none, or it can only check them.
        """
        return _signing_key(setting_of(role), self._given[role], self.source(role))

    def key_of(self, setting: str, given: str | bytes) -> Key:
        """Return the key of another setting, which signs tokens for another hub.

        :raises ConfigurationError: it cannot be used, or only check them.
        """
        return _signing_key(setting, given, key_source(setting, given, self._algorithms))

    def short(self) -> list[str]:
        """Return the names of the settings whose secrets are shorter than HS256 asks for."""
        return list(dict.fromkeys(self.setting(role) for role in ROLES if is_short(self.find(role))))

    def setting(self, role: Role) -> str:
        """Return the name of the setting that has the key of a role."""
        return setting_of(role) if self._given[role] else "SECRET_KEY"

    def _app_key(self, role: Role) -> Key:
        secret = self._app_config.get("SECRET_KEY")
        if not secret:
            raise MissingKeyError(
                f"{setting_of(role)} is not set and neither is SECRET_KEY, so tokens can be neither made "
                f"nor checked: set one of them to a key made by: {MAKE_A_KEY}"
            )
        return _secret_key(secret, self._algorithms)


def is_short(key: str | bytes | None) -> bool:
    """Tell whether a key is a secret that is shorter than HS256 asks for."""
    if not key or is_pem(key) or is_key_set_url(key):
        return False
    return len(key.encode() if isinstance(key, str) else key) < KEY_LENGTH


def setting_of(role: Role) -> str:
    """Return the name of the setting of a role's key."""
    return f"MERCURE_{role.upper()}"


def _signing_key(setting: str, given: str | bytes | None, source: KeySource) -> Key:
    key = None if given and is_key_set_url(given) else source()[0]
    if key is None or not key.can_sign:
        raise MissingKeyError(
            f"{setting} has public keys, which can only check tokens: give the private key, or get tokens "
            "from whoever has it"
        )
    return key


@lru_cache(maxsize=16)
def _secret_key(secret: str | bytes, algorithms: tuple[str, ...] | None) -> Key:
    [key] = key_source("SECRET_KEY", secret, algorithms)()
    return key
