"""The outbox: updates are written in the transaction of the change that they tell, and published afterwards.

What is written is claimed by the process that writes it, which publishes it right after the commit and
takes it out. What it does not get rid of, because the hub is down, another process has the topic's turn, or
it is killed, a relay publishes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.orm import Session

from flask_mercure_sse.protocol.errors import ConfigurationError

from .failures import describe
from .outbox_later import Later
from .outbox_sending import Hubs, Outcome, Row
from .outbox_store import Store, new_claim
from .outlets import Held

logger: logging.Logger = logging.getLogger(__name__)

START_WITHIN = 5.0
"""Seconds after a claim in which updates may begin to be sent, where nothing else is said."""

PUBLISH_WITHIN = 1.0
"""Seconds for which a commit begins to send updates, before it leaves the rest to a relay."""

SLOW_FOR = 10.0
"""Seconds for which an app leaves all to a relay that could not send its updates in that time."""

BATCH = 100
"""Updates that are claimed at once."""

_ROUNDS = 3
"""Batches that an app publishes after its own, should others have left some because of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The updates that one transaction has written into one database.

    :param bind: what reaches the database after the commit.
    :param addresses: of each hub that is another than the app's the URL, by the `id` of the outlet.
    :param until: when this process may begin to send no more, on the monotonic clock; None where the updates
        are anybody's.
    """

    outbox: Outbox
    store: Store
    bind: Engine | Connection
    claim: str
    held: list[Held]
    addresses: dict[int, str | None]
    until: float | None

    def rows(self) -> list[Row]:
        """Return the updates as rows whose ids are not known."""
        return [
            Row(0, self.addresses[id(outlet)], update, binding=binding)
            for _key, binding, outlet, update in self.held
        ]


class Outbox:
    """The outbox of one app, with a table in each database that needs one.

    :param stores: returns the tables.
    :param hubs: where the updates go.
    :param longest: seconds that sending one update may take.
    :param note: gets the event ids of updates that this process writes: whoever sends them, they are its own.
    :param hand_over: wakes who publishes in the app's place, where somebody does.
    :param later: where it publishes after a commit; None while the commit waits.
    :param close: ends what the app has started to publish what is left.
    """

    def __init__(
        self,
        stores: Callable[[], Sequence[Store]],
        hubs: Hubs,
        *,
        longest: float,
        note: Callable[[Iterable[str]], None] | None = None,
        hand_over: Callable[[], None] | None = None,
        later: Later | None = None,
        close: Callable[[], None] | None = None,
    ) -> None:
        self._stores = stores
        self.hubs = hubs
        self.start_within = START_WITHIN
        """Seconds after a claim in which updates may begin to be sent."""
        self._longest = longest
        self._note = note
        self._close = close
        self._hand_over = hand_over
        self._later = later
        self._checked: set[int] = set()
        self._slow_until = 0.0

    @property
    def lease(self) -> float:
        """Seconds for which a claim holds: longer than any update is sent that begins in time."""
        return self.start_within + self._longest + 1.0

    def close(self) -> None:
        """End what the app has started to publish what is left."""
        if self._close is not None:
            self._close()

    def flush(self, timeout: float) -> bool:
        """Wait until what this process publishes after commits is done; False when it takes longer.

        :param timeout: in seconds.
        """
        return self._later is None or self._later.flush(timeout)

    @property
    def stores(self) -> Sequence[Store]:
        """The tables."""
        return self._stores()

    # In the transaction

    def write(self, session: Session, held: list[Held]) -> list[Batch]:
        """Write updates, each by the connection that its change went through, with one INSERT for each.

        :raises ConfigurationError: a database with changes has no outbox.
        """
        by_mapper: dict[Any, list[Held]] = {}
        for one in held:
            by_mapper.setdefault(one[0][0] if one[0] else None, []).append(one)
        by_connection: dict[Connection, tuple[Store, Engine | Connection, list[Held]]] = {}
        of_no_row = by_mapper.pop(None, [])
        for mapper, some in by_mapper.items():
            asked = {"mapper": mapper}
            connection = session.connection(bind_arguments=asked)
            if connection not in by_connection:
                store = self._store_at(connection.engine)
                by_connection[connection] = (store, session.get_bind(**asked), [])
            by_connection[connection][2].extend(some)
        if of_no_row:
            if not by_connection:
                by_connection.update([self._any(session)])
            next(iter(by_connection.values()))[2].extend(of_no_row)
        return [self._add(connection, *found) for connection, found in by_connection.items()]

    def _store_at(self, engine: Engine) -> Store:
        for store in self.stores:
            if store.find_engine().pool is engine.pool:
                return store
        raise ConfigurationError(
            f"MERCURE_OUTBOX: the database {engine.url.render_as_string()} has no outbox, but changes in it "
            "are published; call mercure.outbox_table(metadata) with its tables' metadata"
        )

    def _any(self, session: Session) -> tuple[Connection, tuple[Store, Engine | Connection, list[Held]]]:
        """Return where an update goes that belongs to no row."""
        for store in self.stores:
            asked: dict[str, Any] = {"clause": store.table}
            try:
                connection = session.connection(bind_arguments=asked)
            except UnboundExecutionError:
                continue
            return connection, (self._store_at(connection.engine), session.get_bind(**asked), [])
        raise ConfigurationError(
            "MERCURE_OUTBOX: the session reaches no outbox; call mercure.outbox_table(metadata)"
        )

    def _add(
        self, connection: Connection, store: Store, bind: Engine | Connection, held: list[Held]
    ) -> Batch:
        if id(store) not in self._checked:
            store.check(connection)
            self._checked.add(id(store))
        addresses: dict[int, str | None] = {id(one[2]): one[2].address for one in held}
        now = time.monotonic()
        claimed = (
            self._hand_over is None and now >= self._slow_until and self.hubs.may_take(addresses.values())
        )
        until = now + self.start_within if claimed else None
        batch = Batch(self, store, bind, new_claim(), held, addresses, until)
        updates = [(addresses[id(outlet)], update) for _key, _binding, outlet, update in held]
        if self._note is not None:
            self._note(update.id for _address, update in updates)
        store.add(connection, batch.claim, updates, self.lease if claimed else 0.0)
        return batch

    # After the commit

    def publish(self, batch: Batch) -> None:
        """Publish what a transaction has written, unless somebody else does."""
        if batch.until is None:
            if self._hand_over is not None:
                self._hand_over()
        elif self._later is not None and self._later.takes(batch.bind):
            self._later.put(partial(self._send, batch, batch.until))
        else:
            self._send(batch, time.monotonic() + PUBLISH_WITHIN)

    def _send(self, batch: Batch, soon: float) -> None:
        """Publish what a transaction has written and take it out.

        :param soon: when to leave the rest to a relay, on the monotonic clock.
        """
        assert batch.until is not None, "it is this process that publishes it"
        rows = batch.rows()
        order = batch.store.earlier(batch.bind, batch.claim)
        if order is None:
            _settle(batch, rows, Outcome(left=rows))
            return
        outcome = self.hubs.deliver(rows, min(soon, batch.until), order)
        if time.monotonic() > soon:
            self._slow_until = time.monotonic() + SLOW_FOR
        _settle(batch, rows, outcome)
        self._help(batch.store, batch.bind, soon)

    def _help(self, store: Store, bind: Engine | Connection, until: float) -> None:
        """Publish what others have left because it was behind what this process published."""
        for _ in range(_ROUNDS):
            if time.monotonic() > until or not store.has_free(bind, self.hubs.resting):
                return
            if not self.round(store, bind, until).published:
                return

    def round(self, store: Store, bind: Engine | Connection, until: float = float("inf")) -> Outcome:
        """Claim, send and settle one batch of what anybody may publish.

        :param until: when to begin to send no more, on the monotonic clock, should that be soon.
        """
        until = min(until, time.monotonic() + self.start_within)
        claim, rows = store.claim(bind, size=BATCH, lease=self.lease, without=self.hubs.resting)
        outcome = self.hubs.deliver(rows, until)
        if rows:
            store.settle(bind, claim, outcome)
        return outcome


def _settle(batch: Batch, rows: list[Row], outcome: Outcome) -> None:
    """Write down what became of what a transaction wrote, whose ids matter only where some is left."""
    store, bind = batch.store, batch.bind
    if len(outcome.published) == len(rows):
        store.forget(bind, batch.claim)
        return
    ids = store.ids(bind, batch.claim)
    if len(ids) == len(rows):  # else it took so long that others have taken over
        for row, number in zip(rows, ids, strict=True):
            row.id = number
        store.settle(bind, batch.claim, outcome)


# What sessions call


def written(session: Session, batches: list[Batch], held: list[Held]) -> list[Batch]:
    """Write those of the updates that have an outbox, and return what is written then.

    :param batches: what the transaction has written before; where one of those updates is no longer to be
        published, all is written anew, so that the order stays that of the changes.
    :raises ConfigurationError: a database with changes has no outbox.
    """
    wanted = {id(one) for one in held}
    done = {id(one) for batch in batches for one in batch.held}
    if not done <= wanted:
        for batch in batches:
            batch.store.withdraw(_connection(session, batch), batch.claim)
        batches = []
        done.clear()
    by_outbox: dict[Outbox, list[Held]] = {}
    found: dict[int, Outbox | None] = {}
    for one in held:
        outlet = one[2]
        if id(outlet) not in found:
            found[id(outlet)] = outlet.settings.outbox
        outbox = found[id(outlet)]
        # No database of these takes a NUL in a text.
        if outbox is not None and id(one) not in done and "\0" not in one[3].data:
            by_outbox.setdefault(outbox, []).append(one)
    return [*batches, *(batch for outbox, some in by_outbox.items() for batch in outbox.write(session, some))]


def _connection(session: Session, batch: Batch) -> Connection:
    key = batch.held[0][0]
    return session.connection(bind_arguments={"mapper": key[0]} if key else {"clause": batch.store.table})


def publish_written(batches: Iterable[Batch]) -> set[int]:
    """Publish what a transaction has written, now that it is committed; return the `id` of each update."""
    done: set[int] = set()
    for batch in batches:
        done.update(map(id, batch.held))
        try:
            batch.outbox.publish(batch)
        except Exception as error:
            logger.error("%d updates stay in the outbox for now: %s", len(batch.held), describe(error))
    return done
