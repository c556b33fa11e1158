"""What a verified token grants, and until when.

Times are compared with a clock that the caller brings: a hub checks a token once and its expiry again and
again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import InvalidToken
from .selectors import Selector, any_matches

Claims = Mapping[str, Any]

Payloads = tuple[tuple[tuple[Selector, ...], object], ...]
"""Selectors, and the payload of the subscriptions that they match."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a token grants.

    :param publish: selectors of the topics that may be published.
    :param subscribe: selectors of the topics whose private updates may be read.
    :param payloads: what is shown of the subscriber in subscription events.
    :param expires_at: end of the rights in seconds since the epoch, None for no end.
    """

    publish: tuple[Selector, ...] = ()
    subscribe: tuple[Selector, ...] = ()
    payloads: Payloads = ()
    expires_at: float | None = None

    def may_publish(self, topics: tuple[str, ...]) -> bool:
        """Tell whether every topic is granted (`Mercure, Publishers`)."""
        return all(any_matches(self.publish, (topic,)) for topic in topics)

    def may_read(self, topics: tuple[str, ...]) -> bool:
        """Tell whether one of the topics is granted (`Mercure, Subscribers`)."""
        return any_matches(self.subscribe, topics)

    def payload_for(self, selector: str) -> object:
        """Return what is shown of a subscription: the first payload that fits, even if it is None.

        :param selector: the subscription's selector, taken as a topic (`Mercure 1.0, Payloads`).
        """
        for selectors, payload in self.payloads:
            if any_matches(selectors, (selector,)):
                return payload
        return None


ANONYMOUS = Rights()


def expiry(claims: Claims, now: float) -> float | None:
    """Return when the claims expire, in seconds since the epoch, None for never.

    :param now: the present, in seconds since the epoch.
    :raises InvalidToken: they have expired, are not valid yet, or carry a time that is no number.
    """
    expires_at = _time(claims, "exp")
    not_before = _time(claims, "nbf")
    if expires_at is not None and expires_at <= now:
        raise InvalidToken("the token has expired")
    if not_before is not None and not_before > now:
        raise InvalidToken("the token is not valid yet")
    return expires_at


def _time(claims: Claims, name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidToken(f"the claim {name} is not a number")
    try:
        seconds = float(value)
    except OverflowError as error:
        raise InvalidToken(f"the claim {name} is out of range") from error
    if not math.isfinite(seconds):
        raise InvalidToken(f"the claim {name} is out of range")
    return seconds
