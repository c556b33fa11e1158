"""Hearing the hub that is embedded in the app."""

from __future__ import annotations

import threading

import pytest
from blinker import Namespace, Signal

from flask_mercure_sse import subscriber_connected, subscriber_disconnected
from flask_mercure_sse.server import stream
from tests.integrations.hearing import Instance, Receiver, heard

HUB = "/.well-known/mercure"


@pytest.fixture
def mercure() -> Instance:
    return Instance(None, MERCURE_HUB_ALLOW_PUBLISH=True)


@pytest.fixture
def signal() -> Signal:
    return Namespace().signal("heard")


@pytest.fixture
def receiver(signal: Signal) -> Receiver:
    return Receiver(signal)


def post(mercure: Instance, **fields: str) -> None:
    """Publish as another program does, over HTTP."""
    token = mercure.create_jwt("publisher_secret_key", publish=["*"])
    headers = {"Authorization": f"Bearer {token}"}
    assert mercure.app.test_client().post(HUB, data=fields, headers=headers).status_code == 200


def test_updates_of_others_are_sent_and_own_ones_are_not(
    mercure: Instance, signal: Signal, receiver: Receiver
) -> None:
    with heard(mercure.subscribe_signal("/a/{x}", signal)):
        mercure.publish("/a/1", "own")
        post(mercure, topic="/a/1", data='"another\'s"', private="on")
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
