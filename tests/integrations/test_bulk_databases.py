"""Bulk statements where databases differ: other transactions, keys in other letters, errors, replaced rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, String, bindparam, event, insert, literal, select, text, update
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tests.integrations.databases import do_not_wait, on_all_databases, upsert
from tests.integrations.recorder import Recorder
from tests.integrations.schema import Member, Pet, Project, Task, bind

pytestmark = pytest.mark.usefixtures("tables")

on_mariadb = pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
on_servers = pytest.mark.parametrize("engine", ["postgresql", "mariadb"], indirect=True)


@pytest.fixture
def tasks(session: Session) -> None:
    """Three committed tasks: 1 and 2 in project 1, 3 in project 2."""
    session.add_all([Project(id=1, name="one"), Project(id=2, name="two")])
    session.add_all([Task(id=n, title=f"task {n}", project_id=1 + n // 3) for n in (1, 2, 3)])
    session.commit()


def elsewhere(engine: Engine, *statements: str) -> None:
    """Execute statements in a transaction of somebody else."""
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


# Other transactions


@on_servers
def test_the_rows_of_a_statement_are_those_that_it_finds_itself(
    recorder: Recorder, session: Session, engine: Engine, tasks: None
) -> None:
    bind(recorder, data=["title"])
    session.execute(select(Task)).all()  # MariaDB's snapshot is made here
    elsewhere(
        engine,
        "update task set project_id = 2 where id = 1",
        "update task set project_id = 1 where id = 3",
    )
    session.execute(update(Task).where(Task.project_id == 1).values(title="done"))
    session.commit()
    assert recorder.events == [("update", "Task", 2), ("update", "Task", 3)]
    assert [body["changed"] for body in recorder.bodies] == [["title"], ["title"]]


@on_servers
def test_a_row_that_a_statement_sets_to_what_it_was_is_not_told(
    recorder: Recorder, session: Session, engine: Engine, tasks: None
) -> None:
    bind(recorder)
    session.execute(select(Task)).all()
    elsewhere(
        engine,
        "update task set title = 'done' where id = 1",
        "insert into task (id, title, secret, project_id) values (4, 'done', '', 1)",
    )
    session.execute(update(Task).where(Task.title == "done").values(title="done"))
    session.commit()
    assert recorder.updates == []


@on_servers
def test_rows_are_locked_before_a_statement_so_that_none_is_lost(
    recorder: Recorder, session: Session, engine: Engine, tasks: None
) -> None:
    bind(recorder)
    locked: list[bool] = []

    def take_one_away(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        if statement.startswith("UPDATE task SET title"):
            with engine.connect() as other:
                do_not_wait(other)
                try:
                    other.execute(text("update task set project_id = 2 where id = 1"))
                except DBAPIError:
                    locked.append(True)

    event.listen(engine, "before_cursor_execute", take_one_away)
    session.execute(update(Task).where(Task.project_id == 1).values(title="done"))
    event.remove(engine, "before_cursor_execute", take_one_away)
    session.commit()
    assert locked == [True]
    assert recorder.events == [("update", "Task", 1), ("update", "Task", 2)]


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_rows_that_come_between_the_search_and_the_statement_are_told_by_a_refresh(
    recorder: Recorder, session: Session, engine: Engine, tasks: None
) -> None:
    bind(recorder)
    another = ["insert into task (id, title, secret, project_id) values (4, 'new', '', 1)"]

    def add_one(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        if statement.startswith("UPDATE task SET title") and another:
            elsewhere(engine, another.pop())

    event.listen(engine, "before_cursor_execute", add_one)
    session.execute(update(Task).where(Task.project_id == 1).values(title="done"))
    event.remove(engine, "before_cursor_execute", add_one)
    session.commit()
    assert [body["event"] for body in recorder.bodies] == ["update", "update", "refresh"]


# Errors


@on_servers
def test_a_lock_that_is_not_given_is_the_statements_error(
    recorder: Recorder, session: Session, engine: Engine, tasks: None
) -> None:
    bind(recorder)
    with engine.begin() as other:
        other.execute(text("update task set title = 'mine' where id = 1"))
        do_not_wait(session.connection())
        with pytest.raises(OperationalError, match=r"(?i)lock"):
            session.execute(update(Task).where(Task.id == 1).values(title="done"))
        session.rollback()
        if engine.dialect.name != "postgresql":
            session.execute(text("set innodb_lock_wait_timeout = default"))
    session.commit()
    assert recorder.updates == []


@on_all_databases
def test_a_statement_that_is_wrong_fails_with_its_own_error(
    recorder: Recorder, session: Session, tasks: None
) -> None:
    bind(recorder)
    with pytest.raises(DBAPIError, match="no_such_column"):
        session.execute(update(Task).where(text("no_such_column = 1")).values(title="done"))
    session.rollback()


# Keys


@on_all_databases
def test_keys_that_the_database_makes_for_many_objects_are_told(recorder: Recorder, session: Session) -> None:
    bind(recorder, data=["title"])
    tasks = [Task(title=f"task {number}") for number in range(5)]
    session.add_all(tasks)
    session.commit()
    told = [(body["event"], body["id"], body["data"]["title"]) for body in recorder.bodies]
    assert told == [("insert", task.id, task.title) for task in tasks]


class Base(DeclarativeBase):
    pass


class Shade(Base):
    __tablename__ = "shade"
    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    color: Mapped[str] = mapped_column(String(20))


@pytest.fixture
def shade(session: Session, engine: Engine) -> Iterator[None]:
    """A committed row whose key is a text that MariaDB finds in large letters, too."""
    Base.metadata.create_all(engine)
    session.add(Shade(name="a", color="red"))
    session.commit()
    yield
    session.close()
    Base.metadata.drop_all(engine)


@on_mariadb
def test_a_key_in_other_letters_is_told_as_the_database_spells_it(
    recorder: Recorder, session: Session, engine: Engine, shade: None
) -> None:
    bind(recorder, Shade, data=["color"])
    session.execute(
        upsert(engine, Shade, [{"name": "A", "color": "blue"}, {"name": "B", "color": "b"}], "color")
    )
    session.commit()
    session.execute(update(Shade), [{"name": "A", "color": "green"}])
    session.commit()
    session.get(Shade, "A").color = "white"
    session.commit()
    told = [(body["event"], body["id"], body["data"]["color"]) for body in recorder.bodies]
    assert [*sorted(told[:2]), *told[2:]] == [
        ("insert", "B", "b"),
        ("update", "a", "blue"),
        ("update", "a", "green"),
        ("update", "a", "white"),
    ]


@pytest.mark.parametrize(
    ("engine", "prefix"), [("sqlite", "OR REPLACE"), ("mariadb", "IGNORE")], indirect=["engine"]
)
def test_an_insert_with_a_prefix_tells_new_rows_from_old_ones(
    prefix: str, recorder: Recorder, session: Session
) -> None:
    session.add(Pet(id=1, kind="pet"))
    session.commit()
    bind(recorder, Pet)
    rows = [{"id": 1, "kind": "dog"}, {"id": 2, "kind": "dog"}]
    session.execute(insert(Pet.__table__).prefix_with(prefix).values(rows))
    session.commit()
    told = [(body["event"], body["id"]) for body in recorder.bodies]
    assert told == [("update", 1), ("insert", 2)] if prefix == "OR REPLACE" else [("insert", 2)]


def test_the_rows_of_an_insert_from_a_select_are_not_taken_from_its_parameters(
    recorder: Recorder, session: Session
) -> None:
    session.add(Member(team="a", user=1))
    session.commit()
    bind(recorder, Member)
    named = [Member.team == bindparam("team", "a"), Member.user == bindparam("user", 1)]
    rows = select(literal("b"), Member.user).where(*named)
    session.execute(insert(Member).from_select(["team", "user"], rows))
    session.commit()
    assert recorder.bodies == [{"event": "refresh", "model": "Member", "reason": "bulk"}]
