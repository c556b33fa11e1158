"""The body of one open stream: what was missed, then what comes, with comments when idle."""

from __future__ import annotations

import sys
import time
from threading import Thread

import pytest
from sseclient import SSEClient

from flask_mercure_sse.hub.frame import Frame
from flask_mercure_sse.hub.hub import Hub
from flask_mercure_sse.protocol.sse import COMMENT, encode
from flask_mercure_sse.protocol.update import Update
from flask_mercure_sse.protocol.v0 import MERCURE_0
from flask_mercure_sse.protocol.versions import Versions
from flask_mercure_sse.server import stream as streams
from flask_mercure_sse.server.stream import Stream

TICK = 0.02
"""Seconds; every wait of these tests is a multiple of it."""

LONG = 500 * TICK


def update(number: int, size: int = 0) -> Update:
    return Update(("/books/1",), data=str(number) + "x" * size, id=str(number))


def opened(*replay: Update, keepalive: float = LONG, expires_at: float | None = None) -> Stream:
    """A stream whose opening comment has been read."""
    stream = Stream(keepalive, expires_at)
    stream.open(map(Frame, replay), lambda: None)
    assert next(stream) == COMMENT
    return stream


def ids(stream: bytes) -> list[str]:
    return [event.id for event in SSEClient(iter([stream])).events()]


def test_stream_opens_with_a_comment() -> None:
    """Mercure 0.x, Subscription: before any update, so that ``onopen`` fires."""
    stream = Stream(LONG)
    stream.open([], lambda: None)
    stream.deliver(Frame(update(1)))
    assert next(stream) == COMMENT
    assert next(stream) == encode(update(1))


def test_what_was_missed_comes_before_what_is_new() -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    stream = Stream(LONG)
    stream.deliver(Frame(update(3)))  # between joining and opening
    stream.open(map(Frame, [update(1), update(2)]), lambda: None)
    stream.deliver(Frame(update(4)))
    assert ids(b"".join(next(stream) for _ in range(4))) == ["1", "2", "3", "4"]


def test_updates_that_wait_are_written_together() -> None:
    """Mercure 0.x, Publication: a burst costs one write and not one for each update."""
    stream = opened()
    for number in range(5):
        stream.deliver(Frame(update(number)))
    assert next(stream) == b"".join(encode(update(number)) for number in range(5))
    stream.deliver(Frame(update(5)))
    assert next(stream) == encode(update(5))


def test_a_probe_has_a_comment_sent_at_once_and_only_one() -> None:
    stream = opened(update(1))
    assert next(stream) == encode(update(1))
    stream.probe()
    assert next(stream) == COMMENT
    stream.deliver(Frame(update(2)))
    assert next(stream) == encode(update(2))


def test_an_update_is_as_good_as_a_comment_for_a_probe() -> None:
    stream = opened(keepalive=TICK)
    stream.probe()
    stream.deliver(Frame(update(1)))
    start = time.monotonic()
    assert [next(stream), next(stream)] == [encode(update(1)), COMMENT]
    assert time.monotonic() - start >= TICK * 0.9


def test_idle_stream_sends_comments() -> None:
    """Mercure 0.x, Subscription."""
    stream = opened(keepalive=TICK)
    start = time.monotonic()
    assert [next(stream), next(stream)] == [COMMENT, COMMENT]
    assert time.monotonic() - start >= 2 * TICK * 0.9
    stream.deliver(Frame(update(1)))
    assert next(stream) == encode(update(1))


def test_update_that_comes_wakes_a_waiting_stream() -> None:
    """Mercure 0.x, Publication."""
    stream = opened(keepalive=LONG)
    start = time.monotonic()
    publisher = Thread(target=lambda: (time.sleep(TICK), stream.deliver(Frame(update(1)))))
    publisher.start()
    assert next(stream) == encode(update(1))
    assert time.monotonic() - start < LONG / 2
    publisher.join()


def test_keep_alive_of_zero_sends_no_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 0.x, Subscription."""
    monkeypatch.setattr(streams, "LONGEST_WAIT", LONG)
    stream = opened(keepalive=0)
    publisher = Thread(target=lambda: (time.sleep(3 * TICK), stream.deliver(Frame(update(1)))))
    publisher.start()
    assert next(stream) == encode(update(1))
    publisher.join()


# The end


def test_slow_subscriber_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    monkeypatch.setattr(streams, "MAX_BACKLOG", 3 * len(encode(update(1))))
    stream = opened()
    for number in (1, 2, 3):
        stream.deliver(Frame(update(number)))
    assert ids(next(stream)) == ["1", "2", "3"]
    for number in (4, 5, 6, 7):
        stream.deliver(Frame(update(number)))
    assert list(stream) == []


def test_stream_that_was_cut_off_stays_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing: a later update would hide the gap."""
    monkeypatch.setattr(streams, "MAX_BACKLOG", 1)
    stream = opened()
    for number in (1, 2, 3):
        stream.deliver(Frame(update(number)))
    assert list(stream) == []
    stream.deliver(Frame(update(4)))
    assert list(stream) == []


def test_subscriber_that_keeps_up_is_never_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 0.x, Publication: what was read does not count."""
    monkeypatch.setattr(streams, "MAX_BACKLOG", 2 * len(encode(update(1))))
    stream = opened()
    for _ in range(20):
        stream.deliver(Frame(update(1)))
        stream.deliver(Frame(update(2)))
        assert ids(next(stream)) == ["1", "2"]


def test_stream_that_ended_holds_on_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 0.x, Subscription: its server may be stuck in a write for long, and updates go on."""
    frames = [Frame(update(number)) for number in range(4)]
    held = [sys.getrefcount(frame.encoded) for frame in frames]
    monkeypatch.setattr(streams, "MAX_BACKLOG", 2 * len(frames[0].encoded))
    stream = opened()
    for frame in frames:
        stream.deliver(frame)
    assert [sys.getrefcount(frame.encoded) for frame in frames] == held


