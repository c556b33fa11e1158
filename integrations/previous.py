"""A row as it was before its transaction."""

from __future__ import annotations

import inspect as python
from collections.abc import Callable
from functools import cached_property
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapper, object_session

from .pointed import pointed_now
from .rows import reader_of

if TYPE_CHECKING:
    from .changes import Change


class Previous:
    """Reads like the row's object, with the values from before: attributes, properties and methods.

    A relationship to one object follows the foreign key that was.

    :param change: what the transaction does to the row.
    """

    __slots__ = ("_change",)

    _change: Change

    def __init__(self, change: Change) -> None:
        object.__setattr__(self, "_change", change)

    def __repr__(self) -> str:
        return f"<previous {self._change.model.__name__} {self._change.identity}>"

    @property
    def __class__(self) -> type[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._change.model

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name}: the previous state of a row can only be read")

    def __getattr__(self, name: str) -> Any:
        change = self._change
        if name in change.old:
            return change.old[name]
        reader = reader_of(change.model)
        if name in reader.key_names:
            return change.identity[reader.keys.index(name)]
        declared: Any = python.getattr_static(change.model, name, None)
        computed = _computed(declared)
        if computed is not None:
            return computed(self)
        if isinstance(declared, FunctionType):
            return MethodType(cast("Any", declared), self)
        mapper = reader.mapper
        if name in mapper.synonyms:
            return getattr(self, mapper.synonyms[name].name)
        if name in mapper.composites:
            composite: Any = mapper.composites[name]
            return composite.composite_class(*(getattr(self, part.key) for part in composite.props))
        related = reader.many_to_one.get(name)
        if related is not None and not change.old.keys().isdisjoint(related[1]):
            return self._follow(*related)
        if change.object is None:
            raise AttributeError(f"{name}: it is not known what the row had before")
        return getattr(change.object, name)

    def _follow(self, target: Mapper[Any], columns: tuple[str, ...]) -> Any:
        """Return the object that a foreign key pointed to, None where it is gone or there was none."""
        key = tuple(getattr(self, column) for column in columns)
        if None in key:
            return None
        if (pointed := pointed_now()) is not None:
            return pointed.get(target, columns, key)
        session = object_session(self._change.object) if self._change.object is not None else None
        return None if session is None else session.get(target, key)


def _computed(declared: Any) -> Callable[[Any], Any] | None:
    """Return the function behind a property of any kind, None for everything else."""
    if isinstance(declared, (property, hybrid_property)):
        return cast("Any", declared).fget
    return declared.func if isinstance(declared, cached_property) else None
