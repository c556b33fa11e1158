"""Bulk statements: the rows that an UPDATE, DELETE or INSERT of the ORM changes past its objects.

Rows are found by one bounded SELECT before the statement, which is left as it is: with a RETURNING of ours
the app would get another result. What became of them is found out when the transaction commits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, Delete, Insert, Result, Table, UniqueConstraint, Update, inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapper, ORMExecuteState, Session

from .changes import Change
from .changeset import ChangeSet
from .failures import describe
from .muting import Muted, muted_now
from .outlets import ServedByAnother
from .plans import Plan, plan_for
from .rows import Identity, RowReader, reader_of
from .settings import BULK_MAX
from .watching import declared_bindings

logger: logging.Logger = logging.getLogger(__name__)

Rows = dict[Identity, "dict[str, Any] | None"]
"""What rows are before a statement; None for one that is not there."""


def on_statement(state: ORMExecuteState, change_set_of: Callable[[Session], ChangeSet]) -> Result[Any] | None:
    """Execute a bulk statement on rows that somebody listens to, and record what it may have changed.

    :returns: the statement's result; None where it concerns nobody and is left to SQLAlchemy.
    """
    statement = state.statement
    if not isinstance(statement, (Update, Delete, Insert)):
        return None
    recorder = _recorder(state, statement)
    if recorder is None:
        return None
    rows = _rows(state, statement, recorder) if recorder.wants_rows else None
    result = state.invoke_statement()
    try:
        if rows is None and recorder.wants_rows and isinstance(statement, Insert):
            rows = None if _may_upsert(statement) else _inserted(result)
        affected: int = getattr(result, "rowcount", -1)
        if affected != 0:
            recorder.record(change_set_of(state.session), rows, affected)
    except Exception as error:
        logger.error("What a bulk statement changed could not be followed: %s", describe(error))
    return result


def _recorder(state: ORMExecuteState, statement: Update | Delete | Insert) -> _Recorder | None:
    """Return what records a statement's changes, None where they concern nobody."""
    try:
        mapper = state.bind_mapper or _mapper_of(statement)
        plans = _plans_below(mapper) if mapper is not None else []
        if mapper is None or all(plan.bulk is None for plan in plans):
            return None
        return _Recorder(reader_of(mapper.class_), plans, muted_now())
    except Exception as error:
        logger.error("A bulk statement could not be followed: %s", describe(error))
        return None


def _mapper_of(statement: Update | Delete | Insert) -> Mapper[Any] | None:
    """Return the mapper of a statement on a table, None where no model with a binding has it."""
    for model, _binding in declared_bindings():
        mapper = cast("Mapper[Any] | None", inspect(model, raiseerr=False))
        if mapper is not None and mapper.local_table is statement.table:
            return mapper
    return None


def _plans_below(mapper: Mapper[Any]) -> list[Plan]:
    plans = (plan_for(one.class_) for one in mapper.self_and_descendants)
    return [plan for plan in plans if plan is not None]


