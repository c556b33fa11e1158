"""The body of one open stream, for any WSGI server that gives it a thread or a greenlet."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from ..hub.frame import Frame
from ..protocol.sse import COMMENT

MAX_BACKLOG = 1024 * 1024
"""Bytes that may wait for a subscriber that does not read; past it the stream ends and the client resumes."""

LONGEST_WAIT = 24 * 60 * 60.0
"""Seconds without a comment where keep-alives are off."""


class Stream:
    """An iterator over the bytes of a stream: what was missed, then what comes, with comments when idle.

    It ends when the subscriber is too slow, when its token expires, or when it is closed. Nothing is ever
    dropped from the middle: a client that comes back with its last event id misses nothing.

    :param keepalive_interval: seconds without an update after which a comment is sent, 0 for never.
    :param expires_at: when the subscriber's token expires, in seconds since the epoch.
    :param join: called when the server begins to read: a response that never gets there, because the app
        fails on its way, must not leave a subscriber behind.
    """

    def __init__(
        self,
        keepalive_interval: float,
        expires_at: float | None = None,
        join: Callable[[Stream], None] | None = None,
    ) -> None:
        self._join = join
        self._keepalive_interval = keepalive_interval
        self._expires_at = expires_at
        self._first: deque[Frame] = deque()
        self._opened = False
        self._backlog: list[bytes] = []
        self._backlog_size = 0
        self._ended = False
        self._closed = False
        self._unwanted = False
        self._probed = False
        self._changed = threading.Condition()
        self._on_close: Callable[[], None] | None = None

    def open(self, replay: Iterable[Frame], on_close: Callable[[], None]) -> None:
        """Set what comes first, and what is called once when the stream is closed."""
        self._first.extend(replay)
        with self._changed:
            if not self._closed:
                self._on_close = on_close
                return
        on_close()

    def deliver(self, frame: Frame) -> None:
        """Take a frame for the subscriber; never blocks."""
        encoded = frame.encoded
        with self._changed:
            if self._ended:
                return
            if self._backlog and self._backlog_size + len(encoded) > MAX_BACKLOG:
                self._end()
                return
            self._backlog.append(encoded)
            self._backlog_size += len(encoded)
            self._changed.notify()

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> bytes:
        if self._closed or self._unwanted or self._expired():
            raise StopIteration
        if not self._opened:
            self._opened = True
            if self._join:
                self._join(self)
            return COMMENT
        if self._first:
            return self._first.popleft().encoded
        with self._changed:
            if not self._backlog:
                self._wait()
            if self._ended:
                raise StopIteration
            self._probed = False
            return self._take() if self._backlog else COMMENT

    @property
    def is_closed(self) -> bool:
        """Whether the server has done with it."""
        return self._closed

    def probe(self) -> None:
        """Send a comment now: only by writing does a server learn that the client has left."""
        with self._changed:
            self._probed = True
            self._changed.notify()

    def end(self) -> None:
        """Send no more: whoever reads finds the end, and closes the stream."""
        with self._changed:
            self._unwanted = True
            self._end()

    def close(self) -> None:
        """End the stream; a second time does nothing."""
        with self._changed:
            self._closed = True
            self._end()
            on_close, self._on_close = self._on_close, None
        if on_close:
            on_close()

    def _wait(self) -> None:
        """Wait for a frame, the end, or the time of a comment."""
        limit = min(self._keepalive_interval or LONGEST_WAIT, LONGEST_WAIT)
        if self._expires_at is not None:
            limit = max(0.0, min(limit, self._expires_at - time.time()))
        self._changed.wait_for(lambda: bool(self._backlog) or self._ended or self._probed, limit)
        if self._expired():
            self._end()

    def _expired(self) -> bool:
        return self._expires_at is not None and time.time() >= self._expires_at

    def _take(self) -> bytes:
        taken = b"".join(self._backlog)
        self._backlog = []
        self._backlog_size = 0
        return taken

    def _end(self) -> None:
        self._ended = True
        self._backlog = []
        self._changed.notify()
