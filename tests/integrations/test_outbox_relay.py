"""The relay: what is left over gets published, whoever wakes it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, create_engine, event, text
from sqlalchemy.exc import OperationalError

from flask_mercure_sse.integrations.outbox_listing import entries
from flask_mercure_sse.integrations.outbox_relay import Relay
from flask_mercure_sse.integrations.outbox_table import outbox_table
from flask_mercure_sse.protocol.errors import ConfigurationError
from flask_mercure_sse.protocol.update import Update
from tests.integrations.outboxes import Hub, Site

NEVER = 3600.0
PATIENCE = 20.0


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def running(relay: Relay) -> Iterator[None]:
    thread = threading.Thread(target=relay.run)
    thread.start()
    try:
        yield
    finally:
        relay.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'outbox.db'}")
    yield engine
    engine.dispose()


@pytest.fixture(params=["psycopg", "psycopg2"])
def postgresql(request: pytest.FixtureRequest, postgresql_url: str) -> Iterator[Engine]:
    engine = create_engine(postgresql_url.replace("+psycopg:", f"+{request.param}:"))
    yield engine
    engine.dispose()


def site_of(engine: Engine, *, longest: float = 0.0) -> Site:
    metadata = MetaData()
    site = Site(engine, Hub(), metadata, longest=longest)
    metadata.create_all(engine)
    return site


@pytest.fixture
def site(engine: Engine) -> Site:
    return site_of(engine)


def test_what_is_there_and_what_comes_is_published(site: Site) -> None:
    site.add("/a")
    with running(Relay(site.outbox, poll=0.01)):
        wait_until(lambda: site.hub.topics == ["/a"])
        site.add("/b")
        wait_until(lambda: site.hub.topics == ["/a", "/b"])
    assert site.left() == []


def test_more_than_a_batch_is_published_without_a_pause(site: Site) -> None:
    with site.engine.begin() as connection:
        site.store.add(connection, "me", [(None, Update((f"/{n}",))) for n in range(350)], 0)
    with running(Relay(site.outbox, poll=NEVER)):
        wait_until(lambda: len(site.hub.updates) == 350)


def test_who_wakes_it_is_heard(site: Site) -> None:
    relay = Relay(site.outbox, poll=NEVER)
    with running(relay):
        site.add("/a")
        relay.wake()
        wait_until(lambda: site.hub.topics == ["/a"])


def test_updates_are_published_when_the_hub_is_up_again(site: Site) -> None:
    site.hub.is_down()
    site.add("/a")
    site.add("/b")
    with running(Relay(site.outbox, poll=0.01)):
        wait_until(lambda: site.hub.tried)
        site.hub.is_up()
        wait_until(lambda: sorted(site.hub.topics) == ["/a", "/b"])


def test_what_an_app_that_was_killed_has_claimed_is_published(site: Site) -> None:
    site.add("/a", lease=0.3)
    with running(Relay(site.outbox, poll=0.01)):
        wait_until(lambda: site.hub.topics == ["/a"])


def test_a_database_that_is_down_is_asked_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [OperationalError("SELECT", {}, Exception("down"))]
    find = site.store.find_engine

    def find_engine() -> Engine:
        if failures:
            raise failures.pop()
        return find()

    site.store.find_engine = find_engine
    monkeypatch.setattr("flask_mercure_sse.integrations.outbox_relay.delay", lambda _failures: 0.01)
    site.add("/a")
    with running(Relay(site.outbox, poll=0.01)):
        wait_until(lambda: site.hub.topics == ["/a"])


def test_postgresql_wakes_it(postgresql: Engine) -> None:
    site = site_of(postgresql)
    site.add("/before")
    try:
        with running(Relay(site.outbox, poll=NEVER)):
            wait_until(lambda: site.hub.topics == ["/before"])
            wait_until(lambda: _listeners(postgresql))
            site.add("/a")
            wait_until(lambda: "/a" in site.hub.topics)
            # A connection that ends is replaced.
            with postgresql.begin() as connection:
                connection.execute(
                    text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
                )
            wait_until(lambda: _listeners(postgresql))
            site.add("/b")
            wait_until(lambda: "/b" in site.hub.topics)
        wait_until(lambda: not _listeners(postgresql))
    finally:
        site.store.table.drop(postgresql)


def _listeners(engine: Engine) -> int:
    with engine.connect() as connection:
        listed = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND state = 'idle'"
        return connection.scalar(text(listed)) or 0


def test_postgresql_is_only_asked_to_wake_for_what_others_are_to_publish(postgresql: Engine) -> None:
    # Transactions that tell something wait for each other when they commit.
    site = site_of(postgresql)
    told: list[str] = []

    @event.listens_for(postgresql, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        if "pg_notify" in statement:
            told.append(statement)

    try:
        site.add("/a", lease=60)
        assert told == []
        site.add("/a")
        assert len(told) == 1
    finally:
        site.store.table.drop(postgresql)


def test_it_waits_in_a_process_with_many_open_files(tmp_path: Path) -> None:
    # select() takes no descriptor above 1023, and an embedded hub has one for each stream.
    code = """
import os, resource, threading
_soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
from flask_mercure_sse.integrations.outbox_waking import Waker
waker = Waker()
threading.Timer(0.05, waker.wake).start()
waker.wait(30, [])
print("woken")
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.stdout == "woken\n", run.stderr


# Once


def test_once_publishes_what_is_there_and_ends(site: Site) -> None:
    for number in range(250):
        site.add(f"/{number}")
    assert Relay(site.outbox).once().published == 250
    assert site.left() == []


def test_once_waits_for_what_others_are_just_publishing(site: Site) -> None:
    site.add("/a", lease=0.3)
    site.add("/b")
    assert Relay(site.outbox).once().published == 2


def test_once_does_not_wait_for_a_hub_that_is_down(site: Site) -> None:
    site.hub.is_down()
    site.add("/a")
    site.add("/b")
    total = Relay(site.outbox).once()
    assert (total.published, total.delayed) == (0, 1)
    assert len(site.hub.tried) == 1


def test_once_tells_what_was_given_up(site: Site) -> None:
    site.hub.answer = lambda update: 400 if update.topic == "/bad" else 200
    site.add("/bad")
    site.add("/good")
    total = Relay(site.outbox).once()
    assert (total.published, total.refused) == (1, 1)
    assert [entry.topic for entry in entries(site.store, 10)] == ["/bad"]


def test_a_database_without_the_table_is_told_at_the_start(engine: Engine) -> None:
    site = Site(engine, Hub(), MetaData())
    outbox_table(MetaData())
    with pytest.raises(ConfigurationError, match="has no table mercure_outbox"):
        Relay(site.outbox).check()
