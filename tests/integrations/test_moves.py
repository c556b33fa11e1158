"""Rows that come into sight and leave it: who knew a row, and who knows it now."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session, joinedload

from flask_mercure_sse.integrations.changes import Change
from tests.integrations.recorder import Recorder
from tests.integrations.schema import Project, Task, bind

pytestmark = pytest.mark.usefixtures("tables")


def told(recorder: Recorder) -> list[tuple[str, str, str | None, bool]]:
    """Topic, event, reason and privacy of each update."""
    return [
        (update.topic, body["event"], body.get("reason"), update.private)
        for update, body in zip(recorder.updates, recorder.bodies, strict=True)
    ]


def test_a_row_that_moves_leaves_its_old_topic_and_enters_the_new_one(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, topic="/projects/{project_id}/tasks/{id}", data=["title"])
    task.project_id = 2
    session.commit()
    assert recorder.bodies == [
        {"event": "delete", "model": "Task", "id": 7, "reason": "leave"},
        {"event": "insert", "model": "Task", "id": 7, "data": {"title": "write"}, "reason": "enter"},
    ]
    assert recorder.topics == [("/projects/1/tasks/7",), ("/projects/2/tasks/7",)]


@pytest.mark.parametrize("way", ["foreign key", "relationship", "collection"])
def test_the_old_topic_is_known_although_the_attribute_was_expired(
    way: str, recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, topic="/projects/{project_id}")
    assert "project_id" not in vars(task)
    if way == "foreign key":
        task.project_id = 2
    elif way == "relationship":
        task.project = session.get(Project, 2)
    else:
        two = session.get(Project, 2)
        two.tasks.append(task)
    session.commit()
    assert recorder.topics == [("/projects/1",), ("/projects/2",)]


def test_a_topic_through_a_relationship_follows_the_old_foreign_key(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, topic="/{project.name}/{id}")
    task.project_id = 2
    session.commit()
    assert recorder.topics == [("/one/7",), ("/two/7",)]


@pytest.mark.parametrize("topic", ["/projects/{project_id}", "/projects/{project.id}"])
def test_a_row_has_no_topic_where_a_field_is_none_so_it_leaves_and_enters(
    topic: str, recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, topic=["/tasks/{id}", topic])
    task.project = None
    session.commit()
    task.project_id = 2
    session.commit()
    assert told(recorder) == [
        ("/projects/1", "delete", "leave", False),
        ("/tasks/7", "update", None, False),
        ("/projects/2", "insert", "enter", False),
        ("/tasks/7", "update", None, False),
    ]


def test_a_topic_of_a_callable_or_a_property_is_asked_of_the_row_as_it_was(
    recorder: Recorder, session: Session, task: Task
) -> None:
    def topic(task: Task) -> str:
        assert isinstance(task, Task)
        return f"/projects/{task.project_id}"

    bind(recorder, topic=topic)
    task.project_id = 2
    session.commit()
    assert recorder.topics == [("/projects/1",), ("/projects/2",)]


def test_a_row_whose_foreign_key_becomes_null_leaves_and_is_in_no_collection(
    recorder: Recorder, session: Session, task: Task, caplog: pytest.LogCaptureFixture
) -> None:
    bind(recorder, topic="/projects/{project_id}/tasks")
    task.project_id = None
    session.commit()
    task.title = "nobody hears of it"
    session.commit()
    task.project_id = 2
    session.commit()
    assert told(recorder) == [
        ("/projects/1/tasks", "delete", "leave", False),
        ("/projects/2/tasks", "insert", "enter", False),
    ]
    assert caplog.records == []


def test_of_several_topics_only_those_with_a_value_are_the_rows(recorder: Recorder, session: Session) -> None:
    bind(recorder, topic=["/projects/{project.name}", "/tasks/{id}"])
    session.add(Task(id=1, title="a"))
    session.commit()
    assert recorder.topics == [("/tasks/1",)]


def test_topics_that_stay_get_an_update(recorder: Recorder, session: Session, task: Task) -> None:
    bind(recorder, topic=["/projects/{project_id}", "/tasks/{id}", "/tasks"])
    task.project_id = 2
    session.commit()
    assert recorder.topics == [("/projects/1",), ("/projects/2",), ("/tasks/7", "/tasks")]
    assert [event for event, _, _ in recorder.events] == ["delete", "insert", "update"]


def test_a_row_moves_from_where_it_was_before_the_transaction(
    recorder: Recorder, session: Session, task: Task
) -> None:
    session.add(Project(id=3, name="three"))
    session.commit()
    bind(recorder, topic="/projects/{project_id}")
    for project in (2, 3):
        task.project_id = project
        session.flush()
    session.commit()
    assert recorder.topics == [("/projects/1",), ("/projects/3",)]


def test_a_row_that_moves_and_comes_back_has_not_changed(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, topic="/projects/{project_id}")
    for project in (2, 1):
        task.project_id = project
        session.flush()
    session.commit()
    assert recorder.updates == []


def test_a_row_that_moves_and_is_deleted_is_gone_from_where_it_was(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, topic="/projects/{project_id}")
    task.project_id = 2
    session.flush()
    session.delete(task)
    session.commit()
    assert told(recorder) == [("/projects/1", "delete", None, False)]


def test_what_becomes_private_tells_the_public_only_that_it_is_gone(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, topic="/t/{id}", data=["title"], private=lambda task: task.title == "secret")
    task.title = "secret"
    session.commit()
    assert told(recorder) == [("/t/7", "delete", "leave", False), ("/t/7", "insert", "enter", True)]
    assert "secret" not in recorder.updates[0].data
    assert "changed" not in recorder.bodies[0]


def test_what_becomes_public_is_gone_from_the_private_and_enters_for_all(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, topic="/t/{id}", private=lambda task: task.title == "write")
    task.title = "open"
    session.commit()
    assert told(recorder) == [("/t/7", "delete", "leave", True), ("/t/7", "insert", "enter", False)]


def test_a_soft_delete_is_a_delete_and_its_undoing_an_insert(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, when=lambda task: task.project_id is not None)
    task.project_id = None
    session.commit()
    task.title = "unseen"
    session.commit()
    task.project_id = 1
    session.commit()
    assert told(recorder) == [("/task/7", "delete", "leave", False), ("/task/7", "insert", "enter", False)]


def test_a_row_that_was_not_shown_is_not_told_to_be_deleted(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, when=lambda task: task.title != "write")
    session.delete(task)
    session.commit()
    assert recorder.updates == []


def test_a_move_is_told_whatever_is_watched(recorder: Recorder, session: Session, task: Task) -> None:
    bind(recorder, topic="/projects/{project_id}", watch="title", ignore=["project_id"])
    task.project_id = 2
    session.commit()
    assert [event for event, _, _ in recorder.events] == ["delete", "insert"]


def test_only_the_chosen_events_of_a_move_are_told(recorder: Recorder, session: Session, task: Task) -> None:
    bind(recorder, topic="/projects/{project_id}", events=["delete"])
    task.project_id = 2
    session.commit()
    assert told(recorder) == [("/projects/1", "delete", "leave", False)]


def test_a_condition_on_the_change_itself_moves_nothing(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, when=lambda task, change: "title" in change.changed)
    task.project_id = 2
    session.commit()
    task.title = "read"
    session.commit()
    assert told(recorder) == [("/task/7", "update", None, False)]


def test_where_it_is_not_known_who_knew_a_row_the_new_audience_gets_an_update(
    recorder: Recorder, session: Session, task: Task, caplog: pytest.LogCaptureFixture
) -> None:
    def topic(task: Task) -> str:
        return {2: "/two"}[task.project_id or 0]

    bind(recorder, topic=topic)
    task.project_id = 2
    session.commit()
    assert told(recorder) == [("/two", "update", None, False)]
    assert "who knew of a row before is not known: KeyError" in caplog.text


def test_the_old_values_of_many_expired_rows_cost_one_query(
    recorder: Recorder, session: Session, engine: Engine, count_queries: Any
) -> None:
    session.add_all([Task(id=number, title="a", project_id=None) for number in range(1, 51)])
    session.commit()
    tasks = session.query(Task).order_by(Task.id).all()
    counts: list[int] = []
    for title in "bc":  # SQLAlchemy has queries of its own for expired rows
        session.commit()
        for task in tasks:
            task.title = title
        with count_queries() as selects:
            session.commit()
        counts.append(len(selects))
        bind(recorder, topic="/by/{title}")
    assert counts[1] == counts[0] + 1
    assert recorder.topics == [("/by/b",), ("/by/c",)] * 50


def test_many_expired_rows_are_deleted_with_one_query_for_what_they_were(
    recorder: Recorder, session: Session, engine: Engine, count_queries: Any
) -> None:
    session.add_all([Task(id=number, title="a") for number in range(1, 51)])
    session.commit()
    bind(recorder, topic="/by/{title}")
    tasks = session.query(Task).all()
    session.commit()
    with session.no_autoflush:
        for task in tasks:
            task.tags = []  # so that the unit of work need not ask for them
            session.delete(task)
    with count_queries("FROM task") as selects:
        session.commit()
    assert [update.topic for update in recorder.updates] == ["/by/a"] * 50
    assert len(selects) <= 2


@pytest.mark.parametrize("topic", ["/{project.name}", lambda task: f"/{task.project.name}"])
@pytest.mark.parametrize("way", ["moved", "deleted", "deleted by a statement"])
def test_what_many_rows_pointed_to_costs_no_query_each(
    way: str, topic: Any, recorder: Recorder, session: Session, count_queries: Any
) -> None:
    session.add_all([Project(id=number, name=f"p{number}") for number in range(1, 6)])
    session.add_all([Task(id=number, title="write", project_id=number % 4 + 1) for number in range(8)])
    session.commit()
    bind(recorder, topic=topic, load=joinedload(Task.project))
    tasks = session.scalars(select(Task)).all()
    if way == "moved":
        for task in tasks:
            task.project_id = 5
    elif way == "deleted":
        for task in tasks:
            session.delete(task)
    else:
        session.execute(delete(Task))
    with count_queries("FROM project") as selects:
        session.commit()
    assert len(selects) <= 2  # of before, and of where they are now
    old = [update.topic for update in recorder.updates if update.topic != "/p5"]
    assert sorted(old) == sorted(f"/p{number % 4 + 1}" for number in range(8))


def test_the_previous_state_reads_like_the_row_and_cannot_be_written(
    recorder: Recorder, session: Session, task: Task
) -> None:
    seen: list[Change] = []
    bind(recorder, data=lambda task, change: seen.append(change))
    task.title = "read"
    session.commit()
    [change] = seen
    previous = change.previous
    assert (previous.title, previous.id, dict(change.old)) == ("write", 7, {"title": "write"})
    assert repr(previous) == "<previous Task (7,)>"
    with pytest.raises(AttributeError, match="title: the previous state of a row can only be read"):
        previous.title = "other"
