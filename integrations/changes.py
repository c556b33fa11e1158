"""A row that changed, and the signal that tells it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from blinker import NamedSignal, Namespace

from .muting import NOTHING, Muted

Key = tuple[Any, ...]
"""What tells a row from all others: where its primary key counts, and the key."""

Event = Literal["insert", "update", "delete", "refresh"]
Reason = Literal["enter", "leave", "touch", "bulk"]

EVENTS: tuple[Event, ...] = ("insert", "update", "delete")
"""What can happen to a row; ``refresh`` is what happened to a table, row by row unknown."""

UNCHANGED: frozenset[str] = frozenset()
UNKNOWN: Mapping[str, Any] = MappingProxyType({})


class Change:
    """What a transaction does to one row, all its steps taken together.

    :param event: ``insert``, ``update`` or ``delete``; ``refresh`` where the rows are not known.
    :param model: the class of the row's object.
    :param object: the row's object in its final state; of a bulk delete and of ``refresh`` None.
    :param identity: the values of the primary key; empty for ``refresh``.
    :param changed: names of the attributes whose values changed; empty for inserts and deletes.
    :param old: values from before the transaction, by attribute: of what an update changed, and of all that
        a deleted row had.
    :param reason: ``touch`` where only rows below it changed, ``bulk`` where a bulk statement did it.
    :param transaction: the id that all updates of the transaction carry.
    """

    # What most changes do not have is the class's: commits of many rows are felt.
    transaction: str = ""
    muted: Muted = NOTHING
    """What is muted for all of its steps."""
    stale: bool = False
    """Whether a statement changed the row past its object, which is to be loaded before it is told."""
    doubtful: bool = False
    """Whether its steps may add up to nothing."""
    remade: bool = False
    """Whether the row was deleted and made again: that is an update, whatever its values."""
    touched: bool = False
    """Whether rows below it changed, whatever else happened to it."""
    by_row: bool = False
    """Of ``refresh``: whether the rows are told one by one as well, to those who want that."""

    def __init__(
        self,
        event: Event,
        model: type[Any],
        object: Any,
        identity: tuple[Any, ...],
        changed: frozenset[str] = UNCHANGED,
        old: Mapping[str, Any] = UNKNOWN,
        reason: Reason | None = None,
        *,
        key: Key = (),
    ) -> None:
        self.event: Event = event
        self.model = model
        self.object = object
        self.identity = identity
        self.changed = changed
        self.old = old
        self.reason: Reason | None = reason
        self.key = key
        """What tells the row from all others."""

    def __repr__(self) -> str:
        # Without values: it may end in a log.
        return f"<Change {self.event} {self.model.__name__} {self.identity} {sorted(self.changed)}>"

    @property
    def previous(self) -> Any:
        """The row as it was before the transaction, to read only; None for an insert."""
        if self.event not in ("update", "delete"):
            return None
        from .previous import Previous  # its import needs SQLAlchemy, this module's must not

        return Previous(self)


model_changed: NamedSignal = Namespace().signal(
    "model_changed",
    "Sent for each changed row before its transaction commits, while loading is still allowed. "
    "Sender: the model class. Argument `change`: a Change. What a binding publishes waits for the commit.",
)


def merge(before: Change, after: Change) -> Change | None:
    """Return what two changes of one row are together, None when they cancel each other."""
    if before.event == "refresh":
        return _merged(before, after, "refresh")
    if before.event == "delete" and after.event == "update" and not after.stale:
        return before  # what belonged to the row is told of it, too
    if after.event == "delete":
        return None if before.event == "insert" else _merged(before, after, "delete")
    return _merged(before, after, "insert" if before.event == "insert" else "update")


def _merged(before: Change, after: Change, event: Event) -> Change:
    merged = Change(
        event,
        after.model,
        before.object if after.object is None else after.object,
        after.identity,
        UNCHANGED if event != "update" else before.changed | after.changed,
        UNKNOWN if event == "insert" else {**after.old, **before.old},
        _reason(before, after),
        key=after.key,
    )
    merged.muted = before.muted & after.muted
    merged.stale = after.stale or (before.stale and after.event == "update")
    merged.doubtful = before.event == after.event == "update"
    merged.remade = event == "update" and (before.remade or after.event == "insert")
    merged.touched = before.touched or after.touched
    merged.by_row = before.by_row and after.by_row
    return merged


def _reason(before: Change, after: Change) -> Reason | None:
    if before.reason == after.reason or after.reason == "touch":
        return before.reason
    return after.reason if before.reason == "touch" else None
