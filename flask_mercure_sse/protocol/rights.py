"""JSON Web Tokens: making them, and what a verified one grants.

Signatures are PyJWT's work. Times are compared here, with a clock that the caller brings: a hub checks a
token once and its expiry again and again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from .errors import MissingKeyError, Unauthorized
from .selectors import Selector, any_matches

ALGORITHM = "HS256"

Claims = Mapping[str, Any]

_SIGNATURE_ONLY = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


@dataclass(frozen=True, slots=True)
class Rights:
    """What a token grants.

    :param publish: selectors of the topics that may be published.
    :param subscribe: selectors of the topics whose private updates may be read.
    :param payload: what is shown of the subscriber in subscription events.
    :param expires_at: end of the rights in seconds since the epoch, None for no end.
    """

    publish: tuple[Selector, ...] = ()
    subscribe: tuple[Selector, ...] = ()
    payload: object = None
    expires_at: float | None = None

    def may_publish(self, topics: tuple[str, ...]) -> bool:
        """Tell whether every topic is granted (`Mercure, Publishers`)."""
        return all(any_matches(self.publish, (topic,)) for topic in topics)

    def may_read(self, topics: tuple[str, ...]) -> bool:
        """Tell whether one of the topics is granted (`Mercure, Subscribers`)."""
        return any_matches(self.subscribe, topics)


ANONYMOUS = Rights()


KEY_LENGTH = 32
"""Bytes that an HS256 key should have at least (`RFC 7518, HMAC with SHA-2 Functions`)."""

MAKE_A_KEY_ANYWHERE = 'python -c "import secrets; print(secrets.token_urlsafe(48))"'
"""For where an app cannot load, or there is none, so that its commands cannot run."""


def encode_token(claims: Claims, key: str | bytes) -> str:
    """Return the HS256 token of `claims`."""
    return jwt.encode(dict(claims), _padded(key), algorithm=ALGORITHM)  # pyright: ignore[reportUnknownMemberType]


def decode_token(token: str, key: str | bytes) -> dict[str, Any]:
    """Return the claims of a token whose signature is right.

    :raises Unauthorized: the token is malformed, of another algorithm, or not signed with `key`.
    """
    try:
        return jwt.decode(token, _padded(key), algorithms=[ALGORITHM], options=_SIGNATURE_ONLY)  # pyright: ignore[reportArgumentType, reportUnknownMemberType]
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise Unauthorized(f"invalid token: {error}") from error


def _padded(key: str | bytes) -> bytes:
    """Return the key with the zero bytes that HMAC adds anyway (`RFC 2104`).

    Whoever owns the key is told once that it is short, with the setting's name; PyJWT would warn with
    every token and without it.
    """
    if not key:
        raise MissingKeyError("the key of the token is empty")
    return (key.encode() if isinstance(key, str) else key).ljust(KEY_LENGTH, b"\0")


def expiry(claims: Claims, now: float) -> float | None:
    """Return when the claims expire, in seconds since the epoch, None for never.

    :param now: the present, in seconds since the epoch.
    :raises Unauthorized: they have expired, are not valid yet, or carry a time that is no number.
    """
    expires_at = _time(claims, "exp")
    not_before = _time(claims, "nbf")
    if expires_at is not None and expires_at <= now:
        raise Unauthorized("the token has expired")
    if not_before is not None and not_before > now:
        raise Unauthorized("the token is not valid yet")
    return expires_at


def _time(claims: Claims, name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unauthorized(f"the claim {name} is not a number")
    try:
        seconds = float(value)
    except OverflowError as error:
        raise Unauthorized(f"the claim {name} is out of range") from error
    if not math.isfinite(seconds):
        raise Unauthorized(f"the claim {name} is out of range")
    return seconds
