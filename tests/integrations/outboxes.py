"""An outbox in a test's database, and a hub that does as the test says."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine, MetaData, func, select

from flask_mercure_sse.integrations.outbox import Outbox
from flask_mercure_sse.integrations.outbox_sending import Hubs
from flask_mercure_sse.integrations.outbox_store import Store
from flask_mercure_sse.integrations.outbox_table import outbox_table
from flask_mercure_sse.protocol.errors import PublishError
from flask_mercure_sse.protocol.update import Update
from tests.integrations.recorder import Recorder


class Hub:
    """Keeps what it is sent; `answer` decides what it says: a status, None for no answer, 200 by default."""

    def __init__(self) -> None:
        self.updates: list[Update] = []
        self.tried: list[Update] = []
        self.addresses: list[str | None] = []
        self.answer: Callable[[Update], int | None] = lambda _update: 200

    def take(self, address: str | None, update: Update) -> None:
        self.tried.append(update)
        status = self.answer(update)
        if status != 200:
            raise PublishError(address or "http://hub", status, "no")
        self.updates.append(update)
        self.addresses.append(address)

    @property
    def topics(self) -> list[str]:
        return [update.topic for update in self.updates]

    def is_down(self) -> None:
        self.answer = lambda _update: None

    def is_up(self) -> None:
        self.answer = lambda _update: 200


class Site:
    """One process of an app: its outbox, and a recorder for what goes past it."""

    def __init__(self, engine: Engine, hub: Hub, metadata: MetaData, *, longest: float = 0.0) -> None:
        self.hub = hub
        self.engine = engine
        self.store = Store(outbox_table(metadata), lambda: engine)
        self.outbox = Outbox(lambda: [self.store], Hubs(hub.take), longest=longest)
        self.recorder = Recorder(outbox=self.outbox)

    def left(self) -> list[tuple[str, int, str | None]]:
        """Return what is in the table: topics, attempts and error."""
        columns = self.store.table.c
        listed = select(columns.topics, columns.attempts, columns.error).order_by(columns.id)
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(listed)]

    def count(self) -> int:
        with self.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(self.store.table)) or 0

    def add(self, *topics: str, lease: float = 0.0) -> None:
        """Write an update into the table by hand, claimed for so many seconds."""
        with self.engine.begin() as connection:
            self.store.add(connection, "somebody", [(None, Update(topics))], lease)

    def round(self) -> list[str]:
        """Let a relay publish once what it may; return the topics."""
        outcome = self.outbox.round(self.store, self.engine)
        return [row.update.topic for row in outcome.published]
