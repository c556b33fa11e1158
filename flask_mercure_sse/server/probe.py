"""Whether a hub works, found out by publishing to itself.

Each attempt takes the way of every update: through the router into a line, which is a stream that ends in
this process. Nobody else sees the update, and it counts nowhere.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

import gevent

from ..hub.frame import Frame
from ..hub.hub import Hub
from ..protocol.ids import new_urn
from ..protocol.update import Update

logger: logging.Logger = logging.getLogger(__name__)

INTERVAL = 5.0
"""Seconds between two attempts."""

PATIENCE = 2.0
"""Seconds that an attempt may take."""


class Line(Protocol):
    """A stream whose client is the probe."""

    def deliver(self, frame: Frame) -> None:
        """Take a frame as a stream does; never blocks."""
        ...

    def receive(self) -> bytes:
        """Return what came out at the other end; the loop turns while it waits."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class Probe:
    """Publishes to itself from time to time, and remembers whether that worked.

    :param hub: the hub to try.
    :param line: takes what it delivers.
    :param interval: seconds between two attempts.
    :param patience: seconds that an attempt may take.
    """

    def __init__(
        self, hub: Hub, line: Line, *, interval: float = INTERVAL, patience: float = PATIENCE
    ) -> None:
        self.failures: int = 0
        """Attempts in a row that failed, up to the last one."""
        self.has_succeeded: bool = False
        """Whether one ever worked."""
        self._hub = hub
        self._line = line
        self._interval = interval
        self._patience = patience
        self._topic = new_urn()  # never leaves the process, so that no client can ask for it
        self._greenlet: Any = None

    @property
    def is_running(self) -> bool:
        """Whether there will be another attempt."""
        return self._greenlet is not None and not self._greenlet.dead

    def start(self) -> None:
        """Begin with the first attempt in the loop's next turn."""
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Make no attempt any more."""
        if self._greenlet is not None:
            self._greenlet.kill()
        self._line.close()

    def attempt(self) -> None:
        """Publish once, and note how it went."""
        try:
            problem = None if self._arrives() else f"nothing arrived within {self._patience:g} s"
        except Exception as error:
            problem = repr(error)
        if problem is None:
            if self.failures:
                logger.warning("The hub reaches itself again, after %d attempts that failed", self.failures)
            self.failures = 0
            self.has_succeeded = True
            return
        self.failures += 1
        if self.failures == 1:  # the others would only repeat it
            logger.error("The hub does not reach itself: %s", problem)

    def _run(self) -> None:
        while True:
            self.attempt()
            gevent.sleep(self._interval)

    def _arrives(self) -> bool:
        update = Update((self._topic,), private=True)
        mark = update.id.encode()
        received = b""
        with gevent.Timeout(self._patience, False):  # pyright: ignore[reportArgumentType] - ends the block
            self._hub.probe(update, self._line.deliver)
            while mark not in received:  # what an earlier attempt sent may come first
                received += self._line.receive()
        return mark in received
