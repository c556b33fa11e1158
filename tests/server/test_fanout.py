"""Open streams in one epoll: each gets every update once and in order, or is disconnected."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import pairwise
from types import SimpleNamespace

import gevent
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_mercure_sse.hub.hub import Hub
from flask_mercure_sse.protocol.update import Update
from flask_mercure_sse.protocol.v0 import MERCURE_0
from flask_mercure_sse.protocol.versions import Versions
from flask_mercure_sse.server import fanout as module
from flask_mercure_sse.server.counters import Counters
from flask_mercure_sse.server.draining import drain
from flask_mercure_sse.server.fanout import FanOut
from flask_mercure_sse.server.schedule import TICK

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
Open = Callable[..., socket.socket]


@pytest.fixture
def hub() -> Hub:
    return Hub(Versions(MERCURE_0), subscriptions=False)


@pytest.fixture
def fanout(hub: Hub) -> Iterator[FanOut]:
    fanout = FanOut(hub, keepalive_interval=0, max_backlog=64 * 1024)
    fanout.start()
    yield fanout
    fanout.stop()


def stream_of(hub: Hub, fanout: FanOut, *topics: str, after: str | None = None) -> socket.socket:
    """Open a stream and return the client's end."""
    ours, client = socket.socketpair()
    ours.setblocking(False)
    client.setblocking(False)
    asked = MERCURE_0.subscribe_request([("topic", topic) for topic in topics or ("/a",)], after)
    joined = hub.subscribe(asked, None)
    fanout.open(ours.detach(), joined.subscriber, HEAD, joined.replay)
    return client


@pytest.fixture
def open_stream(hub: Hub, fanout: FanOut) -> Iterator[Open]:
    """Open streams: ``open_stream("/a", after="7")`` returns the client's end."""
    clients: list[socket.socket] = []

    def open_one(*topics: str, after: str | None = None) -> socket.socket:
        clients.append(stream_of(hub, fanout, *topics, after=after))
        return clients[-1]

    yield open_one
    for client in clients:
        client.close()


def received(client: socket.socket, turns: int = 3) -> bytes:
    """Return what a client gets while the loop turns."""
    got = b""
    for _ in range(turns):
        gevent.sleep(0.005)
        try:
            while data := client.recv(1 << 20):
                got += data
        except BlockingIOError:
            pass
    return got


def ids(got: bytes) -> list[str]:
    return [line[4:].decode() for line in got.split(b"\n") if line.startswith(b"id: ")]


def test_stream_opens_with_its_head_and_a_comment(open_stream: Open) -> None:
    """Mercure 1.0, Subscription: so that ``onopen`` fires."""
    assert received(open_stream("/a")) == HEAD + b":\n"


def test_every_subscriber_of_a_topic_gets_each_update_once_and_in_order(hub: Hub, open_stream: Open) -> None:
    """Mercure 1.0, Publication."""
    clients = [open_stream("/a", "*"), open_stream("/a"), open_stream("/a")]
    for number in range(100):
        hub.publish(Update(("/a",), str(number), id=str(number)))
        if number % 7 == 0:
            gevent.sleep(0)
    for client in clients:
        assert ids(received(client)) == [str(number) for number in range(100)]


