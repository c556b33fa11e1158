"""Whose tokens the hub believes."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from ..protocol.errors import InvalidToken
from ..protocol.keys import Key, KeySource, read_token, verify
from ..protocol.rights import Rights, expiry
from ..protocol.version import ProtocolVersion
from .forks import renew_in_children

REMEMBERED_TOKENS = 4096
"""Tokens that are remembered; one counts more for each pattern in it, which takes memory."""

PATTERN_WEIGHT = 16


@runtime_checkable
class Refreshable(Protocol):
    """A source of keys that others may change."""

    def refresh_soon(self) -> None:
        """Look for new keys, unless that was done just now; returns at once."""
        ...


class _Verified(NamedTuple):
    issuer: str | None
    keys: Sequence[Key]  # they may change while the hub runs
    rights: Rights


class Authority:
    """Verifies the tokens of one role, publisher or subscriber, and remembers those that it verified.

    :param keys: gives the keys of the role, by who signs with them: an issuer of Mercure 1.0 by its name,
        the hub's own, with which versions without issuers sign, under None. Each may raise
        :class:`MissingKeyError`.
    """

    def __init__(self, keys: Mapping[str | None, KeySource]) -> None:
        self._keys = keys
        self._verified: dict[tuple[str, str], _Verified] = {}
        self._weight = 0
        self._lock = threading.Lock()
        renew_in_children(self)

    def rights(self, version: ProtocolVersion, token: str, now: float) -> Rights:
        """Return what a token grants.

        :param version: the version of the request, by whose rules the token is judged.
        :param now: the present, in seconds since the epoch.
        :raises InvalidToken: the token is not valid, or no longer.
        :raises MissingKeyError: there is no key to check it with.
        """
        known = self._verified.get((version.name, token))
        if known is None or known.keys != self._keys[known.issuer]():
            known = self._verify(version, token, now)
            self._remember((version.name, token), known)
        rights = known.rights
        if rights.expires_at is not None and rights.expires_at <= now:
            raise InvalidToken("the token has expired")
        return rights

    def renew_after_fork(self) -> None:
        """Begin anew in a forked process."""
        self._lock = threading.Lock()

    def _verify(self, version: ProtocolVersion, token: str, now: float) -> _Verified:
        issuer = version.issuer(read_token(token))
        if issuer not in self._keys:
            raise InvalidToken("the claim iss names nobody whose tokens this hub takes")
        source = self._keys[issuer]
        keys = source()
        try:
            claims = verify(token, keys)
        except InvalidToken:
            if isinstance(source, Refreshable):
                source.refresh_soon()  # the issuer may have a new key
            raise
        return _Verified(issuer, keys, version.rights(claims, expiry(claims, now)))

    def _remember(self, key: tuple[str, str], verified: _Verified) -> None:
        with self._lock:
            self._weight += _weight(verified.rights)
            if replaced := self._verified.pop(key, None):
                self._weight -= _weight(replaced.rights)
            self._verified[key] = verified
            while self._weight > REMEMBERED_TOKENS and len(self._verified) > 1:
                oldest = self._verified.pop(next(iter(self._verified)))
                self._weight -= _weight(oldest.rights)


def _weight(rights: Rights) -> int:
    patterns = sum(selector.pattern is not None for selector in (*rights.publish, *rights.subscribe))
    return 1 + PATTERN_WEIGHT * patterns
