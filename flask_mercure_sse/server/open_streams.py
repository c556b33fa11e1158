"""The streams that are open in this process: how many there may be, and for whoever wants to end some."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from math import inf
from weakref import WeakSet

from ..hub.forks import renew_in_children
from ..protocol.rights import Rights
from ..protocol.version import SubscribeRequest
from .stream import Stream

PROBES = 3
"""How often streams are asked for a sign of life where there are too many: the first write after a client has
left still succeeds, and some servers notice only with the next but one."""

PROBE_TIME = 0.2
"""Seconds that are waited for the effect of one probe."""

PAUSE = 1.0
"""Seconds until the next search after one in vain: it costs a thread, and each open stream some writes."""


class OpenStreams:
    """Knows each stream from the answer's head to its end; a forked process has none."""

    def __init__(self) -> None:
        self.renew_after_fork()
        renew_in_children(self)

    def renew_after_fork(self) -> None:
        self._changed = threading.Condition()
        # An app may fail on the way of an answer to the server, and then nobody closes its stream.
        self._places: WeakSet[Stream] = WeakSet()
        self._subscribers: dict[Stream, tuple[SubscribeRequest, Rights]] = {}
        self._next_search = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether there are none."""
        return not self._open()

    def admit(self, stream: Stream, most: int | None) -> bool:
        """Give a stream a place; False where all are taken, also after a search for clients who have left.

        :param most: how many there may be, None for any number.
        """
        with self._changed:
            if self._takes_place(stream, most):
                return True
            if time.monotonic() < self._next_search:
                return False
            self._next_search = inf  # one at a time
        is_found = False
        try:
            is_found = self._find_place(stream, most)
        finally:  # a greenlet may be killed while it waits
            self._next_search = 0.0 if is_found else time.monotonic() + PAUSE
        return is_found

    def add(self, stream: Stream, request: SubscribeRequest, rights: Rights) -> None:
        """Know the subscriber of a stream from now on.

        :param request: what its subscriber asked for.
        :param rights: what its token grants.
        """
        with self._changed:
            self._subscribers[stream] = (request, rights)

    def remove(self, stream: Stream) -> None:
        """Forget a stream."""
        with self._changed:
            self._subscribers.pop(stream, None)
            self._changed.notify_all()

    def close(self, fits: Callable[[object], bool]) -> int:
        """End the streams of subscribers, and return how many there were.

        :param fits: tells whether a payload is theirs; it gets the one of each of their subscriptions.
        """
        with self._changed:
            subscribers = list(self._subscribers.items())
        theirs = [
            stream
            for stream, (request, rights) in subscribers
            if any(fits(rights.payload_for(selector.text)) for selector in request.selectors)
        ]
        for stream in theirs:
            stream.end()
        return len(theirs)

    def end_all(self) -> None:
        """End every stream."""
        for stream in self._open():
            stream.end()

    def _find_place(self, stream: Stream, most: int | None) -> bool:
        for _ in range(PROBES):
            for one in self._open():
                one.probe()
            with self._changed:
                if self._changed.wait_for(lambda: self._takes_place(stream, most), PROBE_TIME):
                    return True
        return False

    def _takes_place(self, stream: Stream, most: int | None) -> bool:
        if most is not None and len(self._places) >= most and len(self._open()) >= most:
            return False
        self._places.add(stream)
        return True

    def _open(self) -> list[Stream]:
        with self._changed:
            return [stream for stream in self._places if not stream.is_closed]
