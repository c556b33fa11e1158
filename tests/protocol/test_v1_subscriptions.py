"""Mercure 1.0: the topics, events and documents that tell who follows what."""

from __future__ import annotations

import json

import pytest

from flask_mercure_sse.protocol.errors import InvalidRequest, NotFound
from flask_mercure_sse.protocol.selectors import Selector, match_exact, match_urlpattern
from flask_mercure_sse.protocol.subscriptions import ALL, Subscription, SubscriptionEvent, SubscriptionFilter
from flask_mercure_sse.protocol.v1 import Mercure1

MERCURE_1 = Mercure1("https://hub.example.com/.well-known/mercure")
API = "/.well-known/mercure/subscriptions"
ADA = "urn:uuid:bb3de268-05b0-4c65-b44e-8f9acefc29d6"
SUBSCRIPTION = Subscription(Selector("https://example.com/:selector", "urlpattern"), ADA, {"foo": "bar"})
ID = (
    "/.well-known/mercure/subscriptions/urlpattern/https%3A%2F%2Fexample.com%2F%3Aselector/"
    "urn%3Auuid%3Abb3de268-05b0-4c65-b44e-8f9acefc29d6"
)


def url(topic: str | None = None, subscriber: str | None = None) -> str:
    return MERCURE_1.subscriptions_url(MERCURE_1.filter_for(topic, subscriber))


# Topics and events


@pytest.mark.parametrize(
    ("topic", "parts"),
    [
        ("*", "exact/%2A"),
        ("a b", "exact/a%20b"),
        ("/a/b", "exact/%2Fa%2Fb"),
        ("/a%20b", "exact/%2Fa%2520b"),
        ("é+", "exact/%C3%A9%2B"),
        ("/books/{id}", "urlpattern/%2Fbooks%2F%3Aid"),
        (match_exact("/books/{id}"), "exact/%2Fbooks%2F%7Bid%7D"),
        (match_urlpattern("/books/*"), "urlpattern/%2Fbooks%2F%2A"),
        (match_urlpattern("*"), "urlpattern/%2A"),
    ],
)
def test_topic_of_a_subscription_has_each_part_encoded_once(topic: str, parts: str) -> None:
    """Mercure 1.0, Subscription Events."""
    assert MERCURE_1.subscription_topic(topic, ADA) == f"{API}/{parts}/{ADA.replace(':', '%3A')}"


@pytest.mark.parametrize("topic", ["/books/1", "/books/{id}", "*", "a b", "é", match_exact("/{x}")])
def test_topic_without_a_subscriber_selects_every_subscriber(topic: str) -> None:
    """Mercure 1.0, Subscription Events."""
    of_all = MERCURE_1.subscription_topic(topic)
    [selector] = MERCURE_1.subscribe_request(MERCURE_1.url_query([of_all]), None).selectors
    assert selector.match_type == "urlpattern"
    assert selector.matches(MERCURE_1.subscription_topic(topic, ADA))
    assert not selector.matches(MERCURE_1.subscription_topic("/another", ADA))
    assert not selector.matches(url(topic))


@pytest.mark.parametrize("active", [True, False])
def test_event_tells_a_subscription(active: bool) -> None:
    """Mercure 1.0, Subscription Events: the example of the specification."""
    event = MERCURE_1.subscription_update(SUBSCRIPTION, active=active)
    assert (event.topics, event.private, event.type) == ((ID,), True, "mercure")
    assert json.loads(event.data) == {
        "id": ID,
        "type": "subscription",
        "match_type": "urlpattern",
        "match": "https://example.com/:selector",
        "subscriber": ADA,
        "active": active,
        "payload": {"foo": "bar"},
    }


@pytest.mark.parametrize("payload", [None, {"foo": "bar"}])
@pytest.mark.parametrize("active", [True, False])
def test_event_is_read_as_it_was_told(active: bool, payload: object) -> None:
    """Mercure 1.0, Subscription Events."""
    selector = SUBSCRIPTION.selector
    event = MERCURE_1.subscription_update(Subscription(selector, ADA, payload), active=active)
    read = MERCURE_1.subscription_event(event.type, event.data)
    assert read == SubscriptionEvent(selector.text, ADA, active, payload)


