"""Greenlets that run one function after the other: making one costs more than most requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import gevent
from greenlet import getcurrent, greenlet

Job = TypeVar("Job")

MAX_IDLE = 64
"""Greenlets that are kept for later."""


class Workers(Generic[Job]):
    """Runs jobs from the loop's callbacks, which must not wait themselves.

    :param work: does a job; it may wait, and must not raise.
    """

    def __init__(self, work: Callable[[Job], None]) -> None:
        self._work = work
        self._idle: list[Any] = []

    def run(self, job: Job) -> None:
        """Do a job until it is done or waits for something; in the loop's greenlet."""
        worker = self._idle.pop() if self._idle else greenlet(self._serve, gevent.get_hub())
        worker.switch(job)

    def _serve(self, job: Job) -> None:
        loop: Any = gevent.get_hub()
        current = getcurrent()
        while True:
            self._work(job)
            if len(self._idle) >= MAX_IDLE:
                return
            self._idle.append(current)
            job = loop.switch()
