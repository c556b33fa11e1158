"""Waiting for something to do: until a time, until somebody wakes, or until PostgreSQL tells."""

from __future__ import annotations

import logging
import selectors
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine

from .failures import describe
from .outbox_store import CHANNEL

logger: logging.Logger = logging.getLogger(__name__)


class Waker:
    """Waits, and is woken from any thread or signal handler.

    It has no socket before it waits for the first time.
    """

    def __init__(self) -> None:
        self._woken = False
        self._sockets: tuple[socket.socket, socket.socket] | None = None

    def wake(self) -> None:
        """End the wait of now, or the next one."""
        self._woken = True
        if self._sockets is not None:
            with suppress(OSError):  # enough wakes are there, or nobody waits any more
                self._sockets[1].send(b"\0")

    def wait(self, seconds: float, ears: list[Ear]) -> None:
        """Wait until somebody wakes or a database tells, at most so many seconds."""
        if self._sockets is None:
            self._sockets = socket.socketpair()
            for one in self._sockets:
                one.setblocking(False)
        known = [ear for ear in ears if ear.is_open]
        listening = [ear for ear in ears if ear.open()]
        if self._woken or len(listening) > len(known):
            seconds = 0  # what was told before it listened is there to be seen
        inner = self._sockets[0]
        heard = _readable([inner, *listening], seconds)
        self._woken = False
        with suppress(BlockingIOError):
            while inner.recv(4096):
                pass
        for ear in listening:
            if ear in heard:
                ear.hear()

    def close(self) -> None:
        """Give the sockets back."""
        for one in self._sockets or ():
            one.close()


def _readable(things: Iterable[socket.socket | Ear], seconds: float) -> list[object]:
    """Return which of some things can be read, once there are any or the time is over."""
    # Not select(): a process with many streams has larger descriptors than it takes.
    with selectors.DefaultSelector() as selector:
        for one in things:
            selector.register(one, selectors.EVENT_READ)
        return [key.fileobj for key, _events in selector.select(seconds)]


class Ear:
    """Hears when a PostgreSQL database tells that updates are there; other databases tell nothing.

    It keeps one connection of its own.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Any = None
        # Drivers for asyncio are not waited for in this way.
        self._can_hear: bool = engine.dialect.name == "postgresql" and not engine.dialect.is_async

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._connection is not None

    def fileno(self) -> int:
        return self._connection.fileno()

    def open(self) -> bool:
        """Begin to listen where it does not yet, and tell whether it does."""
        if self.is_open or not self._can_hear:
            return self.is_open
        try:
            pooled = self._engine.raw_connection()
            connection: Any = pooled.driver_connection
            pooled.detach()
            if not hasattr(connection, "fileno"):
                connection.close()
                self._can_hear = False
                return False
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
            self._connection = connection
        except Exception as error:
            logger.debug("PostgreSQL cannot be listened to: %s", describe(error))
        return self.is_open

    def hear(self) -> None:
        """Take what was told; listen anew the next time where the connection has ended."""
        connection = self._connection
        try:
            if hasattr(connection, "pgconn"):  # psycopg 3
                connection.pgconn.consume_input()
                while connection.pgconn.notifies():
                    pass
            else:  # psycopg2
                connection.poll()
                connection.notifies.clear()
        except Exception as error:
            logger.debug("PostgreSQL is no longer listened to: %s", describe(error))
            self.close()

    def close(self) -> None:
        """Listen no longer."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()
