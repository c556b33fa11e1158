"""Open streams as file descriptors: one epoll, no greenlet, buffer or timer for each.

Updates that arrive within one turn of the loop are joined: a burst costs one system call for each subscriber
and not one for each update. What a socket does not take at once waits in that subscriber's own backlog; past
its limit the subscriber is disconnected and comes back with its last event id. Nothing is ever dropped from
the middle.

For one thread: the loop's.
"""

from __future__ import annotations

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
from .stream import MAX_BACKLOG
from .system import close, new_epoll

MAX_JOINED = 256 * 1024
"""Bytes of updates that are written together."""

JOIN_TIME = 0.001
"""Seconds for which updates are joined at most, even if the loop has no turn."""

TICK = 0.25
"""Seconds between two looks at what is due."""

MAX_TURN = 0.01
"""Seconds for which slow subscribers are written to before the loop has its turn."""

DRAIN_STEP = 0.05
"""Seconds between two streams or more that end while the hub drains."""

MIN_RETRY = 1.0
"""Seconds that a client waits at least when the hub has sent it home."""

GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
WRITABLE = GONE | select.EPOLLOUT


class Connection:
    """One open stream."""

    __slots__ = (
        "backlog",
        "backlog_size",
        "ends_in",
        "fd",
        "is_doomed",
        "outbox",
        "place",
        "replay",
        "rest",
        "subscriber",
    )

    def __init__(self, fd: int, subscriber: Subscriber, outbox: Outbox, place: Place) -> None:
        self.fd: int = fd
        self.place: Place = place
        self.subscriber: Subscriber = subscriber
        self.outbox: Outbox = outbox
        # What waits is written in this order; the backlog is None while the socket takes everything.
        self.rest: bytes = b""
        self.replay: deque[Frame] | None = None
        self.backlog: deque[bytes] | None = None
        self.backlog_size: int = 0
        self.ends_in: int | None = None
        """The tick in which it ends."""
        self.is_doomed: bool = False
        """Whether something was left out: nothing may follow it."""


