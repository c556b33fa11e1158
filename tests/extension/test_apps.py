"""Several apps and several extensions in one process, which do not see each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from blinker import Namespace, Signal
from flask import Flask
from sqlalchemy import create_engine, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import StaticPool

from flask_mercure_sse import ConfigurationError, MercureSSE, publish_failed
from tests.conftest import SECRET


def make_app(name: str) -> Flask:
    app = Flask(name)
    app.config.update(SECRET_KEY=SECRET, DEBUG=True)  # errors of bindings are raised
    return app


def topics(app: Flask) -> list[str]:
    """The topics of what an app's hub has."""
    hub = app.extensions["mercure_sse"].hub
    return [entry.update.topic for entry in hub._history.updates]


@contextmanager
def told_failures() -> Iterator[list[object]]:
    failures: list[object] = []

    def fail(_sender: object, error: object, **_others: object) -> None:
        failures.append(error)

    with publish_failed.connected_to(fail):
        yield failures


@pytest.fixture
def paid() -> Signal:
    return Namespace().signal("paid")


@pytest.fixture
def apps() -> tuple[Flask, Flask]:
    """Two apps, each with an extension of its own."""
    one, two = make_app("one"), make_app("two")
    MercureSSE(one)
    MercureSSE(two)
    return one, two


def extension(app: Flask) -> MercureSSE:
    return app.extensions["mercure_sse"].instance


@pytest.fixture
def model(apps: tuple[Flask, Flask]) -> Iterator[type]:
    """A model that both extensions publish."""

    class Base(DeclarativeBase):
        pass

    class Todo(Base):
        __tablename__ = "todo"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]

    for app in apps:
        extension(app).model_topic(f"/{app.name}")(Todo)
    yield Todo
    for app in apps:
        for binding in extension(app).bindings:
            binding.disconnect()


# One extension


def test_a_bound_signal_is_published_on_the_hub_of_the_current_app_alone(paid: Signal) -> None:
    one, two = make_app("one"), make_app("two")
    mercure = MercureSSE()
    mercure.init_app(one)
    mercure.init_app(two)
    mercure.publish_signal(paid)
    with two.app_context():
        paid.send()
    assert (topics(one), topics(two)) == ([], ["paid"])


def test_each_app_has_its_own_settings_and_hub() -> None:
    one, two = make_app("one"), make_app("two")
    one.config["MERCURE_HUB_RECONCILIATION_LENGTH"] = 1
    mercure = MercureSSE()
    mercure.init_app(one)
    mercure.init_app(two)
    for app in (one, two):
        with app.app_context():
            mercure.publish_many([{"topic": "/1"}, {"topic": "/2"}])
    assert (topics(one), topics(two)) == (["/2"], ["/1", "/2"])


# Two extensions


def test_a_signal_that_two_extensions_have_bound_is_published_by_the_one_of_the_current_app(
    paid: Signal, apps: tuple[Flask, Flask]
) -> None:
    one, two = apps
    for app in apps:
        extension(app).publish_signal(paid, f"/{app.name}")
    with told_failures() as failures, one.app_context():
        paid.send()
    assert (topics(one), topics(two), failures) == (["/one"], [], [])


def test_without_a_context_each_publishes_on_the_hub_of_its_only_app(
    paid: Signal, apps: tuple[Flask, Flask]
) -> None:
    for app in apps:
        extension(app).publish_signal(paid, f"/{app.name}")
    paid.send()
    assert [topics(app) for app in apps] == [["/one"], ["/two"]]


def test_a_model_that_two_extensions_publish_is_published_by_the_one_of_the_current_app(
    model: type, apps: tuple[Flask, Flask]
) -> None:
    one, two = apps
    engine = create_engine("sqlite://", poolclass=StaticPool)
    model.metadata.create_all(engine)  # type: ignore[attr-defined]
    with told_failures() as failures, two.app_context(), Session(engine) as session:
        session.add(model(title="written"))
        session.commit()
        session.execute(update(model).values(title="changed"))
        session.commit()
        extension(two).refresh(model)
    engine.dispose()
    assert (topics(one), topics(two), failures) == ([], ["/two"] * 3, [])


def test_in_an_app_without_an_extension_a_bound_signal_is_told_as_an_error(
    paid: Signal, apps: tuple[Flask, Flask]
) -> None:
    extension(apps[0]).publish_signal(paid)
    with told_failures() as failures, make_app("none").app_context():
        paid.send()
    assert [str(error) for error in failures] == [
        "MercureSSE is not registered with the current app; call init_app(app)"
    ]


def test_in_the_app_of_another_extension_publishing_is_an_error_that_names_the_fix(
    apps: tuple[Flask, Flask],
) -> None:
    one, two = apps
    with one.app_context(), pytest.raises(ConfigurationError, match="has another MercureSSE; use that one"):
        extension(two).publish("/a")


def test_a_second_extension_for_one_app_is_an_error_that_names_the_fix(apps: tuple[Flask, Flask]) -> None:
    with pytest.raises(ConfigurationError, match="with this app already; call init_app once"):
        MercureSSE(apps[0])
