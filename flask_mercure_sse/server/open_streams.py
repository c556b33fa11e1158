"""The streams that are open in this process, for whoever wants to end some of them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..hub.forks import renew_in_children
from ..protocol.rights import Rights
from ..protocol.version import SubscribeRequest
from .stream import Stream


class OpenStreams:
    """Knows each open stream's subscriber; a forked process has none."""

    def __init__(self) -> None:
        self.renew_after_fork()
        renew_in_children(self)

    def renew_after_fork(self) -> None:
        self._lock = threading.Lock()
        self._subscribers: dict[Stream, tuple[SubscribeRequest, Rights]] = {}

    def add(self, stream: Stream, request: SubscribeRequest, rights: Rights) -> None:
        """Know a stream from now on.

        :param request: what its subscriber asked for.
        :param rights: what its token grants.
        """
        with self._lock:
            self._subscribers[stream] = (request, rights)

    def remove(self, stream: Stream) -> None:
        """Forget a stream."""
        with self._lock:
            self._subscribers.pop(stream, None)

    def close(self, fits: Callable[[object], bool]) -> int:
        """End the streams of subscribers, and return how many there were.

        :param fits: tells whether a payload is theirs; it gets the one of each of their subscriptions.
        """
        with self._lock:
            subscribers = list(self._subscribers.items())
        theirs = [
            stream
            for stream, (request, rights) in subscribers
            if any(fits(rights.payload_for(selector.text)) for selector in request.selectors)
        ]
        for stream in theirs:
            stream.end()
        return len(theirs)
