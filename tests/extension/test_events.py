"""The event layer through the extension: what an app's author and its browsers see of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from blinker import Namespace
from flask import Flask, got_request_exception, request_finished, template_rendered
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select, update
from sqlalchemy.orm import Mapped, mapped_column

from flask_mercure_sse import BindingError, MercureSSE, publish_failed, publish_signal
from flask_mercure_sse.integrations.changes import model_changed
from tests.subscriber import Subscriber

Subscribe = Callable[..., Subscriber]


@pytest.fixture
def db(app: Flask) -> Iterator[SQLAlchemy]:
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db = SQLAlchemy(app)
    yield db
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def todo(app: Flask, db: SQLAlchemy, mercure: MercureSSE) -> Iterator[Any]:
    """A model with the bare decorator, and its table."""

    @mercure.model_topic
    class Todo(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]

    with app.app_context():
        db.create_all()
    yield Todo
    for binding in mercure.bindings:
        binding.disconnect()


def add_view(app: Flask, db: SQLAlchemy, todo: Any) -> None:
    @app.post("/todos/<title>")
    def add(title: str) -> str:
        for part in title.split("+"):
            db.session.add(todo(title=part))
            db.session.commit()
        return "ok"

    @app.get("/")
    def read() -> str:
        return str(len(db.session.scalars(select(todo)).all()))


# Own echo


def test_a_response_has_the_transaction_id_that_all_updates_of_its_request_carry(
    app: Flask, db: SQLAlchemy, todo: Any, subscribe: Subscribe
) -> None:
    add_view(app, db, todo)
    subscriber, client = subscribe("/todo"), app.test_client()
    ids = [client.post(f"/todos/{title}").headers["Mercure-Transaction"] for title in ("a+b", "c")]
    assert [body["tx"] for body in subscriber.json] == [ids[0], ids[0], ids[1]]
    assert ids[0] != ids[1]


def test_a_response_whose_request_published_nothing_has_no_transaction_id(
    app: Flask, db: SQLAlchemy, todo: Any
) -> None:
    add_view(app, db, todo)
    assert "Mercure-Transaction" not in app.test_client().get("/").headers


def test_updates_carry_the_origin_that_the_request_says(
    app: Flask, db: SQLAlchemy, todo: Any, subscribe: Subscribe
) -> None:
    add_view(app, db, todo)
    subscriber, client = subscribe("/todo"), app.test_client()
    for origin in ("tab-7", 'a"b', "x" * 129, ""):
        client.post("/todos/a", headers={"Mercure-Origin": origin})
    client.post("/todos/a")
    assert [body.get("origin") for body in subscriber.json] == ["tab-7", 'a"b', None, None, None]


def test_a_larger_body_than_max_bytes_carries_the_identity_alone_and_is_counted(
    app: Flask, db: SQLAlchemy, mercure: MercureSSE, subscribe: Subscribe
) -> None:
    class Note(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str]

    subscriber = subscribe("/note")
    with app.app_context(), mercure.bind_model(Note, data=["text"], max_bytes=200) as binding:
        db.create_all()
        db.session.add_all([Note(text="a"), Note(text="é" * 30), Note(text="a" * 60)])
        db.session.commit()
        assert binding.truncated == 1  # type: ignore[attr-defined]
    small, large, ascii_ = subscriber.json
    assert "truncated" not in small
    assert "truncated" not in ascii_
    assert {name: large[name] for name in large if name != "tx"} == {
        "event": "insert",
        "model": "Note",
        "id": 2,
        "truncated": True,
    }


# Declaring


def test_a_model_may_have_a_publication_for_each_audience_and_keeps_its_type(
    app: Flask, db: SQLAlchemy, mercure: MercureSSE, subscribe: Subscribe
) -> None:
    @mercure.model_topic("/staff/{id}", data=["title", "salary"], private=True)
    @mercure.model_topic("/jobs/{id}", data=["title"])
    class Job(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]
        salary: Mapped[int]

    assert Job.__name__ == "Job"
    public, staff = subscribe("*"), subscribe("*", grants=["/staff/{id}"])
    with app.app_context():
        db.create_all()
        db.session.add(Job(title="cook", salary=1000))
        db.session.commit()
    assert [body["data"] for body in public.json] == [{"title": "cook"}]
    assert sorted(len(body["data"]) for body in staff.json) == [1, 2]


def test_a_subclass_may_be_left_out(
    app: Flask, db: SQLAlchemy, mercure: MercureSSE, subscribe: Subscribe
) -> None:
    @mercure.model_topic
    class Numbered:
        id: Mapped[int] = mapped_column(primary_key=True)

    class Shown(Numbered, db.Model):
        pass

    @mercure.model_topic(False)
    class Hidden(Numbered, db.Model):
        pass

    subscriber = subscribe("*")
    with app.app_context():
        db.create_all()
        db.session.add_all([Shown(), Hidden()])
        db.session.commit()
    assert [body["model"] for body in subscriber.json] == ["Shown"]


def test_models_are_private_where_the_config_says_so(
    app: Flask, db: SQLAlchemy, subscribe: Subscribe
) -> None:
    app.config["MERCURE_MODEL_PRIVATE"] = "yes"
    # The fixture's extension is registered already, with the settings of before.
    other = Flask("other")
    other.config.update(app.config)
    mercure = MercureSSE(other)
    other_db = SQLAlchemy(other)

    @mercure.model_topic
    class Secret(other_db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)

    with other.app_context():
        other_db.create_all()
        other_db.session.add(Secret())
        other_db.session.commit()
        history = list(other.extensions["mercure_sse"].hub._history.updates)
        other_db.engine.dispose()
    assert [entry.update.private for entry in history] == [True]


def test_what_is_no_model_cannot_be_bound(mercure: MercureSSE) -> None:
    with pytest.raises(BindingError, match="model: 'Todo' is not a class"):
        mercure.bind_model("Todo")  # type: ignore[arg-type]


def test_options_beside_a_class_are_an_error_that_names_what_takes_them(mercure: MercureSSE) -> None:
    with pytest.raises(BindingError, match="Model is a class, beside which nothing is taken; use bind_model"):
        mercure.model_topic(type("Model", (), {}), data=["title"])  # type: ignore[call-overload]


def test_a_model_topic_is_a_binding_of_the_signal(
    app: Flask, db: SQLAlchemy, todo: Any, mercure: MercureSSE
) -> None:
    [binding] = mercure.bindings
    assert binding.signal is model_changed
    same = mercure.publish_signal(model_changed, sender=todo, topic="/same/{id}", watch="title")
    assert mercure.bindings == (binding, same)
    same.disconnect()


# Muting, refreshing, waiting


def test_a_block_is_muted_for_all_for_one_or_for_a_model(
    app: Flask, db: SQLAlchemy, todo: Any, mercure: MercureSSE, subscribe: Subscribe
) -> None:
    subscriber = subscribe("/todo")
    with app.app_context():
        for targets in ((), (todo,), mercure.bindings):
            with mercure.muted(*targets):
                db.session.add(todo(title="imported"))
                db.session.commit()
        db.session.add(todo(title="heard"))
        db.session.commit()
    assert [body["id"] for body in subscriber.json] == [4]


def test_a_namespace_is_muted_with_its_handle(mercure: MercureSSE, subscribe: Subscribe) -> None:
    namespace = Namespace()
    subscriber = subscribe("*")
    with mercure.publish_signal(namespace) as handle:
        signal = namespace.signal("order-paid")
        with mercure.muted(handle):
            signal.send(None)
        signal.send(None)
    assert subscriber.data == ["order-paid"]


def test_a_refresh_of_a_model_goes_to_its_collection(
    app: Flask, db: SQLAlchemy, todo: Any, mercure: MercureSSE, subscribe: Subscribe
) -> None:
    subscriber = subscribe("/todo")
    with app.app_context():
        mercure.refresh(todo)
        with mercure.muted():
            mercure.refresh(todo)
    [body] = subscriber.json
    assert (body["event"], body["model"], "id" in body) == ("refresh", "Todo", False)


def test_a_refresh_of_an_object_goes_to_its_row_and_waits_for_its_transaction(
    app: Flask, db: SQLAlchemy, todo: Any, mercure: MercureSSE, subscribe: Subscribe
) -> None:
    subscriber = subscribe("/todo/1")
    with app.app_context():
        with mercure.muted():
            db.session.add(todo(title="imported"))
            db.session.commit()
        item = db.session.get(todo, 1)
        mercure.refresh(item)
        assert subscriber.json == []
        db.session.commit()
        db.session.expunge(item)
    assert [(body["event"], body["id"]) for body in subscriber.json] == [("refresh", 1)]


def test_what_is_not_bound_cannot_be_refreshed(
    app: Flask, db: SQLAlchemy, todo: Any, mercure: MercureSSE
) -> None:
    class Other(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)

    with pytest.raises(BindingError, match="refresh: Other is not bound; decorate it with model_topic"):
        mercure.refresh(Other)
    with pytest.raises(BindingError, match="refresh: 'Todo' is neither a mapped class nor an object of one"):
        mercure.refresh("Todo")


def test_what_is_published_by_hand_waits_for_a_commit_where_it_is_asked_to(
    app: Flask, db: SQLAlchemy, todo: Any, mercure: MercureSSE, subscribe: Subscribe
) -> None:
    subscriber = subscribe("/by-hand")
    with app.app_context():
        assert mercure.publish("/by-hand", "at once", on_commit=db.session)
        db.session.add(todo(title="a"))
        mercure.publish("/by-hand", "given up", on_commit=db.session)
        db.session.rollback()
        db.session.add(todo(title="b"))
        event_id = mercure.publish("/by-hand", "kept", on_commit=db.session)
        assert [update.data for update in subscriber.updates] == ["at once"]
        db.session.commit()
    assert [update.data for update in subscriber.updates] == ["at once", "kept"]
    assert subscriber.updates[-1].id == event_id


def test_bulk_statements_are_limited_by_the_config(subscribe: Subscribe) -> None:
    app = Flask("bulk")
    app.config.update(SECRET_KEY="k" * 32, MERCURE_BULK_MAX=1, SQLALCHEMY_DATABASE_URI="sqlite://")
    db, mercure = SQLAlchemy(app), MercureSSE(app)

    @mercure.model_topic
    class Row(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        value: Mapped[int]

    with app.app_context():
        db.create_all()
        with mercure.muted():
            db.session.add_all([Row(value=1), Row(value=2)])
            db.session.commit()
        db.session.execute(update(Row).where(Row.id == 1).values(value=3))
        db.session.commit()
        db.session.execute(update(Row).values(value=4))
        db.session.commit()
        history = list(app.extensions["mercure_sse"].hub._history.updates)
        db.engine.dispose()
    assert [json.loads(entry.update.data)["event"] for entry in history] == ["update", "refresh"]


# Signals of others


def test_flasks_own_signals_are_sources(app: Flask, mercure: MercureSSE, subscribe: Subscribe) -> None:
    app.testing = False
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/fail")
    def fail() -> str:
        raise RuntimeError("password=hunter2")

    @app.get("/page")
    def page() -> str:
        from flask import render_template_string

        return render_template_string("hello")

    subscriber = subscribe("*")
    bound = [
        mercure.publish_signal(
            got_request_exception, "/errors", data=lambda app, exception: type(exception).__name__, sender=app
        ),
        mercure.publish_signal(request_finished, data=lambda app, response: response.status_code, sender=app),
        mercure.publish_signal(template_rendered, data={"rendered": True}, sender=app),
    ]
    client = app.test_client()
    client.get("/fail")
    client.get("/page")
    for binding in bound:
        binding.disconnect()
    assert [(update.topic, update.data) for update in subscriber.updates] == [
        ("/errors", "RuntimeError"),
        ("request-finished", "500"),
        ("template-rendered", '{"rendered": true}'),
        ("request-finished", "200"),
    ]


def test_flask_logins_signals_are_sources(app: Flask, mercure: MercureSSE, subscribe: Subscribe) -> None:
    from flask_login import LoginManager, UserMixin, login_user, logout_user, user_logged_in, user_logged_out

    class User(UserMixin):
        id = "ada/1"
        password = "hunter2"

    manager = LoginManager(app)
    manager.user_loader(lambda _id: User())

    @app.get("/in")
    def log_in() -> str:
        login_user(User())
        return "in"

    @app.get("/out")
    def log_out() -> str:
        logout_user()
        return "out"

    subscriber = subscribe("*")
    bound = [
        mercure.publish_signal(signal, "/users/{user.id}", data={"online": online}, type=name)
        for signal, name, online in ((user_logged_in, "in", True), (user_logged_out, "out", False))
    ]
    client = app.test_client()
    client.get("/in")
    client.get("/out")
    for binding in bound:
        binding.disconnect()
    assert [(update.topic, update.type) for update in subscriber.updates] == [
        ("/users/ada%2F1", "in"),
        ("/users/ada%2F1", "out"),
    ]
    assert subscriber.json == [{"online": True}, {"online": False}]


# Errors


@pytest.mark.parametrize("flag", ["testing", "debug"])
def test_in_tests_and_debugging_an_error_in_a_callable_is_raised(
    flag: str, app: Flask, mercure: MercureSSE
) -> None:
    signal = Namespace().signal("failing")
    mercure.publish_signal(signal, data=lambda sender: 1 / 0)
    app.testing = app.debug = False
    signal.send(None)
    setattr(app, flag, True)
    with pytest.raises(ZeroDivisionError):
        signal.send(None)


def test_an_error_while_a_model_is_published_never_fails_the_commit(
    app: Flask, db: SQLAlchemy, todo: Any, mercure: MercureSSE, subscribe: Subscribe
) -> None:
    subscriber = subscribe("/todo")
    failed: list[object] = []

    def note(sender: object, error: Exception, update: object) -> None:
        failed.append(error)

    with app.app_context(), publish_failed.connected_to(note):
        with mercure.bind_model(todo, topic=lambda todo: 1 / 0):
            db.session.add(todo(title="kept"))
            db.session.commit()
        assert db.session.scalars(select(todo.title)).all() == ["kept"]
    assert len(subscriber.json) == 1
    assert [type(error) for error in failed] == [ZeroDivisionError]


# The list


def test_bindings_are_listed_on_the_command_line(
    app: Flask, db: SQLAlchemy, todo: Any, mercure: MercureSSE
) -> None:
    def total(sender: object) -> int:
        return 7

    signal = Namespace().signal("order-paid")
    mercure.bind_model(todo, ["/todos/{id}", "/todos"], data=["title"], private=True, name="mine")
    shared = publish_signal(signal, "/orders", data=total)
    mercure.publish_signal(signal)
    printed = app.test_cli_runner().invoke(args=["mercure", "bindings"]).output
    shared.disconnect()
    assert printed.splitlines()[0].split() == ["SOURCE", "TOPIC", "DATA", "PRIVATE"]
    lines = {" ".join(line.split()) for line in printed.splitlines()[1:]}
    assert {
        "Todo /todo/{id}, /todo - -",
        "Todo (mine) /todos/{id}, /todos title True",
        "order-paid /orders total() -",
        "order-paid order-paid - -",
    } <= lines


def test_an_empty_list_says_how_to_make_a_binding(app: Flask, mercure: MercureSSE) -> None:
    printed = app.test_cli_runner().invoke(args=["mercure", "bindings"]).output
    assert "make one with mercure.model_topic or mercure.publish_signal" in printed
