"""Sessions of every kind: scoped, asynchronous, of two engines, in two phases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, FetchedValue, create_engine, delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

from flask_mercure_sse.integrations.signals import publish_signal
from tests.integrations.conftest import sqlite_engine
from tests.integrations.recorder import Recorder
from tests.integrations.schema import Base, Project, Task, bind
from tests.services import missing


def test_a_scoped_session_publishes_for_each_scope(tables: None, recorder: Recorder, engine: Engine) -> None:
    scope = [1]
    current = scoped_session(sessionmaker(engine), scopefunc=lambda: scope[0])
    bind(recorder)
    current.add(Task(id=1, title="one"))
    current.flush()
    if engine.dialect.name != "sqlite":  # in memory there is one connection
        scope[0] = 2
        current.add(Task(id=2, title="two"))
        current.commit()
        assert recorder.events == [("insert", "Task", 2)]
        current.remove()
        scope[0] = 1
    current.commit()
    current.remove()
    assert recorder.events[-1] == ("insert", "Task", 1)


def test_an_autobegun_transaction_and_a_block_publish_alike(
    tables: None, recorder: Recorder, engine: Engine
) -> None:
    bind(recorder)
    with Session(engine) as session, session.begin():
        session.add(Task(id=1, title="one"))
    with sessionmaker(engine).begin() as session:
        session.add(Task(id=2, title="two"))

    def fail() -> None:
        with Session(engine) as session, session.begin():
            session.add(Task(id=3, title="three"))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert recorder.events == [("insert", "Task", 1), ("insert", "Task", 2)]


@pytest.fixture
def async_url(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql_url")
    return f"sqlite+aiosqlite:///{tmp_path}/async.db"


@pytest.mark.parametrize("async_url", ["sqlite", "postgresql"], indirect=True)
def test_an_async_session_publishes_with_all_that_must_be_loaded(recorder: Recorder, async_url: str) -> None:
    bind(recorder, topic="/{project.name}/{id}", data=["title"])

    async def run() -> None:
        engine = create_async_engine(async_url)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            session.add_all([Project(id=1, name="one"), Project(id=2, name="two")])
            task = Task(id=1, title="write", project_id=1)
            session.add(task)
            await session.commit()
            task.project_id = 2
            await session.commit()
            await session.execute(update(Task).values(title="done"))
            await session.commit()
            await session.delete(task)
            await session.rollback()
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
        await engine.dispose()

    asyncio.run(run())
    assert [
        (update.topic, body["event"]) for update, body in zip(recorder.updates, recorder.bodies, strict=True)
    ] == [
        ("/one/1", "insert"),
        ("/one/1", "delete"),
        ("/two/1", "insert"),
        ("/two/1", "update"),
    ]


@pytest.mark.parametrize("async_url", ["sqlite"], indirect=True)
def test_a_signals_update_waits_for_an_async_session(recorder: Recorder, async_url: str) -> None:
    from blinker import Namespace

    paid = Namespace().signal("order-paid")

    async def run() -> None:
        engine = create_async_engine(async_url)
        current = async_scoped_session(async_sessionmaker(engine), scopefunc=asyncio.current_task)
        with publish_signal(recorder, paid, on_commit=current):
            for finish in (current.rollback, current.commit):
                await current.execute(text("select 1"))
                paid.send(None)
                assert recorder.updates == []
                await finish()
            await current.remove()
        await engine.dispose()

    asyncio.run(run())
    assert len(recorder.updates) == 1


class First(DeclarativeBase):
    pass


class One(First):
    __tablename__ = "one"
    id: Mapped[int] = mapped_column(primary_key=True)


class Two(First):
    __tablename__ = "two"
    id: Mapped[int] = mapped_column(primary_key=True)


def test_rows_of_two_engines_in_one_session_are_published_together(recorder: Recorder) -> None:
    engines = sqlite_engine(), sqlite_engine()
    for engine in engines:
        First.metadata.create_all(engine)
    bind(recorder, One)
    bind(recorder, Two)
    with Session(binds={One: engines[0], Two: engines[1]}) as session:
        session.add_all([One(id=1), Two(id=2)])
        session.commit()
        session.execute(delete(Two))
        session.commit()
    assert recorder.events == [("insert", "One", 1), ("insert", "Two", 2), ("delete", "Two", 2)]
    for engine in engines:
        engine.dispose()


# Two phases


@pytest.fixture
def two_phase_engine(postgresql_url: str) -> Iterator[Engine]:
    engine = create_engine(postgresql_url)
    with engine.connect() as connection:
        possible = int(connection.scalar(text("show max_prepared_transactions")) or 0)
    if not possible:
        engine.dispose()
        missing("PostgreSQL with two-phase transactions", "set its max_prepared_transactions above 0")
    Base.metadata.create_all(engine)
    yield engine
    Base.metadata.drop_all(engine)
    engine.dispose()


def test_in_two_phases_nothing_is_published_before_the_second(
    recorder: Recorder, two_phase_engine: Engine
) -> None:
    bind(recorder)
    with Session(two_phase_engine, twophase=True) as session:
        session.add(Task(id=1, title="write"))
        session.prepare()
        assert recorder.updates == []
        session.commit()
    assert recorder.events == [("insert", "Task", 1)]


def test_what_is_prepared_and_rolled_back_is_not_published(
    recorder: Recorder, two_phase_engine: Engine
) -> None:
    bind(recorder)
    with Session(two_phase_engine, twophase=True) as session:
        session.add(Task(id=1, title="write"))
        session.prepare()
        session.rollback()
    assert recorder.updates == []


# Queries


class Stamped(First):
    __tablename__ = "stamped"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    stamp: Mapped[int] = mapped_column(server_default=text("1"), server_onupdate=FetchedValue())
    __mapper_args__ = {"eager_defaults": False}  # noqa: RUF012


@pytest.fixture
def stamped(engine: Engine) -> Iterator[None]:
    First.metadata.create_all(engine)
    yield
    First.metadata.drop_all(engine)


def test_values_that_the_database_makes_cost_one_query_for_all_rows(
    stamped: None, recorder: Recorder, session: Session, count_queries: Any
) -> None:
    bind(recorder, Stamped, data=["stamp"])
    rows = [Stamped(id=number, title="a") for number in range(50)]
    session.add_all(rows)
    with count_queries() as selects:
        session.commit()
    assert len(selects) == 1
    rows = list(session.scalars(select(Stamped)))
    for row in rows:
        row.title = "b"
    with count_queries() as selects:
        session.commit()
    assert len(selects) == 1
    assert len(recorder.updates) == 100
    assert {body["data"]["stamp"] for body in recorder.bodies} == {1}


def test_a_bare_binding_asks_the_database_for_nothing(
    stamped: None, recorder: Recorder, session: Session, count_queries: Any
) -> None:
    bind(recorder, Stamped)
    session.add_all([Stamped(id=number, title="a") for number in range(50)])
    with count_queries() as selects:
        session.commit()
    assert selects == []
    rows = list(session.scalars(select(Stamped)))
    for row in rows:
        row.title = "b"
    with count_queries() as selects:
        session.flush()
        for row in rows:
            session.delete(row)
        session.commit()
    assert selects == []
    assert len(recorder.updates) == 100
