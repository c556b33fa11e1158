"""A row that changed, and the signal that tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from blinker import NamedSignal, Namespace

Event = Literal["insert", "update", "delete"]

EVENTS: tuple[Event, ...] = ("insert", "update", "delete")


@dataclass(frozen=True, slots=True)
class Change:
    """What a transaction does to one row, all its steps taken together.

    :param event: ``insert``, ``update`` or ``delete``.
    :param model: the class of the row's object.
    :param object: the row's object, in its final state.
    :param identity: the values of the primary key.
    :param changed: names of the columns' attributes whose values changed; empty for inserts and deletes.
    """

    event: Event
    model: type[Any]
    object: Any
    identity: tuple[Any, ...]
    changed: frozenset[str] = frozenset()


model_changed: NamedSignal = Namespace().signal(
    "model_changed",
    "Sent for each changed row before its transaction commits, while loading is still allowed. "
    "Sender: the model class. Argument `change`: a Change. What a binding publishes waits for the commit.",
)
