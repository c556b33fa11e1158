"""Fixtures of the event layer: a recorder in the hub's place, and databases that users run on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, create_engine, event
from sqlalchemy.orm import Session

from flask_mercure_sse.integrations.binding import Binding
from flask_mercure_sse.integrations.changes import model_changed
from flask_mercure_sse.integrations.outbox_table import outbox_table
from tests.integrations.hearing import StandaloneHub
from tests.integrations.recorder import Recorder
from tests.integrations.schema import Base, Project, Task
from tests.services import mariadb, postgresql


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def metadata(engine: Engine) -> Iterator[MetaData]:
    """Tables beside the schema's: the outbox, in the database of the test."""
    metadata = MetaData()
    outbox_table(metadata)
    metadata.create_all(engine)
    yield metadata
    metadata.drop_all(engine)


@pytest.fixture(autouse=True)
def no_bindings_left() -> Iterator[None]:
    """Disconnect what a test has bound to the signal that all models share."""
    yield
    for receiver in list(model_changed.receivers.values()):
        binding = getattr(receiver, "__self__", None)
        if isinstance(binding, Binding):
            binding.disconnect()


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    with mariadb() as url:
        yield url


def sqlite_engine(path: Path | str = "") -> Engine:
    """Return an engine whose savepoints work: SQLAlchemy's own recipe for the driver's transactions."""
    engine = create_engine(f"sqlite:///{path}" if path else "sqlite://")

    @event.listens_for(engine, "connect")
    def leave_transactions_alone(connection: Any, _record: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "sqlite":
        engine = sqlite_engine()
    else:
        engine = create_engine(request.getfixturevalue(f"{request.param}_url"))
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


@pytest.fixture
def tables(engine: Engine, request: pytest.FixtureRequest) -> Iterator[None]:
    """The tables of the shared schema, empty."""
    if engine.dialect.name == "mariadb":
        request.getfixturevalue("mariadb_tables")
        yield
        with engine.begin() as connection:
            for table in reversed(Base.metadata.sorted_tables):
                connection.execute(table.delete())
        return
    Base.metadata.create_all(engine)
    yield
    Base.metadata.drop_all(engine)


@pytest.fixture
def task(tables: None, session: Session) -> Task:
    """A committed task in project 1, expired as after every commit."""
    session.add_all([Project(id=1, name="one"), Project(id=2, name="two")])
    task = Task(id=7, title="write", project_id=1)
    session.add(task)
    session.commit()
    return task


@pytest.fixture(scope="module")
def mariadb_tables(mariadb_url: str) -> Iterator[None]:
    """The tables of the shared schema in MariaDB, where making them for each test would take minutes."""
    engine = create_engine(mariadb_url)
    Base.metadata.create_all(engine)
    yield
    Base.metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture
def count_queries(engine: Engine) -> Callable[..., AbstractContextManager[list[str]]]:
    """Collect the SELECTs of a block: ``with count_queries() as selects``, or those that contain a text."""

    @contextmanager
    def collect(containing: str = "") -> Iterator[list[str]]:
        selects: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
            if statement.lstrip().upper().startswith("SELECT") and containing in statement:
                selects.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        try:
            yield selects
        finally:
            event.remove(engine, "before_cursor_execute", note)

    return collect


@pytest.fixture(scope="session")
def hubs() -> Iterator[Callable[[str], StandaloneHub]]:
    """The hub of a version of the protocol, in a process of its own; who kills it starts it again."""
    with ExitStack() as stack:
        yield cache(lambda protocol: stack.enter_context(StandaloneHub("--protocol", protocol)))


@pytest.fixture
def hub(hubs: Callable[[str], StandaloneHub]) -> StandaloneHub:
    return hubs("0.x")
