"""Updates that are published together at the end of a block, or not at all."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from contextvars import copy_context

import pytest
from blinker import Namespace
from flask import Flask
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from flask_mercure_sse import InvalidUpdate, MercureSSE, PublishError, QueueFull
from tests.publishers.fake_hub import FakeHub
from tests.server.processes import ROOT
from tests.subscriber import Subscriber


@pytest.fixture
def app(app: Flask) -> Flask:
    app.config["MERCURE_FLUSH_TIMEOUT"] = 0  # at the end of the tests nobody waits for hubs that are gone
    return app


@pytest.fixture
def seen(mercure: MercureSSE, subscribe: Callable[..., Subscriber]) -> Subscriber:
    return subscribe("*")


def publish_and_fail(mercure: MercureSSE, data: str) -> None:
    with mercure.transaction():
        mercure.publish("/a", data)
        raise ZeroDivisionError


def test_the_updates_of_a_block_are_published_at_its_end(mercure: MercureSSE, seen: Subscriber) -> None:
    with mercure.transaction():
        first = mercure.publish("/a", "1")
        others = mercure.publish_many([{"topic": "/b", "data": "2"}, {"topic": "/a", "data": "3"}])
        assert seen.data == []
    assert seen.data == ["1", "2", "3"]
    assert [update.id for update in seen.updates] == [first, *others]


def test_an_exception_drops_them(mercure: MercureSSE, seen: Subscriber) -> None:
    with pytest.raises(ZeroDivisionError):
        publish_and_fail(mercure, "1")
    mercure.publish("/a", "2")
    assert seen.data == ["2"]


def test_a_block_in_a_block_is_part_of_it(mercure: MercureSSE, seen: Subscriber) -> None:
    with mercure.transaction():
        mercure.publish("/a", "1")
        with mercure.transaction():
            mercure.publish("/a", "2")
        assert seen.data == []
    assert seen.data == ["1", "2"]


def test_an_inner_block_that_fails_takes_its_own_updates_with_it(
    mercure: MercureSSE, seen: Subscriber
) -> None:
    with mercure.transaction():
        mercure.publish("/a", "1")
        with pytest.raises(ZeroDivisionError):
            publish_and_fail(mercure, "2")
        mercure.publish("/a", "3")
    assert seen.data == ["1", "3"]


def test_bound_signals_take_part(mercure: MercureSSE, seen: Subscriber) -> None:
    paid = Namespace().signal("paid")
    mercure.publish_signal(paid, "/paid", "2")
    with mercure.transaction():
        mercure.publish("/a", "1")
        paid.send()
        mercure.publish("/a", "3")
        assert seen.data == []
    assert seen.data == ["1", "2", "3"]


def test_what_waits_for_a_commit_waits_for_it_in_a_block_too(mercure: MercureSSE, seen: Subscriber) -> None:
    paid = Namespace().signal("paid")
    with Session(create_engine("sqlite://")) as session:
        mercure.publish_signal(paid, "/paid", data=lambda sender: sender, on_commit=session)
        with mercure.transaction():
            session.begin()
            paid.send("rolled back")
            session.rollback()
            session.begin()
            paid.send("committed")
        mercure.publish("/end", "end of the block")
        session.commit()
    assert seen.data == ["end of the block", "committed"]


def test_an_update_that_breaks_a_rule_is_told_where_it_is_published(mercure: MercureSSE) -> None:
    with mercure.transaction(), pytest.raises(InvalidUpdate):
        mercure.publish("")


def test_other_threads_are_not_concerned(mercure: MercureSSE, seen: Subscriber) -> None:
    with mercure.transaction():
        thread = threading.Thread(target=mercure.publish, args=("/a", "1"))
        thread.start()
        thread.join()
        assert seen.data == ["1"]


def test_a_thread_with_a_copy_of_the_context_takes_part_until_the_end(
    mercure: MercureSSE, seen: Subscriber
) -> None:
    paid = Namespace().signal("paid")
    mercure.publish_signal(paid, "/paid", "late signal")
    with mercure.transaction():
        context = copy_context()
        thread = threading.Thread(target=context.run, args=(mercure.publish, "/a", "in time"))
        thread.start()
        thread.join()
        assert seen.data == []
    assert seen.data == ["in time"]
    context.run(mercure.publish, "/a", "late")
    context.run(paid.send)
    assert seen.data == ["in time", "late", "late signal"]


def test_tasks_have_their_own(mercure: MercureSSE, seen: Subscriber) -> None:
    async def publish(name: str, *, fails: bool) -> None:
        with mercure.transaction():
            mercure.publish("/a", f"{name} 1")
            await asyncio.sleep(0)
            mercure.publish("/a", f"{name} 2")
            if fails:
                raise ZeroDivisionError

    async def main() -> None:
        await asyncio.gather(publish("a", fails=False), publish("b", fails=True), return_exceptions=True)

    asyncio.run(main())
    assert seen.data == ["a 1", "a 2"]


def test_greenlets_have_their_own() -> None:
    code = """
from gevent import monkey; monkey.patch_all()
import gevent
from flask import Flask
from flask_mercure_sse import MercureSSE, update_published
app = Flask("greenlets"); app.config["SECRET_KEY"] = "a secret that is long enough for HS256"
mercure = MercureSSE(app)
seen = []
receive = lambda sender, update: seen.append(update.data)
update_published.connect(receive)
def publish(name, fails):
    try:
        with mercure.transaction():
            for number in (1, 2):
                mercure.publish("/a", f"{name} {number}")
                gevent.sleep(0.01)
            1 / (not fails)
    except ZeroDivisionError:
        pass
gevent.joinall([gevent.spawn(publish, "a", False), gevent.spawn(publish, "b", True)])
print(seen)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.strip() == "['a 1', 'a 2']"


def test_a_hub_that_fails_does_not_keep_another_from_its_updates(app: Flask) -> None:
    good, bad = FakeHub(), FakeHub()
    bad.status = 403
    app.config["MERCURE_PUBLISH"] = "sync"
    mercure = MercureSSE(app, bad.url)

    def publish() -> None:
        with mercure.transaction():
            mercure.publish("/a", "1")
            mercure.publish("/a", "2", hub_url=good.url)

    try:
        with pytest.raises(PublishError, match="answered 403"):
            publish()
        assert [update.data for update in good.updates] == ["2"]
    finally:
        good.close()
        bad.close()


def test_in_the_background_all_of_them_are_accepted_or_none(app: Flask) -> None:
    app.config["MERCURE_QUEUE_SIZE"] = 4000
    mercure = MercureSSE(app, "http://127.0.0.1:1")

    def publish() -> None:
        with mercure.transaction():
            for _ in range(3):
                mercure.publish("/a", "x" * 1000)

    with pytest.raises(QueueFull):
        publish()
    [(_, counters, waiting, _)] = app.extensions["mercure_sse"].figures()
    assert (counters["accepted"], counters["refused"], waiting) == (0, 3, 0)
