"""Open streams as file descriptors: one epoll, no greenlet, buffer or timer for each.

Updates that arrive within one turn of the loop are joined: a burst costs one system call for each subscriber
and not one for each update. What a socket does not take at once waits in that subscriber's own backlog; past
its limit the subscriber is disconnected and comes back with its last event id. Nothing is ever dropped from
the middle.

For one thread: the loop's.
"""

from __future__ import annotations

import logging
import math
import os
import random
import select
import time
from collections import deque
from collections.abc import Collection, Iterable
from typing import Any

import gevent

from ..hub.frame import Frame
from ..hub.hub import Hub
from ..hub.subscriber import Group, Subscriber
from ..protocol.sse import COMMENT
from .admission import ANY_PLACE, Admission, Place
from .counters import Counters
from .outbox import MAX_JOINED, Connection, Outbox
from .schedule import TICK, Schedule
from .stream import MAX_BACKLOG
from .system import close, new_epoll

logger: logging.Logger = logging.getLogger(__name__)

JOIN_TIME = 0.001
"""Seconds for which updates are joined at most, even if the loop has no turn."""

MAX_JOIN_TIME = 0.005
"""The same where updates follow each other faster than all can be written to: half of what that takes."""

MAX_TURN = 0.01
"""Seconds for which slow subscribers are written to, or streams ended, before the loop has its turn."""

PAUSE = 0.001
"""Seconds that a greenlet sleeps so that the loop has its turn: with none at all it would not look."""

GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
WRITABLE = GONE | select.EPOLLOUT


