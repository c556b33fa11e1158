"""Waiting for something to do: until a time, until somebody wakes, or until PostgreSQL tells."""

from __future__ import annotations

import logging
import select
import socket
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine

from .failures import describe
from .outbox_store import CHANNEL

logger: logging.Logger = logging.getLogger(__name__)


class Waker:
    """Waits, and is woken from any thread or signal handler."""

    def __init__(self) -> None:
        self._inner, self._outer = socket.socketpair()
        self._inner.setblocking(False)
        self._outer.setblocking(False)

    def wake(self) -> None:
        """End the wait of now, or the next one."""
        with suppress(BlockingIOError):  # enough wakes are there
            self._outer.send(b"\0")

    def wait(self, seconds: float, ears: list[Ear]) -> None:
        """Wait until somebody wakes or a database tells, at most so many seconds."""
        listening = [ear for ear in ears if ear.open()]
        heard, _, _ = select.select([self._inner, *listening], [], [], seconds)
        with suppress(BlockingIOError):
            while self._inner.recv(4096):
                pass
        for ear in listening:
            if ear in heard:
                ear.hear()

    def close(self) -> None:
        self._inner.close()
        self._outer.close()


class Ear:
    """Hears when a PostgreSQL database tells that updates are there; other databases tell nothing.

    It keeps one connection of its own.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Any = None
        # Drivers for asyncio are not waited for in this way.
        self._can_hear: bool = engine.dialect.name == "postgresql" and not engine.dialect.is_async

    def fileno(self) -> int:
        return self._connection.fileno()

    def open(self) -> bool:
        """Begin to listen where it does not yet, and tell whether it does."""
        if self._connection is not None or not self._can_hear:
            return self._connection is not None
        try:
            pooled = self._engine.raw_connection()
            pooled.detach()
            connection: Any = pooled.driver_connection
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
        return self._connection is not None

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
