"""Ends open streams when the server around them stops, which would wait for them in vain."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..hub.forks import renew_in_children
from .open_streams import OpenStreams

INTERVAL = 0.25
"""Seconds between two looks at the server, while there are streams."""


class StopWatch:
    """Looks whether the server stops, in a thread that lives as long as there are streams.

    :param streams: what to end then.
    """

    def __init__(self, streams: OpenStreams) -> None:
        self._streams = streams
        self.renew_after_fork()
        renew_in_children(self)

    def renew_after_fork(self) -> None:
        self._lock = threading.Lock()
        self._is_watching = False

    def watch(self, is_stopping: Callable[[], bool]) -> None:
        """Watch while there are streams; call it after each that comes.

        :param is_stopping: tells whether the server has begun to stop.
        """
        with self._lock:
            if self._is_watching:
                return
            self._is_watching = True
        threading.Thread(target=self._run, args=(is_stopping,), name="mercure-stop", daemon=True).start()

    def _run(self, is_stopping: Callable[[], bool]) -> None:
        while not self._has_done():
            if is_stopping():
                self._streams.end_all()
            time.sleep(INTERVAL)

    def _has_done(self) -> bool:
        with self._lock:
            self._is_watching = not self._streams.is_empty
            return not self._is_watching
