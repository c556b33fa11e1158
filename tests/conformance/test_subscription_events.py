"""Subscription events as both versions have them (`Mercure, Subscription Events`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from .client import Event, Stream
from .hub import Hub

pytestmark = pytest.mark.needs("subscriptions")

Open = Callable[..., Stream]


def _about(topic: str) -> Callable[[Event], bool]:
    return lambda event: topic in event.data


def _told(watcher: Stream, topic: str) -> dict[str, Any]:
    return json.loads(watcher.wait_for(_about(topic)).data)


def test_who_comes_is_told(hub: Hub, topic: str, watch: Callable[[], Stream], open_stream: Open) -> None:
    """`Mercure, Subscription Events`."""
    watcher = watch()
    open_stream(topic)
    told = _told(watcher, topic)
    subscriber = told["subscriber"]
    version = hub.version
    assert told == version.api_context | version.subscription(hub.api, topic, subscriber, active=True)


def test_who_leaves_is_told(
    hub: Hub, topic: str, watch: Callable[[], Stream], publish: Callable[..., str], open_stream: Open
) -> None:
    """`Mercure, Subscription Events`."""
    watcher = watch()
    stream = open_stream(topic)
    came = _told(watcher, topic)
    stream.close()
    publish(topic)  # a hub may learn of it only when it writes
    assert _told(watcher, topic) == {**came, "active": False}


def test_the_document_is_the_data_of_an_update_of_its_own(
    hub: Hub, topic: str, watch: Callable[[], Stream], open_stream: Open
) -> None:
    """`Mercure, Subscription Events`: with its type, and its id."""
    watcher = watch()
    open_stream(topic)
    event = watcher.wait_for(_about(topic))
    assert event.type == hub.version.event_type
    assert event.id


def test_the_topic_of_the_event_is_the_id_of_the_document(
    hub: Hub, topic: str, watch: Callable[[], Stream], publish: Callable[..., str], open_stream: Open
) -> None:
    """`Mercure, Subscription Events`."""
    watcher = watch()
    stream = open_stream(topic)
    id = _told(watcher, topic)["id"]
    follower = open_stream(id, token=hub.subscriber_token(id))
    stream.close()
    publish(topic)
    assert json.loads(follower.next().data)["id"] == id


def test_each_topic_of_a_subscriber_is_a_subscription_of_the_same_subscriber(
    topic: str, other_topic: str, watch: Callable[[], Stream], open_stream: Open
) -> None:
    """`Mercure, Subscriber Identifier Assignment`."""
    watcher = watch()
    open_stream(topic, other_topic)
    events = [watcher.wait_for(lambda event: topic in event.data or other_topic in event.data) for _ in "12"]
    told = [json.loads(event.data) for event in events]
    assert len({document["id"] for document in told}) == 2
    assert len({document["subscriber"] for document in told}) == 1


def test_each_connection_is_a_subscriber_of_its_own(
    hub: Hub, topic: str, watch: Callable[[], Stream], open_stream: Open
) -> None:
    """`Mercure, Subscriber Identifier Assignment`: also with one token."""
    watcher, token = watch(), hub.subscriber_token(topic)
    names = []
    for _ in range(3):
        open_stream(topic, token=token)
        names.append(_told(watcher, topic)["subscriber"])
    assert len(set(names)) == 3


def test_a_client_cannot_choose_its_name(topic: str, watch: Callable[[], Stream], open_stream: Open) -> None:
    """`Mercure, Subscriber Identifier Assignment`."""
    watcher = watch()
    open_stream(
        topic, query=[("subscriber", "urn:x:me"), ("id", "urn:x:me")], headers=[("Subscriber", "urn:x:me")]
    )
    assert "urn:x:me" not in _told(watcher, topic)["subscriber"]


@pytest.mark.choice("any text of the hub's will do")
def test_the_name_of_a_subscriber_is_an_urn(
    topic: str, watch: Callable[[], Stream], open_stream: Open
) -> None:
    """`Mercure, Subscriber Identifier Assignment`."""
    watcher = watch()
    open_stream(topic)
    assert _told(watcher, topic)["subscriber"].startswith("urn:uuid:")


@pytest.mark.parametrize(
    "payload", [{"user": "x", "deep": {"list": [1, None, True]}}, {}, {"é": "\u2028 \n"}]
)
def test_the_payload_of_the_token_is_told(
    hub: Hub,
    topic: str,
    payload: object,
    watch: Callable[[], Stream],
    open_stream: Open,
) -> None:
    """`Mercure, Payloads`."""
    watcher = watch()
    open_stream(topic, token=hub.subscriber_token(topic, payload=payload))
    assert _told(watcher, topic)["payload"] == payload


def test_without_a_payload_none_is_told(
    hub: Hub, topic: str, watch: Callable[[], Stream], open_stream: Open
) -> None:
    """`Mercure, Payloads`."""
    watcher = watch()
    open_stream(topic, token=hub.subscriber_token(topic))
    assert "payload" not in _told(watcher, topic)


@pytest.mark.needs("anonymous")
def test_nobody_without_a_grant_learns_who_reads_what(
    hub: Hub, topic: str, other_topic: str, publish: Callable[..., str], open_stream: Open
) -> None:
    """`Mercure, Subscription Events`: they are private."""
    every, _grant = hub.version.every_subscription(hub.api)
    curious = [
        open_stream("*", other_topic, query=[every]),
        open_stream("*", other_topic, query=[every], token=hub.subscriber_token(topic)),
    ]
    open_stream(topic)
    marker = publish(other_topic)
    for stream in curious:
        assert not [event for event in stream.until(marker) if topic in event.data]


def test_who_was_refused_is_not_told(
    hub: Hub, topic: str, other_topic: str, watch: Callable[[], Stream], open_stream: Open
) -> None:
    """`Mercure, Subscription Events`."""
    watcher = watch()
    assert hub.subscribe(hub.exactly(topic), token="rubbish." * 10).status == 401
    open_stream(other_topic)
    event = watcher.wait_for(lambda event: topic in event.data or other_topic in event.data)
    assert other_topic in event.data


@pytest.mark.choice("the specification does not name HEAD; the reference hub tells of it")
def test_head_makes_no_subscriber(
    hub: Hub, topic: str, other_topic: str, watch: Callable[[], Stream], open_stream: Open
) -> None:
    """`RFC 9110, HEAD`."""
    watcher = watch()
    hub.request("HEAD", f"{hub.path}?{hub.version.topic_parameter}={topic}")
    open_stream(other_topic)
    event = watcher.wait_for(lambda event: topic in event.data or other_topic in event.data)
    assert other_topic in event.data
