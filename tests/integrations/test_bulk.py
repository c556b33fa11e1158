"""Bulk statements: rows that change past their objects."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import CursorResult, Engine, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from flask_mercure_sse.integrations.muting import muted
from flask_mercure_sse.protocol.errors import BindingError
from tests.integrations.databases import on_all_databases, upsert
from tests.integrations.recorder import Recorder
from tests.integrations.schema import (
    Account,
    Cat,
    Document,
    Dog,
    Letter,
    Member,
    Pet,
    Project,
    Task,
    bind,
)

pytestmark = [pytest.mark.usefixtures("tables"), on_all_databases]


@pytest.fixture
def tasks(session: Session) -> list[Task]:
    """Three committed tasks: 1 and 2 in project 1, 3 in project 2."""
    session.add_all([Project(id=1, name="one"), Project(id=2, name="two")])
    tasks = [Task(id=number, title=f"task {number}", project_id=1 + number // 3) for number in (1, 2, 3)]
    session.add_all(tasks)
    session.commit()
    return tasks


def test_each_row_of_an_update_is_published_with_its_final_state(
    recorder: Recorder, session: Session, tasks: list[Task]
) -> None:
    bind(recorder, data=["title"])
    session.execute(update(Task).where(Task.project_id == 1).values(title="done"))
    session.commit()
    assert recorder.bodies == [
        {
            "event": "update",
            "model": "Task",
            "id": number,
            "changed": ["title"],
            "data": {"title": "done"},
            "reason": "bulk",
        }
        for number in (1, 2)
    ]


def test_the_callers_result_stays_as_it_is(recorder: Recorder, session: Session, tasks: list[Task]) -> None:
    statements = [
        update(Task).where(Task.id < 3).values(title="done"),
        delete(Task).where(Task.id < 3),
    ]
    for statement in statements:
        plain = session.execute(statement)
        kinds = (type(plain), plain.rowcount, plain.returns_rows)
        session.rollback()
        with bind(recorder):
            result = session.execute(statement)
            assert isinstance(result, CursorResult)
            assert (type(result), result.rowcount, result.returns_rows) == kinds
        session.rollback()


def test_each_row_of_a_delete_is_published_to_where_it_was(
    recorder: Recorder, session: Session, tasks: list[Task]
) -> None:
    bind(recorder, topic="/projects/{project_id}/tasks/{id}", when=lambda task: task.title != "task 2")
    session.execute(delete(Task).where(Task.title.like("task%")))
    session.commit()
    assert recorder.topics == [("/projects/1/tasks/1",), ("/projects/2/tasks/3",)]
    assert recorder.bodies[0] == {"event": "delete", "model": "Task", "id": 1, "reason": "bulk"}


def test_rows_that_a_statement_moves_leave_and_enter(
    recorder: Recorder, session: Session, tasks: list[Task]
) -> None:
    bind(recorder, topic="/projects/{project_id}")
    session.execute(update(Task).where(Task.id == 1).values(project_id=2))
    session.commit()
    assert recorder.topics == [("/projects/1",), ("/projects/2",)]
    assert [body["reason"] for body in recorder.bodies] == ["leave", "enter"]


def test_rows_that_a_statement_leaves_as_they_are_are_not_published(
    recorder: Recorder, session: Session, tasks: list[Task]
) -> None:
    bind(recorder)
    session.execute(update(Task).values(title="task 1"))
    session.commit()
    assert [identity for _, _, identity in recorder.events] == [2, 3]


def test_query_update_and_delete_are_bulk_statements(
    recorder: Recorder, session: Session, tasks: list[Task]
) -> None:
    bind(recorder)
    assert session.query(Task).filter(Task.id == 1).update({"title": "done"}) == 1
    assert session.query(Task).filter(Task.id == 2).delete() == 1
    session.commit()
    assert recorder.events == [("update", "Task", 1), ("delete", "Task", 2)]


def test_a_statement_with_parameters_finds_its_rows(
    recorder: Recorder, session: Session, tasks: list[Task]
) -> None:
    bind(recorder)
    statement = update(Task).where(Task.id == bindparam("which")).values(title=bindparam("new"))
    session.execute(statement, {"which": 2, "new": "done"})
    session.commit()
    assert recorder.events == [("update", "Task", 2)]


def test_an_update_by_primary_keys_finds_its_rows(
    recorder: Recorder, session: Session, tasks: list[Task]
) -> None:
    bind(recorder)
    session.execute(update(Task), [{"id": 1, "title": "a"}, {"id": 3, "title": "b"}])
    session.commit()
    assert recorder.events == [("update", "Task", 1), ("update", "Task", 3)]


def test_a_statement_on_the_table_is_seen_as_well(
    recorder: Recorder, session: Session, tasks: list[Task]
) -> None:
    bind(recorder)
    session.execute(update(Task.__table__).where(Task.__table__.c.id == 1).values(title="done"))
    session.commit()
    assert recorder.events == [("update", "Task", 1)]


def test_what_is_not_flushed_yet_is_found_where_the_session_flushes_by_itself(
    recorder: Recorder, session: Session, tasks: list[Task]
) -> None:
    bind(recorder, data=["title"])
    tasks[0].title = "marked"
    session.execute(update(Task).where(Task.title == "marked").values(title="done"))
    session.commit()
    assert [(body["id"], body["data"]["title"]) for body in recorder.bodies] == [(1, "done")]
    assert "reason" not in recorder.bodies[0]


@pytest.mark.parametrize("synchronize", ["auto", "fetch", "evaluate", False])
def test_objects_in_the_session_do_not_hide_what_the_database_has(
    synchronize: Any, recorder: Recorder, session: Session, tasks: list[Task]
) -> None:
    bind(recorder, data=["title"])
    assert tasks[0].title == "task 1"
    options = {"synchronize_session": synchronize}
    session.execute(update(Task).where(Task.id == 1).values(title="done"), execution_options=options)
    session.commit()
    assert recorder.bodies[0]["data"] == {"title": "done"}


def test_a_savepoint_takes_its_statements_with_it(
    recorder: Recorder, session: Session, tasks: list[Task]
) -> None:
    bind(recorder)
    session.execute(update(Task).where(Task.id == 1).values(title="kept"))
    savepoint = session.begin_nested()
    session.execute(delete(Task).where(Task.id == 2))
    savepoint.rollback()
    session.commit()
    assert recorder.events == [("update", "Task", 1)]


def test_a_row_changed_in_both_ways_is_one_update(
    recorder: Recorder, session: Session, tasks: list[Task]
) -> None:
    bind(recorder)
    tasks[0].title = "a"
    session.flush()
    session.execute(update(Task).where(Task.id == 1).values(secret="b"))
    tasks[0].title = "task 1"
    session.commit()
    [body] = recorder.bodies
    assert (body["event"], body["changed"]) == ("update", ["secret"])


def test_a_row_that_a_statement_deletes_after_it_was_added_is_nothing(
    recorder: Recorder, session: Session, tasks: list[Task]
) -> None:
    bind(recorder)
    session.add(Task(id=9, title="new"))
    session.flush()
    session.execute(delete(Task).where(Task.id == 9))
    session.commit()
    assert recorder.updates == []


def test_rows_of_an_insert_with_keys_are_published(recorder: Recorder, session: Session) -> None:
    bind(recorder, data=["title"])
    session.execute(insert(Task), [{"id": 1, "title": "a"}, {"id": 2, "title": "b"}])
    session.execute(insert(Task).values([{"id": 3, "title": "c"}, {"id": 4, "title": "d"}]))
    session.execute(insert(Task).values(id=5, title="e"))
    session.commit()
    assert recorder.events == [("insert", "Task", number) for number in range(1, 6)]
    assert [body["data"]["title"] for body in recorder.bodies] == list("abcde")


def test_the_key_that_the_database_made_for_one_row_is_found(recorder: Recorder, session: Session) -> None:
    bind(recorder)
    result = session.execute(insert(Task).values(title="a"))
    [key] = result.inserted_primary_key
    session.commit()
    assert recorder.events == [("insert", "Task", key)]


@pytest.mark.parametrize("way", ["many without keys", "from a select"])
def test_an_insert_whose_rows_are_not_known_is_one_refresh(
    way: str, recorder: Recorder, session: Session
) -> None:
    session.add(Project(name="first"))
    session.commit()
    bind(recorder, Project)
    if way == "many without keys":
        session.execute(insert(Member.__table__).values(team="a", user=1))
        session.execute(insert(Project), [{"name": "a"}, {"name": "b"}])
    else:
        rows = select(Project.id + 10, Project.name)
        session.execute(insert(Project).from_select(["id", "name"], rows))
    session.commit()
    assert recorder.bodies == [{"event": "refresh", "model": "Project", "reason": "bulk"}]
    assert recorder.topics == [("/project",)]


def test_an_upsert_tells_new_rows_from_old_ones(
    recorder: Recorder, session: Session, engine: Engine, tasks: list[Task]
) -> None:
    bind(recorder, data=["title"])
    rows = [{"id": 1, "title": "changed", "secret": "s"}, {"id": 9, "title": "new", "secret": "s"}]
    session.execute(upsert(engine, Task, rows, "title"))
    session.execute(upsert(engine, Task, {"id": 2, "title": "ignored", "secret": "s"}))
    session.commit()
    assert recorder.events == [("update", "Task", 1), ("insert", "Task", 9)]


def test_an_upsert_that_may_find_rows_by_another_key_is_one_refresh(
    recorder: Recorder, session: Session, engine: Engine
) -> None:
    session.add(Account(id=1, email="ada@example.com", name="Ada"))
    session.commit()
    bind(recorder, Account)
    row = {"id": 2, "email": "ada@example.com", "name": "Countess"}
    session.execute(upsert(engine, Account, row, "name", key="email"))
    session.commit()
    assert recorder.bodies == [{"event": "refresh", "model": "Account", "reason": "bulk"}]


def test_more_rows_than_the_limit_are_one_refresh_of_the_collection(
    session: Session, tasks: list[Task]
) -> None:
    recorder = Recorder(bulk_max=2)
    bind(recorder)
    session.execute(update(Task).values(title="done"))
    session.commit()
    assert recorder.bodies == [{"event": "refresh", "model": "Task", "reason": "bulk"}]
    assert recorder.topics == [("/task",)]


def test_as_many_rows_as_the_limit_are_found_by_one_bounded_select(
    session: Session, tasks: list[Task], count_queries: Any
) -> None:
    recorder = Recorder(bulk_max=3)
    bind(recorder)
    with count_queries("LIMIT") as selects:
        session.execute(update(Task).values(title="done"))
    session.commit()
    assert len(selects) == 1
    assert len(recorder.updates) == 3


def test_a_binding_may_want_a_refresh_and_no_select(
    recorder: Recorder, session: Session, tasks: list[Task], count_queries: Any
) -> None:
    bind(recorder, bulk="refresh")
    with count_queries() as selects:
        session.execute(update(Task).values(title="done"), execution_options={"synchronize_session": False})
    session.commit()
    assert selects == []
    assert recorder.bodies == [{"event": "refresh", "model": "Task", "reason": "bulk"}]


def test_a_statement_that_changes_no_row_is_no_refresh(recorder: Recorder, session: Session) -> None:
    bind(recorder, bulk="refresh")
    session.execute(update(Task).values(title="done"))
    session.commit()
    assert recorder.updates == []


def test_a_binding_may_ignore_bulk_statements_and_still_hears_of_objects(
    recorder: Recorder, session: Session, tasks: list[Task]
) -> None:
    bind(recorder, bulk=None)
    session.execute(update(Task).where(Task.id == 1).values(title="done"))
    tasks[1].title = "done"
    session.commit()
    assert recorder.events == [("update", "Task", 2)]


def test_each_binding_of_a_model_gets_what_it_wants(session: Session, tasks: list[Task]) -> None:
    rows, refresh, nothing = Recorder(), Recorder(), Recorder()
    for recorder, bulk in ((rows, "rows"), (refresh, "refresh"), (nothing, None)):
        bind(recorder, bulk=bulk)
    session.execute(update(Task).where(Task.id == 1).values(title="done"))
    session.commit()
    assert (rows.events, nothing.updates) == ([("update", "Task", 1)], [])
    assert [body["event"] for body in refresh.bodies] == ["refresh"]


def test_the_collection_of_a_refresh_is_the_topic_without_fields_or_what_is_said(
    session: Session, tasks: list[Task]
) -> None:
    said, found, table = Recorder(), Recorder(), Recorder()
    bind(said, topic="/tasks/{id}", collection="/lists", bulk="refresh")
    bind(found, topic=["/tasks/{id}", "/tasks"], bulk="refresh")
    bind(table, topic="/tasks/{id}", bulk="refresh")
    session.execute(update(Task).values(title="done"))
    session.commit()
    assert [recorder.topics for recorder in (said, found, table)] == [
        [("/lists",)],
        [("/tasks",)],
        [("/task",)],
    ]


def test_a_refresh_is_private_where_rows_may_be(session: Session, tasks: list[Task]) -> None:
    recorder = Recorder()
    bind(recorder, private=lambda task: task.title == "secret", bulk="refresh")
    session.execute(update(Task).values(title="done"))
    session.commit()
    assert [update.private for update in recorder.updates] == [True]


def test_rows_of_subclasses_are_told_as_what_they_are(recorder: Recorder, session: Session) -> None:
    session.add_all([Document(id=1), Letter(id=2, address="here")])
    session.commit()
    bind(recorder, Document)
    session.execute(delete(Letter.__table__))
    session.execute(delete(Document))
    session.commit()
    assert sorted(recorder.events) == [("delete", "Document", 1), ("delete", "Letter", 2)]


def test_a_statement_on_a_shared_table_finds_what_subclasses_have(
    recorder: Recorder, session: Session
) -> None:
    session.add_all([Cat(id=1), Dog(id=2)])
    session.commit()
    bind(recorder, Pet)
    session.execute(update(Cat.__table__).values(lives=8))
    session.commit()
    assert [(body["model"], body["id"], body["changed"]) for body in recorder.bodies] == [
        ("Cat", 1, ["lives"])
    ]


def test_a_statement_on_a_class_looks_at_no_other_of_its_table(session: Session) -> None:
    recorder = Recorder(bulk_max=1)
    session.add_all([Cat(id=1), Dog(id=2), Dog(id=3)])
    session.commit()
    bind(recorder, Pet)
    session.execute(update(Cat).values(lives=8))
    session.commit()
    assert recorder.events == [("update", "Cat", 1)]


@pytest.mark.parametrize("value", [9, Member.user + 8], ids=["value", "SQL"])
def test_a_statement_that_gives_rows_other_keys_is_one_refresh(
    value: Any, recorder: Recorder, session: Session
) -> None:
    session.add(Member(team="a", user=1))
    session.commit()
    bind(recorder, Member)
    session.execute(
        update(Member).values({Member.user: value}), execution_options={"synchronize_session": False}
    )
    session.commit()
    assert recorder.bodies == [{"event": "refresh", "model": "Member", "reason": "bulk"}]


def test_composite_keys_are_found(recorder: Recorder, session: Session) -> None:
    session.add_all([Member(team="a", user=1), Member(team="b", user=2)])
    session.commit()
    bind(recorder, Member)
    session.execute(delete(Member).where(Member.user == 2))
    session.commit()
    assert recorder.events == [("delete", "Member", ["b", 2])]


def test_muted_statements_are_not_published(recorder: Recorder, session: Session, tasks: list[Task]) -> None:
    bind(recorder)
    with muted():
        session.execute(update(Task).values(title="done"))
    session.commit()
    assert recorder.updates == []


def test_an_unknown_way_is_an_error_that_names_the_known_ones(recorder: Recorder) -> None:
    with pytest.raises(BindingError, match="bulk: 'all' is none; use 'rows', 'refresh' or None"):
        bind(recorder, bulk="all")
