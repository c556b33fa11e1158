"""Relationships: what is watched, carried and touched, whichever side changed."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, event, select, update
from sqlalchemy.orm import Session, joinedload

from flask_mercure_sse.protocol.errors import BindingError
from tests.integrations.recorder import Recorder
from tests.integrations.schema import Project, Tag, Task, bind

pytestmark = pytest.mark.usefixtures("tables")


@pytest.fixture(autouse=True)
def rows(tables: None, session: Session) -> None:
    """Two projects, task 1 in the first, and a tag; the session has forgotten all of them."""
    session.add_all([Project(id=1, name="one"), Project(id=2, name="two"), Tag(id=1, name="red")])
    session.add(Task(id=1, title="write", project_id=1))
    session.commit()
    session.expunge_all()


def add_to_collection(session: Session) -> None:
    project = session.get(Project, 1)
    project.tasks.append(Task(id=2, title="new"))


def add_with_parent(session: Session) -> None:
    session.add(Task(id=2, title="new", project=session.get(Project, 1)))


def add_with_foreign_key(session: Session) -> None:
    session.add(Task(id=2, title="new", project_id=1))


def remove_from_collection(session: Session) -> None:
    project = session.get(Project, 1)
    project.tasks.clear()


def delete_the_child(session: Session) -> None:
    session.delete(session.get(Task, 1))


def delete_with_a_statement(session: Session) -> None:
    session.execute(delete(Task).where(Task.id == 1))


CHILDREN = [
    add_to_collection,
    add_with_parent,
    add_with_foreign_key,
    remove_from_collection,
    delete_the_child,
    delete_with_a_statement,
]


@pytest.mark.parametrize("change", CHILDREN)
def test_a_watched_collection_changes_whichever_side_does(
    change: Any, recorder: Recorder, session: Session
) -> None:
    bind(recorder, Project, watch="tasks")
    change(session)
    session.commit()
    assert recorder.bodies == [{"event": "update", "model": "Project", "id": 1, "changed": ["tasks"]}]


@pytest.mark.parametrize("way", ["foreign key", "parent", "statement"])
def test_both_collections_change_when_a_row_moves(way: str, recorder: Recorder, session: Session) -> None:
    bind(recorder, Project, watch="tasks")
    task = session.get(Task, 1)
    if way == "foreign key":
        task.project_id = 2
    elif way == "parent":
        task.project = session.get(Project, 2)
    else:
        session.execute(update(Task).values(project_id=2))
    session.commit()
    assert sorted(recorder.events) == [("update", "Project", 1), ("update", "Project", 2)]


def test_a_binding_that_does_not_name_a_collection_does_not_hear_of_it(
    recorder: Recorder, session: Session
) -> None:
    bind(Recorder(), Project, watch="tasks")
    bind(recorder, Project)
    bind(recorder, Project, topic="/named/{name}")
    session.add(Task(id=2, title="new", project_id=1))
    session.commit()
    assert recorder.updates == []


def test_a_new_row_is_told_with_all_that_came_into_its_collections(
    recorder: Recorder, session: Session
) -> None:
    bind(recorder, Project, data=["tasks"])
    project = Project(id=3, name="three")
    session.add(project)
    session.flush()
    assert project.tasks == []
    session.add(Task(id=9, title="new", project_id=3))
    session.commit()
    assert [body["data"] for body in recorder.bodies] == [{"tasks": [9]}]


def test_a_new_row_is_told_with_what_a_later_listener_adds_to_its_collections(
    recorder: Recorder, session: Session
) -> None:
    bind(recorder, Project, data=["tasks"])

    @event.listens_for(session, "before_commit")
    def add(session: Session) -> None:
        session.add(Task(id=9, title="late", project_id=3))

    session.add(Project(id=3, name="three"))
    session.commit()
    assert [(body["event"], body["data"]) for body in recorder.bodies] == [("insert", {"tasks": [9]})]


def test_a_row_that_changes_inside_does_not_change_its_collection(
    recorder: Recorder, session: Session
) -> None:
    bind(recorder, Project, watch="tasks")
    session.get(Task, 1).title = "read"
    session.commit()
    assert recorder.updates == []


@pytest.mark.parametrize("side", ["task", "tag", "loaded task"])
def test_a_watched_association_changes_whichever_side_does(
    side: str, recorder: Recorder, session: Session
) -> None:
    bind(recorder, watch=["tags"])
    task, tag = session.get(Task, 1), session.get(Tag, 1)
    if side == "loaded task":
        assert task.tags == []
    if side == "task":
        task.tags.append(tag)
    else:
        tag.tasks.append(task)
    session.commit()
    tag.tasks.clear()
    session.commit()
    assert recorder.bodies == [{"event": "update", "model": "Task", "id": 1, "changed": ["tags"]}] * 2


def test_an_association_ends_with_the_row_at_its_other_end(recorder: Recorder, session: Session) -> None:
    task = session.get(Task, 1)
    task.tags.append(session.get(Tag, 1))
    session.commit()
    bind(recorder, watch=["tags"])
    session.delete(session.get(Tag, 1))
    session.commit()
    assert recorder.events == [("update", "Task", 1)]


def test_related_rows_are_carried_as_their_identities(recorder: Recorder, session: Session) -> None:
    bind(recorder, data=["project", "tags", "title"], events=["update"])
    task = session.get(Task, 1)
    task.tags.append(session.get(Tag, 1))
    session.commit()
    [body] = recorder.bodies
    assert body["data"] == {"project": 1, "tags": [1], "title": "write"}


def test_a_reference_counts_as_changed_with_its_foreign_key(recorder: Recorder, session: Session) -> None:
    bind(recorder, data=["project"], watch="project")
    session.get(Task, 1).project_id = 2
    session.commit()
    [body] = recorder.bodies
    assert body["changed"] == ["project", "project_id"]
    assert body["data"] == {"project": 2}


def test_related_rows_of_many_cost_no_query_each(
    recorder: Recorder, session: Session, count_queries: Any
) -> None:
    bind(recorder, topic="/projects/{project.name}/{id}", data=["tags"])
    session.add_all([Task(id=number, title="a", project_id=1) for number in range(2, 52)])
    with count_queries() as selects:
        session.commit()
    assert len(recorder.updates) == 50
    assert len(selects) == 3  # the tasks, their projects, their tags


def test_a_callable_loads_what_it_reads_with_the_options_that_it_is_given(
    recorder: Recorder, session: Session, count_queries: Any
) -> None:
    from sqlalchemy.orm import selectinload

    bind(
        recorder,
        load=selectinload(Task.project),
        data=lambda task: {"project": task.project.name},
    )
    session.add_all([Task(id=number, title="a", project_id=1) for number in range(2, 52)])
    with count_queries() as selects:
        session.commit()
    assert {body["data"]["project"] for body in recorder.bodies} == {"one"}
    assert len(selects) == 2


def test_options_that_do_not_fit_cost_no_other_models_rows_their_updates(
    recorder: Recorder, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    session.add_all([Project(id=7, name="one"), Task(id=8, title="write")])
    session.commit()
    bind(recorder, Project, load=joinedload(Project.name))
    bind(recorder, Task)
    session.scalars(select(Project).where(Project.id == 7)).one().name = "two"
    session.execute(update(Task).where(Task.id == 8).values(title="read"))
    session.commit()
    assert recorder.events == [("update", "Project", 7), ("update", "Task", 8)]
    assert "Rows of Project are loaded without the options that bindings ask for" in caplog.text


@pytest.mark.parametrize("change", CHILDREN)
def test_a_parent_is_touched_once_when_its_children_change(
    change: Any, recorder: Recorder, session: Session
) -> None:
    bind(recorder, touches="project", topic="/nobody")
    parents = Recorder()
    bind(parents, Project, data=["name"])
    change(session)
    session.add(Task(id=9, title="one more", project_id=1))
    session.commit()
    assert parents.bodies == [
        {"event": "update", "model": "Project", "id": 1, "data": {"name": "one"}, "reason": "touch"}
    ]


def test_the_parents_of_before_and_after_a_move_are_touched(recorder: Recorder, session: Session) -> None:
    bind(recorder, touches=["project"], topic="/nobody")
    parents = Recorder()
    bind(parents, Project)
    session.get(Task, 1).project_id = 2
    session.commit()
    assert sorted(identity for _, _, identity in parents.events) == [1, 2]


def test_a_touch_goes_up_from_row_to_row(recorder: Recorder, session: Session) -> None:
    bind(Recorder(), Tag, touches="tasks")
    bind(Recorder(), touches="project")
    bind(recorder, Project)
    task = session.get(Task, 1)
    task.tags.append(session.get(Tag, 1))
    session.commit()
    recorder.clear()
    session.get(Tag, 1).name = "blue"
    session.commit()
    assert recorder.bodies == [{"event": "update", "model": "Project", "id": 1, "reason": "touch"}]


@pytest.mark.parametrize("option", [{"ignore": ["name"]}, {"watch": ["id"]}], ids=["ignored", "not watched"])
def test_a_parent_is_touched_beside_a_change_of_its_own_that_nobody_cares_for(
    option: Any, recorder: Recorder, session: Session
) -> None:
    bind(recorder, Project, **option)
    bind(Recorder(), Task, touches="project")
    session.get(Project, 1).name = "new"
    session.get(Task, 1).title = "new"
    session.commit()
    assert [(body["event"], body.get("reason")) for body in recorder.bodies] == [("update", "touch")]


def test_a_parent_that_a_statement_has_changed_and_a_late_child_touches_is_told_with_both(
    recorder: Recorder, session: Session
) -> None:
    bind(recorder, Project)
    bind(Recorder(), Task, touches="project")

    @event.listens_for(session, "before_commit")
    def change(session: Session) -> None:
        session.get(Task, 1).title = "late"

    session.execute(update(Project).where(Project.id == 1).values(name="new"))
    session.commit()
    assert recorder.bodies == [
        {"event": "update", "model": "Project", "id": 1, "changed": ["name"], "reason": "bulk"}
    ]


def test_a_row_that_is_gone_does_not_come_back_with_the_end_of_its_associations(
    recorder: Recorder, session: Session
) -> None:
    tag = session.get(Tag, 1)
    task = session.get(Task, 1)
    tag.tasks.append(task)
    session.commit()
    assert tag.tasks == [task]
    bind(recorder, Task, data=["tags"])
    session.delete(task)
    session.delete(tag)
    session.commit()
    assert recorder.events == [("delete", "Task", 1)]


def test_what_is_published_itself_is_not_touched_as_well(recorder: Recorder, session: Session) -> None:
    bind(Recorder(), touches="project")
    bind(recorder, Project)
    session.get(Project, 1).name = "uno"
    session.get(Task, 1).title = "read"
    session.add(Project(id=3, name="three", tasks=[Task(id=3, title="three")]))
    session.commit()
    assert sorted((body["event"], body["id"], body.get("reason")) for body in recorder.bodies) == [
        ("insert", 3, None),
        ("update", 1, None),
    ]


def test_a_parent_that_is_gone_is_not_touched(recorder: Recorder, session: Session) -> None:
    bind(Recorder(), touches="project")
    bind(recorder, Project)
    session.delete(session.get(Project, 1))
    session.commit()
    assert recorder.events == [("delete", "Project", 1)]


def test_children_that_come_and_go_in_one_transaction_touch_nobody(
    recorder: Recorder, session: Session
) -> None:
    bind(Recorder(), touches="project")
    bind(recorder, Project)
    task = Task(id=9, title="short", project_id=2)
    session.add(task)
    session.flush()
    session.delete(task)
    savepoint = session.begin_nested()
    session.get(Task, 1).title = "undone"
    session.flush()
    savepoint.rollback()
    session.commit()
    assert recorder.updates == []


@pytest.mark.parametrize("option", ["watch", "ignore", "touches", "data"])
def test_a_name_that_the_model_does_not_have_is_an_error_at_once(option: str, recorder: Recorder) -> None:
    with pytest.raises(BindingError, match=f"{option}: Task has no attribute 'titel'"):
        bind(recorder, **{option: ["titel"]})