def test_an_update_of_another_type_is_no_event() -> None:
    """Mercure 1.0, Subscription Events: the type is the hub's own."""
    event = MERCURE_1.subscription_update(SUBSCRIPTION, active=True)
    assert MERCURE_1.subscription_event(None, event.data) is None


def test_topic_of_all_subscriptions_selects_each() -> None:
    query = MERCURE_1.url_query([MERCURE_1.subscription_topic(None)])
    [selector] = MERCURE_1.subscribe_request(query, None).selectors
    assert selector.matches(MERCURE_1.subscription_topic("/books/{id}", ADA))
    assert selector.matches(MERCURE_1.subscription_topic("/books/1", ADA))
    assert not selector.matches(url("/books/{id}"))


def test_subscription_without_a_payload_tells_none() -> None:
    """Mercure 1.0, Payloads."""
    event = MERCURE_1.subscription_update(Subscription(Selector("/a"), ADA), active=True)
    assert "payload" not in json.loads(event.data)
    empty = MERCURE_1.subscription_update(Subscription(Selector("/a"), ADA, {}), active=True)
    assert json.loads(empty.data)["payload"] == {}


def test_each_event_has_an_id_of_its_own() -> None:
    """Mercure 1.0, Reconnection, State Reconciliation, and Event Sourcing."""
    events = [MERCURE_1.subscription_update(SUBSCRIPTION, active=True) for _ in range(5)]
    assert len({event.id for event in events}) == 5


# URLs


def test_urls_of_the_api() -> None:
    """Mercure 1.0, Subscription API."""
    assert url() == API
    assert url("a b") == f"{API}/exact/a%20b"
    assert url("/books/{id}") == f"{API}/urlpattern/%2Fbooks%2F%3Aid"
    assert url(match_urlpattern("https://example.com/:selector"), ADA) == ID


def test_urls_follow_the_hubs_path() -> None:
    """Mercure 1.0, Hub Discovery."""
    elsewhere = Mercure1("https://hub.example.com/push")
    assert elsewhere.subscription_topic("/a", "s") == "/push/subscriptions/exact/%2Fa/s"
    assert elsewhere.subscriptions_url(ALL) == "/push/subscriptions"
    event = elsewhere.subscription_update(Subscription(Selector("/a"), "s"), active=True)
    assert event.topics == ("/push/subscriptions/exact/%2Fa/s",)


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ([], ALL),
        (["exact", "%2Fa%20b"], SubscriptionFilter("exact", "/a b")),
        (["exact", "a+b"], SubscriptionFilter("exact", "a+b")),
        (["exact", "a%2Bb"], SubscriptionFilter("exact", "a+b")),
        (["exact", "%2Fa%2520b"], SubscriptionFilter("exact", "/a%20b")),
        (["%65xact", "%C3%A9"], SubscriptionFilter("exact", "é")),
        (["exact", ""], SubscriptionFilter("exact", "")),
        (
            ["urlpattern", "%2F%3Aid", "urn%3Auuid%3A1"],
            SubscriptionFilter("urlpattern", "/:id", "urn:uuid:1"),
        ),
    ],
)
def test_parts_of_a_url_are_decoded_once(parts: list[str], wanted: SubscriptionFilter) -> None:
    """Mercure 1.0, Subscription API: a plus sign is a plus sign."""
    assert MERCURE_1.subscription_filter(parts) == wanted


@pytest.mark.parametrize("parts", [["exact"], ["%2Fa"], ["exact", "a", "b", "c"], ["exact", "a", "b", ""]])
def test_url_with_fewer_or_more_parts_names_nothing(parts: list[str]) -> None:
    """Mercure 1.0, Subscription API."""
    with pytest.raises(NotFound):
        MERCURE_1.subscription_filter(parts)


