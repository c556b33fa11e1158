"""The tokens of one hub: what they say, and which keys sign them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .app_keys import Role
from .protocol.errors import MissingKeyError
from .protocol.keys import Key, sign
from .protocol.version import ProtocolVersion
from .protocol.versions import Versions
from .publishers.renewal import RenewedToken

PUBLISHING = 900.0
"""Seconds for which a publisher's token is good that the app makes for itself, unless others are shorter."""

COOKIE_ENDS_BEFORE = 2.0
"""Seconds by which a cookie ends before the token in it.

A browser that came back with one that has ended would be refused, and does not try again; without a cookie
it gets public updates. A token's times are whole seconds, and the browser counts from the answer's arrival.
"""


class HubTokens:
    """Makes tokens that are good on one hub.

    :param versions: the versions of the protocol that the hub is spoken to in.
    :param lifetime: seconds for which tokens are good, None for what the version says.
    :param key: returns the key that signs the tokens of a role.
    """

    def __init__(self, versions: Versions, lifetime: float | None, key: Callable[[Role], Key]) -> None:
        self._versions = versions
        self._lifetime = lifetime
        self._key = key

    @property
    def version(self) -> ProtocolVersion:
        """The version of the protocol that tokens are made for."""
        return self._versions.newest

    @property
    def lifetime(self) -> float | None:
        """Seconds for which tokens are good, None for ever."""
        return self.version.lifetime(self._lifetime)

    @property
    def cookie_lifetime(self) -> int | None:
        """Seconds for which browsers keep a cookie with a token, None while they are open."""
        lifetime = self.lifetime
        return None if lifetime is None else max(1, int(lifetime - COOKIE_ENDS_BEFORE))

    @property
    def cookie_names(self) -> list[str]:
        """The names of all cookies that may hold a browser's token for the hub."""
        return list(dict.fromkeys(name for version in self._versions for name in version.cookie_names))

    def claims(self, **grants: Any) -> dict[str, Any]:
        """Return the claims of a token that is good from now on; see :meth:`ProtocolVersion.claims`."""
        return self.version.claims(now=time.time(), lifetime=self._lifetime, **grants)

    def signing_key(self, role: Role) -> Key:
        """Return the key that signs the tokens of a role.

        :raises MissingKeyError: there is none.
        """
        return self._key(role)

    def signed(self, role: Role, claims: Mapping[str, Any]) -> str:
        """Return a token.

        :raises MissingKeyError: there is no key to sign it with.
        """
        return sign(claims, self.signing_key(role), type=self.version.token_type)

    def make(self, role: Role, **grants: Any) -> str:
        """Return a token that is good from now on, with what it grants.

        :raises MissingKeyError: there is no key to sign it with.
        """
        return self.signed(role, self.claims(**grants))

    def for_subscriber(self, topics: Sequence[str]) -> str | None:
        """Return a subscriber's token for topics, None where there is no key to make one."""
        try:
            return self.make("subscriber_secret_key", subscribe=topics)
        except MissingKeyError:
            return None

    def for_publishing(self) -> RenewedToken:
        """Return what makes the tokens with which the app itself publishes."""

        def make(lifetime: float) -> str:
            claims = self.version.claims(now=time.time(), lifetime=lifetime, publish=["*"])
            return self.signed("publisher_secret_key", claims)

        return RenewedToken(make, min(PUBLISHING, self._lifetime or PUBLISHING))
