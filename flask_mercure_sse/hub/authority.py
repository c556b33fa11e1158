"""Whose tokens the hub believes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..protocol.errors import Unauthorized
from ..protocol.tokens import Rights, decode_token, expiry
from ..protocol.version import ProtocolVersion
from .forks import renew_in_children

REMEMBERED_TOKENS = 4096

_KeyAndToken = tuple[str | bytes, str]  # the key may be changed while the hub runs


class Authority:
    """Verifies the tokens of one role, publisher or subscriber, and remembers those that it verified.

    :param version: says how a token's claims are read.
    :param key: returns the secret of the role, or raises :class:`MissingKeyError`.
    """

    def __init__(self, version: ProtocolVersion, key: Callable[[], str | bytes]) -> None:
        self._version = version
        self._key = key
        self._verified: dict[_KeyAndToken, Rights] = {}
        self._lock = threading.Lock()
        renew_in_children(self)

    def rights(self, token: str, now: float) -> Rights:
        """Return what a token grants.

        :param now: the present, in seconds since the epoch.
        :raises Unauthorized: the token is not valid, or no longer.
        :raises MissingKeyError: there is no secret to check it with.
        """
        key = self._key()
        rights = self._verified.get((key, token))
        if rights is None:
            claims = decode_token(token, key)
            rights = self._version.rights(claims, expiry(claims, now))
            self._remember((key, token), rights)
        if rights.expires_at is not None and rights.expires_at <= now:
            raise Unauthorized("the token has expired")
        return rights

    def renew_after_fork(self) -> None:
        """Begin anew in a forked process."""
        self._lock = threading.Lock()

    def _remember(self, verified: _KeyAndToken, rights: Rights) -> None:
        with self._lock:
            self._verified[verified] = rights
            if len(self._verified) > REMEMBERED_TOKENS:
                del self._verified[next(iter(self._verified))]
