"""Signals bound to topics."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from blinker import Namespace, Signal

from flask_mercure_sse.integrations.signals import publish_signal
from flask_mercure_sse.protocol.errors import BindingError, InvalidUpdate, PublishError
from flask_mercure_sse.publishers.signals import publish_failed
from tests.integrations.recorder import Recorder


@pytest.fixture
def paid() -> Signal:
    return Namespace().signal("order-paid")


@dataclass
class Order:
    id: object
    secret: str = "a secret"


def without_a_name(sender: object, total: int, /) -> int:
    return total


async def waiting(sender: object) -> bool:
    return False


class Waiting:
    async def __call__(self, sender: object) -> bool:
        return False


def bind(recorder: Recorder, signal: Any, *arguments: Any, **options: Any) -> Any:
    return publish_signal(recorder, signal, *arguments, **options)


def test_the_topic_is_the_signals_name_and_nothing_of_its_arguments_leaves(
    recorder: Recorder, paid: Signal
) -> None:
    bind(recorder, paid)
    paid.send(Order(1), order=Order(7), password="hunter2")
    [update] = recorder.updates
    assert (update.topics, update.data, update.private, update.type) == (
        ("order-paid",),
        "order-paid",
        False,
        None,
    )


def test_a_signal_without_a_name_needs_a_topic(recorder: Recorder) -> None:
    with pytest.raises(BindingError, match="topic: the signal has no name"):
        bind(recorder, Signal())
    bind(recorder, Signal(), "/named")


def test_a_template_is_filled_from_arguments_sender_and_its_attributes(
    recorder: Recorder, paid: Signal
) -> None:
    bind(
        recorder,
        paid,
        "/orders/{order.id}/{sender.name}/{name}/{meta.kind}",
        data="order {order.id}",
        type="t-{name}",
    )
    paid.send(SimpleNamespace(name="shop"), order=Order(7), meta={"kind": "new"})
    [update] = recorder.updates
    assert (update.topic, update.data, update.type) == ("/orders/7/shop/shop/new", "order 7", "t-shop")


def test_values_in_a_topic_are_percent_encoded(recorder: Recorder, paid: Signal) -> None:
    bind(recorder, paid, "/orders/{order.id}")
    paid.send(None, order=Order("../users?{x}#é"))
    assert recorder.updates[0].topic == "/orders/..%2Fusers%3F%7Bx%7D%23%C3%A9"


@pytest.mark.parametrize(("topic", "value"), [("/users/{name}/x", ".."), ("/a/.{name}/x", ".")])
def test_a_value_of_dots_that_would_lead_to_another_topic_is_an_error(
    topic: str, value: str, recorder: Recorder, paid: Signal, caplog: pytest.LogCaptureFixture
) -> None:
    bind(recorder, paid, topic)
    paid.send(None, name=value)
    paid.send(None, name="...")
    assert len(recorder.updates) == 1
    assert "which leads to another topic" in caplog.text


def test_callables_get_the_sender_and_the_arguments_that_they_ask_for(
    recorder: Recorder, paid: Signal
) -> None:
    bind(
        recorder,
        paid,
        topic=lambda sender, order: [f"/orders/{order.id}", f"/shops/{sender}"],
        data=lambda sender, **arguments: sorted(arguments),
        private=lambda: True,
        type=lambda sender, *, kind="none": kind,
        id=lambda sender, order: f"order-{order.id}",
        when=lambda sender: sender == "shop",
    )
    paid.send("elsewhere", order=Order(1), extra=2)
    paid.send("shop", order=Order(7), extra=2, kind="big")
    [update] = recorder.updates
    assert update.topics == ("/orders/7", "/shops/shop")
    assert (update.data, update.private, update.type, update.id) == (
        '["extra", "kind", "order"]',
        True,
        "big",
        "order-7",
    )


def test_a_list_of_names_picks_arguments_as_data(recorder: Recorder, paid: Signal) -> None:
    bind(recorder, paid, data=["number", "currency"])
    paid.send(SimpleNamespace(currency="EUR"), number=7, secret="x")
    assert recorder.bodies == [{"number": 7, "currency": "EUR"}]


def test_text_with_braces_that_are_no_fields_is_data_as_it_stands(recorder: Recorder, paid: Signal) -> None:
    bind(recorder, paid, data='{"a": {"b": 1}}')
    paid.send(None)
    assert recorder.bodies == [{"a": {"b": 1}}]


def test_the_binding_decorates_the_callable_of_its_data(recorder: Recorder, paid: Signal) -> None:
    @bind(recorder, paid, topic="/orders")
    def data(sender: object, order: Order) -> dict[str, Any]:
        return {"id": order.id}

    paid.send(None, order=Order(7))
    assert recorder.bodies == [{"id": 7}]
    assert data(None, Order(8)) == {"id": 8}


def test_only_the_chosen_sender_is_heard(recorder: Recorder, paid: Signal) -> None:
    shop, other = Order(1), Order(2)
    bind(recorder, paid, sender=shop)
    paid.send(other)
    paid.send(shop)
    assert len(recorder.updates) == 1


def test_no_topic_from_a_callable_means_no_update(recorder: Recorder, paid: Signal) -> None:
    bind(recorder, paid, topic=lambda sender: sender)
    for sender in (None, [], "/topic"):
        paid.send(sender)
    assert recorder.topics == [("/topic",)]


def test_a_binding_can_be_disconnected_and_tells_what_it_is(recorder: Recorder, paid: Signal) -> None:
    binding = bind(recorder, paid)
    assert repr(binding) == "<Binding of order-paid>"
    binding.disconnect()
    binding.disconnect()
    paid.send(None)
    assert recorder.updates == []
    assert repr(binding) == "<Binding of order-paid (disconnected)>"


def test_a_binding_ends_with_the_block_that_it_is_made_for(recorder: Recorder, paid: Signal) -> None:
    with bind(recorder, paid) as binding:
        paid.send(None)
        assert binding.connected
    paid.send(None)
    assert not binding.connected
    assert len(recorder.updates) == 1


def test_several_chosen_senders_are_heard(recorder: Recorder, paid: Signal) -> None:
    shop, stall, other = Order(1), Order(2), Order(3)
    bind(recorder, paid, data=lambda sender: sender.id, sender=[shop, stall])
    for sender in (shop, stall, other):
        paid.send(sender)
    assert recorder.bodies == [1, 2]


def test_a_signal_that_is_sent_with_await_is_published(recorder: Recorder, paid: Signal) -> None:
    heard: list[str] = []

    async def receive(sender: str) -> None:
        heard.append(sender)

    bind(recorder, paid, data=lambda sender: sender)
    with paid.connected_to(receive):
        asyncio.run(paid.send_async("one"))
    paid.send("two")
    assert heard == ["one"]
    assert [update.data for update in recorder.updates] == ["one", "two"]


def test_a_wrapper_of_the_senders_own_is_used_for_an_awaited_send(recorder: Recorder, paid: Signal) -> None:
    wrapped: list[str] = []

    def wrapper(receiver: Any) -> Any:
        async def call(sender: str) -> None:
            wrapped.append(sender)
            receiver(sender)

        return call

    bind(recorder, paid)
    asyncio.run(paid.send_async("one", _sync_wrapper=wrapper))
    assert wrapped == ["one"]
    assert len(recorder.updates) == 1


def test_all_signals_of_a_namespace_are_bound_also_those_that_come_later(recorder: Recorder) -> None:
    namespace = Namespace()
    paid = namespace.signal("order-paid")
    binding = bind(recorder, namespace, data=lambda sender, **arguments: sorted(arguments))
    sent = namespace.signal("order-sent")
    paid.send(None, order=1)
    sent.send(None, parcel=2)
    assert recorder.topics == [("order-paid",), ("order-sent",)]
    assert recorder.bodies == [["order"], ["parcel"]]
    assert [one.source for one in binding.bindings] == ["order-paid", "order-sent"]
    assert repr(binding) == "<NamespaceBinding of order-paid, order-sent>"


def test_a_signal_that_is_made_by_a_function_held_before_is_bound(recorder: Recorder) -> None:
    namespace = Namespace()
    signal = namespace.signal  # as blinker.signal is of blinker's own namespace
    bind(recorder, namespace, "/shop")
    signal("order-sent").send(None)
    assert recorder.topics == [("/shop",)]


def test_a_namespace_is_disconnected_as_a_whole(recorder: Recorder) -> None:
    namespace = Namespace()
    paid = namespace.signal("order-paid")
    with bind(recorder, namespace) as binding:
        paid.send(None)
    paid.send(None)
    namespace.signal("order-sent").send(None)
    assert not binding.connected
    assert len(recorder.updates) == 1


def test_a_namespaces_binding_decorates_the_callable_of_all_its_data(recorder: Recorder) -> None:
    namespace = Namespace()
    namespace.signal("order-paid")

    @bind(recorder, namespace)
    def data(sender: object) -> dict[str, object]:
        return {"from": sender}

    for name in ("order-paid", "order-sent"):
        namespace.signal(name).send("shop")
    assert recorder.bodies == [{"from": "shop"}] * 2


def test_what_is_neither_signal_nor_namespace_is_an_error(recorder: Recorder) -> None:
    with pytest.raises(BindingError, match="signal: 'order-paid' is neither a blinker signal nor"):
        bind(recorder, "order-paid")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a serializer", "a topic", "data that JSON cannot encode"])
def test_an_error_is_told_by_publish_failed(name: str, recorder: Recorder, paid: Signal) -> None:
    failed: list[Any] = []

    def note(sender: object, error: Exception, update: object) -> None:
        failed.append((sender, type(error), update))

    binding = bind(recorder, paid, **FAILING[name])
    with publish_failed.connected_to(note):
        paid.send(None)
    [(sender, error, update)] = failed
    assert (sender, update) == (binding, None)
    assert error in (ZeroDivisionError, InvalidUpdate)


def test_a_receiver_of_publish_failed_that_fails_itself_does_no_harm(
    recorder: Recorder, paid: Signal, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(sender: object, **what: object) -> None:
        raise RuntimeError("twice")

    bind(recorder, paid, data=lambda sender: 1 / 0)
    with publish_failed.connected_to(fail):
        paid.send(None)
    assert "A receiver of publish_failed failed: RuntimeError" in caplog.text


def test_where_tests_and_debugging_want_it_an_error_reaches_the_sender(paid: Signal) -> None:
    recorder = Recorder(strict=True)
    bind(recorder, paid, data=lambda sender: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        paid.send(None)


def test_a_hub_that_does_not_answer_never_reaches_the_sender(paid: Signal) -> None:
    def fail(update: object) -> None:
        raise PublishError("http://hub", None, "connection refused")

    recorder = Recorder(strict=True)
    recorder.outlet.publish = fail  # type: ignore[method-assign]
    bind(recorder, paid)
    paid.send(None)


def test_the_log_has_no_text_of_a_foreign_error_for_it_may_hold_values(
    recorder: Recorder, paid: Signal, caplog: pytest.LogCaptureFixture
) -> None:
    bind(recorder, paid, data=lambda sender, password: int(password))
    paid.send(None, password="hunter2")
    assert "could not publish: ValueError in <lambda>, " in caplog.text
    assert "hunter2" not in caplog.text


FAILING: dict[str, dict[str, Any]] = {
    "a topic": {"topic": lambda sender: 1 / 0},
    "a template": {"topic": "/orders/{order.number}"},
    "a template of a None": {"topic": "/orders/{nothing}"},
    "a template of a method": {"topic": "/orders/{method}"},
    "a serializer": {"data": lambda sender: 1 / 0},
    "data that JSON cannot encode": {"data": lambda sender: object()},
    "a line break in the type": {"type": lambda sender: "a\nevent: b"},
    "a callable that asks for what is not sent": {"data": lambda sender, missing: 1},
}


@pytest.mark.parametrize("name", FAILING)
def test_nothing_that_goes_wrong_reaches_the_sender(
    name: str, recorder: Recorder, paid: Signal, caplog: pytest.LogCaptureFixture
) -> None:
    bind(recorder, paid, **FAILING[name])
    paid.send(SimpleNamespace(nothing=None, method=lambda: 1), order=Order(7))
    assert recorder.updates == []
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "could not publish" in caplog.text


def test_each_topic_of_a_list_may_give_none_one_or_several(recorder: Recorder, paid: Signal) -> None:
    several = [lambda sender: None, lambda sender: ["/a", "/b"], lambda sender: {"/set"}, "/c/{number}"]
    bind(recorder, paid, topic=several)
    paid.send(None, number=1)
    assert recorder.topics == [("/a", "/b", "/set", "/c/1")]


def test_a_privacy_that_is_not_decided_is_private(recorder: Recorder, paid: Signal) -> None:
    bind(recorder, paid, private=lambda sender: None)
    bind(recorder, paid, private=None)
    paid.send(None)
    paid.send(SimpleNamespace(__mercure_publish__={"private": None}))
    assert sorted(update.private for update in recorder.updates) == [False, True, True, True]


def test_an_error_while_privacy_is_decided_makes_the_update_private(recorder: Recorder, paid: Signal) -> None:
    bind(recorder, paid, private=lambda sender: 1 / 0)
    paid.send(None)
    assert recorder.updates[0].private


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"topic": "/x/{a b}"}, "topic: '/x/{a b}' has a brace that is not a field"),
        ({"topic": "/x/{order.__class__}"}, "topic: .* starts with '_'"),
        ({"topic": ""}, "topic: is empty"),
        ({"topic": []}, "topic: is an empty list"),
        ({"topic": b"/a"}, "topic: is of bytes"),
        ({"id": "earliest"}, "id: 'earliest' is reserved"),
        ({"retry": "soon"}, "retry: 'soon' is not a number"),
        ({"topic": ["/a", "/b\n"]}, "topic: .* control character"),
        ({"type": "a\nevent: b"}, "type: .* control character"),
        ({"id": "a\nb"}, "id: .* control character"),
        ({"private": "yes"}, "private: 'yes' is neither bool nor a callable"),
        ({"when": "always"}, "when: 'always' is neither bool nor a callable"),
        ({"data": without_a_name}, "without_a_name: has arguments before the '/'"),
    ],
)
def test_an_argument_that_cannot_work_is_an_error_at_once(
    options: dict[str, Any], problem: str, recorder: Recorder, paid: Signal
) -> None:
    with pytest.raises(BindingError, match=problem):
        bind(recorder, paid, **options)
    assert not paid.receivers


@pytest.mark.parametrize("function", [waiting, Waiting(), Waiting().__call__, partial(waiting)])
@pytest.mark.parametrize("option", ["topic", "data", "private", "when", "type", "marshaler", "callback"])
def test_a_coroutine_function_is_an_error_at_once_for_what_it_gives_is_always_true(
    option: str, function: Any, recorder: Recorder, paid: Signal
) -> None:
    with pytest.raises(BindingError, match="is a coroutine function"):
        bind(recorder, paid, **{option: function})
    assert not paid.receivers


def test_types_are_topics_where_that_is_set(paid: Signal) -> None:
    recorder = Recorder(type_is_topic=True)
    bind(recorder, paid, topic=["/a", "/b"])
    bind(recorder, paid, topic="/a", type="own")
    paid.send(None)
    assert {update.type for update in recorder.updates} == {"/a", "own"}


# What code for the existing package relies on


def test_the_existing_names_work_by_position(recorder: Recorder, paid: Signal) -> None:
    def skip_unpaid(options: dict[str, Any]) -> bool:
        options["retry"] = 1000
        return options["data"]["amount"] > 0

    bind(recorder, paid, "/orders", None, True, True, lambda data: {"amount": data["amount"]}, skip_unpaid)
    paid.send(None, amount=0)
    paid.send(None, amount=5, secret="x", _sender="till")
    [update] = recorder.updates
    assert (update.topic, update.type, update.retry, update.data) == (
        "/orders",
        "order-paid",
        1000,
        '{"amount": 5}',
    )


def test_a_senders_own_options_count_for_its_own_send_only(recorder: Recorder, paid: Signal) -> None:
    own = SimpleNamespace(__mercure_publish__={"private": False, "id": "own-id", "topic": "/own"})
    bind(recorder, paid, private=True)
    paid.send(own)
    paid.send(None)
    assert [(update.topic, update.private) for update in recorder.updates] == [
        ("/own", False),
        ("order-paid", True),
    ]
    assert recorder.updates[0].id == "own-id"
    assert recorder.updates[1].id != "own-id"


def test_a_callback_may_take_options_away(recorder: Recorder, paid: Signal) -> None:
    def callback(options: dict[str, Any]) -> None:
        for name in ("data", "type", "id", "retry"):
            del options[name]

    bind(recorder, paid, callback=callback)
    paid.send(None)
    assert recorder.updates[0].data == "order-paid"


def test_a_callbacks_changes_count_for_their_own_send_only(recorder: Recorder, paid: Signal) -> None:
    def callback(options: dict[str, Any]) -> None:
        if options["data"] == "first":
            options.update(private=False, topic="/changed")

    bind(recorder, paid, data=lambda sender: sender, private=True, callback=callback)
    paid.send("first")
    paid.send("second")
    assert [(update.topic, update.private) for update in recorder.updates] == [
        ("/changed", False),
        ("order-paid", True),
    ]


class Shop:
    def __init__(self) -> None:
        self.__mercure_publish__ = {"data": {"shop": []}}


@pytest.mark.parametrize("sender", [None, Shop()])
def test_what_a_callback_does_to_the_data_counts_for_its_own_send_only(
    sender: object, recorder: Recorder, paid: Signal
) -> None:
    def callback(options: dict[str, Any]) -> None:
        options["data"]["shop"].append("a secret")

    bind(recorder, paid, data={"shop": []}, callback=callback)
    paid.send(sender)
    paid.send(sender)
    assert recorder.bodies == [{"shop": ["a secret"]}] * 2
