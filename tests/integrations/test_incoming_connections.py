"""How the connection to a hub begins, breaks, is resumed and ends."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from blinker import Namespace, Signal
from sqlalchemy import MetaData, create_engine, text
from sqlalchemy.orm import Session

from flask_mercure_sse import PublishError
from flask_mercure_sse.hub_tokens import HubTokens
from flask_mercure_sse.integrations import follower
from flask_mercure_sse.integrations.backoff import Backoff
from flask_mercure_sse.publishers import http_source
from tests.integrations.hearing import Instance, Receiver, StandaloneHub, heard
from tests.server.processes import PATIENCE


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that is down is tried again sooner than users want it to be."""
    monkeypatch.setattr(follower, "Backoff", lambda: Backoff(first=0.2, most=0.5))


@pytest.fixture
def other(hub: StandaloneHub) -> Instance:
    """Another instance of the app, as in another process: it publishes on the same hub."""
    return Instance(hub.url)


@pytest.fixture
def mercure(hub: StandaloneHub) -> Instance:
    return Instance(hub.url)


@pytest.fixture
def signal() -> Signal:
    return Namespace().signal("heard")


@pytest.fixture
def receiver(signal: Signal) -> Receiver:
    return Receiver(signal)


def followers() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "mercure-follower"]


# Whose an update is


def test_an_update_of_the_outbox_is_that_of_the_process_that_wrote_it_whoever_publishes_it(
    hub: StandaloneHub, other: Instance, tmp_path: Path
) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/outbox.db")
    writer, helper = (Instance(hub.url, MERCURE_OUTBOX=True) for _ in range(2))
    for one in (writer, helper):
        metadata = MetaData()
        one.outbox_table(metadata, engine)
        metadata.create_all(engine)
    writer.app.extensions["mercure_sse"].outbox._slow_until = float("inf")  # it leaves all to a relay
    signals = [Namespace().signal("heard") for _ in range(2)]
    by_writer, by_helper = map(Receiver, signals)
    with heard(*(one.subscribe_signal("/a", to) for one, to in zip((writer, helper), signals, strict=True))):
        with Session(engine) as session, session.begin():
            session.execute(text("select 1"))
            writer.publish("/a", "the writer's", on_commit=session)
        helper.app.test_cli_runner().invoke(args=["mercure", "relay", "--once"])
        other.publish("/a", "end")
        assert by_helper.until("end") == ["the writer's", "end"]
        assert by_writer.until("end") == ["end"]
    engine.dispose()


# Beginning and ending


def test_nothing_runs_before_it_is_started(mercure: Instance, signal: Signal) -> None:
    subscription = mercure.subscribe_signal("/a", signal)
    assert not subscription.connected
    assert followers() == []
    with heard(subscription):
        assert subscription.connected
        assert len(followers()) == 1


