"""Updates on their way to one hub: those that wait, and the thread that sends one after the other."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..hub.threads import OwnThread
from ..protocol.errors import PublishError, QueueFull
from ..protocol.update import Update
from .backoff import Backoff
from .exits import close_at_exit, is_ending
from .outcomes import Outcomes
from .publisher import Publisher
from .uwsgi import forks_later
from .waiting import Waiting, WaitingRoom, size_of

logger: logging.Logger = logging.getLogger(__name__)

IDLE = 10.0
"""Seconds without an update after which the thread ends; the next update starts another."""

CLOSING_WAIT = 0.2
"""Seconds until the next attempt when there is not much time left."""


class NotSent(PublishError):
    """An update was not even sent, or nobody waited for the answer."""

    def _said(self, status: int | None) -> str:
        return "was not asked, or not waited for"


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """How updates wait for a hub.

    :param size: bytes of memory that they may take.
    :param drop_oldest: whether the oldest make room when there is none; else new ones are refused.
    :param retry_for: seconds for which an update is tried again.
    :param flush_timeout: seconds that the end of the process waits for them.
    """

    size: int = 16 * 1024 * 1024
    drop_oldest: bool = False
    retry_for: float = 600.0
    flush_timeout: float = 5.0


class Delivery:
    """Sends updates to one hub in the order in which they were put, until it is closed.

    It belongs to one process. The thread is started by the first update; where gevent has patched the
    process it is a greenlet. No lock is held while an update is sent. In uWSGI's master there must be no
    thread, and for one that begins while the process ends nobody waits: there an update is sent before
    :meth:`put` returns, and the time limit for closing counts from the first on.
    """

    def __init__(self, settings: QueueSettings, outcomes: Outcomes) -> None:
        self._settings = settings
        self._outcomes = outcomes
        self._room = WaitingRoom(settings.size)
        self._condition = threading.Condition()
        self._backoff = Backoff()
        self._thread: threading.Thread | None = None
        self._is_idle = False
        self._ends_at: float | None = None
        self._is_over = False
        self.process: int = os.getpid()
        close_at_exit(self)

    @property
    def waiting(self) -> tuple[int, int]:
        """How many updates wait, and how many bytes they take."""
        return len(self._room), self._room.size

    def put(self, updates: Sequence[Update], publisher: Publisher) -> bool:
        """Let updates wait for their turn, all of them or none; False when the delivery is over.

        :raises QueueFull: there is no room for them.
        """
        now = time.monotonic()
        added = [Waiting(update, publisher, size_of(update), now) for update in updates]
        with self._condition:
            if self._is_over:
                return False
            dropped = self._make_room(sum(waiting.size for waiting in added))
            if dropped is not None:
                for waiting in added:
                    self._room.put(waiting)
                self._outcomes.accepted(len(added))
                self._wake()
        if dropped is None:
            error = self._full()
            self._outcomes.refused(updates, error)
            raise error
        if dropped:
            self._outcomes.failed([one.update for one in dropped], self._full(), "dropped")
        if _sends_at_once():
            self.begin_to_close()
            self._attend()
        return True

    def _make_room(self, size: int) -> list[Waiting] | None:
        """Return the oldest, which make room for newer ones; None where there is no room to be made."""
        excess = self._room.excess(size)
        if excess <= 0:
            return []
        if self._settings.drop_oldest and excess <= self._room.waiting_size:
            return self._room.free(excess)
        return None

    def _full(self) -> QueueFull:
        number, limit = len(self._room), self._room.limit
        fix = "raise MERCURE_QUEUE_SIZE, or see in the log why the hub does not take them"
        return QueueFull(self._outcomes.hub, None, f"{number} fill the {limit} bytes of the queue; {fix}")

    def _wake(self) -> None:
        if self._is_idle:
            self._condition.notify()
        elif self._thread is None and not _sends_at_once():
            self._start()

    def _start(self) -> None:
        thread = OwnThread(self._work, "mercure-publisher")
        try:
            thread.start()
        except RuntimeError:  # the interpreter ends: whoever closes the delivery does the work
            logger.debug("No thread can be started", exc_info=True)
        else:
            self._thread = thread

    def _attend(self) -> None:
        """Send what waits in the thread of the caller, unless another does."""
        with self._condition:
            if self._thread is not None or not self._room.has_next:
                return
            self._thread = threading.current_thread()
        self._work()

    def _work(self) -> None:
        try:
            while (waiting := self._next()) is not None:
                self._deliver(waiting)
        except BaseException:  # somebody killed the greenlet, say
            if self.process != os.getpid():
                raise
            with self._condition:
                self._thread, self._is_idle = None, False
                self._room.put_back()
            raise

    def _next(self) -> Waiting | None:
        with self._condition:
            if not self._room.has_next and self._ends_at is None:
                self._is_idle = True
                self._condition.wait_for(self._is_wanted, IDLE)
                self._is_idle = False
            if self._room.has_next:
                return self._room.take()
            self._thread = None
            return None

    def _is_wanted(self) -> bool:
        return self._room.has_next or self._ends_at is not None

    def _deliver(self, waiting: Waiting) -> None:
        """Send one update until the hub takes it or it is given up."""
        while True:
            try:
                waiting.publisher.publish(waiting.update)
            except PublishError as error:
                if error.is_temporary:
                    self._outcomes.retried(error)
                    if not self._is_too_old(waiting) and self._pause(error.retry_after):
                        continue
                return self._give_up(error)
            except Exception as error:
                logger.debug("An update could not be sent", exc_info=True)
                return self._give_up(self._not_sent(f"{type(error).__name__}: {error}"))
            self._backoff.reset()
            return self._settle(self._outcomes.published)

    def _is_too_old(self, waiting: Waiting) -> bool:
        return time.monotonic() - waiting.since > self._settings.retry_for

    def _pause(self, asked: float | None) -> bool:
        """Wait before the next attempt; False when there is no time left for one.

        :param asked: seconds for which the hub asked to be left alone.
        """
        until = time.monotonic() + self._backoff.next(asked)
        with self._condition:
            while (now := time.monotonic()) < until:
                if self._ends_at is not None:
                    until = until if asked else min(until, now + CLOSING_WAIT)
                    if until > self._ends_at:
                        return False
                self._condition.wait(until - now)
        return True

    def _give_up(self, error: PublishError) -> None:
        others: list[Waiting] = []
        if error.status is None:  # no other that is as old fares better
            with self._condition:
                others = self._room.older_than(time.monotonic() - self._settings.retry_for)
        else:
            self._backoff.reset()
        self._settle(lambda updates: self._outcomes.failed(updates, error), others)

    def _settle(self, tell: Callable[[Sequence[Update]], None], others: Sequence[Waiting] = ()) -> None:
        """Tell what became of the update that was sent, unless it was given up meanwhile, and of others."""
        with self._condition:
            sent = self._room.claim()
        settled = [*([sent] if sent else []), *others]
        if settled:
            tell([one.update for one in settled])
        with self._condition:
            self._room.settle()
            if not self._room.has_next:
                self._condition.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until no update waits; False when some still do after so many seconds."""
        with self._condition:
            return self._condition.wait_for(self._is_empty, timeout)

    def _is_empty(self) -> bool:
        return not len(self._room)

    def begin_to_close(self) -> None:
        """Let those that wait be sent within the time limit for closing."""
        with self._condition:
            if self._ends_at is None:
                self._ends_at = time.monotonic() + self._settings.flush_timeout
                self._condition.notify_all()

    def finish_closing(self) -> None:
        """Wait until they are sent; what is left at the end of the time limit is given up and told."""
        self._attend()
        with self._condition:
            assert self._ends_at is not None
            self._condition.wait_for(self._is_empty, max(0.0, self._ends_at - time.monotonic()))
            self._is_over = True
            left = self._room.clear()
        if left:
            self._outcomes.failed([one.update for one in left], self._not_sent("the app ended first"))

    def _not_sent(self, reason: str) -> NotSent:
        return NotSent(self._outcomes.hub, None, reason)


def _sends_at_once() -> bool:
    return forks_later() or is_ending()
