"""An app under load while its external hub fails: requests stay fast, nothing that was accepted is lost.

Latencies are those of requests, each of which publishes; a busy machine may add to them what it likes, so
their limit is wide. They are printed: ``pytest -s tests/faults/test_publishing.py``.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.faults.load import Loaded
from tests.publishers.fake_hub import FakeHub
from tests.server.processes import PATIENCE, Server, Stream, free_port, serving

HUB = "/.well-known/mercure"
SECONDS = float(os.environ.get("TEST_OUTAGE_SECONDS", "2"))
"""How long the hub fails."""

SLOWER = 0.25
"""Seconds by which requests may be slower while the hub fails."""


@contextmanager
def hub_at(port: int) -> Iterator[Server]:
    keys = ("--publisher-secret", "p" * 32, "--subscriber-secret", "s" * 32, "--history-length", "100000")
    with serving("flask_mercure_sse.server", "--port", str(port), *keys, port=port, path=HUB) as server:
        yield server


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}{HUB}"


@contextmanager
def loaded(hub_url: str, **config: object) -> Iterator[Loaded]:
    app = Loaded(hub_url, **config)
    try:
        yield app
    finally:
        app.close()


def told(name: str, app: Loaded, usual: float, failing: float) -> None:
    print(f"\n{name}: p99 {usual * 1e3:.1f} ms, then {failing * 1e3:.1f} ms; {app.counts}")


def check_complete(app: Loaded) -> None:
    """Each accepted update was published or told as failed, once, and the order is that of the requests."""
    assert app.mercure.flush(PATIENCE)
    assert sorted(app.published + app.failed) == sorted(app.accepted)
    places = {event_id: place for place, event_id in enumerate(app.accepted)}
    assert [places[one] for one in app.published] == sorted(places[one] for one in app.published)
    counts = app.counts
    assert counts["accepted"] == len(app.accepted)
    assert counts["accepted"] == counts["published"] + counts["failed"] + counts["dropped"]
    assert (counts["failed"], counts["waiting"]) == (len(app.failed), 0)


def events_of(hub: Server, last: str) -> list[str]:
    """Read the hub's history up to an event id."""
    seen: list[str] = []
    with closing(Stream(f"{hub.url}{HUB}?topic=*&lastEventID=earliest")) as stream:
        while last not in seen[-1:]:
            seen.append(stream.next().id)
    return seen


def test_a_hub_that_is_down_at_the_start_gets_everything_when_it_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = free_port()
    with caplog.at_level(logging.WARNING), loaded(url(port)) as app:
        failing = app.run(SECONDS)
        with hub_at(port) as hub:
            usual = app.run(1)
            check_complete(app)
            assert events_of(hub, app.accepted[-1]) == app.accepted
    told("down at the start", app, usual, failing)
    assert (app.failed, app.counts["outages"]) == ([], 1)
    assert len(caplog.records) == 1
    assert failing < usual + SLOWER


def test_a_hub_that_is_killed_under_load_and_comes_back_loses_nothing() -> None:
    port = free_port()
    with loaded(url(port)) as app:
        with hub_at(port) as hub, closing(Stream(f"{hub.url}{HUB}?topic=*")) as stream:
            usual = app.run(1)
            hub.process.kill()
            failing = app.run(SECONDS)
            assert stream.ended.wait(PATIENCE)
            before = [stream._events.get_nowait().id for _ in range(stream._events.qsize())]
        with hub_at(port) as hub:
            app.run(0.5)
            check_complete(app)
            after = events_of(hub, app.accepted[-1])
    told("killed", app, usual, failing)
    assert app.failed == []
    # What the hub took and could not confirm is sent again under the same id.
    assert before + [one for one in after if one not in before] == app.accepted
    assert failing < usual + SLOWER


