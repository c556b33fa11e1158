"""Updates that wait for a hub, in their order and within a limit of bytes. Its owner holds the lock."""

from __future__ import annotations

from collections import deque
from sys import getsizeof
from typing import NamedTuple

from ..protocol.update import Update
from .publisher import Publisher

OVERHEAD = 700
"""Bytes that a waiting update takes beside its texts, about; its event id is short."""


class Waiting(NamedTuple):
    """An update that waits.

    :param publisher: what it goes through.
    :param size: bytes of memory that it takes.
    :param since: when it was accepted, in seconds of the monotonic clock.
    """

    update: Update
    publisher: Publisher
    size: int
    since: float


def size_of(update: Update) -> int:
    """Return how many bytes of memory an update takes, about."""
    size = OVERHEAD + getsizeof(update.data) + sum(map(getsizeof, update.topics))
    return size if update.type is None else size + getsizeof(update.type)


class WaitingRoom:
    """A queue of updates, bounded in bytes; the one that is being sent counts until it is settled.

    :param limit: bytes that all of them may take.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size: int = 0
        """Bytes that they take."""
        self._queue: deque[Waiting] = deque()
        self._sending: Waiting | None = None
        self._is_claimed = False

    def __len__(self) -> int:
        return len(self._queue) + (self._sending is not None)

    @property
    def has_next(self) -> bool:
        """Whether one waits that is not being sent."""
        return bool(self._queue)

    @property
    def waiting_size(self) -> int:
        """Bytes of those that are not being sent."""
        return self.size - (self._sending.size if self._sending else 0)

    def excess(self, size: int) -> int:
        """Return by how many bytes more updates of this size would exceed the limit."""
        return self.size + size - self.limit

    def put(self, waiting: Waiting) -> None:
        """Let one wait."""
        self._queue.append(waiting)
        self.size += waiting.size

    def take(self) -> Waiting:
        """Return the oldest, to be sent."""
        self._sending = self._queue.popleft()
        self._is_claimed = False
        return self._sending

    def put_back(self) -> None:
        """Let the one that was being sent wait for its turn again."""
        if self._is_claimed:
            self.settle()
        elif self._sending is not None:
            self._queue.appendleft(self._sending)
            self._sending = None

    def claim(self) -> Waiting | None:
        """Return the one that was being sent, whose fate is known now; None when it was taken out."""
        self._is_claimed = True
        return self._sending

    def settle(self) -> None:
        """Count the one that was being sent no longer."""
        if self._sending is not None:
            self.size -= self._sending.size
            self._sending = None

    def free(self, size: int) -> list[Waiting]:
        """Take the oldest out until so many bytes are free, and return them."""
        freed: list[Waiting] = []
        while self._queue and size > 0:
            freed.append(self._queue.popleft())
            size -= freed[-1].size
        self.size -= sum(one.size for one in freed)
        return freed

    def older_than(self, moment: float) -> list[Waiting]:
        """Take those out that were accepted before a moment, and return them."""
        count = 0
        for waiting in self._queue:
            if waiting.since >= moment:
                break
            count += 1
        return self.free(sum(self._queue[index].size for index in range(count)))

    def clear(self) -> list[Waiting]:
        """Take all out, also the one that is being sent while its fate is not known, and return them."""
        left = [*([self._sending] if self._sending and not self._is_claimed else []), *self._queue]
        self._queue.clear()
        self._sending, self.size = None, 0
        return left
