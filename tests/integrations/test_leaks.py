"""What a bare binding tells of a row: its key, and not one value more, in no frame and no line of the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.json.provider import DefaultJSONProvider
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from flask_mercure_sse import MercureSSE, model_changed, publish_failed
from flask_mercure_sse.protocol.errors import PublishError
from tests.server.processes import PATIENCE
from tests.subscriber import Subscriber

HASH = "pbkdf2-5ecr3t"
"""In all secret values, so that one search finds each of them."""


@pytest.fixture
def db(app: Flask) -> SQLAlchemy:
    app.testing = False  # errors end in the log, as in production
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    return SQLAlchemy(app)


@pytest.fixture
def user(db: SQLAlchemy, mercure: MercureSSE) -> Any:
    @mercure.model_topic
    class User(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str] = mapped_column(unique=True)
        password_hash: Mapped[str]

        def __repr__(self) -> str:
            return f"<User {self.email} {self.password_hash}>"

    return User


def every_event(db: SQLAlchemy, user: Any) -> None:
    first = user(email=f"a@{HASH}", password_hash=HASH)
    db.session.add(first)
    db.session.commit()
    first.password_hash = f"new {HASH}"
    db.session.commit()
    first.id = 9
    db.session.commit()
    db.session.delete(first)
    db.session.commit()


def bulk_statements(db: SQLAlchemy, user: Any) -> None:
    rows = [{"id": number, "email": f"{number}@{HASH}", "password_hash": HASH} for number in range(1, 6)]
    db.session.execute(insert(user), rows)
    db.session.execute(insert(user).values(email=f"x@{HASH}", password_hash=HASH))
    db.session.commit()
    db.session.execute(update(user).where(user.id < 3).values(password_hash=f"2 {HASH}"))
    db.session.commit()
    db.session.execute(insert(user), [{"email": f"y@{HASH}", "password_hash": HASH}] * 1)
    db.session.execute(delete(user).where(user.password_hash == HASH))
    db.session.commit()


def errors_of_the_database(db: SQLAlchemy, user: Any) -> None:
    db.session.add(user(id=1, email=f"a@{HASH}", password_hash=HASH))
    db.session.commit()
    for statement in (
        insert(user).values(email=f"a@{HASH}", password_hash=HASH),
        update(user).where(text(f"no_such_column = '{HASH}'")).values(password_hash=HASH),
    ):
        with pytest.raises(SQLAlchemyError):
            db.session.execute(statement)
        db.session.rollback()
    db.session.add(user(email=f"a@{HASH}", password_hash=HASH))
    with pytest.raises(SQLAlchemyError):
        db.session.commit()
    db.session.rollback()


def errors_of_callables(db: SQLAlchemy, user: Any, mercure: MercureSSE) -> None:
    def raises(value: Any, *_others: object) -> Any:
        raise ValueError(f"invalid literal: {value.password_hash!r}")

    def asks(value: Any) -> Any:
        return db.session.scalars(select(user).where(text(f"nothing = '{HASH}'"))).one()

    failing: list[dict[str, Any]] = [
        {name: function}
        for name in ("topic", "data", "private", "type", "when")
        for function in (raises, asks)
    ]
    failing += [{"topic": "/{no_such_attribute}"}, {"data": lambda user: user}, {"data": lambda user: {user}}]
    for number, options in enumerate(failing):
        with mercure.bind_model(user, **options):
            one = user(id=100 + number, email=f"{number}@{HASH}", password_hash=HASH)
            db.session.add(one)
            db.session.commit()
            one.password_hash += "!"
            db.session.commit()
            db.session.delete(one)
            db.session.commit()


def errors_of_the_hub(db: SQLAlchemy, user: Any, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(update: object) -> str:
        raise PublishError("http://hub", None, "connection refused")

    monkeypatch.setattr(app.extensions["mercure_sse"].hub, "publish", fail)
    every_event(db, user)


def upserts_and_refreshes(db: SQLAlchemy, user: Any, mercure: MercureSSE) -> None:
    rows = [{"id": number, "email": f"{number}@{HASH}", "password_hash": HASH} for number in (1, 2)]
    for change in ("first", "second"):
        statement = sqlite.insert(user).values([{**row, "password_hash": f"{change} {HASH}"} for row in rows])
        set_ = {"password_hash": statement.excluded.password_hash}
        db.session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=set_))
        db.session.commit()
    mercure.refresh(user)
    mercure.refresh(db.session.get(user, 1))
    db.session.commit()


def moves(db: SQLAlchemy, user: Any, mercure: MercureSSE) -> None:
    hidden = {"when": lambda user: "gone" not in user.password_hash}
    secret = {"private": lambda user: "secret" in user.password_hash}
    with mercure.bind_model(user, **hidden), mercure.bind_model(user, "/users/of/{id}", **secret):
        one = user(id=1, email=f"a@{HASH}", password_hash=HASH)
        db.session.add(one)
        db.session.commit()
        for word in ("gone", "secret", "here"):
            one.password_hash = f"{word} {HASH}"
            db.session.commit()


def bodies_that_are_too_large(db: SQLAlchemy, user: Any, mercure: MercureSSE) -> None:
    with mercure.bind_model(user, data=["password_hash"], max_bytes=10):
        every_event(db, user)


def errors_of_the_apps_json(
    db: SQLAlchemy, user: Any, mercure: MercureSSE, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(value: Any) -> Any:
        raise TypeError(f"cannot write {value!r}")

    assert isinstance(app.json, DefaultJSONProvider)
    monkeypatch.setattr(app.json, "default", refuse)
    with mercure.bind_model(user, data=lambda user: user):
        every_event(db, user)


def errors_of_listeners(db: SQLAlchemy, user: Any) -> None:
    def fail(_sender: object, change: Any) -> None:
        raise ValueError(f"{change.object!r} {change.old}")

    def fail_again(_sender: object, error: BaseException, **_others: object) -> None:
        raise ValueError(f"because of {error} {HASH}")

    with model_changed.connected_to(fail, sender=user), publish_failed.connected_to(fail_again):
        every_event(db, user)


PATHS = [
    every_event,
    bulk_statements,
    upserts_and_refreshes,
    moves,
    bodies_that_are_too_large,
    errors_of_the_database,
    errors_of_callables,
    errors_of_the_apps_json,
    errors_of_listeners,
    errors_of_the_hub,
]


@pytest.mark.parametrize("path", PATHS)
def test_no_value_but_the_key_leaves_the_app(
    path: Callable[..., None],
    app: Flask,
    db: SQLAlchemy,
    user: Any,
    mercure: MercureSSE,
    subscribe: Callable[..., Subscriber],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    subscriber = subscribe("*", grants=["*"])
    more = {"mercure": mercure, "app": app, "monkeypatch": monkeypatch}
    asked = {name: more[name] for name in path.__annotations__ if name in more}
    with caplog.at_level(logging.DEBUG), app.app_context():
        db.create_all()
        path(db, user, **asked)
        db.session.remove()
        db.engine.dispose()
    told = [str(update) for update in subscriber.updates]
    logged = [record.getMessage() + str(record.exc_text or "") for record in caplog.records]
    assert told or path in (errors_of_the_hub,)
    assert [line for line in told + logged if HASH in line] == []
    assert all(record.exc_info is None for record in caplog.records)


@pytest.mark.parametrize("command", ["bindings", "outbox"])
def test_no_value_but_the_key_is_in_the_outbox_or_in_what_commands_print(
    command: str, app: Flask, db: SQLAlchemy, caplog: pytest.LogCaptureFixture
) -> None:
    app.config.update(MERCURE_OUTBOX=True, MERCURE_HUB_URL="http://127.0.0.1:9/hub")
    mercure = MercureSSE(app)
    table = mercure.outbox_table(db.metadata)

    @mercure.model_topic(private=lambda user: user.password_hash.no_such_attribute)
    class Member(db.Model):  # type: ignore[name-defined,misc]
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str]
        password_hash: Mapped[str]

    with caplog.at_level(logging.DEBUG), app.app_context():
        db.create_all()
        every_event(db, Member)
        mercure.flush(PATIENCE)
        rows = [str(tuple(row)) for row in db.session.execute(select(table))]
        printed = app.test_cli_runner().invoke(args=["mercure", command]).output
        db.session.remove()
        db.engine.dispose()
    assert rows
    assert "Member" in printed or "/member/1" in printed
    logged = [record.getMessage() + str(record.exc_text or "") for record in caplog.records]
    assert [line for line in [*rows, printed, *logged] if HASH in line] == []


def test_the_search_would_find_what_is_named(
    app: Flask, db: SQLAlchemy, user: Any, mercure: MercureSSE, subscribe: Callable[..., Subscriber]
) -> None:
    subscriber = subscribe("*")
    with app.app_context(), mercure.bind_model(user, data=["password_hash"]):
        db.create_all()
        every_event(db, user)
        db.session.remove()
        db.engine.dispose()
    assert any(HASH in update.data for update in subscriber.updates)
