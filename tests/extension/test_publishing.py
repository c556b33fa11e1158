"""Publishing from anywhere in an app."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from blinker import Namespace
from flask import Flask

from flask_mercure_sse import ConfigurationError, InvalidUpdate, MercureSSE, mercure_publish, publish_signal
from tests.subscriber import Subscriber

Subscribe = Callable[..., Subscriber]


class Message:
    def __init__(self, text: str) -> None:
        self.text = text
        self.__mercure_sse_topic__ = f"/messages/{text}"

    def __mercure_sse_data__(self) -> dict[str, str]:
        return {"text": self.text}


class Endless:
    def __mercure_sse_data__(self) -> object:
        return self


class Deep:
    def __mercure_sse_data__(self) -> object:
        return Deep()


class Plain(dict[str, int]):
    """An object without a topic of its own that JSON can encode."""


def test_an_update_reaches_its_subscribers_and_the_id_is_returned(
    mercure: MercureSSE, subscribe: Subscribe
) -> None:
    subscriber = subscribe("/a")
    event_id = mercure.publish("/a", "hello")
    [update] = subscriber.updates
    assert (update.id, update.topics, update.data, update.private) == (event_id, ("/a",), "hello", False)


def test_arguments_work_by_position_in_their_documented_order(
    mercure: MercureSSE, subscribe: Subscribe
) -> None:
    subscriber = subscribe("/a", grants=["/a"])
    assert mercure.publish("/a", "hello", True, "my-id", "greeting", 1500) == "my-id"
    [update] = subscriber.updates
    assert (update.private, update.id, update.type, update.retry) == (True, "my-id", "greeting", 1500)


def test_a_private_update_reaches_those_who_are_granted_its_topic_only(
    mercure: MercureSSE, subscribe: Subscribe
) -> None:
    granted, stranger, other = subscribe("/a", grants=["/a"]), subscribe("/a"), subscribe("/a", grants=["/b"])
    mercure.publish("/a", "secret", private=True)
    assert (granted.data, stranger.data, other.data) == (["secret"], [], [])


def test_several_topics_are_one_update(mercure: MercureSSE, subscribe: Subscribe) -> None:
    canonical, alternate, both = subscribe("/a/1"), subscribe("/a"), subscribe("/a/1", "/a")
    mercure.publish(["/a/1", "/a"], "one")
    assert canonical.data == alternate.data == both.data == ["one"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("text", "text"),
        ("", ""),
        (b"bytes \xc3\xa9", "bytes é"),
        ({"b": [1, None]}, '{"b": [1, null]}'),
        (["a"], '["a"]'),
        (7, "7"),
        ({"day": date(2026, 1, 2)}, '{"day": "Fri, 02 Jan 2026 00:00:00 GMT"}'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Message("hi"), '{"text": "hi"}'),
    ],
)
def test_data_is_text_bytes_or_anything_json_can_encode(
    data: Any, text: str, mercure: MercureSSE, subscribe: Subscribe
) -> None:
    subscriber = subscribe("/a")
    mercure.publish("/a", data)
    assert subscriber.data == [text]


def test_an_object_is_topic_and_data(mercure: MercureSSE, subscribe: Subscribe) -> None:
    subscriber = subscribe("*")
    mercure.publish(Message("hi"))
    mercure.publish(Plain(a=1))
    mercure.publish("/ping")
    assert [(update.topic, update.data) for update in subscriber.updates] == [
        ("/messages/hi", '{"text": "hi"}'),
        ("Plain", '{"a": 1}'),
        ("/ping", "/ping"),
    ]


def test_the_type_may_be_the_topic(mercure: MercureSSE, subscribe: Subscribe) -> None:
    subscriber = subscribe("/a")
    mercure.publish("/a", "x", type=True)
    mercure.publish("/a", "x")
    assert [update.type for update in subscriber.updates] == ["/a", None]


def test_types_are_topics_where_that_is_configured(app: Flask) -> None:
    app.config["MERCURE_TYPE_IS_TOPIC"] = True
    mercure = MercureSSE(app)
    mercure.publish("/a", "x")
    mercure.publish("/a", "x", type="own")
    history = app.extensions["mercure_sse"].hub._history.updates
    assert [entry.update.type for entry in history] == ["/a", "own"]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"topic": ""}, "topic"),
        ({"topic": []}, "topic"),
        ({"topic": None, "data": "x"}, "topic"),
        ({"topic": ["/a", None]}, "topic"),
        ({"topic": b"/a"}, "topic"),
        ({"topic": "/.well-known/mercure/subscriptions/a/b"}, "topic"),
        ({"topic": ["/a", "https://x/.well-known/%6Dercure/subscriptions/a/b"]}, "topic"),
        ({"topic": "/a\nevent: evil"}, "topic"),
        ({"topic": ["/a", "/b\r"]}, "topic"),
        ({"topic": "/a", "type": "a\rb"}, "type"),
        ({"topic": "/a", "type": "a\nb"}, "type"),
        ({"topic": "/a", "id": "a\nb"}, "id"),
        ({"topic": "/a", "id": "#fragment"}, "id"),
        ({"topic": "/a", "retry": "soon"}, "retry"),
        ({"topic": "/a", "retry": -1}, "retry"),
        ({"topic": "/a", "data": object()}, "data"),
        ({"topic": "/a", "data": {"set": {1}}}, "data"),
        ({"topic": "/a", "data": float("nan")}, "data"),
        ({"topic": "/a", "data": Endless()}, "data"),
        ({"topic": "/a", "data": Deep()}, "data"),
        ({"topic": "/a", "data": b"\xff"}, "data"),
        ({"topic": "/a", "data": "\ud800"}, "data"),
    ],
)
def test_bad_input_is_an_error_that_names_the_field(
    arguments: dict[str, Any], field: str, mercure: MercureSSE, subscribe: Subscribe
) -> None:
    subscriber = subscribe("*")
    with pytest.raises(InvalidUpdate) as raised:
        mercure.publish(**arguments)
    assert raised.value.field == field
    assert str(raised.value).startswith(f"{field}: ")
    assert subscriber.updates == []


@pytest.mark.parametrize(
    "topic", ["#general", "?x", "mercure", "/docs?next=/.well-known/mercure", "100% sure"]
)
def test_topics_that_only_resemble_the_hubs_own_are_published(topic: str, mercure: MercureSSE) -> None:
    assert mercure.publish(topic, "x")


def test_an_id_that_is_no_text_becomes_one(mercure: MercureSSE) -> None:
    assert mercure.publish("/a", id=7) == "7"  # pyright: ignore[reportArgumentType]


def test_the_only_app_is_published_to_from_any_thread(mercure: MercureSSE, subscribe: Subscribe) -> None:
    subscriber = subscribe("/a")
    thread = threading.Thread(target=mercure.publish, args=("/a", "from a thread"))
    thread.start()
    thread.join()
    assert subscriber.data == ["from a thread"]


def test_apps_of_one_extension_do_not_see_each_other() -> None:
    mercure = MercureSSE()
    apps = [Flask("one"), Flask("two")]
    for app in apps:
        mercure.init_app(app)
    for app in apps:
        with app.app_context():
            mercure.publish("/a", app.name)
    for app in apps:
        history = app.extensions["mercure_sse"].hub._history.updates
        assert [entry.update.data for entry in history] == [app.name]
    with pytest.raises(ConfigurationError, match="several apps"):
        mercure.publish("/a", "to whom?")


def test_an_extension_without_an_app_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="init_app"):
        MercureSSE().publish("/a", "x")


def test_the_function_publishes_through_the_current_app(
    app: Flask, mercure: MercureSSE, subscribe: Subscribe
) -> None:
    subscriber = subscribe("/a", grants=["/a"])
    with app.app_context():
        mercure_publish("/a", "hello", private=True)
    assert subscriber.data == ["hello"]
    with pytest.raises(ConfigurationError, match="within the context"):
        mercure_publish("/a", "hello")


def test_a_signal_bound_before_there_is_an_app_publishes_through_the_current_one(
    app: Flask, mercure: MercureSSE, subscribe: Subscribe, caplog: pytest.LogCaptureFixture
) -> None:
    signal = Namespace().signal("order-paid")
    publish_signal(signal, "/orders", lambda sender, number: {"number": number}, True)
    subscriber = subscribe("/orders")
    with app.app_context():
        signal.send(None, number=7)
    assert [(update.type, update.data) for update in subscriber.updates] == [("order-paid", '{"number": 7}')]
    signal.send(None, number=8)
    assert "within the context" in caplog.text


def test_a_signal_is_bound_to_the_apps_hub_and_listed(
    app: Flask, mercure: MercureSSE, subscribe: Subscribe
) -> None:
    signal = Namespace().signal("order-paid")
    subscriber = subscribe("/orders/{id}")
    binding = mercure.publish_signal(signal, topic="/orders/{order}", data={"day": date(2026, 1, 2)})
    signal.send(None, order=7)
    assert subscriber.json == [{"day": "Fri, 02 Jan 2026 00:00:00 GMT"}]
    assert mercure.bindings == (binding,)
    binding.disconnect()
    assert mercure.bindings == ()


def test_bindings_that_ended_are_forgotten(mercure: MercureSSE) -> None:
    signal = Namespace().signal("order-paid")
    for _ in range(5):
        mercure.publish_signal(signal).disconnect()
    assert len(mercure._bindings) <= 1


def test_the_extension_object_is_found_on_the_app(app: Flask, mercure: MercureSSE) -> None:
    assert app.extensions["mercure_sse"].instance is mercure


def test_registering_starts_no_thread(app: Flask) -> None:
    before = threading.enumerate()
    MercureSSE(app).publish("/a", json.dumps({}))
    assert threading.enumerate() == before


def test_an_app_that_is_dropped_is_not_kept() -> None:
    import gc
    import weakref

    mercure = MercureSSE()

    def make() -> weakref.ref[Flask]:
        app = Flask("dropped")
        mercure.init_app(app)
        return weakref.ref(app)

    reference = make()
    gc.collect()
    assert reference() is None
