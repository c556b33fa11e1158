"""Subscriptions: who follows what, as the hub tells it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

from .selectors import Selector


@dataclass(frozen=True, slots=True)
class Subscription:
    """One selector of one subscriber.

    :param selector: what is followed.
    :param subscriber: the id that the hub gave the subscriber's connection.
    :param payload: what the subscriber's token says of them, None for nothing.
    """

    selector: Selector
    subscriber: str
    payload: object = None


@dataclass(frozen=True, slots=True)
class SubscriptionEvent:
    """What a subscription event tells: that somebody begins or ceases to follow something.

    :param topic: what is followed, as the subscriber's selector spells it.
    :param subscriber: the id that the hub gave the subscriber's connection.
    :param active: whether the subscription begins, else it ends.
    :param payload: what the subscriber's token says of them, None for nothing.
    """

    topic: str
    subscriber: str
    active: bool
    payload: object = None


@dataclass(frozen=True, slots=True)
class SubscriptionFilter:
    """Which subscriptions a URL of the subscription API names.

    :param match_type: only those whose selector is read in this way.
    :param text: only those with this selector.
    :param subscriber: only the one of this subscriber; needs `text`.
    """

    match_type: str | None = None
    text: str | None = None
    subscriber: str | None = None

    @property
    def is_single(self) -> bool:
        """Whether it names one subscription."""
        return self.subscriber is not None

    def admits(self, selector: Selector) -> bool:
        """Tell whether subscriptions with a selector are among them."""
        return self.match_type in (None, selector.match_type) and self.text in (None, selector.text)


ALL = SubscriptionFilter()


def read_event(data: str, *, types: Collection[str], topic: str) -> SubscriptionEvent | None:
    """Read the data of a subscription event; None where it is none (`Mercure, Subscription Events`).

    :param types: what its JSON may say as its ``type``.
    :param topic: the member that holds the selector.
    """
    try:
        document: object = json.loads(data)
    except (ValueError, RecursionError):
        return None
    told: Mapping[str, Any] = cast("dict[str, Any]", document) if isinstance(document, dict) else {}
    followed, subscriber, active = told.get(topic), told.get("subscriber"), told.get("active")
    if told.get("type") not in types or not isinstance(followed, str) or not isinstance(subscriber, str):
        return None
    if not isinstance(active, bool):
        return None
    return SubscriptionEvent(followed, subscriber, active, told.get("payload"))


def encode_part(text: str) -> str:
    """Percent-encode one part of a subscription's URL (`Mercure, Subscription Events`)."""
    return quote(text, safe="")
