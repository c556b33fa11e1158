"""What one transaction or savepoint has changed so far, one change a row."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .binding import Held
from .changes import Change, Event

Key = tuple[Any, ...]
"""What tells a row from all others: where its key counts, and the key."""


class ChangeSet:
    """The changes of one transaction or savepoint, and the updates that were made of them.

    Rows keep their place: the order is that of first changes.
    """

    __slots__ = ("changes", "committed", "committing", "deleted", "held", "pending", "told")

    def __init__(self) -> None:
        self.changes: dict[Key, Change] = {}
        self.pending: dict[Key, None] = {}
        """The rows whose changes are still to be told."""
        self.held: list[tuple[Key, Held]] = []
        """The updates that wait for the commit, each with its row."""
        self.deleted: set[int] = set()
        """Objects whose delete the current flush has recorded already, by id."""
        self.told: int = 0
        """How often listeners were told."""
        self.committing: bool = False
        self.committed: bool = False

    def record(self, key: Key, change: Change) -> None:
        """Take one more change of a row into account."""
        before = self.changes.get(key)
        merged = change if before is None else merge(before, change)
        if merged is not None:
            self.changes[key] = merged
            self.pending[key] = None
        else:
            del self.changes[key]
            self.pending.pop(key, None)
            self.drop({key})

    def absorb(self, other: ChangeSet) -> None:
        """Take over the changes of a savepoint that was released."""
        for key, change in other.changes.items():
            self.record(key, change)

    def drop(self, keys: Collection[Key]) -> None:
        """Forget the updates of rows whose changes are told anew, or are none after all."""
        if self.held:
            self.held = [(key, held) for key, held in self.held if key not in keys]

    def updates(self) -> list[Held]:
        """Return the updates that wait, in the order of first changes."""
        if self.told > 1:
            place = {key: number for number, key in enumerate(self.changes)}
            self.held.sort(key=lambda item: place[item[0]])
        return [held for _key, held in self.held]


def merge(before: Change, after: Change) -> Change | None:
    """Return what two changes of one row are together, None when they cancel each other."""
    if before.event == "insert":
        return None if after.event == "delete" else _as(after, "insert")
    if after.event == "insert":
        return _as(after, "update")
    if before.event == "update" and after.event == "update":
        return _as(after, "update", before.changed | after.changed)
    return after


def _as(change: Change, event: Event, changed: frozenset[str] = frozenset()) -> Change:
    return Change(event, change.model, change.object, change.identity, changed)