class FanOut:
    """Writes each update to the sockets of those who get it.

    :param hub: the hub whose subscribers they are.
    :param keepalive_interval: seconds between comments on an idle stream, 0 for none.
    :param max_backlog: bytes that may wait for a subscriber that does not read.
    :param max_lifetime: seconds after which a stream ends, 0 for never; each a little earlier, by chance.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        keepalive_interval: float = 15.0,
        max_backlog: int = MAX_BACKLOG,
        max_lifetime: float = 0.0,
        admission: Admission | None = None,
        counters: Counters | None = None,
    ) -> None:
        self._hub = hub
        self._max_lifetime = max_lifetime
        self._admission = admission or Admission()
        self._counters = counters or Counters()
        self._max_backlog = max_backlog
        self._keepalive_interval = keepalive_interval
        self._connections: dict[int, Connection] = {}
        self._highest = 0  # descriptor of all
        self._outboxes: dict[Group, Outbox] = {}
        self._dirty: list[Outbox] = []
        self._dirty_since = 0.0
        self._join_for = JOIN_TIME
        self._is_in_turn = False
        self._flushes_with_turn = False
        self._flushed_at = 0.0
        self._flush_time = 0.0  # seconds that the last flush took
        self._doomed: list[tuple[Connection, str]] = []
        self._writable: deque[int] = deque()
        """Descriptors that take more, and had no turn yet."""
        self._schedule: Schedule[Connection] = Schedule(time.time())
        self._tick = 0
        self._epoll = new_epoll()
        loop: Any = gevent.get_hub().loop
        self._loop = loop
        self._ready = loop.io(self._epoll.fileno(), 1)
        self._clock = loop.timer(TICK, TICK)

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def connections(self) -> Collection[Connection]:
        """The open streams."""
        return self._connections.values()

    @property
    def backlog(self) -> int:
        """Bytes that wait for subscribers that do not take them, those to be replayed not counted."""
        return sum(len(one.rest) + one.backlog_size for one in self._connections.values())

    def start(self) -> None:
        """Begin to serve streams."""
        self._ready.start(self._on_ready)
        self._clock.start(self._on_tick)

    def stop(self) -> None:
        """End every stream and stop."""
        self.flush()
        for connection in list(self._connections.values()):
            self.end(connection, "stopped")
        self._ready.stop()
        self._clock.stop()
        self._epoll.close()

    def open(
        self,
        fd: int,
        subscriber: Subscriber,
        head: bytes,
        replay: Iterable[Frame] = (),
        ends_at: float | None = None,
        place: Place = ANY_PLACE,
    ) -> None:
        """Take over a socket.

        :param fd: its descriptor, not blocking.
        :param head: the response's head.
        :param replay: what the subscriber missed.
        :param ends_at: when the stream ends, in seconds since the epoch.
        :raises OSError: the system has no room for another; the socket remains the caller's.
        """
        self._epoll.register(fd, GONE)  # the system may refuse; nobody knows of the stream yet
        outbox = self._outbox_of(subscriber.group)
        if outbox.frames:
            self.flush()  # they are in the replay as well
        connection = Connection(fd, subscriber, outbox, place)
        self._connections[fd] = outbox.connections[fd] = connection
        self._highest = max(fd, self._highest)
        self._counters.subscribers += 1
        self._limit_life(connection, ends_at)
        connection.replay = deque(replay) or None
        self._write(connection, head + COMMENT + self._next_of_replay(connection))
        if connection.replay and connection.backlog is None:
            self._wait_with(connection, b"")

    def _limit_life(self, connection: Connection, ends_at: float | None) -> None:
        now = time.time()
        if self._max_lifetime:
            lifetime = self._max_lifetime * random.uniform(0.8, 1.0)  # noqa: S311 - so that they come back apart
            ends_at = min(now + lifetime, ends_at or math.inf)
        if ends_at is not None:
            self._schedule.add(connection, ends_at, now)

    def _outbox_of(self, group: Group) -> Outbox:
        outbox = self._outboxes.get(group)
        if outbox is None:
            outbox = self._outboxes[group] = Outbox(self, self._tick)
            group.deliver_to_all = outbox.put
        return outbox

    # Writing

    def wake(self, outbox: Outbox) -> None:
        """Write an outbox's frames in the loop's next turn, or a little later where others may join them."""
        now = time.monotonic()
        if not self._dirty:
            self._dirty_since = now
            self._flush_soon(now)
        self._dirty.append(outbox)
        # A handler that always finds data to read leaves the loop no turn.
        if now - self._dirty_since > self._join_for:
            self.flush()

    def _flush_soon(self, now: float) -> None:
        took = self._flush_time
        if took > JOIN_TIME and now - self._flushed_at < took:
            # Right behind a flush that took long: another at once would take as long for this update alone.
            self._join_for = min(took / 2, MAX_JOIN_TIME)
            # From now, not from when the loop's turn began: the flush was in it.
            self._loop.timer(self._join_for).start(self.flush, update=True)
        else:
            self._join_for = JOIN_TIME
            if self._is_in_turn:
                self._flushes_with_turn = True
            else:
                self._loop.run_callback(self.flush)

    def begin_turn(self) -> None:
        """Take it that updates come from a turn of a server, which tells when it is over."""
        self._is_in_turn = True

    def end_turn(self) -> None:
        """Write what the turn has brought: at once, for a callback of the loop takes another turn."""
        self._is_in_turn = False
        if self._flushes_with_turn:
            self._flushes_with_turn = False
            self.flush()

    def flush(self) -> None:
        """Write all that waits."""
        dirty, self._dirty = self._dirty, []
        if not dirty:
            return
        now = time.monotonic()
        for outbox in dirty:
            frames, outbox.frames, outbox.size = outbox.frames, [], 0
            outbox.last_tick = self._tick
            if frames:
                self._write_to_all(outbox, b"".join([frame.encoded for frame in frames]))
        self._flushed_at = time.monotonic()
        self._flush_time = self._flushed_at - now

    def _write_to_all(self, outbox: Outbox, data: bytes) -> None:
        # As _write does it, spelled out: this is the hottest loop, and the calls take 0.1 us a subscriber.
        write = os.write
        size = len(data)
        for fd, connection in outbox.connections.items():
            if connection.backlog is None:
                try:
                    written = write(fd, data)
                except BlockingIOError:
                    written = 0
                except OSError:
                    self._doom(connection)
                    continue
                if written < size:
                    self._wait_with(connection, data[written:])
            else:
                self._hold_back(connection, data)

    def _write(self, connection: Connection, data: bytes) -> None:
        if connection.backlog is not None:
            self._hold_back(connection, data)
        elif rest := self._rest_of(connection, data):
            self._wait_with(connection, rest)

    def _rest_of(self, connection: Connection, data: bytes) -> bytes:
        """Write what the socket takes now, and return the rest; for one that is gone there is none."""
        try:
            return data[os.write(connection.fd, data) :]
        except BlockingIOError:
            return data
        except OSError:
            self._doom(connection)
            return b""

    def _hold_back(self, connection: Connection, data: bytes) -> None:
        assert connection.backlog is not None
        if connection.is_doomed:
            return
        # A single update may be larger than all that may wait.
        if connection.backlog and connection.backlog_size + len(data) > self._max_backlog:
            self._doom(connection, "slow")
            return
        connection.backlog.append(data)
        connection.backlog_size += len(data)

    def _wait_with(self, connection: Connection, rest: bytes) -> None:
        """Go on when the socket takes more."""
        connection.rest = rest
        connection.backlog = deque()
        self._epoll.modify(connection.fd, WRITABLE)

    def _next_of_replay(self, connection: Connection) -> bytes:
        """Return the next part of what was missed: not all at once, for others wait meanwhile."""
        if not connection.replay:
            return b""
        parts: list[bytes] = []
        size = 0
        while connection.replay and size < MAX_JOINED:
            parts.append(connection.replay.popleft().encoded)
            size += len(parts[-1])
        if not connection.replay:
            connection.replay = None
        return b"".join(parts)

    def _go_on(self, connection: Connection) -> None:
        """Write what the socket takes now of what waits, one piece: others wait meanwhile."""
        assert connection.backlog is not None
        if connection.is_doomed:
            return
        data = connection.rest or self._next_of_replay(connection) or _next_of_backlog(connection)
        if not data:
            connection.backlog = None
            self._epoll.modify(connection.fd, GONE)
            return
        connection.rest = self._rest_of(connection, data)

    # The loop's callbacks

    def _on_ready(self) -> None:
        if not self._writable:
            self._look()
        until = time.monotonic() + MAX_TURN
        while self._writable:
            connection = self._connections.get(self._writable.popleft())
            if connection is not None and connection.backlog is not None:
                self._go_on(connection)
            if time.monotonic() > until:
                return

    def _look(self) -> None:
        """Find out who has left, and who takes more."""
        for fd, events in self._epoll.poll(0, 256):
            connection = self._connections.get(fd)
            if connection is None:
                continue
            if events & GONE:
                self.end(connection, "left")
            else:
                self._writable.append(fd)

    def _on_tick(self) -> None:
        self._tick += 1
        self._comment()
        if due := self._schedule.take_due(time.time()):
            gevent.spawn(self._end_all, due)

    def _comment(self) -> None:
        """Write to those of the present turn who would else see nothing for an interval.

        Each has two turns in an interval, others at other times. One that nothing was written to for half an
        interval gets a comment; as long as nothing else comes, every second turn is left out.
        """
        if not self._keepalive_interval:
            return
        half = max(1, int(self._keepalive_interval / 2 / TICK))  # in ticks
        for fd in range(self._tick % half, self._highest + 1, half):
            connection = self._connections.get(fd)
            if connection is None or connection.backlog is not None:
                continue
            if (self._tick - connection.outbox.last_tick) // half % 2:
                self._write(connection, COMMENT)

    def _end_all(self, due: list[Connection]) -> None:
        """End those whose time is up; they may be many, and others have their turn meanwhile."""
        until = time.monotonic() + MAX_TURN
        for connection in due:
            self.end(connection, "expired")
            if time.monotonic() > until:
                gevent.sleep(PAUSE)
                until = time.monotonic() + MAX_TURN

    # Ending

    def say(self, connection: Connection, data: bytes) -> None:
        """Write something to one stream that is for nobody else."""
        if self.is_open(connection):
            self._write(connection, data)

    def _doom(self, connection: Connection, reason: str = "left") -> None:
        if connection.is_doomed:
            return
        connection.is_doomed = True
        if connection.backlog is None:
            connection.backlog = deque()  # where the rest of its updates end up
        # Not at once: whoever finds it out is going through the others.
        if not self._doomed:
            self._loop.run_callback(self._bury)
        self._doomed.append((connection, reason))

    def _bury(self) -> None:
        doomed, self._doomed = self._doomed, []
        for connection, reason in doomed:
            self.end(connection, reason)

    def is_open(self, connection: Connection) -> bool:
        """Tell whether a stream is still open."""
        return self._connections.get(connection.fd) is connection

    def end(self, connection: Connection, reason: str) -> None:
        """End a stream; a second time does nothing.

        :param reason: a word, to count it by.
        """
        if not self.is_open(connection):
            return
        del self._connections[connection.fd]
        outbox = connection.outbox
        del outbox.connections[connection.fd]
        if not outbox.connections:
            group = connection.subscriber.group
            self._outboxes.pop(group, None)
        self._schedule.remove(connection)
        close(connection.fd)
        self._counters.endings[reason] += 1
        logger.debug("Stream %s ended: %s", connection.subscriber.id, reason)
        self._admission.close_stream(connection.place)
        self._hub.unsubscribe(connection.subscriber)


def _next_of_backlog(connection: Connection) -> bytes:
    """Take the next part of what waits: all together would be a copy for each of those who are slow."""
    parts: list[bytes] = []
    size = 0
    while connection.backlog and size < MAX_JOINED:
        parts.append(connection.backlog.popleft())
        size += len(parts[-1])
    connection.backlog_size -= size
    return b"".join(parts)