def test_it_ends_at_once_with_its_connection(mercure: Instance, other: Instance, signal: Signal) -> None:
    subscription = mercure.subscribe_signal("/left", signal)
    with heard(subscription):
        assert other.is_connected("/left")
    assert followers() == []
    assert not subscription.connected
    assert subscription.closed
    deadline = time.monotonic() + PATIENCE
    while other.is_connected("/left"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_closed_one_can_be_started_again(
    mercure: Instance, other: Instance, signal: Signal, receiver: Receiver
) -> None:
    subscription = mercure.subscribe_signal("/a", signal)
    for life in range(2):
        with heard(subscription, subscription):
            other.publish("/a", life)
            assert receiver.next() == life


def test_the_first_request_starts_it(mercure: Instance, signal: Signal) -> None:
    subscription = mercure.subscribe_signal("/a", signal)
    mercure.app.testing = False
    mercure.app.test_client().get("/")
    assert subscription.wait_until_connected(PATIENCE)
    subscription.close()
    mercure.app.test_client().get("/")
    assert followers() == []


def test_a_request_of_a_test_starts_nothing(mercure: Instance, signal: Signal) -> None:
    mercure.subscribe_signal("/a", signal)
    mercure.app.test_client().get("/")
    assert followers() == []


def test_what_cannot_start_is_told_once_and_harms_no_request(
    mercure: Instance, signal: Signal, caplog: pytest.LogCaptureFixture
) -> None:
    mercure.subscribe_signal("a\nb", signal)
    mercure.app.testing = False
    for _ in range(2):
        assert mercure.app.test_client().get("/").status_code == 404
    [line] = [record.getMessage() for record in caplog.records]
    assert "cannot start: topic_selector: 'a\\nb'" in line


# Breaking and resuming


def publish(mercure: Instance, data: object) -> None:
    """Publish on a hub that may be about to come back."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            mercure.publish("/a", data)
        except PublishError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return


def test_nothing_is_missed_and_nothing_repeated_when_the_hub_is_killed(
    hub: StandaloneHub,
    mercure: Instance,
    other: Instance,
    signal: Signal,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with heard(mercure.subscribe_signal("/a", signal)), caplog.at_level(logging.INFO):
        for number in range(20):
            publish(other, number)
        assert receiver.until(19) == list(range(20))
        hub.kill()
        hub.start()
        # The subscription may still be waiting; what comes now is in the new hub's history alone.
        publish(other, "back")
        assert receiver.next() == "back"
    assert "The hub does not know the update" in caplog.text  # for it lost what it had when it was killed


def test_an_update_is_not_missed_though_none_came_before_the_hub_was_killed(
    hub: StandaloneHub, mercure: Instance, other: Instance, signal: Signal, receiver: Receiver
) -> None:
    with heard(mercure.subscribe_signal("/a", signal)):
        hub.kill()
        hub.start()
        publish(other, "it")
        assert receiver.next() == "it"


def test_updates_from_before_the_subscription_are_not_heard(
    mercure: Instance, other: Instance, signal: Signal, receiver: Receiver
) -> None:
    other.publish("/a", "before", wait=True)
    with heard(mercure.subscribe_signal("/a", signal)):
        other.publish("/a", "after")
        assert receiver.next() == "after"


def test_a_change_of_selectors_misses_and_repeats_nothing(
    mercure: Instance, other: Instance, signal: Signal, receiver: Receiver
) -> None:
    numbers = list(range(200))
    publisher = threading.Thread(target=lambda: [other.publish("/a", number) for number in numbers])
    with heard(mercure.subscribe_signal("/a", signal)):
        publisher.start()
        for topic in ("/b", "/c", "/d"):
            with heard(mercure.subscribe_signal(topic, signal)):
                pass
        publisher.join()
        assert receiver.until(numbers[-1]) == numbers


def test_a_hub_that_is_down_is_told_once_and_followed_when_it_is_up(
    hub: StandaloneHub,
    mercure: Instance,
    other: Instance,
    signal: Signal,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hub.kill()
    subscription = mercure.subscribe_signal("/a", signal)
    with caplog.at_level(logging.INFO), subscription:
        assert not subscription.wait_until_connected(1)
        assert caplog.text.count(f"not followed, trying again: the hub {hub.url} could not be reached") == 1
        hub.start()
        assert subscription.wait_until_connected(PATIENCE)
        publish(other, "it")
        assert receiver.next() == "it"
    assert "The hub is followed again" in caplog.text


def test_a_key_that_the_hub_does_not_take_is_told(
    hub: StandaloneHub, signal: Signal, caplog: pytest.LogCaptureFixture
) -> None:
    subscription = Instance(hub.url, MERCURE_SUBSCRIBER_SECRET_KEY="x" * 32).subscribe_signal("/a", signal)
    with subscription:
        assert not subscription.wait_until_connected(0.3)
    assert f"the hub {hub.url} answered 401: Unauthorized" in caplog.text
    assert "eyJ" not in caplog.text  # no token


class Page(BaseHTTPRequestHandler):
    """What a server says that is no hub."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def website() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_is_no_hub_is_told(signal: Signal, caplog: pytest.LogCaptureFixture) -> None:
    with website() as url:
        mercure = Instance(url)
        with mercure.subscribe_signal("/a", signal) as subscription:
            assert not subscription.wait_until_connected(0.3)
    assert "answered 200: not with an event stream; is it a Mercure hub?" in caplog.text


def test_the_token_is_renewed_before_it_expires(
    hub: StandaloneHub, other: Instance, signal: Signal, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[float, float]] = []
    claims = HubTokens.claims

    def note(tokens: HubTokens, **grants: Any) -> dict[str, Any]:
        made_claims = claims(tokens, **grants)
        if list(grants.get("subscribe", ())) == ["/a"]:
            made.append((time.time(), made_claims["exp"]))
        return made_claims

    monkeypatch.setattr(HubTokens, "claims", note)
    monkeypatch.setattr(http_source, "RENEWAL", 0)  # after half of the time, for a test that does not hurry
    numbers = 0
    with heard(Instance(hub.url, MERCURE_TOKEN_LIFETIME=4).subscribe_signal("/a", signal)):
        while len(made) < 2 and numbers < 600:
            other.publish("/a", numbers, private=True)
            numbers += 1
            time.sleep(0.05)
        other.publish("/a", "end", private=True)
        assert receiver.until("end") == [*range(numbers), "end"]
    (_, expires_at), (renewed_at, _) = made
    assert renewed_at < expires_at
