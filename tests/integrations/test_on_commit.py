"""Signals whose updates wait for a transaction."""

from __future__ import annotations

from typing import Any

import pytest
from blinker import Namespace, Signal
from sqlalchemy import Engine, event
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from flask_mercure_sse.integrations.signals import publish_signal
from flask_mercure_sse.protocol.errors import BindingError, PublishError
from flask_mercure_sse.publishers.signals import publish_failed
from tests.integrations.recorder import Recorder
from tests.integrations.schema import Project, Task, bind

pytestmark = pytest.mark.usefixtures("tables")


@pytest.fixture
def paid() -> Signal:
    return Namespace().signal("order-paid")


def test_an_update_waits_for_the_commit(recorder: Recorder, session: Session, paid: Signal) -> None:
    publish_signal(recorder, paid, on_commit=session)
    session.add(Project(name="p"))
    paid.send(None)
    session.flush()
    assert recorder.updates == []
    session.commit()
    assert recorder.topics == [("order-paid",)]


def test_an_update_goes_with_its_transaction(recorder: Recorder, session: Session, paid: Signal) -> None:
    publish_signal(recorder, paid, on_commit=session)
    for give_up in (session.rollback, session.close):
        session.begin()
        paid.send(None)
        give_up()
    session.commit()
    assert recorder.updates == []


def test_an_update_goes_with_its_savepoint(recorder: Recorder, session: Session, paid: Signal) -> None:
    publish_signal(recorder, paid, topic=lambda sender: sender, on_commit=session)
    session.begin()
    paid.send("/outer")
    kept = session.begin_nested()
    paid.send("/kept")
    kept.commit()
    dropped = session.begin_nested()
    paid.send("/dropped")
    dropped.rollback()
    session.commit()
    assert recorder.topics == [("/outer",), ("/kept",)]


def test_outside_of_a_transaction_an_update_is_published_at_once(
    recorder: Recorder, session: Session, paid: Signal
) -> None:
    publish_signal(recorder, paid, on_commit=session)
    paid.send(None)
    assert len(recorder.updates) == 1


def test_what_is_sent_while_the_transaction_commits_is_committed_with_it(
    recorder: Recorder, engine: Engine, paid: Signal
) -> None:
    with Session(engine) as session:
        publish_signal(recorder, paid, topic=lambda sender: sender, on_commit=session)

        @event.listens_for(session, "before_commit")
        def before(session: Session) -> None:
            paid.send("/before")

        @event.listens_for(session, "after_commit")
        def after(session: Session) -> None:
            paid.send("/after")

        session.add(Project(name="p"))
        session.commit()
    assert recorder.topics == [("/before",), ("/after",)]


def test_the_data_is_that_of_the_send_and_rows_come_first(
    recorder: Recorder, session: Session, paid: Signal
) -> None:
    bind(recorder)
    publish_signal(recorder, paid, data=lambda sender: {"title": sender.title}, on_commit=session)
    task = Task(title="then")
    session.add(task)
    paid.send(task)
    task.title = "later"
    session.commit()
    assert [body.get("title") or body["event"] for body in recorder.bodies] == ["insert", "then"]


@pytest.mark.parametrize("kind", ["scoped_session", "a callable", "a callable of a scoped_session"])
def test_the_current_session_is_found_at_each_send(
    kind: str, recorder: Recorder, engine: Engine, paid: Signal
) -> None:
    current = scoped_session(sessionmaker(engine))
    given: dict[str, Any] = {
        "scoped_session": current,
        "a callable": lambda: current(),
        "a callable of a scoped_session": lambda: current,
    }
    publish_signal(recorder, paid, on_commit=given[kind])
    for _ in range(2):
        current.add(Project(name="p"))
        paid.send(None)
        current.rollback()
        assert recorder.updates == []
        current.remove()
    current.add(Project(name="p"))
    paid.send(None)
    current.commit()
    current.remove()
    assert len(recorder.updates) == 1


@pytest.mark.parametrize(
    ("session", "problem"),
    [
        ("db", "on_commit: 'db' is no session; give a Session, a scoped_session or a callable"),
        (True, "on_commit: True is no session"),
        (sessionmaker(), "on_commit: sessionmaker makes a new session each time"),
        (async_sessionmaker(), "on_commit: async_sessionmaker makes a new session each time"),
    ],
)
def test_what_can_be_no_session_is_an_error_at_once(
    session: Any, problem: str, recorder: Recorder, paid: Signal
) -> None:
    with pytest.raises(BindingError, match=problem):
        publish_signal(recorder, paid, on_commit=session)


def test_an_update_that_the_hub_does_not_take_is_told_by_publish_failed(
    session: Session, paid: Signal, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(update: object) -> None:
        raise PublishError("http://hub", 413, "too large")

    recorder = Recorder()
    recorder.outlet.publish = fail  # type: ignore[method-assign]
    failed: list[Any] = []

    def note(sender: object, error: Exception, update: Any) -> None:
        failed.append((sender, error, update.topic))

    binding = publish_signal(recorder, paid, on_commit=session)
    with publish_failed.connected_to(note):
        session.begin()
        paid.send(None)
        session.commit()
    [(sender, error, topic)] = failed
    assert (sender, type(error), topic) == (binding, PublishError, "order-paid")
    assert "not published: the hub http://hub answered 413" in caplog.text
