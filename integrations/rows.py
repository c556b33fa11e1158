"""How the rows of a model are told apart and read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property
from itertools import islice
from operator import eq
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from sqlalchemy import Column, ColumnElement, Connection, inspect, select, tuple_
from sqlalchemy.orm import MANYTOONE, InstanceState, Mapper, RelationshipProperty, Session
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.types import TypeEngine

Identity = tuple[Any, ...]

Lock = dict[str, Any]
"""How rows are locked when they are read: arguments for ``with_for_update()``."""

T = TypeVar("T")

_AT_ONCE = 500
"""Rows that one SELECT asks for by their keys: databases limit the parameters of a statement."""


class RowReader:
    """What is known of a model's table: its keys, its columns, and how to read its rows.

    :param mapper: the model's mapper.
    """

    def __init__(self, mapper: Mapper[Any]) -> None:
        self.mapper = mapper
        self.model: type[Any] = mapper.class_
        self.keys: tuple[str, ...] = tuple(
            mapper.get_property_by_column(column).key for column in mapper.primary_key
        )
        self._only_key = self.keys[0] if len(self.keys) == 1 else None
        self.key_names: frozenset[str] = frozenset(self.keys)
        # Tables that inherit share their keys, unless each is complete by itself.
        self.space: Mapper[Any] = mapper if mapper.concrete else mapper.base_mapper
        self.columns: dict[str, Column[Any]] = {
            attribute.key: attribute.columns[0]
            for attribute in mapper.column_attrs
            if isinstance(attribute.columns[0], Column)
        }
        self.equal: dict[str, Callable[[Any, Any], bool]] = {
            name: _comparison(column) for name, column in self.columns.items()
        }
        """How two values of a column are compared, as the column's type sees them."""

    @cached_property
    def in_table(self) -> dict[str, Column[Any]]:
        """The columns, and those of subclasses whose rows are in the same table."""
        found = dict(self.columns)
        for mapper in self.mapper.self_and_descendants:
            if mapper.local_table is self.mapper.local_table:
                for name, column in reader_of(mapper.class_).columns.items():
                    found.setdefault(name, column)
        return found

    @cached_property
    def relations(self) -> frozenset[str]:
        """The attributes that are relationships."""
        return frozenset(self.mapper.relationships.keys())

    @cached_property
    def many_to_one(self) -> dict[str, tuple[Mapper[Any], tuple[str, ...]]]:
        """Relationships to one object by its primary key: the target, and the attributes with the key."""
        return {
            relation.key: (relation.mapper, local)
            for relation in self.mapper.relationships
            if relation.direction is MANYTOONE and (local := self.attributes_for(relation)) is not None
        }

    def attributes_for(self, relation: RelationshipProperty[Any]) -> tuple[str, ...] | None:
        """Return the attributes that hold the other side's primary key, in its order, None where none do."""
        local_of = {remote: local for local, remote in relation.local_remote_pairs or ()}
        try:
            columns = [local_of[column] for column in relation.mapper.primary_key]
            return tuple(self.mapper.get_property_by_column(column).key for column in columns)
        except Exception:  # a key of some of the columns, or columns that are not mapped
            return None

    def connection(self, session: Session) -> Connection:
        """Return a session's connection to the model's database."""
        return session.connection(bind_arguments={"mapper": self.mapper})

    def identity_of(self, item: object) -> Identity:
        """Return the primary key of an object as it is now."""
        if self._only_key is not None:
            return (getattr(item, self._only_key),)
        return tuple([getattr(item, key) for key in self.keys])

    def chosen(self, identities: Iterable[Identity]) -> ColumnElement[bool]:
        """Return the condition that a row is one of these."""
        columns = self.mapper.primary_key
        if len(columns) == 1:
            return columns[0].in_([identity[0] for identity in identities])
        return tuple_(*columns).in_(list(identities))

    def fetch(
        self,
        connection: Connection,
        identities: Collection[Identity],
        names: Collection[str],
        *,
        lock: Lock | None = None,
    ) -> dict[Identity, dict[str, Any]]:
        """Return the values that rows have in the database now, by identity; missing rows are left out.

        :param names: attributes of columns.
        """
        found: dict[Identity, dict[str, Any]] = {}
        for some in in_batches(identities):
            for identity, values in self.rows_where(connection, [self.chosen(some)], names, lock=lock):
                found[identity] = values
        return found

    def rows_where(
        self,
        connection: Connection,
        conditions: Iterable[ColumnElement[bool]],
        names: Collection[str],
        *,
        limit: int | None = None,
        parameters: Any = None,
        lock: Lock | None = None,
    ) -> Iterator[tuple[Identity, dict[str, Any]]]:
        """Give identity and values of the rows that meet all conditions.

        It is no statement of the ORM, so that no criteria of the app's own hide a row.
        """
        keys = self.mapper.primary_key
        statement = (
            select(*keys, *(self.in_table[name] for name in names))
            .select_from(self.mapper.persist_selectable)
            .where(*conditions)
            .limit(limit)
        )
        if lock is not None:
            statement = statement.with_for_update(**lock)
        for row in connection.execute(statement, parameters):
            values = tuple(row)
            yield values[: len(keys)], dict(zip(names, values[len(keys) :], strict=True))


_readers: WeakKeyDictionary[type, RowReader] = WeakKeyDictionary()


def reader_of(model: type) -> RowReader:
    """Return the reader of a mapped class's rows."""
    reader = _readers.get(model)
    if reader is None:
        reader = _readers[model] = RowReader(cast("Mapper[Any]", inspect(model)))
    return reader


def model_of(item: Any) -> type[Any]:
    """Return an object's class."""
    return cast("type[Any]", type(item))


state_of: Callable[[object], InstanceState[Any]] = instance_state
"""Returns what SQLAlchemy knows of an object."""


def in_batches(items: Iterable[T]) -> Iterator[list[T]]:
    """Give items in lists that one statement can ask for."""
    rest = iter(items)
    while some := list(islice(rest, _AT_ONCE)):
        yield some


def _comparison(column: Column[Any]) -> Callable[[Any, Any], bool]:
    kind = column.type
    own: Any = type(kind).compare_values is not TypeEngine[Any].compare_values
    return kind.compare_values if own else eq
