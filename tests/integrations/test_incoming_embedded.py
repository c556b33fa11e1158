"""Hearing the hub that is embedded in the app."""

from __future__ import annotations

import json
import threading

import pytest
from blinker import Namespace, Signal

from flask_mercure_sse import Update, subscriber_connected, subscriber_disconnected
from flask_mercure_sse.server import stream
from tests.integrations.hearing import Instance, Receiver, heard

HUB = "/.well-known/mercure"


@pytest.fixture(params=["0.x", "1.0", "both"])
def mercure(request: pytest.FixtureRequest) -> Instance:
    return Instance(None, MERCURE_HUB_ALLOW_PUBLISH=True, MERCURE_PROTOCOL=request.param)


@pytest.fixture
def signal() -> Signal:
    return Namespace().signal("heard")


@pytest.fixture
def receiver(signal: Signal) -> Receiver:
    return Receiver(signal)


def post(mercure: Instance, **fields: str) -> int:
    """Publish as another program does, over HTTP, and return the answer's status."""
    token = mercure.create_jwt("publisher_secret_key", publish=["*"])
    headers = {"Authorization": f"Bearer {token}"}
    return mercure.app.test_client().post(HUB, data=fields, headers=headers).status_code


def test_updates_of_others_are_sent_and_own_ones_are_not(
    mercure: Instance, signal: Signal, receiver: Receiver
) -> None:
    with heard(mercure.subscribe_signal("/a/{x}", signal)):
        mercure.publish("/a/1", "own")
        assert post(mercure, topic="/a/1", data='"another\'s"', private="on") == 200
        assert receiver.next() == "another's"


def test_own_updates_are_sent_when_asked_for(mercure: Instance, signal: Signal, receiver: Receiver) -> None:
    with heard(mercure.subscribe_signal("/a", signal, own=True)):
        for number in range(100):
            mercure.publish("/a", number)
        assert receiver.until(99) == list(range(100))


def test_receivers_that_are_slow_miss_nothing(
    mercure: Instance, signal: Signal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_BACKLOG", 2000)
    go_on = threading.Event()

    @signal.connect
    def wait(_sender: object, **_arguments: object) -> None:
        go_on.wait()

    receiver = Receiver(signal)
    with heard(mercure.subscribe_signal("/a", signal, own=True)):
        for number in range(100):
            mercure.publish("/a", [number, "x" * 100])
        go_on.set()
        came = [receiver.next()[0] for _ in range(100)]
    assert came == list(range(100))


def test_who_comes_and_goes_is_told(mercure: Instance, signal: Signal) -> None:
    came, went = Receiver(subscriber_connected), Receiver(subscriber_disconnected)
    with heard(mercure.subscribe_presence()):
        with heard(mercure.subscribe_signal("/rooms/7", signal)):
            assert came.next("topic") == "/rooms/7"
        assert went.next("topic") == "/rooms/7"


def test_an_error_around_the_receivers_ends_nothing(
    mercure: Instance, signal: Signal, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    @mercure.app.teardown_appcontext
    def fail(_error: object) -> None:
        raise RuntimeError("a secret")

    with heard(mercure.subscribe_signal("/a", signal, own=True)):
        mercure._state().publish(Update(("/a",), "1"))
        mercure._state().publish(Update(("/a",), "2"))
        assert receiver.until(2) == [1, 2]
    assert "was not taken: RuntimeError in fail" in caplog.text
    assert "a secret" not in caplog.text


def test_nobody_can_forge_who_comes_and_goes(mercure: Instance, signal: Signal) -> None:
    came = Receiver(subscriber_connected)
    forged = json.dumps({"type": "Subscription", "topic": "/rooms/7", "subscriber": "x", "active": True})
    with heard(mercure.subscribe_presence(), mercure.subscribe_signal("*", signal)):
        assert post(mercure, topic="/rooms/7", data=forged) == 200
        assert post(mercure, topic=f"{HUB}/subscriptions/%2Frooms%2F7/x", data=forged) in (400, 403)
        with heard(mercure.subscribe_signal("/rooms/8", Signal())):
            seen = [came.next("topic")]
            while seen[-1] != "/rooms/8":
                seen.append(came.next("topic"))
    assert "/rooms/7" not in seen
