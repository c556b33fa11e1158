"""Who is there, as the app sees it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from flask_mercure_sse import MercureSSE, SubscriptionsError
from tests.subscriber import Subscriber

HUB = "/.well-known/mercure"


def connect(app: Flask, mercure: MercureSSE, topic: str, **payload: object) -> Subscriber:
    state = app.extensions["mercure_sse"]
    claims = state.claims(subscribe=[topic], payload=payload or None)
    rights = state.version.rights(claims, claims.get("exp"))
    return Subscriber(
        state.hub, state.version.subscribe_request(state.version.url_query([topic]), None), rights
    )


def test_is_connected_when_a_payload_has_all_that_is_asked_for(app: Flask, mercure: MercureSSE) -> None:
    assert not mercure.is_connected("/a")
    subscriber = connect(app, mercure, "/a", user=7, role="reader")
    assert mercure.is_connected("/a")
    assert mercure.is_connected("/a", user=7)
    assert mercure.is_connected("/a", user=7, role="reader")
    assert not mercure.is_connected("/a", user=8)
    assert not mercure.is_connected("/a", team=None)
    assert not mercure.is_connected("/b")
    subscriber.close()
    assert not mercure.is_connected("/a")


def test_the_parsed_document_lists_subscriptions(app: Flask, mercure: MercureSSE) -> None:
    subscribers = [connect(app, mercure, "/a", user=1), connect(app, mercure, "/b", user=2)]
    everything, one = mercure.get_subscriptions(), mercure.get_subscriptions("/a")
    assert [subscription["topic"] for subscription in everything["subscriptions"]] == ["/a", "/b"]
    assert [subscription["payload"] for subscription in one["subscriptions"]] == [{"user": 1}]
    single = mercure.get_subscriptions("/a", one["subscriptions"][0]["subscriber"])
    assert (single["topic"], single["active"]) == ("/a", True)
    for subscriber in subscribers:
        subscriber.close()


def test_a_subscription_that_does_not_exist_is_an_error(mercure: MercureSSE) -> None:
    with pytest.raises(SubscriptionsError, match="404"):
        mercure.get_subscriptions("/a", "urn:uuid:nobody")


def test_a_hub_that_does_not_tell_is_an_error(app: Flask) -> None:
    mercure = MercureSSE(app, hub_subscriptions=False)
    with pytest.raises(SubscriptionsError, match="subscriptions are off"):
        mercure.is_connected("/a")


def test_coming_and_going_are_private_updates(
    app: Flask, mercure: MercureSSE, subscribe: Callable[..., Subscriber]
) -> None:
    topic = mercure.subscription_topic("/a")
    watcher, stranger = subscribe(topic, grants=[topic]), subscribe(topic)
    connect(app, mercure, "/a", user=7).close()
    assert [(event["type"], event["topic"], event["active"]) for event in watcher.json] == [
        ("Subscription", "/a", True),
        ("Subscription", "/a", False),
    ]
    assert [event["payload"] for event in watcher.json] == [{"user": 7}] * 2
    assert stranger.updates == []
