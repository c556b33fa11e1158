"""What one transaction or savepoint has changed so far, one change a row."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .changes import Change, Key, merge
from .outlets import Held
from .scope import Scope

if TYPE_CHECKING:
    from .outbox import Batch


class ChangeSet:
    """The changes of one transaction or savepoint, and the updates that were made of them.

    Rows keep their place: the order is that of first changes.
    """

    __slots__ = (
        "changes",
        "committed",
        "committing",
        "computed",
        "deferred",
        "deleting",
        "fetched",
        "held",
        "pending",
        "scope",
        "taken_back",
        "told",
        "vague",
        "written",
    )

    def __init__(self) -> None:
        self.changes: dict[Key, Change] = {}
        self.pending: dict[Key, Change] = {}
        """The changes that are still to be told."""
        self.held: list[Held] = []
        """The updates of rows that wait for the commit."""
        self.deferred: list[Held] = []
        """Updates that wait for the commit and are no change of a row."""
        self.vague: set[object] = set()
        """Where keys count of rows that a statement has changed and nobody knows which."""
        self.fetched: dict[Key, dict[str, Any]] = {}
        """Values from before the current flush that no object had loaded."""
        self.computed: dict[Key, list[str]] = {}
        """Attributes that the current flush sets to what the database computes."""
        self.deleting: list[object] = []
        """Objects whose rows the current flush deletes."""
        self.scope: Scope | None = None
        """What the transaction's updates share, once there are some."""
        self.taken_back: int = 0
        """How many rows have not changed after all."""
        self.told: int = 0
        """How often listeners were told."""
        self.written: list[Batch] = []
        """What is written into an outbox of the updates that wait."""
        self.committing: bool = False
        self.committed: bool = False

    def record_all(self, changes: Iterable[Change]) -> None:
        """Take more changes of rows into account."""
        known, pending = self.changes, self.pending
        for change in changes:
            key = change.key
            if key in known or change.event == "refresh":
                self.record(change)
            else:
                known[key] = pending[key] = change

    def note_fetched(self, key: Key, values: Mapping[str, Any]) -> None:
        """Keep more values from before the current flush of a row."""
        self.fetched[key] = {**self.fetched.get(key, {}), **values}

    def forget_flush(self) -> None:
        """Forget what is of one flush alone."""
        self.fetched, self.computed, self.deleting = {}, {}, []

    def record(self, change: Change) -> None:
        """Take one more change of a row into account."""
        key = change.key
        if change.event == "refresh" and not change.by_row:
            self.vague.add(key[0])
        before = self.changes.get(key)
        merged = change if before is None else merge(before, change)
        if merged is not None:
            self.changes[key] = self.pending[key] = merged
        else:
            del self.changes[key]
            self.pending.pop(key, None)
            self.taken_back += 1
            self.drop({key})

    def absorb(self, other: ChangeSet) -> None:
        """Take over the changes of a savepoint that was released."""
        self.record_all(other.changes.values())
        self.vague |= other.vague
        self.deferred += other.deferred

    def drop(self, keys: Collection[Key]) -> None:
        """Forget the updates of rows whose changes are told anew, or are none after all."""
        if self.held:
            self.held = [held for held in self.held if held[0] not in keys]

    def updates(self) -> list[Held]:
        """Return the updates that wait, in the order of first changes; those of no row come last."""
        if self.told > 1:
            keys = sorted(self.changes, key=lambda key: self.changes[key].event == "refresh")
            place = {key: number for number, key in enumerate(keys)}
            self.held.sort(key=lambda held: place.get(held[0] or (), len(place)))
        return [*self.held, *self.deferred]
