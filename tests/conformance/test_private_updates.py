"""Who reads a private update (`Mercure, Subscribers`; `Mercure, Private Update Audience`)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .client import Stream
from .hub import Hub


@pytest.mark.needs("anonymous")
@pytest.mark.parametrize("value", ["on", "", "0", "off", "false", "no"])
def test_private_with_any_value_is_private(
    topic: str, value: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Publication`: the presence of the field counts, not its value."""
    stream = open_stream(topic)
    publish(topic, data="secret", private=value)
    assert stream.until(publish(topic)) == []


@pytest.mark.needs("anonymous")
def test_without_a_token_no_private_update_arrives_even_with_a_matcher_of_all(
    topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Subscribers`."""
    stream = open_stream("*")
    private = publish(topic, private="on")
    assert private not in [event.id for event in stream.until(publish(topic))]


def test_a_grant_of_the_topic_shows_its_private_updates(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Subscribers`."""
    stream = open_stream(topic, token=hub.subscriber_token(topic))
    id = publish(topic, private="on", data="secret")
    event = stream.next()
    assert (event.id, event.data) == (id, "secret")


def test_a_grant_of_all_topics_shows_every_private_update(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Subscribers`."""
    stream = open_stream(topic, token=hub.subscriber_token("*"))
    assert publish(topic, private="on") == stream.next().id


def test_a_grant_of_another_topic_shows_nothing_private(
    hub: Hub, topic: str, other_topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Subscribers`."""
    stream = open_stream(topic, token=hub.subscriber_token(other_topic))
    publish(topic, private="on")
    assert stream.until(publish(topic)) == []


def test_a_token_without_grants_still_reads_public_updates(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Subscribers`."""
    stream = open_stream(topic, token=hub.subscriber_token())
    publish(topic, private="on")
    assert stream.until(publish(topic)) == []


def test_a_matcher_of_all_needs_the_grant_too(
    hub: Hub, topic: str, other_topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Subscribers`: to route is not to grant."""
    stream = open_stream("*", token=hub.subscriber_token(other_topic))
    private = publish(topic, private="on")
    granted = publish(other_topic, private="on")
    assert private not in [event.id for event in stream.until(granted)]


def test_a_grant_does_not_subscribe(
    hub: Hub, topic: str, other_topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Subscribers`."""
    stream = open_stream(topic, token=hub.subscriber_token("*"))
    publish(other_topic, private="on")
    publish(other_topic)
    assert stream.until(publish(topic)) == []


@pytest.mark.parametrize("first", [True, False], ids=["canonical", "alternate"])
def test_the_match_and_the_grant_may_be_of_different_topics(
    hub: Hub,
    topic: str,
    other_topic: str,
    first: bool,
    publish: Callable[..., str],
    open_stream: Callable[..., Stream],
) -> None:
    """`Mercure, Private Update Audience`: the readers are those of all its topics together."""
    stream = open_stream(topic, token=hub.subscriber_token(other_topic))
    topics = [topic, other_topic] if first else [other_topic, topic]
    assert publish(*topics, private="on") == stream.next().id


def test_an_alternate_topic_that_is_not_granted_opens_nothing(
    hub: Hub, topic: str, other_topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Private Update Audience`."""
    stream = open_stream(topic, other_topic, token=hub.subscriber_token(f"{topic}/below"))
    publish(topic, other_topic, private="on")
    assert stream.until(publish(topic)) == []


def test_the_right_to_publish_is_not_the_right_to_read(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Subscribers`."""
    stream = open_stream(topic, token=hub.sign(hub.claims(publish=["*"])))
    publish(topic, private="on")
    assert stream.until(publish(topic)) == []


def test_public_updates_need_no_grant(
    hub: Hub, topic: str, other_topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Subscribers`."""
    stream = open_stream(topic, token=hub.subscriber_token(other_topic))
    assert publish(topic) == stream.next().id
