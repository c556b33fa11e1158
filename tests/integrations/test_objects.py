"""What apps do with objects beside setting plain values: SQL, other keys, other sessions, listeners."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, event, select, update
from sqlalchemy.orm import ORMExecuteState, Session, make_transient, with_loader_criteria

from tests.integrations.recorder import Recorder
from tests.integrations.schema import File, Folder, Task, bind

pytestmark = pytest.mark.usefixtures("tables")


# Values that the database computes


@pytest.mark.parametrize("loaded", [True, False], ids=["loaded", "expired"])
def test_a_value_that_the_database_computes_is_a_change(
    loaded: bool, recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, data=["title"])
    if loaded:
        assert task.title == "write"
    task.title = Task.title + "!"
    session.commit()
    [body] = recorder.bodies
    assert (body["event"], body["changed"], body["data"]) == ("update", ["title"], {"title": "write!"})


def test_a_computed_value_that_is_the_same_is_no_change(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder)
    task.title = Task.title + ""
    session.commit()
    assert recorder.updates == []


def test_a_row_that_a_computed_value_moves_leaves_its_old_topic(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, topic="/projects/{project_id}")
    task.project_id = Task.project_id + 1
    session.commit()
    assert recorder.topics == [("/projects/1",), ("/projects/2",)]


# Keys


def test_rows_that_pass_on_their_keys_in_one_flush_are_told_by_their_keys(
    recorder: Recorder, session: Session
) -> None:
    tasks = [Task(id=number, title=f"task {number}") for number in range(1, 7)]
    session.add_all(tasks)
    session.commit()
    bind(recorder, data=["title"])
    for task in tasks:
        task.id = task.id - 1 if task.id > 1 else 100
    session.commit()
    told = {(body["event"], body["id"], body.get("data", {}).get("title")) for body in recorder.bodies}
    moved = {("update", number, f"task {number + 1}") for number in range(1, 6)}
    assert told == {*moved, ("insert", 100, "task 1"), ("delete", 6, None)}


# Objects that leave the session


@pytest.mark.parametrize("leave", [Session.expunge, lambda _session, task: make_transient(task)])
def test_what_becomes_of_an_object_outside_of_the_session_is_not_the_rows(
    leave: Any, recorder: Recorder, session: Session
) -> None:
    bind(recorder, topic="/{title}", data=["title"])
    task = Task(id=1, title="stored")
    session.add(task)
    session.flush()
    leave(session, task)
    task.id, task.title = 9, "never stored"
    session.commit()
    assert recorder.topics == [("/stored",)]
    assert recorder.bodies == [
        {"event": "insert", "model": "Task", "id": 1, "data": {"title": "stored"}},
    ]


def test_an_object_that_is_made_into_another_row_is_two_rows(recorder: Recorder, session: Session) -> None:
    bind(recorder, data=["title"])
    task = Task(id=1, title="first")
    session.add(task)
    session.flush()
    make_transient(task)
    task.id, task.title = 2, "second"
    session.add(task)
    session.commit()
    assert [(body["id"], body["data"]["title"]) for body in recorder.bodies] == [(1, "first"), (2, "second")]


# Deletes that the unit of work decides


def test_an_orphan_is_gone_from_its_topic_although_nothing_of_it_was_loaded(
    recorder: Recorder, session: Session
) -> None:
    folder = Folder(files=[File(id=1, owner="ada")])
    session.add(folder)
    session.commit()
    bind(recorder, File, topic="/files/{owner}")
    [file] = folder.files
    session.expire(file)
    folder.files.remove(file)
    session.commit()
    assert recorder.topics == [("/files/ada",)]


# Listeners of the app


def test_a_row_that_a_listener_moves_in_the_flush_leaves_its_old_topic(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, topic="/projects/{project_id}")
    session.add(task)

    @event.listens_for(session, "before_flush")
    def move(*_what: object) -> None:
        task.project_id = 2

    task.title = "new"
    session.commit()
    assert recorder.topics == [("/projects/1",), ("/projects/2",)]


def test_rows_that_a_later_listener_changes_in_a_savepoint_are_published_with_all_that_is_loaded(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, data=lambda task: [task.title, task.project.name])

    @event.listens_for(session, "before_commit")
    def change(session: Session) -> None:
        if not session.in_nested_transaction():
            with session.begin_nested():
                task.title = "late"

    session.commit()
    assert [body["data"] for body in recorder.bodies] == [["late", "one"]]


def test_a_row_that_a_later_listener_deletes_in_a_savepoint_is_published(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder)

    @event.listens_for(session, "before_commit")
    def delete(session: Session) -> None:
        if not session.in_nested_transaction():
            with session.begin_nested():
                session.delete(task)

    session.commit()
    assert recorder.events == [("delete", "Task", 7)]


def test_loading_rows_to_tell_of_them_leaves_what_the_app_has_not_flushed(
    recorder: Recorder, engine: Engine, task: Task
) -> None:
    bind(recorder, data=["title", "secret"])
    with Session(engine, autoflush=False) as session:
        task = session.get_one(Task, 7) if hasattr(session, "get_one") else session.get(Task, 7)

        @event.listens_for(session, "after_flush_postexec")
        def change(*_what: object) -> None:
            if task.secret != "late":
                task.secret = "late"

        session.execute(update(Task).values(title="bulk"), execution_options={"synchronize_session": False})
        session.add(Task(id=9, title="flushed"))
        session.commit()
        assert (task.title, task.secret) == ("bulk", "late")
    assert {"title": "bulk", "secret": "late"} in [body["data"] for body in recorder.bodies]


def test_criteria_of_the_app_hide_no_row_from_those_who_may_know_it(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, data=["title"])

    @event.listens_for(session, "do_orm_execute")
    def hide(state: ORMExecuteState) -> None:
        if state.is_select and not state.is_column_load and not state.is_relationship_load:
            state.statement = state.statement.options(with_loader_criteria(Task, Task.title != "hidden"))

    session.execute(update(Task).values(title="hidden"))
    session.expunge_all()
    session.commit()
    assert session.scalars(select(Task)).all() == []
    assert [(body["event"], body["data"]) for body in recorder.bodies] == [("update", {"title": "hidden"})]
