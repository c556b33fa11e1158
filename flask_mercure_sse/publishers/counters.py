"""What became of the updates for one hub, for whoever watches the app."""

from __future__ import annotations

import os
import threading
from collections import Counter
from typing import Literal

from ..hub.forks import renew_in_children

Event = Literal["accepted", "published", "failed", "dropped", "refused", "retried", "outages"]

EVENTS: dict[Event, str] = {
    "accepted": "Updates that were accepted for a hub.",
    "published": "Accepted updates that the hub took.",
    "failed": "Accepted updates that the hub did not take and that are given up.",
    "dropped": "Accepted updates that were dropped to make room for newer ones.",
    "refused": "Updates that were not accepted, because too many were waiting.",
    "retried": "Attempts that failed and are made again.",
    "outages": "Times that the hub began to fail.",
}
"""What is counted. Each accepted update ends as published, failed or dropped, or it still waits."""


class PublishCounters:
    """Numbers of one process; a forked one counts from zero."""

    def __init__(self) -> None:
        self.renew_after_fork()
        renew_in_children(self)

    def renew_after_fork(self) -> None:
        self._lock = threading.RLock()  # a handler of signals may come in between
        self._counts: Counter[Event] = Counter()
        self._process = os.getpid()

    def add(self, event: Event, number: int = 1) -> None:
        """Count something that happened."""
        if self._process != os.getpid():  # some servers fork without telling Python
            self.renew_after_fork()
        with self._lock:
            self._counts[event] += number

    def __getitem__(self, event: Event) -> int:
        """Return how often it happened."""
        return self._counts[event]
