"""Updates from a hub as signals, embedded and standalone, in each version of the protocol."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from blinker import Namespace, Signal
from flask import current_app

from flask_mercure_sse import (
    BindingError,
    ConfigurationError,
    match_exact,
    match_urlpattern,
    receive_failed,
    subscriber_connected,
    subscriber_disconnected,
)
from tests.conftest import SECRET
from tests.integrations.hearing import Instance, Receiver, StandaloneHub, heard
from tests.server.processes import PATIENCE


@pytest.fixture(params=["0.x", "1.0"])
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def hub(protocol: str, hubs: Callable[[str], StandaloneHub]) -> StandaloneHub:
    return hubs(protocol)


@pytest.fixture
def other(hub: StandaloneHub, protocol: str) -> Instance:
    """Another instance of the app, as in another process: it publishes on the same hub."""
    return Instance(hub.url, MERCURE_PROTOCOL=protocol)


@pytest.fixture
def mercure(hub: StandaloneHub, protocol: str) -> Instance:
    return Instance(hub.url, MERCURE_PROTOCOL=protocol)


@pytest.fixture
def signal() -> Signal:
    return Namespace().signal("heard")


@pytest.fixture
def receiver(signal: Signal) -> Receiver:
    return Receiver(signal)


# What receivers get


def test_an_update_is_sent_with_its_data_decoded(
    mercure: Instance, other: Instance, signal: Signal, receiver: Receiver
) -> None:
    with heard(mercure.subscribe_signal("/a", signal)):
        event_id = other.publish("/a", {"é": [1, None]}, type="news", id="urn:é")
        other.publish("/a", "plain\ntext")
        first, second = receiver.next_send()[1], receiver.next_send()[1]
    assert first == {
        "data": {"é": [1, None]},
        "text": '{"\\u00e9": [1, null]}',
        "id": event_id,
        "type": "news",
    }
    assert (second["data"], second["text"], second["type"]) == ("plain\ntext", "plain\ntext", None)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "{", "[" * 100_000])
def test_what_is_no_json_stays_text(
    text: str, mercure: Instance, other: Instance, signal: Signal, receiver: Receiver
) -> None:
    with heard(mercure.subscribe_signal("/a", signal)):
        other.publish("/a", text)
        assert receiver.next() == text


def test_the_sender_is_the_app_and_receivers_run_in_its_context(
    mercure: Instance, other: Instance, signal: Signal, receiver: Receiver
) -> None:
    apps: list[object] = []

    def note(sender: object, **_arguments: Any) -> None:
        apps.extend([sender, current_app._get_current_object()])  # type: ignore[attr-defined]

    signal.connect(note)
    with heard(mercure.subscribe_signal("/a", signal)):
        other.publish("/a", 1)
        other.publish("/a", 2)
        sender, _ = receiver.next_send()
        receiver.next()
    assert sender is mercure.app
    assert apps[:2] == [sender, sender]


def test_private_updates_are_heard(
    mercure: Instance, other: Instance, signal: Signal, receiver: Receiver
) -> None:
    with heard(mercure.subscribe_signal("/users/7", signal)):
        other.publish("/users/7", "secret", private=True)
        assert receiver.next() == "secret"


def test_public_updates_are_heard_without_a_key(
    hub: StandaloneHub, protocol: str, other: Instance, signal: Signal, receiver: Receiver
) -> None:
    mercure = Instance(
        hub.url, MERCURE_PROTOCOL=protocol, SECRET_KEY=None, MERCURE_PUBLISHER_SECRET_KEY=SECRET
    )
    with heard(mercure.subscribe_signal("/a", signal)):
        other.publish("/a", "secret", private=True)
        other.publish("/a", "public")
        assert receiver.next() == "public"


# Selectors


@pytest.mark.parametrize(
    "selector", ["/books/1", "/books/{id}", "*", ["/x", "/books/1"], match_exact("/books/1")]
)
def test_selectors_are_those_of_subscribers(
    selector: Any, mercure: Instance, other: Instance, signal: Signal, receiver: Receiver
) -> None:
    with heard(mercure.subscribe_signal(selector, signal)):
        other.publish("/books/1", "it")
        assert receiver.next() == "it"


def test_a_url_pattern_selects_in_1_0_and_is_an_error_before(
    protocol: str, mercure: Instance, other: Instance, signal: Signal, receiver: Receiver
) -> None:
    subscription = mercure.subscribe_signal(match_urlpattern("/books/:id(\\d+)"), signal)
    if protocol == "0.x":
        with pytest.raises(ConfigurationError, match="is a URL Pattern"):
            subscription.start()
        return
    with heard(subscription):
        other.publish("/books/x", "not it")
        other.publish("/books/1", "it")
        assert receiver.next() == "it"


def test_what_another_signal_follows_is_not_sent(
    mercure: Instance, other: Instance, signal: Signal, receiver: Receiver
) -> None:
    another = Namespace().signal("another")
    heard_elsewhere = Receiver(another)
    with heard(mercure.subscribe_signal("/a", signal), mercure.subscribe_signal("/b", another)):
        other.publish("/a", 1)
        other.publish("/b", 2)
        other.publish(["/a", "/b"], 3)
        assert (receiver.until(3), heard_elsewhere.until(3)) == ([1, 3], [2, 3])


def test_subscriptions_to_one_signal_share_a_connection_and_an_update_of_both_comes_once(
    mercure: Instance, other: Instance, signal: Signal, receiver: Receiver
) -> None:
    first, second = mercure.subscribe_signal("/a", signal), mercure.subscribe_signal("/b", signal)
    with heard(first):
        other.publish("/a", 1)
        assert receiver.next() == 1
        with heard(second):
            assert sum(1 for one in threading.enumerate() if one.name == "mercure-follower") == 1
            other.publish(["/a", "/b"], 2)
            other.publish("/b", 3)
            assert receiver.until(3) == [2, 3]
        first.wait_until_connected(PATIENCE)
        other.publish("/b", 4)
        other.publish("/a", 5)
        assert receiver.next() == 5


# Own updates


def test_own_updates_are_not_sent(
    mercure: Instance, other: Instance, signal: Signal, receiver: Receiver
) -> None:
    with heard(mercure.subscribe_signal("/a", signal)):
        mercure.publish("/a", "own")
        mercure.publish("/a", "own, too", jwt=mercure.create_jwt("publisher_secret_key", publish=["*"]))
        other.publish("/a", "another's")
        assert receiver.next() == "another's"


def test_own_updates_are_sent_when_asked_for(
    mercure: Instance, other: Instance, signal: Signal, receiver: Receiver
) -> None:
    with heard(mercure.subscribe_signal("/a", signal, own=True)):
        mercure.publish("/a", "own")
        assert receiver.next() == "own"


def test_bindings_of_the_signal_do_not_publish_what_was_heard(
    mercure: Instance, other: Instance, signal: Signal, receiver: Receiver
) -> None:
    with (
        mercure.publish_signal(signal, "/a", data="from the binding"),
        heard(mercure.subscribe_signal("/a", signal, own=True)),
    ):
        other.publish("/a", 1)
        other.publish("/a", 2)
        assert receiver.until(2) == [1, 2]
        signal.send(None, data="sent here")
        assert {receiver.next(), receiver.next()} == {"sent here", "from the binding"}


def test_an_update_that_is_published_twice_with_one_id_is_sent_once(
    mercure: Instance, other: Instance, signal: Signal, receiver: Receiver
) -> None:
    with heard(mercure.subscribe_signal("/a", signal)):
        other.publish("/a", "it", id="urn:1")
        other.publish("/a", "it", id="urn:1")
        other.publish("/a", "end")
        assert receiver.until("end") == ["it", "end"]


# Receivers


def test_an_error_of_a_receiver_is_told_and_ends_nothing(
    mercure: Instance, other: Instance, signal: Signal, caplog: pytest.LogCaptureFixture
) -> None:
    failures = Receiver(receive_failed)

    def fail(_sender: object, data: str, **_others: object) -> None:
        raise SystemExit if data == "exit" else ValueError(data)

    signal.connect(fail)
    receiver = Receiver(signal)  # the second of the two
    with heard(mercure.subscribe_signal("/a", signal)), caplog.at_level(logging.ERROR):
        other.publish("/a", "a secret")
        other.publish("/a", "exit")
        assert receiver.until("exit") == ["a secret", "exit"]
        sender, arguments = failures.next_send()
        assert sender is signal
        assert (str(arguments["error"]), arguments["event"].data) == ("a secret", "a secret")
        assert isinstance(failures.next("error"), SystemExit)
    assert "fail, a receiver of heard, failed with the update" in caplog.text
    assert "a secret" not in caplog.text


def test_a_receiver_may_be_a_coroutine_function(mercure: Instance, other: Instance, signal: Signal) -> None:
    came = threading.Event()

    @signal.connect
    async def note(_sender: object, **_arguments: object) -> None:
        came.set()

    with heard(mercure.subscribe_signal("/a", signal)):
        other.publish("/a", 1)
        assert came.wait(PATIENCE)


def test_a_receiver_may_close_the_subscription(
    mercure: Instance, other: Instance, signal: Signal, receiver: Receiver
) -> None:
    subscription = mercure.subscribe_signal("/a", signal)

    @signal.connect
    def close(_sender: object, **_arguments: object) -> None:
        subscription.close()

    with heard(subscription):
        other.publish("/a", 1)
        assert receiver.next() == 1
        assert subscription.closed


# Presence


def test_who_comes_and_goes_is_told(mercure: Instance, other: Instance, signal: Signal) -> None:
    came, went = Receiver(subscriber_connected), Receiver(subscriber_disconnected)
    with heard(mercure.subscribe_presence("/rooms/7")):
        with heard(other.subscribe_signal(["/rooms/8", "/rooms/7"], signal)):
            sender, arrived = came.next_send()
        left = went.next_send()[1]
    assert sender is mercure.app
    assert arrived == left
    assert (arrived["topic"], arrived["payload"]) == ("/rooms/7", None)
    assert arrived["subscriber"].startswith("urn:uuid:")


def test_who_follows_anything_is_told_where_no_topic_is_named(
    mercure: Instance, other: Instance, signal: Signal
) -> None:
    came = Receiver(subscriber_connected)
    with (
        heard(mercure.subscribe_presence()),
        heard(other.subscribe_signal(["/rooms/{id}", "/x"], signal)),
    ):
        told = {came.next("topic"), came.next("topic")}
    assert told in ({"/rooms/{id}", "/x"}, {"/rooms/:id", "/x"})


# Arguments


def test_bad_arguments_are_named(mercure: Instance, signal: Signal) -> None:
    with pytest.raises(BindingError, match=r"topic_selector: there is none"):
        mercure.subscribe_signal([], signal)
    with pytest.raises(BindingError, match=r"signal: 'heard' is not a blinker signal"):
        mercure.subscribe_signal("/a", "heard")  # type: ignore[arg-type]
    with pytest.raises(BindingError, match=r"topic_selector: 'a\\nb': "):
        mercure.subscribe_signal("a\nb", signal).start()
