"""Models bound to topics: when it is published, and exactly what was committed."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text, update
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.orm import (
    Session,
    defer,
    object_session,
)

from flask_mercure_sse.integrations.changes import Change, model_changed
from flask_mercure_sse.protocol.errors import PublishError
from flask_mercure_sse.protocol.update import Update
from tests.integrations.recorder import Recorder
from tests.integrations.schema import (
    Manager,
    Project,
    Task,
    Worker,
    bind,
)

pytestmark = pytest.mark.usefixtures("tables")


def test_nothing_is_published_before_the_commit(recorder: Recorder, session: Session) -> None:
    bind(recorder)
    session.add(Task(title="write"))
    session.flush()
    assert recorder.updates == []


def test_nothing_is_published_after_a_rollback(recorder: Recorder, session: Session) -> None:
    bind(recorder)
    session.add(Task(title="write"))
    session.flush()
    session.rollback()
    session.commit()
    assert recorder.updates == []


def test_nothing_is_published_after_a_close_without_rollback(recorder: Recorder, session: Session) -> None:
    bind(recorder)
    session.add(Task(title="write"))
    session.flush()
    session.close()
    session.add(Project(name="other"))
    session.commit()
    assert recorder.updates == []


def test_nothing_is_published_when_the_commit_fails(recorder: Recorder, session: Session) -> None:
    bind(recorder)
    session.add(Task(title="first"))
    session.flush()
    session.add(Task(title=None))
    with pytest.raises(Exception, match=r"(?i)null"):
        session.commit()
    session.rollback()
    session.commit()
    assert recorder.updates == []


def test_a_savepoint_that_is_rolled_back_takes_its_own_changes_only(
    recorder: Recorder, session: Session
) -> None:
    bind(recorder)
    session.add(Task(id=1, title="outer"))
    inner = session.begin_nested()
    session.add(Task(id=2, title="inner"))
    session.flush()
    inner.rollback()
    session.add(Task(id=3, title="after"))
    session.commit()
    assert recorder.events == [("insert", "Task", 1), ("insert", "Task", 3)]


def test_a_released_savepoint_publishes_with_its_root(recorder: Recorder, session: Session) -> None:
    bind(recorder)
    with session.begin_nested():
        session.add(Task(title="inner"))
    assert recorder.updates == []
    session.commit()
    assert recorder.events == [("insert", "Task", 1)]


def test_a_released_savepoint_goes_with_its_root_that_is_rolled_back(
    recorder: Recorder, session: Session
) -> None:
    bind(recorder)
    with session.begin_nested():
        session.add(Task(title="inner"))
    session.rollback()
    session.commit()
    assert recorder.updates == []


def test_an_outer_savepoint_takes_a_released_inner_one_with_it(recorder: Recorder, session: Session) -> None:
    bind(recorder)
    outer = session.begin_nested()
    with session.begin_nested():
        session.add(Task(title="inner"))
    outer.rollback()
    session.add(Task(id=9, title="after"))
    session.commit()
    assert recorder.events == [("insert", "Task", 9)]


def test_a_commit_with_an_open_savepoint_publishes_both(recorder: Recorder, session: Session) -> None:
    bind(recorder, data=["title"])
    session.add(Task(id=1, title="outer"))
    session.begin_nested()
    session.add(Task(id=2, title="inner"))
    session.commit()
    assert [body["data"]["title"] for body in recorder.bodies] == ["outer", "inner"]


def test_a_root_committed_around_an_open_savepoint_publishes_both(
    recorder: Recorder, session: Session
) -> None:
    bind(recorder)
    root = session.begin()
    session.add(Task(id=1, title="outer"))
    session.flush()
    session.begin_nested()
    session.add(Task(id=2, title="inner"))
    root.commit()
    assert recorder.events == [("insert", "Task", 1), ("insert", "Task", 2)]


STEPS = {
    "insert then update": (["insert", "update"], ["insert"]),
    "insert then delete": (["insert", "delete"], []),
    "update twice": (["begin", "update", "update"], ["update"]),
    "update then delete": (["begin", "update", "delete"], ["delete"]),
    "delete then insert": (["begin", "delete", "insert"], ["update"]),
    "delete, insert, delete": (["begin", "delete", "insert", "delete"], ["delete"]),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("nested", [False, True], ids=["flat", "in savepoints"])
def test_one_update_tells_what_a_transaction_did_to_a_row(
    name: str, nested: bool, recorder: Recorder, session: Session
) -> None:
    steps, expected = STEPS[name]
    task = Task(id=1, title="0")
    for number, step in enumerate(steps):
        if step == "begin":
            session.add(task)
            session.commit()
            bind(recorder)
            continue
        if number == 0:
            bind(recorder)
        savepoint = session.begin_nested() if nested else None
        if step == "insert":
            task = Task(id=1, title="new")
            session.add(task)
        elif step == "update":
            task.title += "+"
        else:
            session.delete(task)
        session.flush()
        if savepoint:
            savepoint.commit()
    session.commit()
    assert [event for event, _, _ in recorder.events] == expected


def test_a_row_deleted_and_added_in_one_flush_was_updated(recorder: Recorder, session: Session) -> None:
    session.add(Task(id=1, title="old"))
    session.commit()
    bind(recorder, data=["title"])
    session.delete(session.get(Task, 1))
    session.add(Task(id=1, title="new"))
    session.commit()
    assert recorder.bodies == [
        {"event": "update", "model": "Task", "id": 1, "changed": ["title"], "data": {"title": "new"}}
    ]


def test_a_new_primary_key_is_a_delete_and_an_insert(recorder: Recorder, session: Session) -> None:
    task = Task(id=1, title="write")
    session.add(task)
    session.commit()
    bind(recorder)
    task.id = 2
    session.commit()
    assert recorder.events == [("delete", "Task", 1), ("insert", "Task", 2)]


def test_the_same_value_again_is_no_change(recorder: Recorder, session: Session) -> None:
    task = Task(title="write")
    session.add(task)
    session.commit()
    bind(recorder)
    assert task.title == "write"
    task.title = "write"
    session.commit()
    assert recorder.updates == []


@pytest.mark.parametrize("loaded", [True, False], ids=["loaded", "expired"])
@pytest.mark.parametrize("nested", [False, True], ids=["flat", "in savepoints"])
def test_updates_that_end_at_the_first_value_are_none(
    loaded: bool, nested: bool, recorder: Recorder, session: Session
) -> None:
    task = Task(title="first")
    session.add(task)
    session.commit()
    bind(recorder)
    if loaded:
        assert task.title == "first"
    for title in ("second", "third", "first"):
        savepoint = session.begin_nested() if nested else None
        task.title = title
        session.flush()
        if savepoint:
            savepoint.commit()
    session.commit()
    assert recorder.updates == []


def test_an_expired_attribute_that_is_set_to_what_it_was_is_no_change(
    recorder: Recorder, session: Session
) -> None:
    task = Task(title="same", secret="old")
    session.add(task)
    session.commit()
    bind(recorder)
    task.title = "same"
    session.commit()
    task.title, task.secret = "same", "new"
    session.commit()
    assert [body["changed"] for body in recorder.bodies] == [["secret"]]


def test_an_update_names_what_has_changed_in_the_end(recorder: Recorder, session: Session) -> None:
    task = Task(title="first", secret="one")
    session.add(task)
    session.commit()
    bind(recorder)
    for title, secret in (("second", "two"), ("first", "three")):
        task.title, task.secret = title, secret
        session.flush()
    session.commit()
    assert [body["changed"] for body in recorder.bodies] == [["secret"]]


def test_a_row_that_is_deleted_and_made_again_as_it_was_is_an_update(
    recorder: Recorder, session: Session
) -> None:
    task = Task(id=1, title="same")
    session.add(task)
    session.commit()
    bind(recorder)
    session.delete(task)
    session.flush()
    session.add(Task(id=1, title="same"))
    session.commit()
    assert recorder.bodies == [{"event": "update", "model": "Task", "id": 1}]


def test_updates_carry_the_final_state_in_the_order_of_first_changes(
    recorder: Recorder, session: Session
) -> None:
    bind(recorder, data=["title"])
    first, second = Task(id=1, title="a"), Task(id=2, title="b")
    for task in (second, first):
        session.add(task)
        session.flush()
    second.title = "final"
    session.commit()
    assert [(body["id"], body["data"]["title"]) for body in recorder.bodies] == [(2, "final"), (1, "a")]


def test_an_orphan_that_the_unit_of_work_deletes_is_published(recorder: Recorder, session: Session) -> None:
    project = Project(name="p", tasks=[Task(title="orphan")])
    session.add(project)
    session.commit()
    bind(recorder)
    project.tasks.clear()
    session.commit()
    assert recorder.events == [("delete", "Task", 1)]


def test_children_deleted_by_a_cascade_are_published(recorder: Recorder, session: Session) -> None:
    project = Project(name="p", tasks=[Task(title="child")])
    session.add(project)
    session.commit()
    bind(recorder)
    session.delete(project)
    session.commit()
    assert recorder.events == [("delete", "Task", 1)]


def test_a_deleted_row_finds_its_topic_although_nothing_was_loaded(
    recorder: Recorder, session: Session
) -> None:
    task = Task(title="write", project=Project(name="p"))
    session.add(task)
    session.commit()
    bind(recorder, topic="/projects/{project_id}/tasks/{id}")
    session.expire(task)
    session.delete(task)
    session.commit()
    assert recorder.topics == [("/projects/1/tasks/1",)]


def test_rows_that_a_later_listener_changes_while_committing_are_published(
    recorder: Recorder, engine: Engine
) -> None:
    bind(recorder, data=["title"])
    with Session(engine) as session:
        task = Task(id=1, title="early")

        @event.listens_for(session, "before_commit")
        def change(session: Session) -> None:
            if task in session:
                task.title = "late"

        session.add(task)
        session.commit()
    assert [body["data"]["title"] for body in recorder.bodies] == ["late"]


def test_rows_that_a_later_listener_changes_with_a_statement_are_published(
    recorder: Recorder, engine: Engine
) -> None:
    bind(recorder, data=["title"])

    with Session(engine) as session:
        session.add_all([Task(id=1, title="early"), Task(id=2, title="early")])
        session.commit()
        recorder.clear()

        @event.listens_for(session, "before_commit")
        def change(session: Session) -> None:
            session.execute(update(Task).where(Task.id == 2).values(title="late"))

        session.get(Task, 1).title = "own"  # type: ignore[union-attr]
        session.commit()
    assert [(body["id"], body["data"]["title"]) for body in recorder.bodies] == [(1, "own"), (2, "late")]


def test_a_serializer_that_changes_rows_is_heard_out(recorder: Recorder, session: Session) -> None:
    def data(task: Task) -> dict[str, str]:
        task.title = "final"
        return {"title": task.title}

    bind(recorder, data=data)
    session.add(Task(id=1, title="first"))
    session.commit()
    assert recorder.bodies[0]["data"] == {"title": "final"}
    assert session.query(Task).one().title == "final"


def test_a_serializer_that_changes_rows_each_time_comes_to_an_end(
    recorder: Recorder, session: Session
) -> None:
    def data(task: Task) -> str:
        task.title += "!"
        session.flush()
        return task.title

    bind(recorder, data=data)
    session.add(Task(id=1, title="more"))
    session.commit()
    assert recorder.bodies[0]["data"] == session.query(Task).one().title


def test_a_serializer_that_changes_its_row_and_leaves_it_to_the_commit(
    recorder: Recorder, session: Session
) -> None:
    def data(task: Task) -> str:
        task.title += "!"
        return task.title

    bind(recorder, data=data)
    session.add(Task(id=1, title="more"))
    session.commit()
    assert recorder.bodies[0]["data"] == session.query(Task).one().title


def test_sql_of_a_listener_that_breaks_the_transaction_fails_the_commit(
    recorder: Recorder, session: Session, engine: Engine
) -> None:
    """PostgreSQL would answer the COMMIT with a silent rollback, and the update would tell of no row."""

    def data(task: Task) -> Any:
        return object_session(task).execute(text("select * from no_such_table")).scalar()  # type: ignore[union-attr]

    bind(recorder, data=data)
    session.add(Task(id=1, title="write"))
    if engine.dialect.name == "postgresql":
        with pytest.raises(ProgrammingError, match="no_such_table"):
            session.commit()
        session.rollback()
        expected = []
    else:
        session.commit()
        expected = [("insert", "Task", 1)]
    assert recorder.events == expected
    assert session.query(Task).count() == len(expected)


def test_sql_that_fails_on_a_connection_of_the_listeners_own_does_no_harm(
    recorder: Recorder, session: Session, engine: Engine
) -> None:
    other = create_engine(engine.url)

    def data(task: Task) -> str:
        connection.execute(text("select * from no_such_table"))
        return "cannot be"

    bind(recorder, data=data)
    with other.connect() as connection:
        session.add(Task(id=1, title="write"))
        session.commit()
    other.dispose()
    assert recorder.events == [("insert", "Task", 1)]
    assert session.query(Task).count() == 1


def test_a_flush_of_a_listener_that_fails_fails_the_commit(recorder: Recorder, session: Session) -> None:
    def data(task: Task) -> None:
        session.add(Task(title=None))
        session.flush()

    bind(recorder, data=data)
    session.add(Task(id=1, title="write"))
    with pytest.raises(DBAPIError, match=r"(?i)null"):
        session.commit()
    session.rollback()
    assert recorder.updates == []


def test_sql_of_a_listener_that_fails_in_a_savepoint_of_its_own_does_no_harm(
    recorder: Recorder, session: Session
) -> None:
    def data(task: Task) -> str:
        try:
            with session.begin_nested():
                session.execute(text("select * from no_such_table"))
        except DBAPIError:
            return "did without"
        return "cannot be"

    bind(recorder, data=data)
    session.add(Task(id=1, title="write"))
    session.commit()
    assert recorder.bodies[0]["data"] == "did without"


def test_a_delete_goes_to_those_who_knew_the_row_and_what_the_app_set_since_stays(
    recorder: Recorder, session: Session
) -> None:
    task = Task(title="write", secret="bob")
    session.add(task)
    session.commit()
    bind(recorder, topic="/by/{secret}", events="delete")
    task.secret = "alice"
    session.delete(task)
    session.commit()
    assert recorder.topics == [("/by/bob",)]
    assert task.secret == "alice"


def test_a_deleted_row_finds_its_topic_in_a_deferred_column(recorder: Recorder, session: Session) -> None:
    session.add(Project(id=1, name="deferred"))
    session.commit()
    session.expunge_all()
    bind(recorder, Project, topic="/projects/{name}")
    session.delete(session.query(Project).options(defer(Project.name)).one())
    session.commit()
    assert recorder.topics == [("/projects/deferred",)]


def test_tables_of_concrete_inheritance_do_not_share_rows(recorder: Recorder, session: Session) -> None:
    bind(recorder, Worker)
    session.add_all([Worker(id=1), Manager(id=1)])
    session.commit()
    assert sorted(recorder.topics) == [("/manager/1", "/manager"), ("/worker/1", "/worker")]


def test_objects_may_be_gone_from_the_program_before_the_commit(recorder: Recorder, session: Session) -> None:
    bind(recorder, data=["title"])
    session.add(Task(title="write"))
    session.flush()
    session.expunge_all()
    session.commit()
    assert [body["data"]["title"] for body in recorder.bodies] == ["write"]


def test_objects_may_be_expired_and_gone_before_the_commit(recorder: Recorder, session: Session) -> None:
    bind(recorder, data=["title"])
    session.add(Task(title="write"))
    session.flush()
    session.expire_all()
    session.expunge_all()
    session.commit()
    assert [body["data"]["title"] for body in recorder.bodies] == ["write"]


def test_a_binding_made_inside_a_transaction_does_not_break_it(recorder: Recorder, session: Session) -> None:
    session.add(Project(name="before"))
    session.flush()
    nested = session.begin_nested()
    bind(recorder)
    session.add(Task(title="write"))
    nested.commit()
    session.commit()
    assert recorder.events == [("insert", "Task", 1)]


def test_two_sessions_do_not_see_each_other(recorder: Recorder, engine: Engine) -> None:
    bind(recorder)
    with Session(engine) as kept:
        kept.add(Task(id=1, title="kept"))
        kept.commit()
        with Session(engine) as dropped:
            dropped.add(Task(id=2, title="dropped"))
            dropped.flush()
            dropped.rollback()
    assert recorder.events == [("insert", "Task", 1)]


def test_no_connection_is_held_while_publishing(engine: Engine) -> None:
    checked_out: list[int] = []
    recorder = Recorder()
    recorder.outlet.publish = lambda update: checked_out.append(session.in_transaction())  # type: ignore[method-assign]
    bind(recorder)
    with Session(engine) as session:
        session.add(Task(title="write"))
        session.commit()
    assert checked_out == [False]


def test_a_hub_that_fails_does_not_hurt_the_commit(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(update: object) -> None:
        raise PublishError("http://hub", None, "connection refused")

    recorder = Recorder()
    recorder.outlet.publish = fail  # type: ignore[method-assign]
    bind(recorder)
    session.add_all([Task(title="a"), Task(title="b")])
    session.commit()
    assert session.query(Task).count() == 2
    assert caplog.messages == [
        "2 updates of committed changes were not published: the hub http://hub could not be reached: connection refused"
    ]


def test_an_update_that_the_hub_refuses_does_not_take_the_others_along(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    taken: list[str] = []

    def publish(update: Update) -> None:
        if update.topic == "/task/1":
            raise PublishError("http://hub", 413, "too large")
        taken.append(update.topic)

    recorder = Recorder()
    recorder.outlet.publish = publish  # type: ignore[method-assign]
    bind(recorder)
    session.add_all([Task(title="a"), Task(title="b"), Task(title="c")])
    session.commit()
    assert sorted(taken) == ["/task/2", "/task/3"]
    assert caplog.messages == [
        "1 update of a committed change was not published: the hub http://hub answered 413: too large"
    ]


def test_a_hub_that_is_silent_does_not_take_other_hubs_updates_along(
    recorder: Recorder, session: Session
) -> None:
    def fail(update: object) -> None:
        raise PublishError("http://hub", None, "connection refused")

    silent = Recorder()
    silent.outlet.publish = fail  # type: ignore[method-assign]
    bind(silent)
    bind(recorder)
    session.add_all([Task(title="a"), Task(title="b")])
    session.commit()
    assert len(recorder.updates) == 2


def test_a_listener_that_writes_rows_is_told_of_each_change_once(
    recorder: Recorder, session: Session
) -> None:
    def audit(model: type, change: Change) -> None:
        session.add(Project(name=f"{change.event} {change.identity}"))

    with model_changed.connected_to(audit, sender=Task):
        bind(recorder, Project, data=["name"])
        session.add(Task(id=1, title="write"))
        session.commit()
    assert [body["data"]["name"] for body in recorder.bodies] == ["insert (1,)"]
    assert session.query(Project).count() == 1


@pytest.mark.parametrize("undone", ["told", "untold"])
def test_rows_that_a_listener_takes_back_are_not_published(
    undone: str, recorder: Recorder, session: Session
) -> None:
    first, second = Task(id=1, title="first"), Task(id=2, title="second")

    def take_back(model: type, change: Change) -> None:
        if change.object is (second if undone == "told" else first):
            session.delete(first if undone == "told" else second)
            session.flush()

    bind(recorder)
    with model_changed.connected_to(take_back, sender=Task):
        for task in (first, second):
            session.add(task)
            session.flush()
        session.commit()
    assert recorder.events == [("insert", "Task", 2 if undone == "told" else 1)]


def test_listeners_that_never_end_are_told_so(
    recorder: Recorder, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    def more(model: type, change: Change) -> None:
        session.add(Project(name="and another"))

    with model_changed.connected_to(more, sender=Project):
        session.add(Project(name="first"))
        session.commit()
    assert "Listeners keep changing rows" in caplog.text


def test_a_flush_of_chosen_objects_tells_of_them_alone(recorder: Recorder, session: Session) -> None:
    bind(recorder)
    flushed, left = Task(title="flushed"), Task(title="left")
    session.add_all([flushed, left])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session.flush([flushed])
    session.expunge(left)
    session.commit()
    assert recorder.events == [("insert", "Task", 1)]


def test_a_failing_receiver_does_not_hurt_the_commit_or_the_others(
    recorder: Recorder, session: Session
) -> None:
    def fail(model: type, change: Change) -> None:
        raise RuntimeError("listener")

    with model_changed.connected_to(fail, sender=Task):
        bind(recorder)
        session.add(Task(title="write"))
        session.commit()
    assert recorder.events == [("insert", "Task", 1)]
