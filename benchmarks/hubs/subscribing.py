"""Open streams whose updates are counted."""

from __future__ import annotations

import select
import socket
import time
from array import array
from collections.abc import Sequence

from .publishing import connected

MARKER = b"sent-at-ns-"
"""Comes before the time of sending in each update's data."""

STAMP_SIZE = 19
"""Digits of the time of sending: nanoseconds of the monotonic clock, which all processes share."""

BUFFER_SIZE = 1 << 18
MAX_CONNECTING = 16
"""Subscribers whose response is awaited at the same time: few, so that each comes soon after the other."""

HEAD_TIMEOUT = 30.0
"""Seconds after which a hub that has sent no response's head is not waited for."""

NEWLINE = 10


class LoadError(Exception):
    """The load cannot be put on the hub; says why."""


class Subscribers:
    """Streams of one hub.

    :param address: the hub's host and port.
    :param keep_latencies: whether each arrival is timed.
    """

    def __init__(self, epoll: select.epoll, address: tuple[str, int], *, keep_latencies: bool) -> None:
        self._epoll = epoll
        self._address = address
        self._keep_latencies = keep_latencies
        self._latencies = array("q")
        self._buffer = bytearray(BUFFER_SIZE)
        self._sockets: dict[int, socket.socket] = {}
        self._counts: dict[int, int] = {}
        self._heads: dict[int, bytes] = {}
        """What has come of the heads of those that connect."""
        self._rests: dict[int, bytes] = {}
        """Ends of lines that are not whole yet."""
        self.delivered = 0
        """Updates that came, to all of them."""
        self.closed = 0
        """Streams that the hub ended."""

    def __len__(self) -> int:
        return len(self._sockets)

    @property
    def counts(self) -> Sequence[int]:
        """How many updates came to each, in the order in which they connected."""
        return list(self._counts.values())

    def latencies(self) -> Sequence[float]:
        """Return the seconds that each delivery took, the shortest first."""
        return [nanoseconds / 1e9 for nanoseconds in sorted(self._latencies)]

    def close(self) -> None:
        """Leave the hub."""
        for one in self._sockets.values():
            one.close()

    def connect(self, requests: Sequence[bytes]) -> None:
        """Open a stream with each of the requests, and wait for their heads.

        :raises LoadError: one was refused, or a head did not come in time.
        """
        for request in requests:
            connection = connected(self._address)
            fd = connection.fileno()
            self._sockets[fd] = connection
            self._counts[fd] = 0
            self._heads[fd] = b""
            connection.sendall(request)
            self._epoll.register(fd, select.EPOLLIN)
            self._await_heads(MAX_CONNECTING)
        self._await_heads(0)

    def _await_heads(self, may_wait: int) -> None:
        seen = time.monotonic()
        while (waiting := len(self._heads)) > may_wait:
            for fd, _ in self._epoll.poll(0.1, len(self._sockets)):
                self._read_head(fd)
            if len(self._heads) < waiting:
                seen = time.monotonic()
            elif time.monotonic() - seen > HEAD_TIMEOUT:
                raise LoadError(f"{waiting} of {len(self)} subscribers got no response")

    def _read_head(self, fd: int) -> None:
        data = self._sockets[fd].recv(65536)
        if fd not in self._heads:
            return  # a comment
        if not data:
            raise LoadError("a subscriber was refused: the connection was closed")
        head = self._heads[fd] + data
        line = head.partition(b"\r\n")[0]
        if b"\r\n" in head and not line.partition(b" ")[2].startswith(b"200"):
            raise LoadError(f"a subscriber was refused: {line.decode('latin-1')}")
        self._heads[fd] = head
        if b"\r\n\r\n" in head:
            del self._heads[fd]

    def read(self, fd: int) -> None:
        """Count what has come for one of them."""
        buffer = self._buffer
        try:
            size = self._sockets[fd].recv_into(buffer)
        except ConnectionError:
            size = 0
        if not size:
            self._epoll.unregister(fd)
            self.closed += 1
            return
        lines: bytes | bytearray = buffer
        if buffer[size - 1] != NEWLINE or fd in self._rests:
            lines = self._whole_lines(fd, size)
            size = len(lines)
        number = lines.count(MARKER, 0, size)
        self._counts[fd] += number
        self.delivered += number
        if self._keep_latencies and number:
            self._time(lines, size)

    def _whole_lines(self, fd: int, size: int) -> bytes:
        lines, newline, rest = (self._rests.pop(fd, b"") + self._buffer[:size]).rpartition(b"\n")
        if rest:
            self._rests[fd] = rest
        return lines + newline

    def _time(self, lines: bytes | bytearray, size: int) -> None:
        now = time.monotonic_ns()
        found = lines.find(MARKER, 0, size)
        while found >= 0:
            begin = found + len(MARKER)
            self._latencies.append(now - int(lines[begin : begin + STAMP_SIZE]))
            found = lines.find(MARKER, begin, size)
