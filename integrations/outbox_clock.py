"""The clock of a database: hosts that share one need not agree about the time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Double
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

SUPPORTED: dict[str, str] = {
    # Not now(): that is when the transaction began.
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)",
    # Not unix_timestamp(): it goes through the session's time zone, where an hour may come twice.
    "mysql": "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1e6)",
    "mariadb": "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1e6)",
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
}
"""How each kind of database says the seconds since 1970; others cannot hold an outbox."""


class _Now(FunctionElement[float]):
    """The seconds since 1970, by the clock of the database."""

    type: TypeEngine[float] = Double()
    inherit_cache: bool | None = True


def _compile(_element: _Now, compiler: Any, **_options: Any) -> str:
    return SUPPORTED[compiler.dialect.name]


compiles(_Now)(_compile)


def clock() -> ColumnElement[float]:
    """Return the seconds since 1970, by the clock of the database that the statement is for."""
    return _Now()
