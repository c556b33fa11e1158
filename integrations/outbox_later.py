"""Publishing what transactions have written after they are done, so that no commit waits for a hub."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable

from sqlalchemy import Connection, Engine, NullPool, QueuePool

from flask_mercure_sse.hub.forks import renew_in_children
from flask_mercure_sse.hub.threads import OwnThread
from flask_mercure_sse.publishers.exits import close_at_exit, is_ending
from flask_mercure_sse.publishers.uwsgi import forks_later

from .failures import describe

logger: logging.Logger = logging.getLogger(__name__)

IDLE = 10.0
"""Seconds without a task after which the thread ends; the next task starts another."""

MAX_TASKS = 1000
"""Tasks that may wait: while a hub hangs there is no use in more, for a relay finds what they are about."""

Task = Callable[[], None]


class Later:
    """Does one task after the other in a thread of its own.

    It belongs to one process, and begins anew in a forked one. At the end of the process what waits is done
    within the time limit. What is not done is not lost: a relay finds it in the table.

    :param flush_timeout: seconds that the end of the process waits.
    :param is_wanted: tells whether tasks are to wait at all now.
    """

    def __init__(self, flush_timeout: float, is_wanted: Callable[[], bool]) -> None:
        self._flush_timeout = flush_timeout
        self._is_wanted = is_wanted
        self.renew_after_fork()
        renew_in_children(self)

    def renew_after_fork(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._tasks: deque[Task] = deque()
        self._thread: threading.Thread | None = None
        self._is_busy = False
        self._ends_at = 0.0

    def takes(self, bind: Engine | Connection) -> bool:
        """Tell whether a task that uses a database may be done in another thread.

        A connection belongs to whoever has it, and a database in memory often to one thread.
        """
        return (
            isinstance(bind, Engine)
            and not bind.dialect.is_async
            and isinstance(bind.pool, (QueuePool, NullPool))
            and not forks_later()
            and not is_ending()
            and self._is_wanted()
        )

    def put(self, task: Task) -> None:
        """Let a task wait for its turn, unless too many wait."""
        if self._process != os.getpid():  # some servers fork without telling Python
            self.renew_after_fork()
        with self._changed:
            if len(self._tasks) >= MAX_TASKS:
                return
            self._tasks.append(task)
            self._changed.notify_all()
            if self._thread is not None:
                return
            self._thread = OwnThread(self._work, "mercure-outbox")
            self._thread.start()
        close_at_exit(self)

    def flush(self, timeout: float) -> bool:
        """Wait until no task waits; False when some still do after so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._tasks and not self._is_busy, timeout)

    def begin_to_close(self) -> None:
        """Set the time limit."""
        self._ends_at = time.monotonic() + self._flush_timeout

    def finish_closing(self) -> None:
        """Wait until no task waits, within the limit."""
        self.flush(max(0.0, self._ends_at - time.monotonic()))

    def _work(self) -> None:
        while (task := self._next()) is not None:
            try:
                task()
            except Exception as error:
                logger.error("Updates stay in the outbox for now: %s", describe(error))
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()

    def _next(self) -> Task | None:
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._tasks), IDLE):
                self._thread = None
                return None
            self._is_busy = True
            return self._tasks.popleft()
