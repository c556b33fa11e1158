"""The keys that are the hub's own: given, or made up for a hub that only this machine can reach."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..protocol.errors import ConfigurationError
from ..protocol.keys import MAKE_A_KEY_ANYWHERE, Key, KeySource
from ..protocol.weak_secrets import weakness
from .issuers import Issuers, is_key_set_url, key_source

logger: logging.Logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OwnKey:
    """The hub's key of a role.

    :param given: a secret, a PEM, or the URL of a JWK Set.
    :param source: gives the keys that check tokens.
    :param is_made_up: whether it is good for this run alone.
    """

    given: str | bytes = field(repr=False)
    source: KeySource = field(repr=False)
    is_made_up: bool = False

    @property
    def signer(self) -> Key | None:
        """The key that makes tokens, None where it can only check them."""
        if is_key_set_url(self.given):
            return None
        key = self.source()[0]
        return key if key.can_sign else None


class Strictness:
    """What keys must be like: on a loopback address it is only said what is wrong with one.

    :param address: where the hub listens.
    :param is_loopback: whether only this machine can reach it.
    :param algorithms: those that tokens may have, None for the keys' own.
    """

    def __init__(self, address: str, *, is_loopback: bool, algorithms: Sequence[str] | None = None) -> None:
        self._address = address
        self._is_loopback = is_loopback
        self._algorithms = algorithms

    def own_key(self, label: str, given: str | bytes | None) -> OwnKey:
        """Return a key of the hub's own.

        :param label: the setting's name, for errors.
        :raises ConfigurationError: it cannot be used, or not on this address.
        """
        if given is not None:
            return OwnKey(given, self._checked(label, given))
        if not self._is_loopback:
            raise ConfigurationError(f"{label} is missing, and {self._elsewhere}")
        made_up = secrets.token_urlsafe(48)
        return OwnKey(made_up, key_source(label, made_up, self._algorithms), is_made_up=True)

    def check_issuers(self, label: str, issuers: Issuers | None) -> None:
        """Check the keys of others in the same way.

        :raises ConfigurationError: one cannot be used, or not on this address.
        """
        for issuer, keys in (issuers or {}).items():
            for role, key in keys.items():
                if not is_key_set_url(key):
                    self._checked(f"{label}: {issuer}: {role}", key)

    def _checked(self, label: str, given: str | bytes) -> KeySource:
        source = key_source(label, given, self._algorithms)
        problem = None if is_key_set_url(given) else weakness(source()[0])
        if problem and not self._is_loopback:
            raise ConfigurationError(f"{label}: the value {problem}, and {self._elsewhere}")
        if problem:
            logger.warning(
                "%s: the value %s; before others can reach the hub, make another with: %s",
                *(label, problem, MAKE_A_KEY_ANYWHERE),
            )
        return source

    @property
    def _elsewhere(self) -> str:
        return f"{self._address} is not a loopback address; make one with: {MAKE_A_KEY_ANYWHERE}"
