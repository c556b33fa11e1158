"""Bulk statements: the rows that an UPDATE, DELETE or INSERT of the ORM changes past its objects.

The statement is left as it is: with a RETURNING of ours the app would get another result. What became of the
rows is found out when the transaction commits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, cast

from sqlalchemy import Delete, Insert, Result, Update, inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapper, ORMExecuteState, Session

from .bulk_rows import Rows, find_rows, may_upsert
from .changes import Change
from .changeset import ChangeSet
from .failures import describe
from .muting import Muted, muted_now
from .outlets import ServedByAnother
from .plans import Plan, plan_for
from .rows import RowReader, reader_of
from .settings import BULK_MAX
from .watching import declared_bindings

logger: logging.Logger = logging.getLogger(__name__)


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
    upserts = may_upsert(state)
    rows = None
    if recorder.wants_rows:
        rows = find_rows(state, statement, recorder.reader, recorder.most, upserts=upserts)
    result = state.invoke_statement()
    try:
        if rows is None and recorder.wants_rows and isinstance(statement, Insert):
            rows = None if upserts or statement.select is not None else _inserted(result)
        affected: int = getattr(result, "rowcount", -1)
        if affected > 0 and upserts:
            affected = -1  # MariaDB and MySQL count rows twice that were there
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
        declared = cast("Mapper[Any] | None", inspect(model, raiseerr=False))
        for mapper in declared.self_and_descendants if declared is not None else ():
            if mapper.local_table is statement.table:
                while mapper.single and mapper.inherits is not None:
                    mapper = mapper.inherits  # its siblings' rows are in the table as well
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
            key, model = (self.reader.space, identity), self._model_of(values)
            change = Change(event, model, None, identity, reason="bulk", key=key)
            columns = reader_of(model).columns
            change.old = {name: value for name, value in (values or {}).items() if name in columns}
            change.muted, change.stale = self._muted, True
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


def _inserted(result: Result[Any]) -> Rows | None:
    """Return the one row whose key the database has made, None where the result does not tell."""
    try:
        key = getattr(result, "inserted_primary_key", None)
    except SQLAlchemyError:  # it was many rows, or has a RETURNING of the app's own
        return None
    identity = tuple(key or ())
    return {identity: None} if identity and None not in identity else None
