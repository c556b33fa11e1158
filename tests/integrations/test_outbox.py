"""What a session's commit does where there is an outbox."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blinker import Namespace
from sqlalchemy import Engine, MetaData, create_engine, event, select, update
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flask_mercure_sse.integrations import outbox
from flask_mercure_sse.integrations.outbox import Outbox
from flask_mercure_sse.integrations.outbox_sending import Hubs
from flask_mercure_sse.integrations.outbox_store import Store
from flask_mercure_sse.integrations.outbox_table import outbox_table
from flask_mercure_sse.integrations.signals import publish_signal
from flask_mercure_sse.protocol.errors import ConfigurationError
from flask_mercure_sse.protocol.update import Update
from tests.integrations.outboxes import Hub, Site
from tests.integrations.recorder import Recorder
from tests.integrations.schema import Project, bind

pytestmark = pytest.mark.usefixtures("tables")


@pytest.fixture
def site(engine: Engine, metadata: MetaData) -> Site:
    """An app whose updates of projects go to ``/projects`` and carry their names."""
    site = Site(engine, Hub(), metadata)
    bind(site.recorder, Project, topic="/projects", data=["name"])
    return site


def names(updates: list[Update]) -> list[str]:
    return [update.data.partition('"name": "')[2].partition('"')[0] for update in updates]


def commit(engine: Engine, *given: str) -> None:
    with Session(engine) as session:
        session.add_all([Project(name=name) for name in given])
        session.commit()


def test_updates_are_published_right_after_the_commit_and_taken_out(site: Site) -> None:
    commit(site.engine, "a", "b")
    assert names(site.hub.updates) == ["a", "b"]
    assert site.recorder.updates == []
    assert site.count() == 0


def test_a_commit_writes_its_updates_by_one_insert(site: Site) -> None:
    inserts: list[str] = []

    @event.listens_for(site.engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        if statement.startswith("INSERT INTO mercure_outbox"):
            inserts.append(statement)

    commit(site.engine, *map(str, range(30)))
    assert len(inserts) == 1
    assert len(site.hub.updates) == 30


def test_a_commit_that_publishes_nothing_does_not_touch_the_outbox(site: Site) -> None:
    statements: list[str] = []
    event.listen(site.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    with Session(site.engine) as session:
        session.scalars(select(Project)).all()
        session.commit()
    assert not any("mercure_outbox" in statement for statement in statements)


def test_updates_are_committed_with_their_change(site: Site) -> None:
    site.hub.is_down()
    commit(site.engine, "a")
    [(topics, _attempts, error)] = site.left()
    assert topics == '["/projects"]'
    assert "could not be reached" in str(error)


def test_updates_are_rolled_back_with_their_change(site: Site) -> None:
    site.hub.is_down()
    with Session(site.engine) as session:
        session.add(Project(name="a"))
        session.flush()
        session.rollback()
        session.add(Project(name="b"))
        session.flush()
    assert site.left() == []


def test_a_savepoint_takes_its_own_updates_with_it(site: Site) -> None:
    with Session(site.engine) as session:
        session.add(Project(name="kept"))
        session.flush()
        with session.begin_nested() as savepoint:
            session.add(Project(name="gone"))
            session.flush()
            savepoint.rollback()
        session.commit()
    assert names(site.hub.updates) == ["kept"]


def test_a_commit_that_the_database_refuses_leaves_nothing(site: Site) -> None:
    site.hub.is_down()
    with Session(site.engine) as session:
        session.add(Project(name="a"))
        session.commit()
        before = site.left()

        @event.listens_for(session, "before_commit")
        def break_it(session: Session) -> None:
            raise RuntimeError("the app's own check")

        session.add(Project(name="b"))
        with pytest.raises(RuntimeError):
            session.commit()
    assert site.left() == before


def test_the_event_id_stays_the_same_when_it_is_sent_again(site: Site) -> None:
    site.hub.answer = lambda _update: 500
    commit(site.engine, "a")
    site.hub.is_up()
    with site.engine.begin() as connection:
        connection.execute(update(site.store.table).values(not_before=0.0))
    site.round()
    assert [one.id for one in site.hub.tried] == [site.hub.tried[0].id] * 2
    assert names(site.hub.updates) == ["a"]


def test_a_hub_that_is_down_is_not_waited_for_with_each_commit(site: Site) -> None:
    site.hub.is_down()
    for name in "abc":
        commit(site.engine, name)
    assert len(site.hub.tried) == 1
    assert len(site.left()) == 3


def test_a_hub_that_is_slow_holds_no_commit_up_for_long(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(_update: Update) -> int:
        time.sleep(0.2)
        return 200

    monkeypatch.setattr(outbox, "PUBLISH_WITHIN", 0.1)
    site.hub.answer = answer
    commit(site.engine, "a", "b", "c")
    commit(site.engine, "d")
    assert names(site.hub.updates) == ["a"]
    site.round()
    assert names(site.hub.updates) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_no_connection_is_held_while_a_hub_is_waited_for(site: Site) -> None:
    pool: Any = site.engine.pool
    held: list[int] = []

    def answer(_update: Update) -> int:
        held.append(pool.checkedout())
        return 200

    site.hub.answer = answer
    commit(site.engine, "a")
    assert held == [0]


def test_what_a_hub_refuses_is_kept_with_its_error_and_stops_nothing(site: Site) -> None:
    site.hub.answer = lambda update: 413 if "large" in update.data else 200
    commit(site.engine, "a", "large", "b")
    assert names(site.hub.updates) == ["a", "b"]
    [(_topics, _attempts, error)] = site.left()
    assert "413" in str(error)


def test_an_update_is_left_to_others_while_an_earlier_one_of_its_topic_is_theirs(site: Site) -> None:
    site.add("/projects", lease=60)
    commit(site.engine, "a")
    assert site.hub.updates == []
    assert len(site.left()) == 2


def test_a_commit_behind_a_long_queue_leaves_its_updates_to_a_relay(site: Site) -> None:
    with site.engine.begin() as connection:
        site.store.add(connection, "me", [(None, Update((f"/{n}",))) for n in range(600)], 60)
    commit(site.engine, "a")
    assert site.hub.updates == []
    assert site.round() == ["/projects"]


def test_who_was_waited_for_publishes_what_was_left_because_of_it(engine: Engine, site: Site) -> None:
    def answer(update: Update) -> int:
        if "first" in update.data:
            commit(engine, "second")  # as another thread does just now
            assert names(site.hub.updates) == []
        return 200

    site.hub.answer = answer
    commit(engine, "first")
    assert names(site.hub.updates) == ["first", "second"]
    assert site.left() == []


def test_rows_that_a_later_listener_changes_are_written_as_they_are_committed(site: Site) -> None:
    site.hub.is_down()
    with Session(site.engine) as session:
        project = Project(name="early")
        other = Project(name="other")
        session.add_all([project, other])

        @event.listens_for(session, "before_commit")
        def change(_session: Session) -> None:
            project.name = "late"

        session.commit()
    site.hub.is_up()
    with site.engine.begin() as connection:
        connection.execute(update(site.store.table).values(not_before=0.0))
    site.outbox.hubs._rests_until.clear()
    site.round()
    assert names(site.hub.updates) == ["late", "other"]


def test_rows_that_a_later_listener_takes_back_are_not_written(site: Site) -> None:
    with Session(site.engine) as session:
        gone = Project(name="gone")
        session.add_all([gone, Project(name="kept")])

        @event.listens_for(session, "before_commit")
        def take_back(session: Session) -> None:
            session.delete(gone)

        session.commit()
    assert names(site.hub.updates) == ["kept"]
    assert site.left() == []


def test_a_signal_that_waits_for_a_commit_is_written_too(engine: Engine, site: Site) -> None:
    paid = Namespace().signal("order-paid")
    with Session(engine) as session:
        publish_signal(site.recorder, paid, on_commit=session)

        @event.listens_for(session, "before_commit")
        def send(_session: Session) -> None:
            paid.send("late")

        session.begin()
        paid.send(None)
        site.hub.is_down()
        session.commit()
    assert [topics for topics, _attempts, _error in site.left()] == ['["order-paid"]'] * 2
    assert site.recorder.updates == []


def test_a_signal_that_is_sent_after_the_commit_is_published_past_the_outbox(
    engine: Engine, site: Site
) -> None:
    paid = Namespace().signal("order-paid")
    with Session(engine) as session:
        publish_signal(site.recorder, paid, on_commit=session)

        @event.listens_for(session, "after_commit")
        def send(_session: Session) -> None:
            paid.send(None)

        session.add(Project(name="a"))
        session.commit()
    assert names(site.hub.updates) == ["a"]
    assert site.recorder.topics == [("order-paid",)]


def test_who_has_no_outbox_publishes_beside_those_who_have(site: Site, recorder: Recorder) -> None:
    bind(recorder, Project, topic="/elsewhere")
    commit(site.engine, "a")
    assert recorder.topics == [("/elsewhere",)]
    assert site.hub.topics == ["/projects"]


def test_nothing_that_fails_after_the_commit_reaches_the_app(
    site: Site, metadata: MetaData, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(_update: Update) -> int:
        metadata.drop_all(site.engine)
        return 200

    site.hub.answer = answer
    with caplog.at_level(logging.ERROR):
        commit(site.engine, "a")
    assert "1 updates stay in the outbox for now" in caplog.text
    with Session(site.engine) as session:
        assert session.scalars(select(Project.name)).all() == ["a"]


def test_a_commit_without_the_table_fails_with_the_fix(site: Site, metadata: MetaData) -> None:
    metadata.drop_all(site.engine)
    with Session(site.engine) as session:
        session.add(Project(name="a"))
        with pytest.raises(ConfigurationError, match="no table mercure_outbox; make it with a migration"):
            session.commit()
        session.rollback()
        assert session.scalars(select(Project)).all() == []


def test_a_session_inside_of_an_outer_transaction_keeps_the_outbox_in_it(site: Site) -> None:
    with site.engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            session.add(Project(name="a"))
            session.commit()
        assert names(site.hub.updates) == ["a"]
        site.hub.is_down()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            session.add(Project(name="b"))
            session.commit()
        outer.rollback()
    assert site.left() == []


# Several databases


class Other(DeclarativeBase):
    pass


class Note(Other):
    __tablename__ = "outbox_note"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'second.db'}")
    Other.metadata.create_all(engine)
    yield engine
    engine.dispose()


def test_each_database_keeps_the_updates_of_its_own_changes(
    engine: Engine, second: Engine, metadata: MetaData
) -> None:
    hub, there = Hub(), MetaData()
    stores = [
        Store(outbox_table(metadata), lambda: engine),
        Store(outbox_table(there), lambda: second),
    ]
    there.create_all(second)
    recorder = Recorder(outbox=Outbox(lambda: stores, Hubs(hub.take), longest=0))
    bind(recorder, Project, topic="/projects")
    bind(recorder, Note, topic="/notes")
    hub.is_down()
    with Session(binds={Project: engine, Note: second}) as session:
        session.add_all([Project(name="a"), Note(name="n")])
        session.commit()
    for store, where, topic in zip(stores, (engine, second), ("projects", "notes"), strict=True):
        with where.connect() as connection:
            assert connection.scalars(select(store.table.c.topics)).all() == [f'["/{topic}"]']


def test_changes_in_a_database_without_an_outbox_are_an_error_with_the_fix(
    site: Site, second: Engine
) -> None:
    bind(site.recorder, Note, topic="/notes")
    with Session(second) as session:
        session.add(Note(name="n"))
        with pytest.raises(ConfigurationError, match=r"second\.db has no outbox.*mercure\.outbox_table"):
            session.commit()


def test_an_update_of_no_row_goes_where_the_sessions_changes_go(
    engine: Engine, second: Engine, site: Site
) -> None:
    paid = Namespace().signal("order-paid")
    site.hub.is_down()
    with Session(binds={Project: engine, site.store.table: engine}) as session:
        publish_signal(site.recorder, paid, on_commit=session)
        session.begin()
        paid.send(None)
        session.commit()
    assert len(site.left()) == 1


def test_an_async_session_has_an_outbox_too(tmp_path: Path) -> None:
    async def run() -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'async.db'}")
        metadata = MetaData()
        site = Site(engine.sync_engine, Hub(), metadata)
        bind(site.recorder, Note, topic="/notes", data=["name"])
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
            await connection.run_sync(Other.metadata.create_all)
        async with AsyncSession(engine) as session:
            session.add(Note(name="n"))
            await session.commit()
        assert names(site.hub.updates) == ["n"]
        async with engine.connect() as connection:
            assert (await connection.execute(select(site.store.table))).all() == []
        await engine.dispose()

    asyncio.run(run())
