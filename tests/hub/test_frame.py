"""An update on its way to many."""

from __future__ import annotations

from flask_mercure_sse.hub.frame import Frame
from flask_mercure_sse.hub.hub import Hub
from flask_mercure_sse.protocol.sse import encode
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


def test_update_that_nobody_follows_is_not_encoded() -> None:
    """Mercure 0.x, Publication."""
    frame = Frame(Update(("/books/1",)))
    assert frame._encoded is None
    assert frame.encoded == encode(frame.update)
