"""What waits to be written: to one subscriber, and to all those who get the same."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from ..hub.frame import Frame
from ..hub.subscriber import Subscriber
from .admission import Place

MAX_JOINED = 256 * 1024
"""Bytes of updates that are written together."""


class Connection:
    """One open stream."""

    __slots__ = (
        "backlog",
        "backlog_size",
        "ends_in_tick",
        "fd",
        "is_doomed",
        "outbox",
        "place",
        "replay",
        "rest",
        "subscriber",
    )

    def __init__(self, fd: int, subscriber: Subscriber, outbox: Outbox, place: Place) -> None:
        self.fd: int = fd
        self.place: Place = place
        self.subscriber: Subscriber = subscriber
        self.outbox: Outbox = outbox
        # What waits is written in this order; the backlog is None while the socket takes everything.
        self.rest: bytes = b""
        self.replay: deque[Frame] | None = None
        self.backlog: deque[bytes] | None = None
        self.backlog_size: int = 0
        self.ends_in_tick: int | None = None
        """When it ends; the schedule's to know."""
        self.is_doomed: bool = False
        """Whether something was left out: nothing may follow it."""


class Writer(Protocol):
    """Writes outboxes to their subscribers."""

    def wake(self, outbox: Outbox) -> None:
        """Write an outbox soon."""
        ...

    def flush(self) -> None:
        """Write all of them now."""
        ...


class Outbox:
    """What is to be written to all subscribers of one group."""

    __slots__ = ("connections", "frames", "last_tick", "size", "writer")

    def __init__(self, writer: Writer, tick: int) -> None:
        self.writer: Writer = writer
        self.connections: dict[int, Connection] = {}
        self.frames: list[Frame] = []
        self.size: int = 0
        self.last_tick: int = tick
        """The one before the last write."""

    def put(self, frame: Frame) -> None:
        """Take a frame for the group; never blocks."""
        self.frames.append(frame)
        self.size += len(frame.encoded)
        if len(self.frames) == 1:
            self.writer.wake(self)
        elif self.size >= MAX_JOINED:
            self.writer.flush()