class _Recorder:
    """Records what a statement may have changed.

    :param reader: reads the rows of the statement's model.
    :param plans: those of the model and its subclasses.
    """

    def __init__(self, reader: RowReader, plans: list[Plan], muted: Muted) -> None:
        self.reader = reader
        self._plans = plans
        self._muted = muted
        self.wants_rows: bool = any(plan.bulk == "rows" for plan in plans)
        """Whether somebody wants to be told of rows one by one."""
        self.most = max((_most(plan) for plan in plans), default=BULK_MAX)
        """Rows that are told one by one, at most."""

    def record(self, change_set: ChangeSet, rows: Rows | None, affected: int) -> None:
        """Record the rows, and that there were some where not all are known or not all want to know them.

        :param rows: None where they are not known.
        :param affected: how many rows the database says that there were; negative where it does not.
        """
        known = rows is not None and max(affected, len(rows)) <= self.most and affected <= len(rows)
        for identity, values in rows.items() if rows is not None and len(rows) <= self.most else ():
            event = "insert" if values is None else "update"
            key = (self.reader.space, identity)
            change = Change(event, self._model_of(values), None, identity, reason="bulk", key=key)
            change.old, change.muted, change.stale = values or {}, self._muted, True
            change_set.record(change)
        if not known or any(map(_wants_refresh, self._plans)):
            for model in self._concerned(not known):
                space = reader_of(model).space
                change = Change("refresh", model, None, (), reason="bulk", key=(space, "refresh", model))
                change.muted, change.by_row = self._muted, known
                change_set.record(change)

    def _concerned(self, refresh: bool) -> Iterator[type]:
        told: set[object] = set()
        for plan in self._plans:
            if not told.issuperset(plan.bindings):
                told.update(plan.bindings)
                yield plan.reader.model
            if refresh:
                # Which of the rows above them is not known, either.
                yield from (link.parent.model for link in plan.links)

    def _model_of(self, values: dict[str, Any] | None) -> type:
        mapper = self.reader.mapper
        if values is None or mapper.polymorphic_on is None:
            return self.reader.model
        name = next(
            (name for name, column in self.reader.columns.items() if column is mapper.polymorphic_on), ""
        )
        found = mapper.polymorphic_map.get(values.get(name))
        return self.reader.model if found is None else found.class_


def _wants_refresh(plan: Plan) -> bool:
    return any(binding.bulk == "refresh" for binding in plan.bindings)


def _most(plan: Plan) -> int:
    most = 0
    for binding in plan.bindings:
        try:
            most = max(most, binding.find_outlet().settings.bulk_max)
        except ServedByAnother:
            continue
        except Exception:
            most = max(most, BULK_MAX)  # there is no app here whose setting it could be
    return most if plan.bindings else BULK_MAX


# Finding rows


def _rows(state: ORMExecuteState, statement: Update | Delete | Insert, recorder: _Recorder) -> Rows | None:
    """Return the rows that a statement is about to change, None where they are not known."""
    session, reader = state.session, recorder.reader
    if state.is_executemany and len(cast("Sequence[Any]", state.parameters)) > recorder.most:
        return None
    if session.autoflush:
        session.flush()
    try:
        if isinstance(statement, Insert):
            return _to_insert(state, statement, recorder)
        if state.is_executemany:
            return _by_key(session, recorder, _parameter_sets(state))
        conditions = [] if statement.whereclause is None else [statement.whereclause]
        found = reader.rows_where(
            session, conditions, list(reader.columns), limit=recorder.most + 1, parameters=state.parameters
        )
        return dict(found)
    except Exception as error:
        logger.warning("Rows of a bulk statement could not be found: %s", describe(error))
        return None


def _by_key(session: Session, recorder: _Recorder, given: list[dict[str, Any]]) -> Rows | None:
    """Return the rows whose keys are given, None where a key is missing or there are too many."""
    identities = _identities(recorder.reader, given)
    if identities is None or len(identities) > recorder.most:
        return None
    found = recorder.reader.fetch(session, identities, list(recorder.reader.columns))
    return {identity: found.get(identity) for identity in identities}


def _to_insert(state: ORMExecuteState, statement: Insert, recorder: _Recorder) -> Rows | None:
    given = _values(state, statement)
    if not _may_upsert(statement):
        identities = _identities(recorder.reader, given)
        return None if identities is None else dict.fromkeys(identities)
    # Its rows may be there, and another unique key may find others.
    return None if _has_other_keys(recorder.reader.mapper) else _by_key(state.session, recorder, given)


def _may_upsert(statement: Insert) -> bool:
    """Tell whether it is the INSERT of a database that has upserts."""
    return hasattr(statement, "on_conflict_do_nothing") or hasattr(statement, "on_duplicate_key_update")


def _inserted(result: Result[Any]) -> Rows | None:
    """Return the one row whose key the database has made, None where the result does not tell."""
    try:
        key = getattr(result, "inserted_primary_key", None)
    except SQLAlchemyError:  # it was many rows, or has a RETURNING of the app's own
        return None
    identity = tuple(key or ())
    return {identity: None} if identity and None not in identity else None


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
