"""Whatever a session does: a subscriber that replays the updates has the table, after every commit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, SessionTransaction, mapped_column

from flask_mercure_sse.integrations.changes import model_changed
from flask_mercure_sse.integrations.signals import publish_signal
from tests.integrations.recorder import Recorder


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "row"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[int]


KEYS = st.integers(1, 2)
VALUES = st.integers(1, 9)
FLUSH = st.booleans()
CHANGES = st.one_of(
    st.tuples(st.just("insert"), FLUSH, KEYS, VALUES),
    st.tuples(st.just("update"), FLUSH, KEYS, VALUES),
    st.tuples(st.just("delete"), FLUSH, KEYS),
    st.tuples(st.just("move"), FLUSH, KEYS, KEYS),
)
MOMENTS = st.tuples(
    st.sampled_from(
        ["expire", "savepoint", "savepoint", "release", "undo", "commit", "commit", "rollback", "close"]
    ),
    st.just(False),
)
STEPS = st.one_of(CHANGES, CHANGES, MOMENTS)


class History:
    """Runs steps on a session, and keeps the copy that a subscriber builds from the updates."""

    def __init__(self, session: Session, recorder: Recorder) -> None:
        self.session = session
        self.recorder = recorder
        self.copy: dict[int, int] = {}
        self.savepoints: list[SessionTransaction] = []

    def run(self, step: tuple[Any, ...]) -> None:
        name, flush, *arguments = step
        getattr(self, name)(*arguments)
        if flush:
            self.session.flush()

    def insert(self, key: int, value: int) -> None:
        if self.session.get(Row, key) is None:
            self.session.add(Row(id=key, value=value))

    def update(self, key: int, value: int) -> None:
        if (row := self.session.get(Row, key)) is not None:
            row.value = value

    def delete(self, key: int) -> None:
        if (row := self.session.get(Row, key)) is not None:
            self.session.delete(row)

    def move(self, key: int, other: int) -> None:
        row = self.session.get(Row, key)
        if row is not None and self.session.get(Row, other) is None:
            row.id = other
            self.session.flush()

    def expire(self) -> None:
        self.session.flush()
        self.session.expire_all()

    def savepoint(self) -> None:
        self.savepoints.append(self.session.begin_nested())

    def release(self) -> None:
        if self.savepoints:
            self.savepoints.pop().commit()

    def undo(self) -> None:
        if self.savepoints:
            self.savepoints.pop().rollback()

    def commit(self) -> None:
        self.savepoints.clear()
        self.session.commit()
        self.follow()

    def rollback(self) -> None:
        self.savepoints.clear()
        self.session.rollback()
        assert self.recorder.updates == []

    def close(self) -> None:
        self.savepoints.clear()
        self.session.close()
        assert self.recorder.updates == []

    def follow(self) -> None:
        bodies = self.recorder.bodies
        assert len({body["id"] for body in bodies}) == len(bodies), (
            "two updates of one row in one transaction"
        )
        for body in bodies:
            if body["event"] == "delete":
                del self.copy[body["id"]]
            else:
                assert (body["event"] == "insert") == (body["id"] not in self.copy)
                self.copy[body["id"]] = body["data"]["value"]
        self.recorder.clear()
        assert self.copy == dict(self.session.execute(select(Row.id, Row.value)).all())
        self.session.rollback()


@pytest.fixture
def table(engine: Engine) -> Iterator[Engine]:
    Base.metadata.create_all(engine)
    yield engine
    Base.metadata.drop_all(engine)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, min_size=20, max_size=60))
def test_a_copy_built_from_the_updates_equals_the_table(table: Engine, steps: list[tuple[Any, ...]]) -> None:
    recorder = Recorder()
    binding = publish_signal(recorder, model_changed, sender=Row, data=["value"])
    try:
        with Session(table) as session:
            history = History(session, recorder)
            for step in steps:
                history.run(step)
            history.commit()
            for row in session.scalars(select(Row)):
                session.delete(row)
            history.commit()
            assert history.copy == {}
    finally:
        binding.disconnect()
