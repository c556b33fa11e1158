"""Looking after an outbox by hand: what waits or was given up, and what is to become of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select, update

from .outbox_clock import clock
from .outbox_store import Store, transaction
from .outbox_table import topics_in


@dataclass(frozen=True, slots=True)
class Entry:
    """A row as a person sees it; what the update carries is not shown.

    :param age: seconds since it was written.
    """

    id: int
    failed: bool
    attempts: int
    age: float
    topic: str
    error: str


def entries(store: Store, limit: int) -> list[Entry]:
    """Return the first rows, in the order in which they are published."""
    columns = store.table.c
    listed = (
        select(
            columns.id,
            columns.failed_at,
            columns.attempts,
            (clock() - columns.created_at).label("age"),
            columns.topics,
            columns.error,
        )
        .order_by(columns.id)
        .limit(limit)
    )
    with transaction(store.find_engine()) as connection:
        return [
            Entry(
                row.id,
                row.failed_at is not None,
                row.attempts,
                row.age,
                next(iter(topics_in(row.topics)), ""),
                row.error or "",
            )
            for row in connection.execute(listed)
        ]


def retry(store: Store, ids: Sequence[int] | None) -> int:
    """Let updates that were given up, or wait because a hub failed, be sent again; return how many.

    :param ids: which, None for all that were given up.
    """
    columns = store.table.c
    failed = columns.failed_at.is_not(None)
    chosen = failed if ids is None else columns.id.in_(ids) & columns.error.is_not(None)
    again = update(store.table).where(chosen).values(failed_at=None, error=None, attempts=0, not_before=0.0)
    with transaction(store.find_engine()) as connection:
        count = connection.execute(again).rowcount
        store.tell(connection)
        return count


def drop(store: Store, ids: Sequence[int] | None) -> int:
    """Delete updates, which nobody will get then; return how many.

    :param ids: which, None for all that were given up.
    """
    columns = store.table.c
    chosen = columns.failed_at.is_not(None) if ids is None else columns.id.in_(ids)
    with transaction(store.find_engine()) as connection:
        return connection.execute(delete(store.table).where(chosen)).rowcount
