"""The types of a binding's options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class OfSubject(Protocol[T_co]):
    """A callable that gets what the event is about: a signal's sender or a row's object."""

    def __call__(self, subject: Any, /) -> T_co:
        """Return the option's value for one event."""
        ...


class OfArgument(Protocol[T_co]):
    """A callable that asks for one of the signal's arguments as well, such as ``change``."""

    def __call__(self, subject: Any, argument: Any, /) -> T_co:
        """Return the option's value for one event."""
        ...


class OfArguments(Protocol[T_co]):
    """A callable that asks for two of the signal's arguments as well."""

    def __call__(self, subject: Any, argument: Any, other: Any, /) -> T_co:
        """Return the option's value for one event."""
        ...


class OfAllArguments(Protocol[T_co]):
    """A callable that gets all of the signal's arguments as well."""

    def __call__(self, subject: Any, /, **arguments: Any) -> T_co:
        """Return the option's value for one event."""
        ...


class OfAnything(Protocol[T_co]):
    """A callable of any other shape; with a method in the property's place lambdas would lose their types."""

    @property
    def __call__(self) -> Callable[..., T_co]:
        """What returns the option's value for one event."""
        ...


Computed = OfSubject[T] | OfArgument[T] | OfArguments[T] | OfAllArguments[T] | OfAnything[T]
"""A callable in the shape of a blinker receiver.

It gets what the event is about, a signal's sender or a row's object, and by name whatever its signature asks
for of the signal's arguments, for models ``change``. The shapes are told apart so that type checkers know the
parameters of a lambda.
"""

TopicOption = str | Sequence[object | Computed[Any]] | Computed[Any] | None
"""A topic or a template, several, or a callable that returns one, several or None for no update."""

DataOption = object | Computed[Any]
"""A value, a template, a list of names, or a callable that returns what JSON can encode."""

FlagOption = bool | Computed[object] | None
TextOption = str | bool | Computed[str | bool | None] | None
RetryOption = int | Computed[int | None] | None
NamesOption = str | Sequence[str] | frozenset[str] | set[str] | None
