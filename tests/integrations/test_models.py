"""Models bound to topics: what is published."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Column, Engine, Integer, PickleType, String, Table
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    registry,
)

from flask_mercure_sse.integrations.changes import Change, model_changed
from flask_mercure_sse.integrations.signals import publish_signal
from flask_mercure_sse.protocol.errors import BindingError
from tests.integrations.recorder import Recorder
from tests.integrations.schema import (
    Document,
    Letter,
    Member,
    Note,
    Project,
    Task,
    Token,
    bind,
)

pytestmark = pytest.mark.usefixtures("tables")


def test_a_commit_publishes_insert_update_and_delete(recorder: Recorder, session: Session) -> None:
    bind(recorder)
    task = Task(title="write")
    session.add(task)
    session.commit()
    task.title = "read"
    session.commit()
    session.delete(task)
    session.commit()
    assert recorder.events == [("insert", "Task", 1), ("update", "Task", 1), ("delete", "Task", 1)]


def test_topics_are_the_row_and_its_table(recorder: Recorder, session: Session) -> None:
    bind(recorder)
    session.add(Task(title="write"))
    session.commit()
    assert recorder.topics == [("/task/1", "/task")]


def test_only_the_identity_leaves_the_app_unless_columns_are_named(
    recorder: Recorder, session: Session
) -> None:
    bind(recorder)
    session.add(Task(title="write"))
    session.commit()
    assert recorder.bodies == [{"event": "insert", "model": "Task", "id": 1}]


def test_named_columns_are_the_data(recorder: Recorder, session: Session) -> None:
    bind(recorder, data=["title"])
    session.add(Task(title="write"))
    session.commit()
    assert recorder.bodies == [{"event": "insert", "model": "Task", "id": 1, "data": {"title": "write"}}]


def test_a_callable_makes_the_data_of_the_object_and_the_change(recorder: Recorder, session: Session) -> None:
    def data(task: Task, change: Change) -> dict[str, Any]:
        return {"title": task.title, "changed": sorted(change.changed)}

    bind(recorder, data=data)
    task = Task(title="write")
    session.add(task)
    session.commit()
    task.title = "read"
    session.commit()
    assert [body["data"] for body in recorder.bodies] == [
        {"title": "write", "changed": []},
        {"title": "read", "changed": ["title"]},
    ]


def test_a_delete_carries_the_identity_alone(recorder: Recorder, session: Session) -> None:
    bind(recorder, data=["title", "secret"], events=["delete"])
    task = Task(title="write")
    session.add(task)
    session.commit()
    session.delete(task)
    session.commit()
    assert recorder.bodies == [{"event": "delete", "model": "Task", "id": 1}]


def test_a_composite_key_is_a_list_and_each_part_is_encoded(recorder: Recorder, session: Session) -> None:
    bind(recorder, Member)
    session.add(Member(team="a/b?{c}", user=7))
    session.commit()
    assert recorder.bodies[0]["id"] == ["a/b?{c}", 7]
    assert recorder.topics == [("/member/a%2Fb%3F%7Bc%7D/7", "/member")]


@pytest.mark.parametrize("options", [{}, {"type": "task"}, {"when": lambda member: True}])
def test_a_key_of_dots_goes_to_its_table_alone_for_its_own_topic_would_be_another(
    options: dict[str, Any], recorder: Recorder, session: Session
) -> None:
    bind(recorder, Member, **options)
    bind(recorder, Note, **options)
    session.add_all([Member(team="..", user=7), Note(id="..")])
    session.commit()
    assert recorder.topics == [("/member",), ("/note",)]


def test_a_key_that_json_does_not_know_is_text(recorder: Recorder, session: Session) -> None:
    bind(recorder, Token)
    key = UUID(int=7)
    session.add(Token(id=key))
    session.commit()
    assert recorder.bodies[0]["id"] == str(key)
    assert recorder.topics == [(f"/token/{key}", "/token")]


class Color(str, Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (datetime(2024, 1, 2, 3, 4, 5, 678901), "2024-01-02 03:04:05.678901"),
        (Color.RED, "red"),
        (Level.LOW, 1),
        (b"\xff/", "ff2f"),
        (Decimal("1.50"), "1.50"),
    ],
)
def test_a_key_is_the_same_text_in_topic_and_body_whatever_the_apps_encoder_makes_of_it(
    key: object, text: str | int, recorder: Recorder, engine: Engine
) -> None:
    class Own(DeclarativeBase):
        pass

    class Row(Own):
        __tablename__ = "row"
        id: Mapped[Any] = mapped_column(PickleType, primary_key=True)

    recorder.outlet.encode = Flask("app").json.dumps
    bind(recorder, Row, data=lambda row: 1)
    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Row(id=key))
        session.commit()
    Own.metadata.drop_all(engine)
    assert recorder.bodies[0]["id"] == text
    assert recorder.topics == [(f"/row/{quote(str(text))}", "/row")]


def test_a_topic_template_is_filled_from_the_row(recorder: Recorder, session: Session) -> None:
    bind(recorder, topic=["/projects/{project_id}/tasks/{id}", "/projects/{project.name}"])
    session.add(Task(title="write", project=Project(name="a/b")))
    session.commit()
    assert recorder.topics == [("/projects/1/tasks/1", "/projects/a%2Fb")]


def test_private_type_and_when_are_asked_for_each_row(recorder: Recorder, session: Session) -> None:
    bind(
        recorder,
        private=lambda task: task.title == "hidden",
        type="task-{id}",
        when=lambda task, change: task.title != "draft" and change.event == "insert",
    )
    session.add_all([Task(title="hidden"), Task(title="draft"), Task(title="open")])
    session.commit()
    assert {(update.private, update.type) for update in recorder.updates} == {
        (True, "task-1"),
        (False, "task-3"),
    }


def test_an_error_while_privacy_is_decided_makes_the_update_private(
    recorder: Recorder, session: Session
) -> None:
    bind(recorder, private=lambda task: task.no_such_attribute)
    session.add(Task(title="write"))
    session.commit()
    assert [update.private for update in recorder.updates] == [True]


def test_the_type_is_the_collection_where_types_are_topics(session: Session) -> None:
    recorder = Recorder(type_is_topic=True)
    bind(recorder)
    session.add(Task(title="write"))
    session.commit()
    assert [update.type for update in recorder.updates] == ["/task"]


def test_only_the_chosen_events_are_published(recorder: Recorder, session: Session) -> None:
    bind(recorder, events="delete")
    task = Task(title="write")
    session.add(task)
    session.commit()
    session.delete(task)
    session.commit()
    assert recorder.events == [("delete", "Task", 1)]


def test_an_unknown_event_is_an_error_that_names_the_known_ones(recorder: Recorder) -> None:
    with pytest.raises(BindingError, match="events: 'remove' is none; use insert, update, delete"):
        bind(recorder, events=["remove"])


def test_a_failing_serializer_leaves_the_identity_and_the_commit(
    recorder: Recorder, session: Session
) -> None:
    bind(recorder, data=lambda task: 1 / 0)
    session.add(Task(title="write"))
    session.commit()
    assert recorder.bodies == [{"event": "insert", "model": "Task", "id": 1}]


def test_subclasses_are_published_by_what_their_base_declares(recorder: Recorder, session: Session) -> None:
    bind(recorder, Document)
    letter = Letter(address="here")
    session.add(letter)
    session.commit()
    letter.address = "there"
    session.commit()
    assert recorder.events == [("insert", "Letter", 1), ("update", "Letter", 1)]
    assert set(recorder.topics) == {("/document/1", "/document")}


def test_any_receiver_of_model_changed_gets_the_change_before_the_commit(session: Session) -> None:
    seen: list[tuple[type, Change, bool]] = []

    def receive(model: type, change: Change) -> None:
        seen.append((model, change, session.in_transaction()))

    with model_changed.connected_to(receive, sender=Task):
        session.add(Task(title="write"))
        session.commit()
    [(model, change, inside)] = seen
    assert model is Task
    assert (change.event, change.identity, inside) == ("insert", (1,), True)


def test_the_signal_itself_can_be_bound_for_all_models(recorder: Recorder, session: Session) -> None:
    publish_signal(recorder, model_changed)
    session.add_all([Project(name="one"), Member(team="red", user=1)])
    session.commit()
    assert sorted(recorder.events) == [("insert", "Member", ["red", 1]), ("insert", "Project", 1)]


def test_nothing_is_published_while_the_signal_is_muted(recorder: Recorder, session: Session) -> None:
    bind(recorder)
    with model_changed.muted():
        session.add(Task(title="imported"))
        session.commit()
    assert recorder.updates == []


def test_a_disconnected_binding_publishes_nothing(recorder: Recorder, session: Session) -> None:
    binding = bind(recorder)
    binding.disconnect()
    session.add(Task(title="write"))
    session.commit()
    assert recorder.updates == []


def test_the_binding_may_come_before_the_mapping(
    recorder: Recorder, session: Session, engine: Engine
) -> None:
    mapping = registry()
    table = Table("early", mapping.metadata, Column("id", Integer, primary_key=True), Column("name", String))

    @dataclass
    class Early:
        name: str

    bind(recorder, Early)
    mapping.map_imperatively(Early, table)
    mapping.metadata.create_all(engine)
    try:
        session.add(Early(name="first"))
        session.commit()
        assert recorder.topics == [("/early/1", "/early")]
    finally:
        session.close()
        mapping.metadata.drop_all(engine)
