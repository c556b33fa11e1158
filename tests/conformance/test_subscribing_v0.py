"""Subscribing in Mercure 0.x (`Mercure 0.x, Subscription`)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .client import FORM, Stream, encoded
from .hub import Hub


@pytest.mark.parametrize("name", ["match", "match_exact", "match_urlpattern", "matches", "Topic", "topic[]"])
def test_only_the_parameter_topic_subscribes(
    hub: Hub,
    topic: str,
    other_topic: str,
    name: str,
    publish: Callable[..., str],
    open_stream: Callable[..., Stream],
) -> None:
    """`Mercure 0.x, Subscription`."""
    assert hub.subscribe([(name, topic)]).status == 400
    stream = open_stream(other_topic, query=[(name, topic)])
    publish(topic)
    assert stream.until(publish(other_topic)) == []


def test_a_cursor_of_another_version_is_ignored(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing`."""
    before = publish(topic)
    publish(topic)
    stream = open_stream(topic, query=[("last_event_id", before), ("Last-Event-ID", before)])
    assert "Last-Event-ID" not in stream.headers
    assert stream.until(publish(topic)) == []


@pytest.mark.choice("an empty field is as none")
def test_an_empty_cursor_asks_for_nothing(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing`."""
    publish(topic)
    for options in ({"query": [hub.cursor("")]}, {"headers": [("Last-Event-ID", "")]}):
        stream = open_stream(topic, **options)
        assert "Last-Event-ID" not in stream.headers
        assert stream.until(publish(topic)) == []


@pytest.mark.needs("history")
@pytest.mark.choice("the reference hub names the newest event instead")
def test_the_answer_to_an_unknown_id_is_earliest(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing`."""
    publish(topic)
    stream = open_stream(topic, headers=[("Last-Event-ID", f"{topic}#unknown")])
    assert stream.headers["Last-Event-ID"] == "earliest"


@pytest.mark.choice("it came with 1.0")
def test_the_method_query_is_405(hub: Hub, topic: str) -> None:
    """`Mercure 0.x, Subscription`."""
    body = encoded(hub.exactly(topic)).encode()
    assert hub.request("QUERY", headers=[("Content-Type", FORM)], body=body).status == 405


@pytest.mark.choice("the specification sets no limit")
def test_hundreds_of_topics_are_taken(hub: Hub) -> None:
    """`Mercure 0.x, Subscription`: as many as a request line of 8 kB carries."""
    assert hub.subscribe("&".join(f"topic={number}" for number in range(700))).status == 200


@pytest.mark.choice("the reference hub sets no limit")
def test_a_topic_that_is_too_long_is_refused(hub: Hub, topic: str) -> None:
    """`Mercure 0.x, Topic Selectors`: above 4096 characters."""
    assert hub.subscribe([("topic", f"{topic}/".ljust(4096, "x"))]).status == 200
    assert hub.subscribe([("topic", f"{topic}/".ljust(4097, "x"))]).status in (400, 414)


@pytest.mark.choice("the reference hub takes any text")
@pytest.mark.parametrize(
    "raw", ["a%00", "a%0A", "a%0D", "%1F", "%7F", "%C2%85", "%E2%80%8B", "%E2%80%AE", "%FF"]
)
def test_a_topic_that_is_not_clean_text_is_refused(hub: Hub, raw: str) -> None:
    """`Mercure 1.0, Terminology`."""
    assert hub.subscribe(f"topic={raw}").status == 400


@pytest.mark.parametrize(
    "template", ["{", "}", "{}", "{x", "x}", "{!x}", "{x y}", "{{x}}", "{?}", "{x:0}", "{x:y}"]
)
def test_an_invalid_template_is_no_error(hub: Hub, template: str) -> None:
    """`Mercure 0.x, Topic Selectors`: it is a plain text."""
    assert hub.subscribe([("topic", template)]).status == 200