class Outbox:
    """What is to be written to all subscribers of one group."""

    __slots__ = ("connections", "fanout", "frames", "last_write", "size")

    def __init__(self, fanout: FanOut, now: float) -> None:
        self.fanout: FanOut = fanout
        self.connections: dict[int, Connection] = {}
        self.frames: list[Frame] = []
        self.size: int = 0
        self.last_write: float = now

    def put(self, frame: Frame) -> None:
        """Take a frame for the group; never blocks."""
        self.frames.append(frame)
        self.size += len(frame.encoded)
        if len(self.frames) == 1:
            self.fanout.wake(self)
        elif self.size >= MAX_JOINED:
            self.fanout.flush()


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
        self._doomed: list[tuple[Connection, str]] = []
        self._writable: deque[int] = deque()
        """Descriptors that take more, and had no turn yet."""
        self._ending: dict[int, dict[Connection, None]] = {}
        """Connections by the tick in which they end."""
        self._tick = 0
        self._looked_until = _tick_of(time.time())
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
            self._close(connection, "stopped")
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
            # What is due already ends with the next look.
            looked_until = min(self._looked_until, _tick_of(now))  # the clock may be set back
            connection.ends_in = max(_tick_of(ends_at), looked_until)
            self._ending.setdefault(connection.ends_in, {})[connection] = None

    def _outbox_of(self, group: Group) -> Outbox:
        outbox = self._outboxes.get(group)
        if outbox is None:
            outbox = self._outboxes[group] = Outbox(self, time.monotonic())
            group.deliver_to_all = outbox.put
        return outbox

    # Writing

    def wake(self, outbox: Outbox) -> None:
        """Write an outbox's frames in the loop's next turn."""
        now = time.monotonic()
        if not self._dirty:
            self._dirty_since = now
            self._loop.run_callback(self.flush)
        self._dirty.append(outbox)
        # A handler that always finds data to read leaves the loop no turn.
        if now - self._dirty_since > JOIN_TIME:
            self.flush()

    def flush(self) -> None:
        """Write all that waits."""
        dirty, self._dirty = self._dirty, []
        now = time.monotonic()
        for outbox in dirty:
            frames, outbox.frames, outbox.size = outbox.frames, [], 0
            outbox.last_write = now
            if frames:
                self._write_to_all(outbox, b"".join([frame.encoded for frame in frames]))

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
                self._close(connection, "left")
            else:
                self._writable.append(fd)

    def _on_tick(self) -> None:
        self._end_those_whose_time_is_up()
        self._tick += 1
        interval = int(self._keepalive_interval / TICK)
        if not interval:
            return
        now = time.monotonic()
        # Each time another part of them, so that the comments are spread over the interval.
        turn = self._tick % interval
        idle_since = now - self._keepalive_interval + TICK
        for fd in range(turn, self._highest + 1, interval):
            connection = self._connections.get(fd)
            if connection is None or connection.backlog is not None:
                continue
            if connection.outbox.last_write <= idle_since:
                self._write(connection, COMMENT)

    def _end_those_whose_time_is_up(self) -> None:
        now = _tick_of(time.time())
        if now - self._looked_until < len(self._ending):
            due = [tick for tick in range(self._looked_until, now) if tick in self._ending]
        else:  # the clock was set, or the machine slept
            due = [tick for tick in self._ending if tick < now]
        self._looked_until = now
        for tick in due:
            for connection in list(self._ending.pop(tick)):
                connection.ends_in = None
                self._close(connection, "expired")

    # Ending

    def drain(self, seconds: float) -> None:
        """End every stream, one after the other, and return when none is left.

        Each is told when to come back: after the last has ended, and then at a moment of its own, for all of
        them at once would be a flood.

        :param seconds: for all of them together.
        """
        ends_at = time.monotonic() + seconds
        connections = list(self._connections.values())
        random.shuffle(connections)
        waiting = deque(connections)
        total = len(waiting)
        while (remaining := ends_at - time.monotonic()) > 0 and waiting:
            self.flush()
            for _ in range(len(waiting) - int(total * remaining / seconds)):
                connection = waiting.popleft()
                if connection.backlog is None:
                    self._send_home(connection, remaining, seconds)
                elif self._is_open(connection):
                    waiting.append(connection)  # what it still has to get may be nowhere else
            gevent.sleep(min(remaining, DRAIN_STEP))
        self.flush()
        for connection in list(self._connections.values()):
            self._send_home(connection, 0.0, seconds)

    def _send_home(self, connection: Connection, remaining: float, spread: float) -> None:
        """End a stream.

        :param remaining: seconds until the hub has ended.
        :param spread: seconds over which all come back.
        """
        if not self._is_open(connection):
            return
        pause = remaining + random.uniform(MIN_RETRY, MIN_RETRY + spread)  # noqa: S311 - no secret
        if connection.backlog is None:
            self._write(connection, b"retry: %d\n\n" % (pause * 1000))
        self._close(connection, "drained")

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
            self._close(connection, reason)

    def _is_open(self, connection: Connection) -> bool:
        return self._connections.get(connection.fd) is connection

    def _close(self, connection: Connection, reason: str) -> None:
        if not self._is_open(connection):
            return
        del self._connections[connection.fd]
        outbox = connection.outbox
        del outbox.connections[connection.fd]
        if not outbox.connections:
            group = connection.subscriber.group
            self._outboxes.pop(group, None)
        if connection.ends_in is not None:
            ending = self._ending[connection.ends_in]
            del ending[connection]
            if not ending:
                del self._ending[connection.ends_in]
        close(connection.fd)
        self._counters.endings[reason] += 1
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


def _tick_of(moment: float) -> int:
    return int(moment / TICK)
