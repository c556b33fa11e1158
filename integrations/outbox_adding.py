"""How the updates of a commit get into the outbox's table: by one statement, however many there are."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, Connection, Dialect, Insert, Table, bindparam, column, func, insert, select
from sqlalchemy.types import String

from .outbox_clock import clock

_UPDATE = ("event_id", "topics", "data", "private", "type", "retry", "hub")
"""The columns of what `values_of` returns, in its order and the table's."""

_CLAIM = ("claim", "not_before", "created_at")


class Adding:
    """Writes rows into one table.

    PostgreSQL gets the rows as one JSON text, for its drivers send a statement for each row otherwise, and
    waiting for these takes longer than all the rest of the commit. Other drivers get them just as they want
    them: for SQLAlchemy to look at each parameter takes as long as writing it.
    """

    def __init__(self, table: Table) -> None:
        self._insert = insert(table)
        self._insert_json = _from_json(table)
        self._by_dialect: dict[str, str] = {}

    def add(self, connection: Connection, rows: Sequence[dict[str, Any]], claim: str, lease: float) -> None:
        """Write rows in their order.

        :param rows: what `values_of` returns for each.
        :param lease: seconds for which the claim holds.
        """
        dialect = connection.dialect
        if dialect.name == "postgresql":
            given = {"rows": json.dumps(rows), "token": claim, "lease": lease}
            connection.execute(self._insert_json, given)
            return
        # SQLite's clock is that of this host.
        now = time.time() if dialect.name == "sqlite" else connection.scalar(select(clock())) or 0.0
        shared = {"claim": claim, "not_before": now + lease, "created_at": now}
        if dialect.positional:
            end = tuple(shared.values())
            connection.exec_driver_sql(self._sql(dialect), [(*row.values(), *end) for row in rows])
        else:
            connection.execute(self._insert, [{**row, **shared} for row in rows])

    def _sql(self, dialect: Dialect) -> str:
        sql = self._by_dialect.get(dialect.driver)
        if sql is None:
            compiled = self._insert.compile(dialect=dialect, column_keys=[*_UPDATE, *_CLAIM])
            sql = self._by_dialect[dialect.driver] = str(compiled)
        return sql


def _from_json(table: Table) -> Insert:
    columns = table.c
    given = func.json_to_recordset(bindparam("rows", type_=String).cast(JSON))
    rows = given.table_valued(*(column(name, columns[name].type) for name in _UPDATE), name="given")
    rows = rows.render_derived(with_types=True)
    return insert(table).from_select(
        [*_UPDATE, *_CLAIM],
        select(
            *(rows.c[name] for name in _UPDATE),
            bindparam("token", type_=String),
            clock() + bindparam("lease"),
            clock(),
        ),
        include_defaults=False,
    )
