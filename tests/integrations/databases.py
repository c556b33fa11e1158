"""What tests must say to each database in its own way."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.dialects import mysql, postgresql, sqlite

on_all_databases = pytest.mark.parametrize("engine", ["sqlite", "postgresql", "mariadb"], indirect=True)
"""Runs a test on MariaDB as well: where statements and not objects matter, it differs from the others."""


def upsert(engine: Engine, model: type, rows: Any, *names: str, key: str = "id") -> Any:
    """Return the INSERT of rows that sets `names` of those that are there; without names they stay.

    :param key: the unique column by which rows are found; MariaDB takes any.
    """
    if engine.dialect.name in ("mysql", "mariadb"):
        statement = mysql.insert(model).values(rows)
        if not names:
            return statement.prefix_with("IGNORE")
        return statement.on_duplicate_key_update({name: statement.inserted[name] for name in names})
    dialect: Any = sqlite if engine.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(model).values(rows)
    if not names:
        return statement.on_conflict_do_nothing()
    values = {name: statement.excluded[name] for name in names}
    return statement.on_conflict_do_update(index_elements=[key], set_=values)


def do_not_wait(connection: Connection) -> None:
    """Let a connection fail at once where it would wait for a lock."""
    postgresql = connection.dialect.name == "postgresql"
    connection.execute(text("set lock_timeout = 1" if postgresql else "set innodb_lock_wait_timeout = 0"))
