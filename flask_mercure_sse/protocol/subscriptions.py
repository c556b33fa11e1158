"""Subscriptions: who follows what, as the hub tells it."""

from __future__ import annotations

from dataclasses import dataclass
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


def encode_part(text: str) -> str:
    """Percent-encode one part of a subscription's URL (`Mercure, Subscription Events`)."""
    return quote(text, safe="")
