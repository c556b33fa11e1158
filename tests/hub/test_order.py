"""One order for all, whatever the threads do: no gap, no repeat, no neighbour skipped."""

from __future__ import annotations

import string
import time
from collections.abc import Callable
from itertools import cycle, islice
from threading import Barrier, Thread

import pytest

from flask_mercure_sse.hub.frame import Frame
from flask_mercure_sse.hub.hub import Hub
from flask_mercure_sse.protocol.update import Update
from flask_mercure_sse.protocol.uri_template import UriTemplate
from flask_mercure_sse.protocol.v0 import MERCURE_0
from flask_mercure_sse.protocol.versions import Versions

PUBLISHERS = 3
UPDATES = 100
"""Updates of each publisher."""

WAIT = 30


@pytest.fixture(autouse=True)
def threads_alternate_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the other threads go first, where they can, whenever a template is tried or a frame delivered."""
    matches = UriTemplate.matches

    def matches_after_others(template: UriTemplate, topic: str) -> bool:
        time.sleep(0)
        return matches(template, topic)

    monkeypatch.setattr(UriTemplate, "matches", matches_after_others)


@pytest.fixture
def hub() -> Hub:
    return Hub(Versions(MERCURE_0), history_length=PUBLISHERS * UPDATES + 1)


class Reader:
    """A subscriber that keeps apart what was replayed and what came live."""

    def __init__(self, hub: Hub, topic: str, after: str | None) -> None:
        self._live: list[str] = []
        wanted = MERCURE_0.subscribe_request([("topic", topic)], after)
        joined = hub.subscribe(wanted, None, self._deliver)
        self.subscriber = joined.subscriber
        self._replayed = [frame.id for frame in joined.replay]

    def _deliver(self, frame: Frame) -> None:
        time.sleep(0)
        self._live.append(frame.update.id)

    @property
    def ids(self) -> list[str]:
        return self._replayed + self._live


def publish_from_threads(hub: Hub, meanwhile: Callable[[Callable[[], bool]], None]) -> None:
    """Publish on several threads at once, and do something else on this one until they are done."""

    start = Barrier(PUBLISHERS)

    def publish(publisher: int) -> None:
        start.wait(WAIT)
        for number in range(UPDATES):
            hub.publish(Update(("/books/1",), id=f"{publisher}-{number}"))

    threads = [Thread(target=publish, args=[publisher], daemon=True) for publisher in range(PUBLISHERS)]
    for thread in threads:
        thread.start()
    meanwhile(lambda: any(thread.is_alive() for thread in threads))
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive()


def history(hub: Hub) -> list[str]:
    return Reader(hub, "/books/1", "earliest").ids


def test_replay_and_live_join_without_a_gap_and_without_a_repeat(hub: Hub) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    hub.publish(Update(("/books/1",), id="first"))
    readers: list[tuple[str, Reader]] = []

    def come_back_again_and_again(publishing: Callable[[], bool]) -> None:
        cursor = "first"
        for _ in range(20):
            readers.append((cursor, Reader(hub, "/books/{id}", cursor)))
            cursor = (readers[-1][1].ids or [cursor])[-1]
            if not publishing():
                break

    publish_from_threads(hub, come_back_again_and_again)
    order = history(hub)
    for cursor, reader in readers:
        assert reader.ids == order[order.index(cursor) + 1 :]


def test_everybody_sees_the_order_of_the_history(hub: Hub) -> None:
    """Mercure 0.x, Publication; Reconnection, State Reconciliation and Event Sourcing."""
    readers = [Reader(hub, topic, None) for topic in islice(cycle(["/books/1", "/books/{id}", "*"]), 12)]
    publish_from_threads(hub, lambda publishing: None)
    order = history(hub)
    assert len(order) == len(set(order)) == PUBLISHERS * UPDATES
    for reader in readers:
        assert reader.ids == order
    for publisher in range(PUBLISHERS):
        own = [event_id for event_id in order if event_id.startswith(f"{publisher}-")]
        assert own == [f"{publisher}-{number}" for number in range(UPDATES)]


def test_no_neighbour_is_skipped_when_others_come_and_go(hub: Hub) -> None:
    """Mercure 0.x, Subscription."""
    staying = [Reader(hub, topic, None) for topic in ("/books/1", "/books/{id}", "*")]
    passing_by = ["/books/1", *(f"/books/{{{name}}}" for name in string.ascii_lowercase)]

    def come_and_go(publishing: Callable[[], bool]) -> None:
        while publishing():
            for reader in [Reader(hub, topic, None) for topic in passing_by]:
                hub.unsubscribe(reader.subscriber)

    publish_from_threads(hub, come_and_go)
    order = history(hub)
    assert len(order) == PUBLISHERS * UPDATES
    for reader in staying:
        assert reader.ids == order