@pytest.mark.parametrize("match_type", ["", "Exact", "template", "match", "*", "%2A"])
def test_url_with_an_unknown_match_type_is_refused(match_type: str) -> None:
    """Mercure 1.0, Matcher Types."""
    for parts in ([match_type, "a"], [match_type, "a", "b"]):
        with pytest.raises(InvalidRequest):
            MERCURE_1.subscription_filter(parts)


def test_url_that_is_not_utf_8_is_refused() -> None:
    """Mercure 1.0, Subscription API."""
    for parts in (["%FF", "a"], ["exact", "%FF"], ["exact", "a", "%C3"]):
        with pytest.raises(InvalidRequest, match="UTF-8"):
            MERCURE_1.subscription_filter(parts)


@pytest.mark.parametrize(
    "topic", ["/a", "*", "/books/{id}", match_exact("/{x}"), match_urlpattern("*"), "é /%2F"]
)
@pytest.mark.parametrize("subscriber", [None, ADA])
def test_url_that_the_app_makes_is_read_back(topic: str, subscriber: str | None) -> None:
    """Mercure 1.0, Subscription API."""
    parts = url(topic, subscriber).removeprefix(f"{API}/").split("/")
    assert MERCURE_1.subscription_filter(parts) == MERCURE_1.filter_for(topic, subscriber)


def test_filter_is_for_one_match_type() -> None:
    """Mercure 1.0, Subscription API: the same text under another type is another subscription."""
    exact, pattern = Selector("*"), Selector("*", "urlpattern")
    assert MERCURE_1.filter_for("*").admits(exact)
    assert not MERCURE_1.filter_for("*").admits(pattern)
    assert MERCURE_1.filter_for(match_urlpattern("*")).admits(pattern)
    assert MERCURE_1.filter_for(None).admits(exact)
    assert MERCURE_1.filter_for("*", ADA).is_single


# Documents


def test_document_of_one_subscription() -> None:
    """Mercure 1.0, Subscription API: the cursor is in the link to the hub."""
    assert MERCURE_1.subscription_document(SUBSCRIPTION, "urn:uuid:7") == {
        "id": ID,
        "type": "subscription",
        "match_type": "urlpattern",
        "match": "https://example.com/:selector",
        "subscriber": ADA,
        "active": True,
        "payload": {"foo": "bar"},
    }


@pytest.mark.parametrize(
    ("topic", "own"), [(None, API), ("/a", f"{API}/exact/%2Fa"), ("/{x}", f"{API}/urlpattern/%2F%3Ax")]
)
def test_document_of_many_subscriptions(topic: str | None, own: str) -> None:
    """Mercure 1.0, Subscription API."""
    found = [Subscription(Selector("/a"), "s")]
    assert MERCURE_1.subscriptions_document(MERCURE_1.filter_for(topic), found, "earliest") == {
        "id": own,
        "type": "subscriptions",
        "subscriptions": [
            {
                "id": f"{API}/exact/%2Fa/s",
                "type": "subscription",
                "match_type": "exact",
                "match": "/a",
                "subscriber": "s",
                "active": True,
            }
        ],
    }


def test_nobody_is_an_empty_list() -> None:
    """Mercure 1.0, Subscription API."""
    assert MERCURE_1.subscriptions_document(ALL, [], "earliest")["subscriptions"] == []


def test_link_to_the_hub_tells_from_where_to_follow_the_events() -> None:
    """Mercure 1.0, Subscription API."""
    assert MERCURE_1.link_attributes("urn:uuid:7") == {
        "last-event-id": "urn:uuid:7",
        "type": "mercure",
        "content-type": "application/json",
    }


def test_app_finds_the_topic_of_each_listed_subscription() -> None:
    """Mercure 1.0, Subscription API: under the same name in each version."""
    document = MERCURE_1.subscriptions_document(ALL, [SUBSCRIPTION, Subscription(Selector("/a"), "s")], "7")
    listed = MERCURE_1.listed(document)
    assert [one["topic"] for one in listed] == ["https://example.com/:selector", "/a"]
    assert [one["match"] for one in listed] == ["https://example.com/:selector", "/a"]
    assert "topic" not in document["subscriptions"][0]
