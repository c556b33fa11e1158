"""Mercure 0.x: the topics, events and documents that tell who follows what."""

from __future__ import annotations

import json

import pytest

from flask_mercure_sse.protocol.errors import ConfigurationError, NotFound
from flask_mercure_sse.protocol.selectors import Selector, match_exact, match_urlpattern, template_selector
from flask_mercure_sse.protocol.subscriptions import ALL, Subscription, SubscriptionEvent, SubscriptionFilter
from flask_mercure_sse.protocol.v0 import MERCURE_0

ADA = "urn:uuid:bb3de268-05b0-4c65-b44e-8f9acefc29d6"
SUBSCRIPTION = Subscription(template_selector("https://example.com/{selector}"), ADA, {"foo": "bar"})
URL = (
    "/.well-known/mercure/subscriptions/https%3A%2F%2Fexample.com%2F%7Bselector%7D/"
    "urn%3Auuid%3Abb3de268-05b0-4c65-b44e-8f9acefc29d6"
)


def url(topic: str | None = None, subscriber: str | None = None) -> str:
    return MERCURE_0.subscriptions_url(MERCURE_0.filter_for(topic, subscriber))


@pytest.mark.parametrize(
    ("selector", "part"),
    [("*", "%2A"), ("a b", "a%20b"), ("/a/b", "%2Fa%2Fb"), ("/a%20b", "%2Fa%2520b"), ("é+", "%C3%A9%2B")],
)
def test_topic_of_a_subscription_has_each_part_encoded_once(selector: str, part: str) -> None:
    """Mercure 0.x, Subscription Events."""
    topic = MERCURE_0.subscription_topic(selector, ADA)
    assert topic == f"/.well-known/mercure/subscriptions/{part}/{ADA.replace(':', '%3A')}"


def test_topic_without_a_subscriber_selects_every_subscriber() -> None:
    """Mercure 0.x, Subscription Events."""
    template = MERCURE_0.subscription_topic("/books/{id}")
    assert template == "/.well-known/mercure/subscriptions/%2Fbooks%2F%7Bid%7D/{subscriber}"
    assert template_selector(template).matches(MERCURE_0.subscription_topic("/books/{id}", ADA))
    assert not template_selector(template).matches(MERCURE_0.subscription_topic("/books/1", ADA))


@pytest.mark.parametrize("active", [True, False])
def test_event_tells_a_subscription(active: bool) -> None:
    """Mercure 0.x, Subscription Events."""
    event = MERCURE_0.subscription_update(SUBSCRIPTION, active=active)
    assert event.topics == (URL,)
    assert event.private
    assert event.type is None
    assert json.loads(event.data) == {
        "@context": "https://mercure.rocks/",
        "id": URL,
        "type": "Subscription",
        "topic": "https://example.com/{selector}",
        "subscriber": ADA,
        "active": active,
        "payload": {"foo": "bar"},
    }


@pytest.mark.parametrize("payload", [None, {"foo": "bar"}])
@pytest.mark.parametrize("active", [True, False])
def test_event_is_read_as_it_was_told(active: bool, payload: object) -> None:
    """Mercure 0.x, Subscription Events."""
    selector = SUBSCRIPTION.selector
    event = MERCURE_0.subscription_update(Subscription(selector, ADA, payload), active=active)
    read = MERCURE_0.subscription_event(event.type, event.data)
    assert read == SubscriptionEvent(selector.text, ADA, active, payload)


def test_event_of_a_1_0_hub_that_still_serves_0_x_is_read() -> None:
    """It has the topics of 0.x and the type's name of 1.0."""
    told = {"type": "subscription", "topic": "/a", "subscriber": ADA, "active": True, "id": f"{URL}"}
    read = MERCURE_0.subscription_event("mercure", json.dumps(told))
    assert read == SubscriptionEvent("/a", ADA, True)


@pytest.mark.parametrize(
    "data",
    [
        "text",
        "[]",
        "[" * 100_000,
        '{"type": "Subscription", "topic": 7, "subscriber": "a", "active": true}',
        '{"type": "Subscription", "topic": "/a", "subscriber": null, "active": true}',
        '{"type": "Subscription", "topic": "/a", "subscriber": "a", "active": 1}',
        '{"type": "Todo", "topic": "/a", "subscriber": "a", "active": true}',
    ],
)
def test_another_update_is_no_event(data: str) -> None:
    assert MERCURE_0.subscription_event(None, data) is None


