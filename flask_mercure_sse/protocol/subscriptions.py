"""Subscriptions: who follows what, as the hub tells it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Subscription:
    """One selector of one subscriber.

    :param selector: the selector as the subscriber gave it.
    :param subscriber: the id that the hub gave the subscriber's connection.
    :param payload: what the subscriber's token says of them, None for nothing.
    """

    selector: str
    subscriber: str
    payload: object = None


def encode_part(text: str) -> str:
    """Percent-encode one part of a subscription's URL (`Mercure, Subscription Events`)."""
    return quote(text, safe="")
