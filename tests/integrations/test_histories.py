"""Whatever a session does: subscribers that replay the updates have the table, after every commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import flask_sqlalchemy
import flask_sqlalchemy_lite
import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, create_engine, delete, insert, select, update
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, SessionTransaction, mapped_column

from flask_mercure_sse.integrations.changes import model_changed
from flask_mercure_sse.integrations.signals import publish_signal
from tests.integrations.databases import do_not_wait, on_all_databases, upsert
from tests.integrations.recorder import Recorder


class Base(DeclarativeBase):
    pass


class Card(Base):
    __tablename__ = "card"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    list: Mapped[int]
    value: Mapped[int]
    hidden: Mapped[bool] = mapped_column(default=False)


LISTS = (1, 2)
BULK_MAX = 2

ids = st.integers(1, 4)
neighbours = st.integers(5, 6)
"""Cards that another session changes as objects; statements meet all."""
lists = st.sampled_from(LISTS)
values = st.integers(1, 3)


class Subscribers:
    """Copies of the table, one for each topic, built from nothing but the updates."""

    def __init__(self, recorder: Recorder, engine: Engine) -> None:
        self._recorder = recorder
        self._engine = engine
        self._copies: dict[str, dict[int, Any]] = {topic: {} for topic in self._topics()}

    def _topics(self) -> dict[str, Callable[[Card], bool]]:
        """Each topic, and which cards its followers know of."""
        followed: dict[str, Callable[[Card], bool]] = {
            "/all": lambda card: True,
            "/shown": lambda card: not card.hidden,
        }
        for number in LISTS:
            followed[f"/lists/{number}"] = lambda card, number=number: card.list == number and not card.hidden
        return followed

    def follow(self) -> None:
        """Apply what was published, and compare the copies with the table."""
        with Session(self._engine) as session:
            cards = list(session.scalars(select(Card)))
        seen: set[tuple[str, str, Any]] = set()
        bodies = self._recorder.bodies
        # What rows were is not known in a transaction of which a statement's rows are not.
        self._is_exact = all(body["event"] != "refresh" for body in bodies)
        updates = zip(self._recorder.updates, self._recorder.transactions, bodies, strict=True)
        for change, transaction, body in updates:
            for topic in change.topics:
                row = transaction, topic, body.get("id", "all")
                assert row not in seen, "two updates of one row in one transaction"
                seen.add(row)
                self._apply(topic, body, cards)
        self._recorder.clear()
        for topic, knows in self._topics().items():
            expected = {card.id: [card.list, card.value] for card in cards if knows(card)}
            assert self._copies[topic] == expected, topic

    def _apply(self, topic: str, body: dict[str, Any], cards: list[Card]) -> None:
        if body["event"] == "refresh":
            for name in self._copies if topic == "/lists" else [topic]:
                knows = self._topics()[name]
                self._copies[name] = {card.id: [card.list, card.value] for card in cards if knows(card)}
            return
        copy, identity = self._copies[topic], body["id"]
        if self._is_exact:
            assert (identity in copy) == (body["event"] != "insert"), f"{topic}: {body}"
        if body["event"] == "delete":
            copy.pop(identity, None)
        else:
            copy[identity] = [body["data"]["list"], body["data"]["value"]]


def bindings(recorder: Recorder) -> list[Any]:
    """All cards, those that are shown, and those of each list."""
    shown: dict[str, Any] = {"when": lambda card: not card.hidden}
    common: dict[str, Any] = {"sender": Card, "data": ["list", "value"]}
    return [
        publish_signal(recorder, model_changed, topic="/all", **common),
        publish_signal(recorder, model_changed, topic="/shown", **shown, **common),
        publish_signal(
            recorder, model_changed, topic="/lists/{list}", collection="/lists", **shown, **common
        ),
    ]


class Histories(RuleBasedStateMachine):
    """A session that does whatever sessions do.

    :param make_session: returns one that is closed; a plain one by default.
    """

    def __init__(self, engine: Engine, make_session: Callable[[], Session] | None = None) -> None:
        super().__init__()
        self.engine = engine
        self.make_session = make_session or (lambda: Session(engine))
        self.open = ExitStack()
        self.savepoints: list[SessionTransaction] = []

    @initialize()
    def start(self) -> None:
        self.recorder = Recorder(bulk_max=BULK_MAX)
        self.session = self.open.enter_context(self.make_session())
        self.session.execute(Card.__table__.delete())
        self.session.commit()
        for binding in bindings(self.recorder):
            self.open.enter_context(binding)
        self.subscribers = Subscribers(self.recorder, self.engine)
        self.neighbour = create_engine(self.engine.url)
        self.open.callback(self.neighbour.dispose)

    def teardown(self) -> None:
        self.open.close()

    # The unit of work

    @rule(key=ids, list=lists, value=values, hidden=st.booleans())
    def insert(self, key: int, list: int, value: int, hidden: bool) -> None:
        if self.session.get(Card, key) is None:
            self.session.add(Card(id=key, list=list, value=value, hidden=hidden))

    @rule(key=ids, value=values)
    def change(self, key: int, value: int) -> None:
        if (card := self.session.get(Card, key)) is not None:
            card.value = value

    @rule(key=ids, list=lists)
    def move(self, key: int, list: int) -> None:
        if (card := self.session.get(Card, key)) is not None:
            card.list = list

    @rule(key=ids)
    def hide_or_show(self, key: int) -> None:
        if (card := self.session.get(Card, key)) is not None:
            card.hidden = not card.hidden

    @rule(key=ids)
    def delete(self, key: int) -> None:
        if (card := self.session.get(Card, key)) is not None:
            self.session.delete(card)

    @rule(key=ids, other=ids)
    def renumber(self, key: int, other: int) -> None:
        card = self.session.get(Card, key)
        if card is not None and self.session.get(Card, other) is None:
            card.id = other
            self.session.flush()

    @rule()
    def flush(self) -> None:
        self.session.flush()

    @rule()
    def expire(self) -> None:
        self.session.flush()
        self.session.expire_all()

    @rule()
    def forget(self) -> None:
        self.session.flush()
        self.session.expunge_all()

    # Bulk statements

    @rule(low=values, value=values, synchronize=st.sampled_from(["auto", "fetch", False]))
    def change_many(self, low: int, value: int, synchronize: Any) -> None:
        statement = update(Card).where(Card.value <= low).values(value=value)
        self.session.execute(statement, execution_options={"synchronize_session": synchronize})
        self.session.expire_all()

    @rule(key=ids, list=lists, hidden=st.booleans())
    def move_with_a_statement(self, key: int, list: int, hidden: bool) -> None:
        self.session.query(Card).filter(Card.id >= key).update({"list": list, "hidden": hidden})

    @rule(value=values)
    def delete_many(self, value: int) -> None:
        self.session.execute(delete(Card).where(Card.value == value))

    @rule(key=ids, value=values)
    def insert_with_a_statement(self, key: int, value: int) -> None:
        if self.session.get(Card, key) is None:
            self.session.execute(insert(Card), [{"id": key, "list": 1, "value": value, "hidden": False}])

    @rule(keys=st.sets(ids, min_size=1), value=values)
    def upsert(self, keys: set[int], value: int) -> None:
        rows = [{"id": key, "list": 2, "value": value, "hidden": False} for key in sorted(keys)]
        self.session.execute(upsert(self.engine, Card, rows, "value"))
        self.session.expire_all()

    # Somebody else

    @precondition(lambda self: self.engine.dialect.name != "sqlite")  # in memory there is one connection
    @rule(key=neighbours, list=lists, value=values, delete=st.booleans())
    def commit_elsewhere(self, key: int, list: int, value: int, delete: bool) -> None:
        with Session(self.neighbour) as session:
            do_not_wait(session.connection())
            try:
                if delete:
                    session.delete(session.get(Card, key) or Card())
                else:
                    session.merge(Card(id=key, list=list, value=value, hidden=False))
                session.commit()
            except (DBAPIError, InvalidRequestError):  # a statement has locked it, or there is none
                session.rollback()
        self.subscribers.follow()

    # Transactions

    @rule()
    def savepoint(self) -> None:
        self.savepoints.append(self.session.begin_nested())

    @rule()
    def release(self) -> None:
        if self.savepoints:
            self.savepoints.pop().commit()

    @rule()
    def undo(self) -> None:
        if self.savepoints:
            self.savepoints.pop().rollback()

    @rule()
    def commit(self) -> None:
        self.savepoints.clear()
        self.session.commit()
        self.subscribers.follow()

    @rule(close=st.booleans())
    def give_up(self, close: bool) -> None:
        self.savepoints.clear()
        (self.session.close if close else self.session.rollback)()
        assert self.recorder.updates == []


@pytest.fixture
def table(engine: Engine) -> Iterator[Engine]:
    Base.metadata.create_all(engine)
    yield engine
    Base.metadata.drop_all(engine)


EXAMPLES = {"sqlite": 100, "postgresql": 60, "mariadb": 25}
"""As many as a few seconds allow."""


def follow_histories(table: Engine, examples: int, make_session: Callable[[], Session] | None = None) -> None:
    run_state_machine_as_test(
        lambda: Histories(table, make_session),
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@on_all_databases
def test_copies_built_from_the_updates_equal_the_table(table: Engine) -> None:
    follow_histories(table, EXAMPLES[table.dialect.name])


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_they_do_with_the_sessions_of_flask_sqlalchemy(table: Engine, app: Flask) -> None:
    app.config["SQLALCHEMY_DATABASE_URI"] = table.url
    db = flask_sqlalchemy.SQLAlchemy(app)

    def make_session() -> Session:
        db.session.remove()
        return db.session()

    with app.app_context():
        follow_histories(table, 15, make_session)
        db.engine.dispose()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_they_do_with_the_sessions_of_flask_sqlalchemy_lite(table: Engine, app: Flask) -> None:
    app.config["SQLALCHEMY_ENGINES"] = {"default": table.url}
    db = flask_sqlalchemy_lite.SQLAlchemy(app)
    with app.app_context():
        follow_histories(table, 15, lambda: db.session)
        db.engine.dispose()
