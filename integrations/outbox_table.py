"""The table of the outbox, and how an update lies in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, MetaData, String, Table, Text, text
from sqlalchemy.dialects.mysql import LONGTEXT

from flask_mercure_sse.protocol.update import MAX_ID_LENGTH, Update

NAME = "mercure_outbox"

_LONG = Text().with_variant(LONGTEXT(), "mysql", "mariadb")  # whose TEXT ends after 64 KiB
_BIG = BigInteger().with_variant(Integer(), "sqlite")  # which counts up integers alone


def outbox_table(metadata: MetaData, name: str = NAME) -> Table:
    """Attach the outbox's table to an app's tables, so that migrations and ``create_all()`` see it.

    :param metadata: that of the models; a second time it returns the same table.
    """
    known = metadata.tables.get(f"{metadata.schema}.{name}" if metadata.schema else name)
    if known is not None:
        return known
    return Table(
        name,
        metadata,
        Column("id", _BIG, primary_key=True),  # the order in which updates are published
        Column("event_id", String(MAX_ID_LENGTH), nullable=False),  # the same each time it is sent
        Column("topics", _LONG, nullable=False),  # a JSON list
        Column("data", _LONG, nullable=False),
        Column("private", Boolean, nullable=False),
        Column("type", Text),
        Column("retry", BigInteger),
        Column("hub", Text),  # the URL, where it is another than the app's
        Column("claim", String(32), nullable=False, index=True),  # who publishes it, or did last
        Column("not_before", Double, nullable=False),  # until then it is claimed, or waits
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Column("error", Text),  # what the last attempt met
        Column("failed_at", Double),  # when it was given up
        Column("created_at", Double, nullable=False),  # all times are seconds since 1970
        # Else SQLite gives the id of a deleted row again.
        sqlite_autoincrement=True,
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
    )


def values_of(update: Update, hub: str | None) -> dict[str, Any]:
    """Return an update as values of columns.

    :param hub: URL of another hub than the app's.
    """
    return {
        "event_id": update.id,
        "topics": json.dumps(update.topics),
        "data": update.data,
        "private": update.private,
        "type": update.type,
        "retry": update.retry,
        "hub": hub,
    }


def topics_in(written: str) -> tuple[str, ...]:
    """Return the topics of a row, none where somebody has changed them into what is no list."""
    try:
        topics = json.loads(written)
    except ValueError:
        return ()
    return tuple(cast("list[str]", topics)) if isinstance(topics, list) else ()


def update_in(row: Mapping[str, Any]) -> Update:
    """Return the update of a row.

    :raises InvalidUpdate: somebody has changed the row into what is none.
    """
    return Update(
        topics_in(row["topics"]),
        row["data"],
        private=bool(row["private"]),
        id=row["event_id"],
        type=row["type"],
        retry=row["retry"],
    )
