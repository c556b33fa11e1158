"""Mercure 0.x: the topics, events and documents that tell who follows what."""

from __future__ import annotations

import json

import pytest

from flask_mercure_sse.protocol.selectors import Selector
from flask_mercure_sse.protocol.subscriptions import Subscription
from flask_mercure_sse.protocol.v0 import MERCURE_0

ADA = "urn:uuid:bb3de268-05b0-4c65-b44e-8f9acefc29d6"
SUBSCRIPTION = Subscription("https://example.com/{selector}", ADA, {"foo": "bar"})
URL = (
    "/.well-known/mercure/subscriptions/https%3A%2F%2Fexample.com%2F%7Bselector%7D/"
    "urn%3Auuid%3Abb3de268-05b0-4c65-b44e-8f9acefc29d6"
)


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
    assert Selector(template).matches(MERCURE_0.subscription_topic("/books/{id}", ADA))
    assert not Selector(template).matches(MERCURE_0.subscription_topic("/books/1", ADA))


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


def test_subscription_without_a_payload_tells_none() -> None:
    """Mercure 0.x, Payload."""
    event = MERCURE_0.subscription_update(Subscription("/a", ADA), active=True)
    assert "payload" not in json.loads(event.data)


@pytest.mark.parametrize("payload", [{}, [], "", 0, False])
def test_payload_that_is_empty_is_told(payload: object) -> None:
    """Mercure 0.x, Payload."""
    event = MERCURE_0.subscription_update(Subscription("/a", ADA, payload), active=True)
    assert json.loads(event.data)["payload"] == payload


def test_urls_of_the_api() -> None:
    """Mercure 0.x, Subscription API."""
    assert MERCURE_0.subscriptions_url() == "/.well-known/mercure/subscriptions"
    assert MERCURE_0.subscriptions_url("a b") == "/.well-known/mercure/subscriptions/a%20b"
    assert MERCURE_0.subscriptions_url(SUBSCRIPTION.selector, ADA) == URL


@pytest.mark.parametrize(
    "url",
    [
        MERCURE_0.subscriptions_url(),
        MERCURE_0.subscriptions_url("*"),
        MERCURE_0.subscriptions_url("https://example.com/{selector}"),
        MERCURE_0.subscriptions_url("/a b/é", ADA),
    ],
)
def test_one_template_selects_all_urls_of_the_api(url: str) -> None:
    """Mercure 0.x, Subscription API."""
    assert Selector("/.well-known/mercure/subscriptions{/topic}{/subscriber}").matches(url)


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
    ("selector", "url"),
    [(None, "/.well-known/mercure/subscriptions"), ("/a", "/.well-known/mercure/subscriptions/%2Fa")],
)
def test_document_of_many_subscriptions(selector: str | None, url: str) -> None:
    """Mercure 0.x, Subscription API and JSON-LD Context: the context stands at the root alone."""
    assert MERCURE_0.subscriptions_document(selector, [Subscription("/a", "s")], "earliest") == {
        "@context": "https://mercure.rocks/",
        "id": url,
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
    assert MERCURE_0.subscriptions_document("/a", [], "earliest")["subscriptions"] == []
