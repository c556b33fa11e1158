"""The relay: publishes what is left in the outbox, beside any number of others."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine

from .failures import describe
from .outbox import Outbox
from .outbox_sending import MAX_REST, Outcome, delay
from .outbox_store import Store
from .outbox_waking import Ear, Waker

logger: logging.Logger = logging.getLogger(__name__)

POLL = 1.0
"""Seconds between looks where nobody wakes."""


@dataclass(slots=True)
class Sum:
    """How many updates a relay has published, given up, and put off."""

    published: int = 0
    refused: int = 0
    delayed: int = 0

    def add(self, outcome: Outcome) -> None:
        self.published += len(outcome.published)
        self.refused += len(outcome.refused)
        self.delayed += len(outcome.delayed)


class Relay:
    """Publishes an outbox's updates until it is stopped.

    :param outbox: the outbox; each of its tables has its turn.
    :param poll: seconds between looks where nobody wakes.
    :param tell: gets what each turn of :meth:`run` has published, given up or put off, if anything.
    """

    def __init__(
        self, outbox: Outbox, *, poll: float = POLL, tell: Callable[[Sum], None] | None = None
    ) -> None:
        self._outbox = outbox
        self._poll = poll
        self._tell = tell
        self._waker = Waker()
        self._ears: dict[Engine, Ear] = {}
        self._stopped = False
        self._failures = 0

    def check(self) -> None:
        """Find out now whether each database can be worked on.

        :raises ConfigurationError: one cannot; the text has the fix.
        """
        for store in self._outbox.stores:
            store.check(store.find_engine())

    def run(self) -> None:
        """Publish until :meth:`stop`; a database that is down is asked again later."""
        process = os.getpid()
        try:
            while not self._stopped:
                if not self._turn():
                    self._waker.wait(self._pause(), list(self._ears.values()))
        finally:
            if process == os.getpid():  # a greenlet that ends in a fork has the parent's connections
                for ear in self._ears.values():
                    ear.close()
                self._waker.close()

    def stop(self) -> None:
        """Let :meth:`run` return after the update that it is at; may be called from a signal handler."""
        self._stopped = True
        self._outbox.hubs.stop()
        self._waker.wake()

    def wake(self) -> None:
        """Look now."""
        self._waker.wake()

    def once(self) -> Sum:
        """Publish what is there now, and wait for what others are just publishing; return what became of it.

        :raises SQLAlchemyError: a database does not answer.
        """
        total = Sum()
        for store in self._outbox.stores:
            self._empty(store, total)
        return total

    def _empty(self, store: Store, total: Sum) -> None:
        engine = store.find_engine()
        last = store.last(engine)
        wait: float | None = 0.0
        while not self._stopped:
            outcome = self._outbox.round(store, engine)
            total.add(outcome)
            if outcome.published or outcome.refused:
                continue
            if wait is None:
                return
            wait = store.until_free(engine, last, self._outbox.hubs.resting)
            time.sleep(min(wait or 0.0, 0.5))

    def _turn(self) -> bool:
        """Let each table have its turn; return whether there may be more to do right now."""
        busy, total = False, Sum()
        try:
            for store in self._outbox.stores:
                engine = store.find_engine()
                self._ears.setdefault(engine, Ear(engine))
                outcome = self._outbox.round(store, engine)
                total.add(outcome)
                busy |= bool(outcome.published or outcome.refused)
            self._failures = 0
        except Exception as error:
            self._failures += 1
            logger.error("The outbox cannot be read; the relay goes on: %s", describe(error))
        if self._tell is not None and total != Sum():
            self._tell(total)
        return busy and not self._failures

    def _pause(self) -> float:
        if self._failures:
            return min(MAX_REST, delay(self._failures))
        return self._poll * random.uniform(0.75, 1.25)  # noqa: S311
