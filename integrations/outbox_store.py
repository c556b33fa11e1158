"""The outbox in one database: who may publish which updates, and what became of them.

Rules of this room:

1. A row is claimed by a time, ``not_before``: until then it is its claimer's, afterwards anybody's. So a
   process that is killed holds nothing up for long, and no connection is held while a hub is waited for.
2. What is done to a claimed row names its claim: whoever was too slow changes nothing.
3. There is no place in the order up to which all is done: a transaction may commit after one that has
   higher ids. Each look begins at the lowest row that is left.
4. Looking and claiming are two transactions, for SQLite lets no transaction write that has read before
   another wrote. Claiming takes only what is still free.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Table,
    bindparam,
    delete,
    func,
    inspect,
    select,
    true,
    update,
)

from flask_mercure_sse.protocol.errors import ConfigurationError, InvalidUpdate
from flask_mercure_sse.protocol.update import Update

from .outbox_adding import Adding
from .outbox_clock import SUPPORTED, clock
from .outbox_order import Order
from .outbox_sending import Outcome, Row
from .outbox_table import topics_in, update_in, values_of
from .rows import in_batches

_PAGE = 500
"""Rows that are looked at in one go."""

CHANNEL = "mercure_outbox"
"""On which PostgreSQL tells that updates are there for whoever takes them."""


def new_claim() -> str:
    """Return a claim that nobody else has."""
    return os.urandom(16).hex()


@contextmanager
def transaction(bind: Engine | Connection) -> Generator[Connection, None, None]:
    """Give a connection in a transaction of its own.

    On a connection that is in one already, as in test suites that roll everything back, a savepoint.
    """
    if isinstance(bind, Engine):
        with bind.begin() as connection:
            yield connection
    else:
        with bind.begin_nested() if bind.in_transaction() else bind.begin():
            yield bind


def _reading_committed(bind: Engine | Connection) -> Engine | Connection:
    """Return what begins transactions that lock the rows that they take, and neither gaps nor snapshots."""
    if isinstance(bind, Engine) and bind.dialect.name != "sqlite":
        return bind.execution_options(isolation_level="READ COMMITTED")
    return bind


class Store:
    """An outbox's table and the database that it is in.

    :param find_engine: returns the database's engine.
    """

    def __init__(self, table: Table, find_engine: Callable[[], Engine]) -> None:
        self.table = table
        self.find_engine = find_engine
        columns = table.c
        self._unfinished: ColumnElement[bool] = columns.failed_at.is_(None)
        self._free: ColumnElement[bool] = self._unfinished & (columns.not_before <= clock())
        self._adding = Adding(table)
        self._delete = delete(table).where(columns.claim == bindparam("token"))

    def check(self, bind: Engine | Connection) -> None:
        """Find out now whether the database can hold the outbox.

        :raises ConfigurationError: it cannot; the text has the fix.
        """
        if bind.dialect.name not in SUPPORTED:
            kinds = "PostgreSQL, MariaDB, MySQL and SQLite"
            raise ConfigurationError(f"MERCURE_OUTBOX: works on {kinds}, not on {bind.dialect.name}")
        if not inspect(bind).has_table(self.table.name, schema=self.table.schema):
            raise ConfigurationError(
                f"MERCURE_OUTBOX: the database has no table {self.table.fullname}; "
                "make it with a migration or create_all()"
            )

    # In the app's transaction

    def add(
        self, connection: Connection, claim: str, updates: Iterable[tuple[str | None, Update]], lease: float
    ) -> None:
        """Write updates that are claimed from the start.

        :param updates: each behind the URL of another hub than the app's.
        :param lease: seconds for which the claim holds, 0 to let anybody publish them.
        """
        self._adding.add(connection, [values_of(one, hub) for hub, one in updates], claim, lease)
        if lease == 0:
            self.tell(connection)

    def withdraw(self, connection: Connection, claim: str) -> None:
        """Take back what the same transaction has written."""
        connection.execute(self._delete, {"token": claim})

    def tell(self, connection: Connection) -> None:
        """Wake who waits for free rows, once the transaction has committed; only PostgreSQL can."""
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_notify(CHANNEL, "")))

    # Claiming

    def earlier(self, bind: Engine | Connection, claim: str) -> Order | None:
        """Return the order as those set it who come before what a transaction wrote, None for too many.

        Its own first row is the measure: what has an id between its rows was written at the same time.
        """
        columns = self.table.c
        first = select(func.min(columns.id)).where(columns.claim == claim).scalar_subquery()
        looked = select(columns.hub, columns.topics).where(self._unfinished, columns.id < first)
        with transaction(bind) as connection:
            rows = connection.execute(looked.limit(_PAGE)).all()
        if len(rows) == _PAGE:
            return None
        order = Order()
        for row in rows:
            order.stop(row.hub, topics_in(row.topics))
        return order

    def ids(self, bind: Engine | Connection, claim: str) -> list[int]:
        """Return the ids of what a transaction wrote, in its order."""
        columns = self.table.c
        with transaction(bind) as connection:
            own = select(columns.id).where(columns.claim == claim).order_by(columns.id)
            return list(connection.scalars(own))

    def claim(
        self, bind: Engine | Connection, *, size: int, lease: float, without: Sequence[str | None]
    ) -> tuple[str, list[Row]]:
        """Claim the next free updates that nothing before them stops; return the claim and them.

        :param size: how many at most.
        :param lease: seconds for which the claim holds.
        :param without: hubs whose updates are left alone.
        """
        claim = new_claim()
        wanted = self._look(bind, size, without)
        if not wanted:
            return claim, []
        with transaction(_reading_committed(bind)) as connection:
            taken = self._take(connection, claim, lease, list(wanted))
            # What another has taken meanwhile stops those behind it.
            order, kept, given_back = Order(), list[Row](), list[int]()
            for number, (hub, topics) in wanted.items():
                if number not in taken:
                    order.stop(hub, topics)
                elif not order.may_go(hub, topics):
                    given_back.append(number)
                elif (row := self._read(connection, claim, taken[number])) is not None:
                    kept.append(row)
            self._free_again(connection, claim, given_back)
        return claim, kept

    def _look(
        self, bind: Engine | Connection, size: int, without: Sequence[str | None]
    ) -> dict[int, tuple[str | None, tuple[str, ...]]]:
        columns = self.table.c
        order = Order()
        found: dict[int, tuple[str | None, tuple[str, ...]]] = {}
        looked = (
            select(columns.id, columns.hub, columns.topics, (columns.not_before <= clock()).label("free"))
            .where(self._unfinished, columns.id > bindparam("after"), *map(self._elsewhere, without))
            .order_by(columns.id)
            .limit(_PAGE)
        )
        after, rows = -1, list[Any]()
        with transaction(bind) as connection:
            while len(found) < size and (after < 0 or len(rows) == _PAGE):
                rows = list(connection.execute(looked, {"after": after}))
                for row in rows:
                    after, topics = row.id, topics_in(row.topics)
                    if not row.free:
                        order.stop(row.hub, topics)
                    elif order.may_go(row.hub, topics) and len(found) < size:
                        found[row.id] = (row.hub, topics)
                after = max(after, 0)
        return found

    def _elsewhere(self, hub: str | None) -> ColumnElement[bool]:
        column = self.table.c.hub
        return column.is_not(None) if hub is None else column.is_(None) | (column != hub)

    def _take(
        self, connection: Connection, claim: str, lease: float, ids: list[int]
    ) -> dict[int, RowMapping]:
        columns = self.table.c
        if connection.dialect.name != "sqlite":  # which has one writer at a time anyway
            free = select(columns.id).where(columns.id.in_(ids), self._free)
            ids = list(connection.scalars(free.with_for_update(skip_locked=True)))
        connection.execute(
            update(self.table)
            .where(columns.id.in_(ids), self._free)
            .values(claim=claim, not_before=clock() + lease)
        )
        taken = select(self.table).where(columns.id.in_(ids), columns.claim == claim)
        return {row["id"]: row for row in connection.execute(taken).mappings()}

    def _read(self, connection: Connection, claim: str, row: RowMapping) -> Row | None:
        try:
            return Row(row["id"], row["hub"], update_in(dict(row)), row["attempts"])
        except InvalidUpdate as error:
            self._change(connection, claim, [row["id"]], failed_at=clock(), error=str(error))
            return None

    def has_free(self, bind: Engine | Connection, without: Sequence[str | None]) -> bool:
        """Tell whether there are updates that anybody may publish."""
        looked = select(true()).where(self._free, *map(self._elsewhere, without)).limit(1)
        with transaction(bind) as connection:
            return connection.scalar(looked) is not None

    def last(self, bind: Engine | Connection) -> int:
        """Return the highest id of the updates that are to be published, 0 where there are none."""
        with transaction(bind) as connection:
            return connection.scalar(select(func.max(self.table.c.id)).where(self._unfinished)) or 0

    def until_free(self, bind: Engine | Connection, last: int, without: Sequence[str | None]) -> float | None:
        """Return for how many seconds updates are claimed that were never sent in vain, None where none are.

        :param last: the highest id that counts.
        :param without: hubs whose updates do not count.
        """
        columns = self.table.c
        waiting = (
            self._unfinished,
            columns.not_before > clock(),
            columns.id <= last,
            columns.error.is_(None),
        )
        looked = select(func.min(columns.not_before) - clock()).where(
            *waiting, *map(self._elsewhere, without)
        )
        with transaction(bind) as connection:
            return connection.scalar(looked)

    # Settling

    def forget(self, bind: Engine | Connection, claim: str) -> None:
        """Delete all that is claimed so: it is published."""
        with transaction(bind) as connection:
            if connection.dialect.name == "postgresql":
                # Should the database crash now, they are published again: that need not be waited for.
                connection.execute(select(func.set_config("synchronous_commit", "off", True)))
            connection.execute(self._delete, {"token": claim})

    def settle(self, bind: Engine | Connection, claim: str, outcome: Outcome) -> None:
        """Write down what became of claimed rows."""
        columns = self.table.c
        with transaction(bind) as connection:
            for ids in _ids(outcome.published):
                connection.execute(delete(self.table).where(columns.claim == claim, columns.id.in_(ids)))
            for row, error in outcome.refused:
                self._change(connection, claim, [row.id], failed_at=clock(), error=error)
            for one in outcome.delayed:
                waits = clock() + one.seconds
                self._change(
                    connection, claim, [one.row.id], not_before=waits, attempts=one.attempts, error=one.error
                )
            self._free_again(connection, claim, [row.id for row in outcome.left])

    def _free_again(self, connection: Connection, claim: str, ids: Sequence[int]) -> None:
        for some in in_batches(ids):
            self._change(connection, claim, some, not_before=0.0)
        if ids:
            self.tell(connection)

    def _change(self, connection: Connection, claim: str, ids: Sequence[int], **values: Any) -> None:
        columns = self.table.c
        connection.execute(
            update(self.table).where(columns.claim == claim, columns.id.in_(ids)).values(**values)
        )


def _ids(rows: Iterable[Row]) -> Iterator[Sequence[int]]:
    return in_batches([row.id for row in rows])
