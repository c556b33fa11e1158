"""The subscription API of Mercure 0.x (`Mercure 0.x, Subscription API`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from .client import Stream
from .hub import Hub

pytestmark = pytest.mark.needs("subscriptions")


def test_one_template_opens_the_whole_api(hub: Hub, topic: str, open_stream: Callable[..., Stream]) -> None:
    """`Mercure 0.x, Subscription API`."""
    open_stream(topic)
    token = hub.subscriber_token(f"{hub.api}{{/topic}}{{/subscriber}}")
    path = hub.version.subscriptions_path(hub.api, topic)
    [subscription] = hub.ask(path, token=token).json()["subscriptions"]
    assert hub.ask(hub.api, token=token).status == 200
    assert hub.ask(subscription["id"], token=token).status == 200


def test_a_template_opens_what_it_matches_alone(
    hub: Hub, topic: str, open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 0.x, Subscription API`."""
    open_stream(topic)
    token = hub.subscriber_token(f"{hub.api}/{{topic}}/{{subscriber}}")
    assert hub.ask(hub.api, token=token).status in (401, 403)
    assert hub.ask(hub.version.subscriptions_path(hub.api, topic), token=token).status in (401, 403)


def test_a_template_is_listed_as_it_was_asked_for(
    hub: Hub, topic: str, open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 0.x, Subscription Events`."""
    template = f"{topic}/{{id}}{{?q}}"
    open_stream(template)
    path = hub.version.subscriptions_path(hub.api, template)
    [subscription] = hub.ask(path, token=hub.subscriber_token("*")).json()["subscriptions"]
    assert subscription["topic"] == template
    assert subscription["id"] == f"{path}/{quote(subscription['subscriber'], safe='')}"


@pytest.mark.parametrize("payload", ["text", 1, 1.5, True, False, [], [1, {"a": None}], "", 0])
def test_a_payload_is_any_json(
    hub: Hub, topic: str, payload: object, open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 0.x, Payload`."""
    open_stream(topic, token=hub.subscriber_token(payload=payload))
    path = hub.version.subscriptions_path(hub.api, topic)
    [subscription] = hub.ask(path, token=hub.subscriber_token("*")).json()["subscriptions"]
    assert json.dumps(subscription["payload"]) == json.dumps(payload)


def test_a_payload_goes_to_every_subscription_of_the_token(
    hub: Hub, topic: str, other_topic: str, open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 0.x, Payload`."""
    open_stream(topic, other_topic, token=hub.subscriber_token(payload={"a": 1}))
    for one in (topic, other_topic):
        path = hub.version.subscriptions_path(hub.api, one)
        [subscription] = hub.ask(path, token=hub.subscriber_token("*")).json()["subscriptions"]
        assert subscription["payload"] == {"a": 1}


def test_every_document_has_its_context_and_its_cursor(
    hub: Hub, topic: str, open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 0.x, Subscription API` and `JSON-LD Context`: at the root alone."""
    open_stream(topic)
    path = hub.version.subscriptions_path(hub.api, topic)
    [subscription] = hub.ask(path, token=hub.subscriber_token("*")).json()["subscriptions"]
    assert not {"@context", "lastEventID"} & subscription.keys()
    for one in (hub.api, path, subscription["id"]):
        document = hub.ask(one, token=hub.subscriber_token("*")).json()
        assert document["@context"] == "https://mercure.rocks/"
        assert document["lastEventID"]


@pytest.mark.choice("the reference hub writes a plus for a space")
def test_a_space_is_encoded_as_in_any_path(hub: Hub, topic: str, open_stream: Callable[..., Stream]) -> None:
    """`Mercure 0.x, Subscription Events`."""
    open_stream(f"{topic}/a b+c")
    path = hub.version.subscriptions_path(hub.api, f"{topic}/a b+c")
    [subscription] = hub.ask(path, token=hub.subscriber_token("*")).json()["subscriptions"]
    assert subscription["id"].startswith(f"{path}/")


@pytest.mark.choice("clients of the reference hub write a plus for a space")
def test_both_ways_to_write_a_space_are_read(
    hub: Hub, topic: str, open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 0.x, Subscription API`."""
    open_stream(f"{topic}/a b")
    path = hub.version.subscriptions_path(hub.api, f"{topic}/a b")
    for one in (path, path.replace("%20", "+")):
        [subscription] = hub.ask(one, token=hub.subscriber_token("*")).json()["subscriptions"]
        assert subscription["topic"] == f"{topic}/a b"