def test_updates_of_one_turn_leave_in_one_write(
    hub: Hub, open_stream: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A burst costs one system call for each subscriber, and not one for each update."""
    client = open_stream("/a")
    received(client)
    writes: list[int] = []
    write = module.os.write
    monkeypatch.setattr(module.os, "write", lambda fd, data: (writes.append(len(data)), write(fd, data))[1])
    monkeypatch.setattr(module, "JOIN_TIME", 60.0)
    for number in range(50):
        hub.publish(Update(("/a",), id=str(number)))
    assert len(ids(received(client))) == 50
    assert len(writes) == 1


def test_what_was_missed_comes_first_and_nothing_twice(hub: Hub, open_stream: Open) -> None:
    """Mercure 1.0, Reconnection, State Reconciliation, and Event Sourcing: amid updates of the same turn."""
    earlier = open_stream("/a")
    hub.publish(Update(("/a",), id="0"))
    hub.publish(Update(("/a",), id="1"))
    late = open_stream("/a", after="0")  # before the loop has written anything
    hub.publish(Update(("/a",), id="2"))
    assert ids(received(earlier)) == ["0", "1", "2"]
    assert ids(received(late)) == ["1", "2"]


def test_long_replay_to_a_slow_reader_is_whole_and_before_what_is_new(hub: Hub, open_stream: Open) -> None:
    """Mercure 1.0, Reconnection, State Reconciliation, and Event Sourcing: however large it is."""
    for number in range(400):
        hub.publish(Update(("/a",), "x" * 10_000, id=str(number)))
    client = open_stream("/a", after="0")
    for number in range(400, 405):
        hub.publish(Update(("/a",), id=str(number)))
    got = b""
    for _ in range(2000):
        got += received(client, turns=1)
        if b"id: 404\n" in got:
            break
    assert ids(got) == [str(number) for number in range(1, 405)]


def test_reader_that_is_too_slow_is_disconnected_and_has_no_hole(
    hub: Hub, fanout: FanOut, open_stream: Open
) -> None:
    """Mercure 1.0, Reconnection: it comes back with its last event id, and misses nothing."""
    slow, quick = open_stream("/a"), open_stream("/a")
    got_quick = b""
    for number in range(200):
        hub.publish(Update(("/a",), "x" * 10_000, id=str(number)))
        got_quick += received(quick, turns=1)
    assert ids(got_quick) == [str(number) for number in range(200)]
    assert len(fanout) == 1
    got = ids(received(slow))
    assert got == [str(number) for number in range(len(got))]
    assert 0 < len(got) < 200


def test_what_a_slow_reader_has_of_its_own_is_little(hub: Hub) -> None:
    """What waits for many is kept once; a part that was begun, for each of them."""
    fanout = FanOut(hub, max_backlog=2_000_000)
    fanout.start()
    slow = stream_of(hub, fanout)
    [connection] = fanout.connections
    for _ in range(1500):
        hub.publish(Update(("/a",), "x" * 1000))
    fanout.flush()
    for _ in range(10):
        slow.recv(100_000)
        gevent.sleep(0.005)
        assert len(connection.rest) <= module.MAX_JOINED + 1500
    assert connection.backlog_size > 100_000
    slow.close()
    fanout.stop()


def test_nothing_follows_an_update_that_was_too_much(hub: Hub, fanout: FanOut, open_stream: Open) -> None:
    """Mercure 1.0, Reconnection: or it would come back with an id behind what it missed."""
    slow = open_stream("/a")
    for number in range(30):
        hub.publish(Update(("/a",), "x" * 10_000, id=str(number)))
        fanout.flush()
    hub.publish(Update(("/a",), "x" * 60_000, id="too much"))
    fanout.flush()
    hub.publish(Update(("/a",), id="next"))
    fanout.flush()
    got = b""
    for _ in range(50):
        # In one turn with others' requests: the loop may find room to write before it ends the stream.
        with suppress(BlockingIOError):
            got += slow.recv(1 << 20)
        fanout._on_ready()
    sent = ids(got + received(slow))
    assert sent == [str(number) for number in range(len(sent))]


def test_who_leaves_is_forgotten_at_once(hub: Hub, fanout: FanOut, open_stream: Open) -> None:
    """Mercure 1.0, Subscription Events: also without an update that shows it."""
    for _ in range(50):
        open_stream("/a").close()
    gevent.sleep(0.02)
    assert len(fanout) == 0
    assert "0 subscribers" in repr(hub)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


def comments_and_updates(
    hub: Hub, fanout: FanOut, clock: Clock, client: socket.socket, publishes: list[bool]
) -> list[bytes]:
    """Let a tick pass for each item, publishing first where it is true; return what arrived in each."""
    arrived: list[bytes] = []
    for publish in publishes:
        clock.now += TICK
        if publish:
            hub.publish(Update(("/a",), id="x"))
            fanout.flush()
        fanout._on_tick()
        try:
            arrived.append(client.recv(1 << 16))
        except BlockingIOError:
            arrived.append(b"")
    return arrived


def test_an_idle_stream_gets_one_comment_in_each_interval(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 1.0, Subscription: a comment line when idle."""
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    fanout = FanOut(hub, keepalive_interval=8 * TICK)
    with stream_of(hub, fanout) as client:
        client.recv(100)
        arrived = comments_and_updates(hub, fanout, clock, client, [False] * 80)
        turns = [number for number, got in enumerate(arrived) if got == b":\n"]
    assert [later - earlier for earlier, later in pairwise(turns)] == [8] * 9


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.booleans() | st.just(value=False), min_size=30, max_size=100))
def test_no_stream_is_silent_for_longer_than_the_interval(publishes: list[bool]) -> None:
    """Mercure 1.0, Subscription: proxies cut off who is."""
    clock = Clock()
    hub = Hub(Versions(MERCURE_0), subscriptions=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "time", clock)
        fanout = FanOut(hub, keepalive_interval=8 * TICK)
        with stream_of(hub, fanout) as client:
            client.recv(100)
            arrived = comments_and_updates(hub, fanout, clock, client, publishes)
            turns = [0, *(number for number, got in enumerate(arrived, 1) if got), len(arrived)]
    assert max(later - earlier for earlier, later in pairwise(turns)) <= 8


def test_stopping_ends_every_stream(hub: Hub) -> None:
    """Mercure 1.0, Subscription."""
    fanout = FanOut(hub)
    fanout.start()
    ours, client = socket.socketpair()
    ours.setblocking(False)
    asked = MERCURE_0.subscribe_request([("topic", "/a")], None)
    fanout.open(ours.detach(), hub.subscribe(asked, None).subscriber, HEAD)
    hub.publish(Update(("/a",), id="last"))
    fanout.stop()
    with client:
        assert ids(client.recv(1000)) == ["last"]
        assert client.recv(1000) == b""