@pytest.mark.parametrize("reads_every", [1, 2, 3, 5, 8, 100])
def test_what_was_given_out_and_what_is_resumed_is_everything(
    monkeypatch: pytest.MonkeyPatch, reads_every: int
) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing: nothing is lost from the middle."""
    monkeypatch.setattr(streams, "MAX_BACKLOG", 4 * len(encode(update(10))))
    hub = Hub(Versions(MERCURE_0))
    hub.publish(update(0))
    received = ["0"]
    stream = resumed(hub, after="0")
    for number in range(10, 60):
        if number % 10 == 9:
            stream = resumed(hub, after=received[-1])
        hub.publish(update(number))
        if number % reads_every == 0:
            received += ids(read_until_idle(stream))
    received += ids(read_until_idle(resumed(hub, after=received[-1])))
    assert received == ["0", *map(str, range(10, 60))]


def resumed(hub: Hub, after: str) -> Stream:
    stream = Stream(keepalive_interval=TICK / 10)
    joined = hub.subscribe(MERCURE_0.subscribe_request([("topic", "/books/1")], after), None, stream.deliver)
    assert joined.last_event_id == after
    stream.open(joined.replay, lambda: hub.unsubscribe(joined.subscriber))
    assert next(stream) == COMMENT
    return stream


def read_until_idle(stream: Stream) -> bytes:
    return b"".join(iter(lambda: next(stream, COMMENT), COMMENT))


def test_update_that_is_larger_than_the_backlog_is_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 0.x, Publication: who resumed would get it again, and again be cut off."""
    monkeypatch.setattr(streams, "MAX_BACKLOG", 100)
    stream = opened()
    for number in (1, 2):
        stream.deliver(Frame(update(number, size=1000)))
        assert next(stream) == encode(update(number, size=1000))


def test_what_was_missed_is_given_to_a_slow_subscriber_before_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing: else it would never get further."""
    monkeypatch.setattr(streams, "MAX_BACKLOG", 1)
    stream = opened(update(1), update(2))
    for number in (3, 4, 5):
        stream.deliver(Frame(update(number)))
    assert ids(b"".join(stream)) == ["1", "2"]


def test_waiting_stream_ends_when_its_token_expires() -> None:
    """Mercure 0.x, Subscribers."""
    start = time.time()
    stream = opened(expires_at=start + 3 * TICK)
    assert set(stream) <= {COMMENT}
    assert 3 * TICK <= time.time() - start < LONG / 2


def test_token_that_expires_between_comments_ends_the_stream() -> None:
    """Mercure 0.x, Subscribers."""
    stream = opened(keepalive=TICK, expires_at=time.time() + 3.5 * TICK)
    comments = list(stream)
    assert set(comments) == {COMMENT}
    assert len(comments) <= 4


def test_busy_stream_ends_when_its_token_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 0.x, Subscribers: an update that waits already is not given out any more."""
    stream = opened(expires_at=time.time() + LONG)
    stream.deliver(Frame(update(1)))
    assert next(stream) == encode(update(1))
    later = time.time() + 2 * LONG
    monkeypatch.setattr(time, "time", lambda: later)
    stream.deliver(Frame(update(2)))
    assert list(stream) == []


def test_replay_ends_when_the_token_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 0.x, Subscribers: a client that reads slowly does not read for ever."""
    stream = opened(update(1), update(2), expires_at=time.time() + LONG)
    assert next(stream) == encode(update(1))
    later = time.time() + 2 * LONG
    monkeypatch.setattr(time, "time", lambda: later)
    assert list(stream) == []


def test_expiry_far_away_does_not_matter() -> None:
    """Mercure 0.x, Subscribers."""
    stream = opened(keepalive=TICK, expires_at=1e300)
    assert next(stream) == COMMENT


def test_closing_ends_a_stream_that_waits_elsewhere() -> None:
    """Mercure 0.x, Subscription."""
    stream = opened()
    read: list[bytes] = []
    reader = Thread(target=lambda: read.extend(stream), daemon=True)
    reader.start()
    time.sleep(TICK)
    assert reader.is_alive()
    stream.close()
    reader.join(LONG / 2)
    assert not reader.is_alive()
    assert read == []


def test_closing_again_does_nothing() -> None:
    """Mercure 0.x, Subscription Events: the end of a subscription is told once."""
    closed: list[str] = []
    stream = Stream(LONG)
    stream.open([], lambda: closed.append("closed"))
    closers = [Thread(target=stream.close) for _ in range(8)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join()
    assert closed == ["closed"]


@pytest.mark.parametrize("read", [0, 1, 2])
def test_closed_stream_gives_nothing_more(read: int) -> None:
    """Mercure 0.x, Subscription: not even what was missed."""
    stream = Stream(LONG)
    stream.open(map(Frame, [update(1), update(2)]), lambda: None)
    for _ in range(read):
        next(stream)
    stream.close()
    stream.deliver(Frame(update(3)))
    assert list(stream) == []


def test_closing_leaves_the_hub() -> None:
    """Mercure 0.x, Subscription."""
    hub = Hub(Versions(MERCURE_0))
    stream = Stream(LONG)
    wanted = MERCURE_0.subscribe_request([("topic", "/books/1")], None)
    joined = hub.subscribe(wanted, None, stream.deliver)
    stream.open(joined.replay, lambda: hub.unsubscribe(joined.subscriber))
    assert len(hub.subscriptions(MERCURE_0)[0]["subscriptions"]) == 1
    stream.close()
    assert hub.subscriptions(MERCURE_0)[0]["subscriptions"] == []
