"""Who is there, as the app sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from flask_mercure_sse import MercureSSE, SubscriptionsError
from flask_mercure_sse.publishers import subscriptions
from tests.publishers.fake_hub import FakeHub
from tests.subscriber import Subscriber

HUB = "/.well-known/mercure"


def connect(app: Flask, mercure: MercureSSE, topic: str, **payload: object) -> Subscriber:
    state = app.extensions["mercure_sse"]
    claims = state.tokens.claims(subscribe=[topic], payload=payload or None)
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
    with pytest.raises(
        SubscriptionsError, match="subscriptions are off; set MERCURE_HUB_SUBSCRIPTIONS to True"
    ):
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


def test_subscribers_are_counted_once_each(app: Flask, mercure: MercureSSE) -> None:
    assert mercure.count() == 0
    subscribers = [connect(app, mercure, topic) for topic in ("/a", "/a", "/b")]
    assert (mercure.count("/a"), mercure.count("/b"), mercure.count("/c")) == (2, 1, 0)
    state = app.extensions["mercure_sse"]
    both = state.version.subscribe_request(state.version.url_query(["/c", "/d"]), None)
    subscribers.append(Subscriber(state.hub, both))
    assert mercure.count() == 4
    for subscriber in subscribers:
        subscriber.close()


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    hub.answer = '{"subscriptions": []}'
    yield hub
    hub.close()


@pytest.mark.parametrize(
    ("status", "fix"),
    [
        (401, "MERCURE_SUBSCRIBER_SECRET_KEY must be the hub's key .* MERCURE_PROTOCOL the version"),
        (403, "the hub's key for subscribers is another"),
        (404, "the hub's subscriptions are off"),
        (421, "name it in the hub's settings"),
    ],
)
def test_a_refusal_of_an_external_hub_says_what_to_change(
    status: int, fix: str, app: Flask, hub: FakeHub
) -> None:
    hub.status = status
    with pytest.raises(SubscriptionsError, match=f"answered {status}: .*{fix}"):
        MercureSSE(app, hub.url).is_connected("/a")


@pytest.mark.parametrize(
    "answer", ["<html>", "[]", "{}", '{"subscriptions": 5}', '{"subscriptions": [5]}', "\N{NULL}"]
)
def test_an_answer_of_something_else_is_an_error(answer: str, app: Flask, hub: FakeHub) -> None:
    hub.answer = answer
    with pytest.raises(SubscriptionsError, match="is it a Mercure hub"):
        MercureSSE(app, hub.url).count("/a")


def test_an_answer_is_kept_for_a_moment_where_that_is_set(app: Flask, hub: FakeHub) -> None:
    app.config["MERCURE_SUBSCRIPTIONS_CACHE"] = 60
    mercure = MercureSSE(app, hub.url)
    mercure.get_subscriptions("/a")["subscriptions"].append("a change of the caller's")
    assert mercure.count("/a") == 0
    mercure.count("/b")
    assert hub.asked == 2


def test_a_failure_is_kept_as_well(app: Flask, hub: FakeHub) -> None:
    app.config["MERCURE_SUBSCRIPTIONS_CACHE"] = 60
    mercure = MercureSSE(app, hub.url)
    hub.status = 503
    for _ in range(2):
        with pytest.raises(SubscriptionsError, match="answered 503"):
            mercure.count("/a")
    assert hub.asked == 1


def test_what_was_kept_is_asked_again_when_its_time_is_over(
    app: Flask, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.config["MERCURE_SUBSCRIPTIONS_CACHE"] = 60
    mercure = MercureSSE(app, hub.url)
    now = time.monotonic()
    mercure.count("/a")
    monkeypatch.setattr(subscriptions.time, "monotonic", lambda: now + 120)
    mercure.count("/a")
    assert hub.asked == 2


def test_nothing_is_kept_by_default(app: Flask, hub: FakeHub) -> None:
    mercure = MercureSSE(app, hub.url)
    mercure.count("/a")
    mercure.count("/a")
    assert hub.asked == 2


def test_a_hub_that_does_not_answer_is_given_up(app: Flask, hub: FakeHub) -> None:
    app.config["MERCURE_READ_TIMEOUT"] = 0.1
    hub.delay = 1.0
    with pytest.raises(SubscriptionsError, match="no answer within the time limit"):
        MercureSSE(app, hub.url).count("/a")