def test_a_hub_that_hangs_is_waited_for_by_nobody_but_the_publisher() -> None:
    port = free_port()
    with hub_at(port) as hub, loaded(url(port), MERCURE_READ_TIMEOUT=0.3) as app:
        usual = app.run(1)
        hub.process.send_signal(signal.SIGSTOP)
        try:
            failing = app.run(SECONDS)
        finally:
            hub.process.send_signal(signal.SIGCONT)
        app.run(0.5)
        check_complete(app)
        seen = list(dict.fromkeys(events_of(hub, app.accepted[-1])))
    told("hanging", app, usual, failing)
    assert (app.failed, seen) == ([], app.accepted)
    assert failing < usual + SLOWER


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    hub.answer = ""
    yield hub
    hub.close()


def distinct(hub: FakeHub) -> list[str]:
    """The ids of the updates that a hub took, in the order of their first arrival."""
    return list(dict.fromkeys(update.id for update in hub.updates))


@pytest.mark.parametrize(("status", "headers"), [(500, {}), (503, {}), (429, {"Retry-After": "1"})])
def test_a_hub_that_cannot_take_updates_for_a_while_gets_them_later(
    status: int, headers: dict[str, str], hub: FakeHub
) -> None:
    with loaded(hub.url) as app:
        usual = app.run(0.5)
        hub.status, hub.headers = status, headers
        failing = app.run(1)
        attempts = len(hub.updates) - app.counts["published"]
        hub.status, hub.headers = 200, {}
        app.run(0.2)
        check_complete(app)
    told(f"answering {status}", app, usual, failing)
    assert (app.failed, distinct(hub)) == ([], app.accepted)
    assert attempts < 40  # it is not hammered
    assert failing < usual + SLOWER


@pytest.mark.parametrize("status", [401, 413])
def test_what_a_hub_never_takes_is_told_at_once_and_in_one_line(
    status: int, hub: FakeHub, caplog: pytest.LogCaptureFixture
) -> None:
    with loaded(hub.url) as app:
        usual = app.run(0.5)
        hub.status = status
        failing = app.run(1)
        assert app.mercure.flush(PATIENCE)
        hub.status = 200
        app.run(0.2)
        check_complete(app)
    told(f"answering {status}", app, usual, failing)
    assert len(app.failed) > 50
    assert distinct(hub) == app.accepted
    assert len(hub.updates) == len(app.accepted)  # none is tried again
    assert len(caplog.records) == 1
    assert failing < usual + SLOWER


def test_a_slow_hub_fills_the_queue_and_the_counts_add_up(hub: FakeHub) -> None:
    with loaded(hub.url, MERCURE_QUEUE_SIZE=50_000) as app:
        usual = app.run(0.3)
        hub.delay = 0.05
        failing = app.run(2)
        hub.delay = 0.0
        check_complete(app)
    told("slow, with a full queue", app, usual, failing)
    assert app.refused > 0
    assert app.counts["refused"] == app.refused
    assert distinct(hub) == app.accepted
    assert failing < usual + SLOWER


def test_a_slow_hub_may_cost_the_oldest_instead(hub: FakeHub) -> None:
    with loaded(hub.url, MERCURE_QUEUE_SIZE=50_000, MERCURE_QUEUE_FULL="drop-oldest") as app:
        app.run(0.3)
        hub.delay = 0.05
        app.run(2)
        hub.delay = 0.0
        assert app.mercure.flush(PATIENCE)
    counts = app.counts
    assert (app.refused, counts["refused"]) == (0, 0)
    assert counts["dropped"] > 0
    assert counts["accepted"] == counts["published"] + counts["dropped"] == len(app.accepted)
    assert distinct(hub)[-1] == app.accepted[-1]


@pytest.mark.timeout(300)
def test_ten_thousand_updates_take_one_connection() -> None:
    port = free_port()
    with hub_at(port) as hub, loaded(url(port)) as app:
        for number in range(10_000):
            app.accepted.append(app.mercure.publish("/a", str(number)))
        assert app.mercure.flush(240)
        check_complete(app)
        events = events_of(hub, app.accepted[-1])
        pool = app.app.extensions["mercure_sse"].connections.session().get_adapter(hub.url).poolmanager
        [connections] = [pool.pools.get(key) for key in pool.pools.keys()]  # noqa: SIM118
    assert (connections.num_connections, connections.num_requests) == (1, 10_000)
    assert events == app.accepted