def test_topic_of_all_subscriptions_selects_each() -> None:
    selector = template_selector(MERCURE_0.subscription_topic(None))
    assert selector.matches(MERCURE_0.subscription_topic("/books/{id}", ADA))
    assert not selector.matches(url("/books/{id}"))


def test_subscription_without_a_payload_tells_none() -> None:
    """Mercure 0.x, Payload."""
    event = MERCURE_0.subscription_update(Subscription(Selector("/a"), ADA), active=True)
    assert "payload" not in json.loads(event.data)


@pytest.mark.parametrize("payload", [{}, [], "", 0, False])
def test_payload_that_is_empty_is_told(payload: object) -> None:
    """Mercure 0.x, Payload."""
    event = MERCURE_0.subscription_update(Subscription(Selector("/a"), ADA, payload), active=True)
    assert json.loads(event.data)["payload"] == payload


def test_urls_of_the_api() -> None:
    """Mercure 0.x, Subscription API."""
    assert url() == "/.well-known/mercure/subscriptions"
    assert url("a b") == "/.well-known/mercure/subscriptions/a%20b"
    assert url("https://example.com/{selector}", ADA) == URL


@pytest.mark.parametrize("one", [url(), url("*"), url("https://example.com/{selector}"), url("/a b/é", ADA)])
def test_one_template_selects_all_urls_of_the_api(one: str) -> None:
    """Mercure 0.x, Subscription API."""
    assert template_selector("/.well-known/mercure/subscriptions{/topic}{/subscriber}").matches(one)


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ([], ALL),
        (["%2Fa%20b"], SubscriptionFilter(text="/a b")),
        (["a+b"], SubscriptionFilter(text="a b")),
        (["a%2Bb"], SubscriptionFilter(text="a+b")),
        (["%2Fa", "urn%3Auuid%3A1"], SubscriptionFilter(text="/a", subscriber="urn:uuid:1")),
    ],
)
def test_parts_of_a_url_are_decoded_once(parts: list[str], wanted: SubscriptionFilter) -> None:
    """Mercure 0.x, Subscription API: a space may come as a plus sign, as some hubs write it."""
    assert MERCURE_0.subscription_filter(parts) == wanted


def test_url_with_more_parts_names_nothing() -> None:
    """Mercure 0.x, Subscription API."""
    with pytest.raises(NotFound):
        MERCURE_0.subscription_filter(["a", "b", "c"])


def test_texts_that_this_version_cannot_say_are_named() -> None:
    """Mercure 0.x, Topic Selectors: there are no URL patterns, and what looks like a template is one."""
    for topic in (match_urlpattern("/books/:id"), match_exact("/books/{id}")):
        with pytest.raises(ConfigurationError, match="MERCURE_PROTOCOL"):
            MERCURE_0.url_query([topic])
    assert MERCURE_0.url_query([match_exact("/books/1")]) == [("topic", "/books/1")]


def test_document_of_one_subscription() -> None:
    """Mercure 0.x, Subscription API and JSON-LD Context."""
    assert MERCURE_0.subscription_document(SUBSCRIPTION, "urn:uuid:7") == {
        "@context": "https://mercure.rocks/",
        "id": URL,
        "type": "Subscription",
        "topic": "https://example.com/{selector}",
        "subscriber": ADA,
        "active": True,
        "payload": {"foo": "bar"},
        "lastEventID": "urn:uuid:7",
    }


@pytest.mark.parametrize(
    ("topic", "own"),
    [(None, "/.well-known/mercure/subscriptions"), ("/a", "/.well-known/mercure/subscriptions/%2Fa")],
)
def test_document_of_many_subscriptions(topic: str | None, own: str) -> None:
    """Mercure 0.x, Subscription API and JSON-LD Context: the context stands at the root alone."""
    assert MERCURE_0.subscriptions_document(
        SubscriptionFilter(text=topic), [Subscription(Selector("/a"), "s")], "earliest"
    ) == {
        "@context": "https://mercure.rocks/",
        "id": own,
        "type": "Subscriptions",
        "lastEventID": "earliest",
        "subscriptions": [
            {
                "id": "/.well-known/mercure/subscriptions/%2Fa/s",
                "type": "Subscription",
                "topic": "/a",
                "subscriber": "s",
                "active": True,
            }
        ],
    }


def test_nobody_is_an_empty_list() -> None:
    """Mercure 0.x, Subscription API."""
    assert (
        MERCURE_0.subscriptions_document(SubscriptionFilter(text="/a"), [], "earliest")["subscriptions"] == []
    )
