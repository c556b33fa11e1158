"""Streams of the standalone hub end with their token, whatever the clock does."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import gevent
import pytest

from flask_mercure_sse.hub.hub import Hub
from flask_mercure_sse.protocol.v0 import MERCURE_0
from flask_mercure_sse.protocol.versions import Versions
from flask_mercure_sse.server.fanout import TICK, FanOut


@pytest.fixture
def fanout() -> Iterator[FanOut]:
    """Open streams, served by this thread's loop, which has turned for a while."""
    fanout = FanOut(Hub(Versions(MERCURE_0)), keepalive_interval=0)
    fanout.start()
    gevent.sleep(2 * TICK)
    yield fanout
    fanout.stop()


def open_until(fanout: FanOut, moment: float) -> socket.socket:
    """Open a stream that ends at a moment, and return its client."""
    ours, client = socket.socketpair()
    ours.setblocking(False)
    subscriber = fanout._hub.subscribe(MERCURE_0.subscribe_request([("topic", "/a")], None), None).subscriber
    fanout.open(ours.detach(), subscriber, b"", ends_at=moment)
    return client


def test_a_stream_ends_with_its_token(fanout: FanOut) -> None:
    """Mercure 0.x, Subscribers: or the other tests here would show nothing."""
    with open_until(fanout, time.time() + TICK):
        gevent.sleep(4 * TICK)
        assert len(fanout) == 0


def test_a_stream_whose_token_expired_on_the_way_ends(fanout: FanOut) -> None:
    """Mercure 0.x, Subscribers: keys may have been fetched between the check and the opening."""
    with open_until(fanout, time.time() - 2 * TICK):
        gevent.sleep(4 * TICK)
        assert len(fanout) == 0


def test_a_stream_ends_although_the_clock_was_set_back(
    fanout: FanOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mercure 0.x, Subscribers: at a correction of the time."""
    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() - 3600)
    with open_until(fanout, time.time() + TICK):
        gevent.sleep(4 * TICK)
        assert len(fanout) == 0


def test_the_clock_may_be_set_far_ahead(fanout: FanOut, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 0.x, Subscribers: as on machines that start in 1970 and are told the time later."""
    later = time.time() + 365 * 24 * 3600 / 10
    monkeypatch.setattr(time, "time", lambda: later)
    start = time.thread_time()
    fanout._on_tick()
    assert time.thread_time() - start < 0.1
