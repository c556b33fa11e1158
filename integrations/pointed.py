"""The objects that foreign keys pointed to before a transaction, found for all of its changes together."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Mapper, Session

from .rows import Identity, in_batches, model_of, reader_of

if TYPE_CHECKING:
    from .changes import Change

Columns = tuple[str, ...]


class Pointed:
    """Finds them with one SELECT for a relationship, when the first of them is asked for.

    It holds them as well: a session forgets what nobody holds, and would be asked again for each row.

    :param changes: all changes that are told in this round.
    """

    def __init__(self, session: Session, changes: Sequence[Change]) -> None:
        self._session = session
        self._changes = changes
        self._found: dict[tuple[Mapper[Any], Identity], Any] = {}
        self._loaded: set[tuple[Mapper[Any], Columns]] = set()

    def get(self, target: Mapper[Any], columns: Columns, key: Identity) -> Any:
        """Return the object of a key, None where it is gone.

        :param columns: the attributes that hold such keys.
        """
        if (target, columns) not in self._loaded:
            self._loaded.add((target, columns))
            self._load(target, columns)
        if (target, key) not in self._found:
            self._found[target, key] = self._session.get(target, key)
        return self._found[target, key]

    def _load(self, target: Mapper[Any], columns: Columns) -> None:
        wanted = {
            tuple(change.old[column] for column in columns)
            for change in self._changes
            if change.old.keys() >= set(columns)
            and (target, columns) in reader_of(change.model).many_to_one.values()
        }
        keys = [key for key in wanted if None not in key]
        if len(keys) < 2:
            return
        reader = reader_of(target.class_)
        for some in in_batches(keys):
            for item in self._session.scalars(select(target).where(reader.chosen(some))).unique():
                self._found[target, reader_of(model_of(item)).identity_of(item)] = item
        for key in keys:
            self._found.setdefault((target, key), None)


_pointed: ContextVar[Pointed | None] = ContextVar("pointed", default=None)


@contextmanager
def pointing(session: Session, changes: Sequence[Change]) -> Generator[None, None, None]:
    """Find for these changes together what they pointed to, in this block."""
    token = _pointed.set(Pointed(session, changes))
    try:
        yield
    finally:
        _pointed.reset(token)


def pointed_now() -> Pointed | None:
    """Return what finds them here, None where changes are not told."""
    return _pointed.get()
