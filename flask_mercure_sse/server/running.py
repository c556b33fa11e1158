"""Running a server until the process is told to stop."""

from __future__ import annotations

import logging
import signal
from typing import Any, Protocol

import gevent
from gevent.event import Event

logger: logging.Logger = logging.getLogger(__name__)

STOP_TIMEOUT = 1.0
"""Seconds that requests under way get when nothing else is left."""


class Stoppable(Protocol):
    """A server that runs."""

    def drain(self, seconds: float) -> None:
        """Take no new connections and end the open ones within a time."""
        ...

    def stop(self, timeout: float) -> None:
        """End what is left."""
        ...


class Stopping:
    """Waits for SIGTERM or SIGINT; the first one drains, a second one stops at once.

    SIGHUP means that the terminal was closed, where there is one. Elsewhere people send it for settings to be
    read again; they are read at the start alone, so the log says what to do and nothing else happens.

    :param is_terminal: whether the process was started from a terminal.
    """

    def __init__(self, *, is_terminal: bool) -> None:
        self._asked = Event()
        self._asked_again = Event()
        handlers = {
            signal.SIGTERM: self._ask,
            signal.SIGINT: self._ask,
            # Not every system has it.
            getattr(signal, "SIGHUP", None): self._ask if is_terminal else _say_that_nothing_is_read,
        }
        for number, handler in handlers.items():
            if number is not None:
                gevent.signal_handler(number, handler)

    def wait_and_stop(self, server: Stoppable, drain_time: float) -> None:
        """Wait for a signal, then stop a server.

        :param drain_time: seconds that open streams get.
        """
        self._asked.wait()
        logger.info("Stopping: open streams end within %g seconds", drain_time)
        draining: Any = gevent.spawn(server.drain, drain_time)  # pyright: ignore[reportUnknownVariableType]
        gevent.wait([draining, self._asked_again], count=1)
        server.stop(0.0 if self._asked_again.is_set() else STOP_TIMEOUT)
        logger.info("Stopped")

    def _ask(self) -> None:
        (self._asked_again if self._asked.is_set() else self._asked).set()


def _say_that_nothing_is_read() -> None:
    logger.warning("SIGHUP: settings are read at the start alone; restart the hub to change them")
