"""Streams that the hub ends: when it is told to stop, and when they have lasted long enough."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from http.client import HTTPException

from tests.faults.hubs import Process, Publisher, running
from tests.faults.streams import Stream, open_streams, read_for, read_until, reading

TOPICS = [f"/{name}" for name in "abcdefghij"]
WINDOW = 4.0


class Load(threading.Thread):
    """Publishes at full speed until the hub takes no more."""

    def __init__(self, hub: Process, topic: str) -> None:
        super().__init__(daemon=True)
        self.publisher = Publisher(hub, topic)
        self.last = 0.0
        """When the last update was acknowledged."""

    def run(self) -> None:
        try:
            while True:
                self.publisher.publish()
                self.last = time.monotonic()
        except (OSError, HTTPException):
            pass  # the hub is gone, as it should


def test_draining_under_load_loses_nothing_and_sends_all_home_apart() -> None:
    with running(drain=WINDOW) as hub, ExitStack() as readers:
        streams = {topic: open_streams(hub, 60, topic=topic) for topic in TOPICS}
        everyone = [one for some in streams.values() for one in some]
        readers.enter_context(reading(everyone))
        loads = [Load(hub, topic) for topic in TOPICS]
        for load in loads:
            load.start()
        time.sleep(1)
        before = {load.publisher.topic: len(load.publisher.acknowledged) for load in loads}
        hub.process.terminate()
        assert hub.process.wait(WINDOW + 10) == 0
        for load in loads:
            load.join(10)
    assert all(one.has_ended for one in everyone)
    last = max(load.last for load in loads)
    for load in loads:
        topic, sent, acknowledged = load.publisher.topic, load.publisher.sent, load.publisher.acknowledged
        for one in streams[topic]:
            got = one.ids
            assert got == sent[: len(got)]
            assert len(got) >= (len(acknowledged) if one.ended_at > last + 1 else before[topic]) > 10
    assert sum(one.ended_at > last + 1 for one in everyone) > len(everyone) / 2
    come_back_apart(everyone)


def come_back_apart(streams: list[Stream]) -> None:
    """Check that the hints when to come back lead to moments that are spread over the window."""
    assert all(one.retry for one in streams)
    moments = sorted(one.ended_at + (one.retry or 0) / 1000 for one in streams)
    assert moments[-1] - moments[0] >= 0.8 * WINDOW
    tenth = len(moments) // 10
    assert moments[-tenth] - moments[tenth] >= 0.6 * WINDOW


def test_longest_life_ends_streams_apart_and_nothing_is_missing_after_it() -> None:
    with running(max_lifetime=3.0) as hub:
        publisher = Publisher(hub)
        publisher.publish()
        began = time.monotonic()
        streams = open_streams(hub, 100)
        while not all(one.has_ended for one in streams):
            publisher.publish()
            read_for(0.05, streams)
        lives = sorted(one.ended_at - began for one in streams)
        assert lives[0] > 2.3
        assert lives[-1] - lives[0] > 0.2
        later = [Stream(hub, after=one.ids[-1]) for one in streams]
        publisher.publish()
        read_until(later, lambda: all(one.ids[-1:] == publisher.acknowledged[-1:] for one in later))
    for one, again in zip(streams, later, strict=True):
        assert one.ids + again.ids == publisher.acknowledged[1:]
