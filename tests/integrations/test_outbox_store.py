"""The outbox in real databases: who may publish what, and several who share the work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, MetaData, create_engine, event, select, update

from flask_mercure_sse.integrations.outbox_clock import clock
from flask_mercure_sse.integrations.outbox_listing import drop, entries, retry
from flask_mercure_sse.integrations.outbox_sending import MAX_ATTEMPTS
from flask_mercure_sse.protocol.errors import ConfigurationError
from flask_mercure_sse.protocol.update import Update
from tests.integrations.outboxes import Hub, Site

several_writers = pytest.mark.parametrize("engine", ["postgresql", "mariadb"], indirect=True)
"""SQLite has one writer at a time."""


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        engine = create_engine(f"sqlite:///{tmp_path / 'outbox.db'}")
    else:
        engine = create_engine(request.getfixturevalue(f"{request.param}_url"))
    yield engine
    engine.dispose()


@pytest.fixture
def site(engine: Engine, metadata: MetaData) -> Site:
    return Site(engine, Hub(), metadata)


@pytest.fixture
def other(engine: Engine, metadata: MetaData) -> Site:
    return Site(engine, Hub(), metadata)


def test_an_update_comes_out_as_it_went_in(site: Site) -> None:
    updates = [
        Update(("/a", "/é"), "dätä\n\n 🐘", True, "its-id", "type", 5000),
        Update(("/long",), "x" * 200_000),
    ]
    with site.engine.begin() as connection:
        site.store.add(connection, "me", [(None, updates[0]), ("http://other", updates[1])], 0)
    site.round()
    assert site.hub.updates == updates
    assert site.hub.addresses == [None, "http://other"]
    assert site.count() == 0


def test_the_databases_clock_is_that_of_the_world(engine: Engine) -> None:
    with engine.connect() as connection:
        assert abs(connection.scalar(select(clock())) - time.time()) < 60


def test_a_claimed_update_is_its_claimers_until_the_claim_ends(site: Site) -> None:
    site.add("/a", lease=0.4)
    site.add("/b")
    assert site.round() == ["/b"]
    deadline = time.monotonic() + 20
    while not (found := site.round()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert found == ["/a"]


def test_a_claimed_update_stops_those_behind_it_that_share_a_topic(site: Site) -> None:
    site.add("/a/1", "/a", lease=60)
    site.add("/a/2", "/a")
    site.add("/b")
    assert site.round() == ["/b"]


def test_an_update_that_waits_stops_those_behind_it_that_share_a_topic(site: Site) -> None:
    site.hub.answer = lambda update: 500 if update.data == "bad" else 200
    with site.engine.begin() as connection:
        site.store.add(connection, "me", [(None, Update(("/a",), "bad")), (None, Update(("/a",)))], 0)
    site.add("/b")
    assert site.round() == ["/b"]
    assert site.round() == []


def test_a_long_queue_of_one_topic_does_not_hide_the_others(site: Site) -> None:
    site.add("/a", lease=60)
    with site.engine.begin() as connection:
        site.store.add(connection, "me", [(None, Update(("/a",))) for _ in range(1200)], 0)
    site.add("/b")
    assert site.round() == ["/b"]


@several_writers
def test_a_transaction_that_commits_late_is_not_passed_over(site: Site) -> None:
    with site.engine.connect() as late:
        site.store.add(late, "late", [(None, Update(("/late",)))], 0)
        site.add("/early")
        assert site.round() == ["/early"]
        late.commit()
    assert site.round() == ["/late"]


def test_no_update_is_published_by_two_at_once(site: Site, other: Site) -> None:
    with site.engine.begin() as connection:
        site.store.add(connection, "me", [(None, Update((f"/{n % 40}",), str(n))) for n in range(400)], 0)
    hub = other.hub = site.hub
    other.outbox.hubs._send = hub.take
    errors: list[BaseException | None] = []
    event.listen(site.engine, "handle_error", lambda context: errors.append(context.original_exception))

    def work(one: Site) -> None:
        while one.count():
            one.round()

    threads = [threading.Thread(target=work, args=(one,)) for one in (site, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(int(update.data) for update in hub.updates) == list(range(400))
    for topic in set(hub.topics):
        of_topic = [int(update.data) for update in hub.updates if update.topic == topic]
        assert of_topic == sorted(of_topic)
    assert errors == []


@several_writers
def test_rows_that_another_is_just_claiming_are_not_waited_for(site: Site) -> None:
    site.add("/taken")
    site.add("/a")
    columns = site.store.table.c
    lowest = entries(site.store, 1)[0].id
    with site.engine.begin() as connection:
        connection.execute(select(columns.id).where(columns.id == lowest).with_for_update())
        assert site.round() == ["/a"]
    assert site.round() == ["/taken"]


def test_who_was_too_slow_changes_nothing(site: Site, other: Site) -> None:
    site.add("/a")
    site.hub.answer = lambda _update: 400
    claim, rows = site.store.claim(site.engine, size=10, lease=-1.0, without=[])
    theirs, same = other.store.claim(site.engine, size=10, lease=60, without=[])
    assert [row.id for row in rows] == [row.id for row in same]
    site.store.settle(site.engine, claim, site.outbox.hubs.deliver(rows, float("inf")))
    assert site.left() == [('["/a"]', 0, None)]
    other.store.settle(site.engine, theirs, other.outbox.hubs.deliver(same, float("inf")))
    assert site.left() == []


def test_the_id_of_a_row_is_never_given_again(site: Site) -> None:
    site.add("/a")
    [first] = entries(site.store, 10)
    site.round()
    site.add("/a")
    [second] = entries(site.store, 10)
    assert second.id > first.id


def test_a_row_that_somebody_has_spoilt_is_given_up_and_stops_nothing(site: Site) -> None:
    table = site.store.table
    for topic in ("/a", "/b", "/c", "/d"):
        site.add(topic)
    ids = [entry.id for entry in entries(site.store, 10)]
    with site.engine.begin() as connection:
        for number, spoilt in zip(ids, ("no JSON", '["/a\\n"]', '{"a": 1}'), strict=False):
            connection.execute(update(table).where(table.c.id == number).values(topics=spoilt))
    assert site.round() == ["/d"]
    assert [entry.failed for entry in entries(site.store, 10)] == [True] * 3


def test_a_database_without_the_table_is_told_with_the_fix(engine: Engine) -> None:
    site = Site(engine, Hub(), MetaData())
    with pytest.raises(ConfigurationError, match=r"MERCURE_OUTBOX.*no table mercure_outbox.*migration"):
        site.store.check(engine)


# By hand


def test_what_waits_and_what_was_given_up_is_listed(site: Site) -> None:
    site.hub.answer = lambda update: 400 if update.topic == "/bad" else None
    for topics in (["/bad"], ["/waits/7", "/waits"]):
        site.add(*topics)
    site.round()
    bad, waits = entries(site.store, 10)
    assert (bad.topic, bad.failed, "400" in bad.error) == ("/bad", True, True)
    assert (waits.topic, waits.failed, "could not be reached" in waits.error) == ("/waits/7", False, True)
    assert 0 <= waits.age < 60
    assert len(entries(site.store, 1)) == 1


def test_what_was_given_up_is_sent_again_when_asked(site: Site) -> None:
    site.hub.answer = lambda _update: 400
    site.add("/a")
    site.add("/b")
    site.round()
    site.hub.is_up()
    first, _second = entries(site.store, 10)
    assert site.round() == []
    assert retry(site.store, [first.id]) == 1
    assert site.round() == ["/a"]
    assert retry(site.store, None) == 1
    assert site.round() == ["/b"]


def test_what_waits_for_a_hub_is_sent_at_once_when_asked(site: Site) -> None:
    site.hub.answer = lambda _update: 500
    site.add("/a")
    site.round()
    site.hub.is_up()
    assert site.round() == []
    assert retry(site.store, [entries(site.store, 1)[0].id]) == 1
    assert site.round() == ["/a"]


def test_updates_are_dropped_when_asked(site: Site) -> None:
    site.hub.answer = lambda update: 400 if update.topic == "/bad" else 200
    site.add("/bad")
    site.add("/bad")
    site.round()
    site.add("/good", lease=60)
    assert drop(site.store, [entries(site.store, 1)[0].id]) == 1
    assert drop(site.store, None) == 1
    assert [entry.topic for entry in entries(site.store, 10)] == ["/good"]


def test_an_update_is_given_up_after_so_many_failures(site: Site) -> None:
    site.hub.answer = lambda _update: 500
    site.add("/a")
    table = site.store.table
    with site.engine.begin() as connection:
        connection.execute(update(table).values(attempts=MAX_ATTEMPTS - 1))
    site.round()
    [entry] = entries(site.store, 1)
    assert entry.failed
