"""Flask-SQLAlchemy-Lite: its sessions are plain ones, and ``db.session`` is the current one itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_mercure_sse import MercureSSE
from tests.subscriber import Subscriber


class Base(DeclarativeBase):
    pass


class Todo(Base):
    __tablename__ = "todo"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]


@pytest.fixture
def db(app: Flask) -> SQLAlchemy:
    app.config["SQLALCHEMY_ENGINES"] = {"default": "sqlite://"}
    return SQLAlchemy(app)


def test_a_request_that_commits_is_heard_and_one_that_fails_is_not(
    app: Flask, db: SQLAlchemy, mercure: MercureSSE, subscribe: Callable[..., Subscriber]
) -> None:
    @app.post("/todos/<title>")
    def add(title: str) -> str:
        db.session.add(Todo(title=title))
        mercure.publish("/log", title, on_commit=lambda: db.session)
        if title == "bad":
            db.session.flush()
            return "given up"
        db.session.commit()
        return "ok"

    subscriber, client = subscribe("*"), app.test_client()
    with app.app_context():
        Base.metadata.create_all(db.engine)
    with mercure.bind_model(Todo):
        answers = [client.post(f"/todos/{title}") for title in ("one", "bad", "two")]
    with app.app_context():
        db.engine.dispose()
    heard = [(update.topic, update.data if update.topic == "/log" else "") for update in subscriber.updates]
    assert heard == [("/todo/1", ""), ("/log", "one"), ("/todo/2", ""), ("/log", "two")]
    assert ["Mercure-Transaction" in answer.headers for answer in answers] == [True, False, True]