def test_stream_ends_some_time_before_its_longest_life(hub: Hub) -> None:
    """Each at a moment of its own, so that they do not come back all at once."""
    fanout = FanOut(hub, keepalive_interval=0, max_lifetime=1000)
    fanout.start()
    clients = [stream_of(hub, fanout) for _ in range(50)]
    ends: set[int | None] = set()
    for connection in fanout.connections:
        assert connection.ends_in_tick is not None
        assert 799 < connection.ends_in_tick * TICK - time.time() <= 1000
        ends.add(connection.ends_in_tick)
    assert len(ends) > 25
    fanout.stop()
    for client in clients:
        client.close()


def test_drained_stream_gets_what_was_published_and_is_told_when_to_come_back(
    hub: Hub, fanout: FanOut, open_stream: Open
) -> None:
    """HTML, Server-sent events: the field ``retry``."""
    clients = [open_stream("/a") for _ in range(40)]
    hub.publish(Update(("/a",), id="1"))
    drain(fanout, 0.2)
    answers = [received(client, 1) for client in clients]
    assert [ids(got) for got in answers] == [["1"]] * 40
    pauses = {int(got.rpartition(b"retry: ")[2]) for got in answers}
    assert len(pauses) > 20
    assert len(fanout) == 0


def test_drained_stream_ends_when_its_reader_has_got_everything(
    hub: Hub, fanout: FanOut, open_stream: Open
) -> None:
    """Mercure 1.0, Publication: there may be nobody left to ask for the rest."""
    slow = open_stream("/a")
    for number in range(20):
        hub.publish(Update(("/a",), "x" * 10_000, id=str(number)))
        fanout.flush()
    [connection] = fanout.connections
    assert connection.backlog
    draining = gevent.spawn(drain, fanout, 5.0)
    gevent.sleep(0.5)
    got = b""
    while len(fanout) or not got:
        got += received(slow, 1)
    got += received(slow)
    assert ids(got) == [str(number) for number in range(20)]
    assert b"\nretry: " in got
    draining.join(10)


def test_draining_leaves_alone_what_took_the_place_of_a_stream_that_left(
    hub: Hub, fanout: FanOut, open_stream: Open
) -> None:
    clients = [open_stream("/a") for _ in range(4)]
    draining = gevent.spawn(drain, fanout, 1.0)
    gevent.sleep(0.02)
    fds = {connection.fd for connection in fanout.connections}
    for client in clients:
        client.close()
    gevent.sleep(0.05)
    with ExitStack() as others:
        sockets = [others.enter_context(each) for _ in range(4) for each in socket.socketpair()]
        assert fds <= {each.fileno() for each in sockets}
        draining.join(10)
        for each in sockets:
            each.setblocking(False)
            with pytest.raises(BlockingIOError):
                each.recv(1000)


def test_stream_for_which_the_system_has_no_room_leaves_nothing_behind(
    hub: Hub, fanout: FanOut, open_stream: Open
) -> None:
    open_stream("/a")
    [connection] = fanout.connections
    asked = MERCURE_0.subscribe_request([("topic", "/b")], None)
    with pytest.raises(FileExistsError):  # one that the system refuses
        fanout.open(connection.fd, hub.subscribe(asked, None).subscriber, HEAD)
    assert list(fanout.connections) == [connection]
    drain(fanout, 0)


def test_reasons_of_endings_are_counted(hub: Hub) -> None:
    counters = Counters()
    fanout = FanOut(hub, counters=counters)
    fanout.start()
    gone, staying = stream_of(hub, fanout), stream_of(hub, fanout)
    gone.close()
    gevent.sleep(0.02)
    drain(fanout, 0)
    staying.close()
    fanout.stop()
    assert (counters.subscribers, dict(counters.endings)) == (2, {"left": 1, "drained": 1})


def test_update_right_behind_many_writes_waits_for_others_to_join_it(
    hub: Hub, fanout: FanOut, open_stream: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mercure 1.0, Publication: each once and in order, and several with one system call."""
    client = open_stream("/a")
    received(client)
    written: list[bytes] = []

    def write_slowly(fd: int, data: bytes) -> int:
        written.append(data)
        time.sleep(0.05)
        return os.write(fd, data)

    monkeypatch.setattr(module, "os", SimpleNamespace(write=write_slowly))
    hub.publish(Update(("/a",), id="0"))
    gevent.sleep(0.001)
    for number in (1, 2, 3):
        hub.publish(Update(("/a",), id=str(number)))
        gevent.sleep(0)  # the loop has a turn
    assert ids(received(client, 10)) == ["0", "1", "2", "3"]
    assert len(written) == 2
