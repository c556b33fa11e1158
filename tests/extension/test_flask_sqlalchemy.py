"""A committed change reaches a subscriber, and no line of the app publishes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from unittest.mock import ANY

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column

from flask_mercure_sse import MercureSSE
from tests.subscriber import Subscriber

Subscribe = Callable[..., Subscriber]


@pytest.fixture
def db(app: Flask) -> Iterator[SQLAlchemy]:
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db = SQLAlchemy(app)
    yield db
    with app.app_context():
        db.engine.dispose()


def test_a_request_that_commits_is_heard_and_one_that_fails_is_not(
    app: Flask, db: SQLAlchemy, mercure: MercureSSE, subscribe: Subscribe
) -> None:
    @mercure.model_topic
    class Todo(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]

    @app.post("/todos/<title>")
    def add(title: str) -> str:
        todo = Todo(title=title)
        db.session.add(todo)
        if title == "bad":
            db.session.flush()
            return "given up"
        db.session.commit()
        return str(todo.id)

    with app.app_context():
        db.create_all()
    row, table = subscribe("/todo/{id}"), subscribe("/todo")
    client = app.test_client()
    assert [client.post(f"/todos/{title}").text for title in ("one", "bad", "two")] == ["1", "given up", "2"]
    assert row.json == [{"event": "insert", "model": "Todo", "id": number, "tx": ANY} for number in (1, 2)]
    assert table.updates == row.updates


def test_the_decorator_takes_arguments_and_data_is_the_apps_json(
    app: Flask, db: SQLAlchemy, mercure: MercureSSE, subscribe: Subscribe
) -> None:
    @mercure.model_topic(
        "/notes/{owner}", ["text"], ["insert"], True, "note", lambda note: note.owner != "nobody"
    )
    class Note(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        owner: Mapped[str]
        text: Mapped[str]

    mine, other = subscribe("*", grants=["/notes/ada"]), subscribe("*", grants=["/notes/grace"])
    with app.app_context():
        db.create_all()
        db.session.add_all([Note(owner="ada", text="é"), Note(owner="nobody", text="x")])
        db.session.commit()
    [update] = mine.updates
    assert (update.topic, update.type, update.private) == ("/notes/ada", "note", True)
    body = json.loads(update.data)
    assert body == {"event": "insert", "model": "Note", "id": 1, "data": {"text": "é"}, "tx": ANY}
    assert other.updates == []


def test_the_decorator_may_stand_below_the_mapping(
    app: Flask, mercure: MercureSSE, subscribe: Subscribe
) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session, registry

    mapping = registry()

    @mapping.mapped
    @mercure.model_topic
    class Plain:
        __tablename__ = "plain"
        id: Mapped[int] = mapped_column(primary_key=True)

    engine = create_engine("sqlite://")
    mapping.metadata.create_all(engine)
    subscriber = subscribe("/plain")
    with Session(engine) as session:
        session.add(Plain(id=1))
        session.commit()
    engine.dispose()
    assert subscriber.json == [{"event": "insert", "model": "Plain", "id": 1, "tx": ANY}]


def test_types_are_the_collections_where_types_are_topics(app: Flask, db: SQLAlchemy) -> None:
    mercure = MercureSSE(app, type_is_topic=True)

    @mercure.model_topic()
    class Card(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)

    with app.app_context():
        db.create_all()
        db.session.add(Card(id=1))
        db.session.commit()
        history = app.extensions["mercure_sse"].hub._history.updates
    assert [(entry.update.topics, entry.update.type) for entry in history] == [
        (("/card/1", "/card"), "/card")
    ]
