"""The types of a binding's options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Computed(Protocol[T_co]):
    """A callable in the shape of a blinker receiver.

    It gets what the event is about, a signal's sender or a row's object, and by name whatever its signature
    asks for of the signal's arguments, for models ``change``.
    """

    def __call__(self, *arguments: Any, **named: Any) -> T_co:
        """Return the option's value for one event."""
        ...


TopicOption = str | Sequence[Any] | Computed[Any] | None
"""A topic or a template, several, or a callable that returns one, several or None for no update."""

DataOption = Any
"""A value, a template, a list of names, or a callable that returns what JSON can encode."""

FlagOption = bool | Computed[object] | None
TextOption = str | bool | Computed[str | bool | None] | None
RetryOption = int | Computed[int | None] | None
NamesOption = str | Sequence[str] | frozenset[str] | set[str] | None
