"""Which rows a bulk statement is about to change, found by one bounded SELECT before it.

Where the database can, the SELECT locks the rows that it finds, as the statement is about to do. Else another
transaction might change which rows there are in between: between two statements under READ COMMITTED, and
since the transaction's first SELECT on MariaDB and MySQL, where a plain SELECT reads the snapshot and an
UPDATE the newest rows. Of locked rows none can be lost, so a count that equals theirs means all. Rows that
are not there yet are not locked, for MariaDB would lock the gaps in which others insert.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Delete, Insert, Table, UniqueConstraint, Update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapper, ORMExecuteState

from .alive import is_broken
from .failures import describe
from .rows import Identity, Lock, RowReader

logger: logging.Logger = logging.getLogger(__name__)

Statement = Update | Delete | Insert

Rows = dict[Identity, "dict[str, Any] | None"]
"""What rows are before a statement; None for one that is not there."""


def may_upsert(state: ORMExecuteState) -> bool:
    """Tell whether it is the INSERT of a database that has upserts, or has a prefix such as OR REPLACE."""
    statement = state.statement
    if not isinstance(statement, Insert):
        return False
    if hasattr(statement, "on_conflict_do_nothing") or hasattr(statement, "on_duplicate_key_update"):
        return True
    if state.parameters:
        return False  # the ORM shows a prefix of such a statement to nobody
    dialect = state.session.get_bind(**dict(state.bind_arguments)).dialect
    return not str(statement.compile(dialect=dialect, column_keys=[])).startswith("INSERT INTO ")


def find_rows(
    state: ORMExecuteState, statement: Statement, reader: RowReader, most: int, *, upserts: bool
) -> Rows | None:
    """Return the rows that a statement is about to change, None where they are not known.

    :param most: rows that are looked for; one more is returned where there are more.
    :param upserts: whether the rows of an INSERT may be there.
    :raises DBAPIError: the transaction has not survived the search.
    """
    session = state.session
    if state.is_executemany and len(cast("Sequence[Any]", state.parameters)) > most:
        return None
    if session.autoflush:
        session.flush()
    lock: Lock | None = None
    try:
        # The statement's own database: a session may have others to read from.
        connection = session.connection(bind_arguments=dict(state.bind_arguments))
        lock = _lock(connection, statement)
        if isinstance(statement, Insert):
            return _to_insert(state, statement, reader, most, connection, upserts=upserts)
        if state.is_executemany:
            return _by_key(connection, reader, most, _parameter_sets(state), lock)
        if isinstance(statement, Update) and _sets_key(statement, state.parameters, reader):
            return None
        conditions = _conditions(state, statement, reader)
        names, parameters = list(reader.in_table), state.parameters
        return dict(
            reader.rows_where(connection, conditions, names, limit=most + 1, parameters=parameters, lock=lock)
        )
    except Exception as error:
        # A deadlock or a lock that took too long is the statement's as well, and some databases have taken
        # back the whole transaction by now, so that the statement would begin another one.
        if (lock is not None and isinstance(error, OperationalError)) or is_broken(session, [reader.model]):
            raise
        logger.warning("Rows of a bulk statement could not be found: %s", describe(error))
        return None


def _conditions(
    state: ORMExecuteState, statement: Update | Delete, reader: RowReader
) -> list[ColumnElement[bool]]:
    """Return the statement's conditions, and the one that SQLAlchemy adds for a class in a shared table."""
    conditions = [] if statement.whereclause is None else [statement.whereclause]
    mapper, kind = state.bind_mapper, reader.mapper.polymorphic_on
    if mapper is not None and mapper.single and isinstance(kind, ColumnElement):
        conditions.append(kind.in_([one.polymorphic_identity for one in mapper.self_and_descendants]))
    return conditions


def _lock(connection: Connection, statement: Statement) -> Lock | None:
    """Return how the statement's rows are locked, None where they are not."""
    if connection.dialect.name not in ("postgresql", "mysql", "mariadb") or isinstance(statement, Insert):
        return None
    # Rows that point to a row may still come while it is updated.
    return {"of": statement.table, "key_share": isinstance(statement, Update)}


def _sets_key(statement: Update, parameters: Any, reader: RowReader) -> bool:
    """Tell whether a statement gives rows other keys, which are not known before."""
    names = {*reader.keys, *(column.key for column in reader.mapper.primary_key)}
    compiled = statement.compile(column_keys=[])
    by_sql = (column.key for column in compiled.postfetch or ())
    return not names.isdisjoint([*compiled.params, *by_sql, *(parameters or ())])


def _by_key(
    connection: Connection, reader: RowReader, most: int, given: list[dict[str, Any]], lock: Lock | None
) -> Rows | None:
    """Return the rows whose keys are given, None where a key is missing or there are too many."""
    identities = _identities(reader, given)
    if identities is None or len(identities) > most:
        return None
    found = reader.fetch(connection, identities, list(reader.in_table), lock=lock)
    # The database may spell a key that it finds in another way: A for a, or with spaces behind it.
    return {**dict.fromkeys(identities), **found}


def _to_insert(
    state: ORMExecuteState,
    statement: Insert,
    reader: RowReader,
    most: int,
    connection: Connection,
    *,
    upserts: bool,
) -> Rows | None:
    if statement.select is not None:
        return None
    given = _values(state, statement)
    if not upserts:
        identities = _identities(reader, given)
        return None if identities is None else dict.fromkeys(identities)
    # Its rows may be there, and another unique key may find others.
    return None if _has_other_keys(reader.mapper) else _by_key(connection, reader, most, given, None)


def _values(state: ORMExecuteState, statement: Insert) -> list[dict[str, Any]]:
    """Return the values of each row of an INSERT, as far as they are no SQL."""
    if state.parameters:
        return _parameter_sets(state)
    compiled = dict(statement.compile().params)
    rows = [compiled]
    while several := {
        name.removesuffix(suffix): value
        for name, value in compiled.items()
        if name.endswith(suffix := f"_m{len(rows) - 1}")
    }:
        rows = [*rows, several]
    return rows[1:] or rows


def _parameter_sets(state: ORMExecuteState) -> list[dict[str, Any]]:
    given: Any = state.parameters
    return [dict(one) for one in (given if isinstance(given, (list, tuple)) else [given or {}])]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _identities(reader: RowReader, given: list[dict[str, Any]]) -> list[Identity] | None:
    """Return the primary keys among parameters, None where one is missing or of another type."""
    identities: list[Identity] = []
    for values in given:
        identity = tuple(values.get(name, values.get(reader.columns[name].name)) for name in reader.keys)
        if not all(map(_is_of_type, identity, reader.mapper.primary_key)):
            return None
        identities.append(identity)
    return identities


def _is_of_type(value: object, column: ColumnElement[Any]) -> bool:
    try:
        return type(value) is column.type.python_type
    except NotImplementedError:
        return value is not None


def _has_other_keys(mapper: Mapper[Any]) -> bool:
    """Tell whether rows can be found by another unique key than the primary one."""
    for table in mapper.tables:
        if isinstance(table, Table) and (
            any(isinstance(constraint, UniqueConstraint) for constraint in table.constraints)
            or any(index.unique for index in table.indexes)
        ):
            return True
    return False
