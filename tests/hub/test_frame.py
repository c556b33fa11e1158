"""An update on its way to many."""

from __future__ import annotations

import sys

import pytest

from flask_mercure_sse.hub.frame import Frame, SubscriptionFrame
from flask_mercure_sse.hub.hub import Hub
from flask_mercure_sse.protocol.selectors import Selector
from flask_mercure_sse.protocol.sse import encode
from flask_mercure_sse.protocol.subscriptions import Subscription
from flask_mercure_sse.protocol.update import Update
from flask_mercure_sse.protocol.v0 import MERCURE_0
from flask_mercure_sse.protocol.versions import Versions


def test_all_subscribers_share_the_same_bytes() -> None:
    """Mercure 0.x, Publication: an update is encoded once, however many follow it."""
    hub = Hub(Versions(MERCURE_0))
    wanted = MERCURE_0.subscribe_request([("topic", "/books/1")], None)
    sent: list[bytes] = []
    for _ in range(3):
        hub.subscribe(wanted, None, lambda frame: sent.append(frame.encoded))
    update = Update(("/books/1",), data="hi")
    hub.publish(update)
    first, second, third = sent
    assert first == encode(update)
    assert first is second is third


def test_update_is_encoded_when_somebody_needs_it() -> None:
    """Mercure 0.x, Publication."""
    frame = Frame(Update(("/books/1",)))
    assert frame._encoded is None
    assert frame.encoded == encode(frame.update)


@pytest.mark.parametrize("active", [True, False])
def test_subscription_event_is_what_the_version_writes_under_the_id_that_was_told(active: bool) -> None:
    """Mercure 0.x, Subscription Events."""
    subscription = Subscription(Selector("/books/1"), "urn:uuid:1", {"name": "Ada"})
    frame = SubscriptionFrame(MERCURE_0, subscription, active=active)
    assert frame.update == MERCURE_0.subscription_update(subscription, active=active, id=frame.id)
    assert frame.encoded == encode(frame.update)
    assert frame.update is frame.update


def test_subscription_event_keeps_no_pattern() -> None:
    """Mercure 0.x, Subscription Events: a history is full of them, and a pattern takes much memory."""
    hub = Hub(Versions(MERCURE_0))
    wanted = MERCURE_0.subscribe_request([("topic", "/books/{id}")], None)
    pattern = wanted.selectors[0].pattern
    others = sys.getrefcount(pattern)
    hub.unsubscribe(hub.subscribe(wanted, None).subscriber)
    assert sys.getrefcount(pattern) == others
