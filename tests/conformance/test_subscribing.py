"""Subscribing as both versions have it (`Mercure, Subscription`)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .client import Stream, encoded
from .hub import Hub


def test_a_subscription_is_answered_with_an_event_stream(hub: Hub, topic: str) -> None:
    """`Mercure, Subscription`."""
    answer = hub.subscribe(hub.exactly(topic))
    assert (answer.status, answer.content_type) == (200, "text/event-stream")


def test_nobody_may_keep_a_copy_of_a_stream(hub: Hub, topic: str) -> None:
    """`Mercure, Subscription`: it is for one reader, and it never ends."""
    cache = hub.subscribe(hub.exactly(topic)).headers["Cache-Control"]
    directives = {directive.strip() for directive in cache.split(",")}
    assert "no-store" in directives
    assert "private" in directives


@pytest.mark.choice("it is nginx's, where most hubs stand")
def test_proxies_are_asked_not_to_hold_events_back(hub: Hub, topic: str) -> None:
    """`nginx, proxy_buffering`."""
    assert hub.subscribe(hub.exactly(topic)).headers["X-Accel-Buffering"] == "no"


@pytest.mark.choice("so that a page learns at once that the stream is open")
def test_a_stream_opens_with_a_comment(hub: Hub, topic: str, open_stream: Callable[..., Stream]) -> None:
    """`Mercure, Subscription`."""
    stream = open_stream(topic)
    stream.wait_for_comment()
    assert stream.comments


def test_a_stream_gets_only_what_it_asked_for(
    topic: str, other_topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Subscription`."""
    stream = open_stream(topic)
    publish(other_topic)
    assert stream.until(publish(topic)) == []


def test_several_topics_may_be_asked_for(
    topic: str, other_topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Subscription`."""
    stream = open_stream(topic, other_topic)
    ids = [publish(topic), publish(other_topic)]
    assert [stream.next().id, stream.next().id] == ids


def test_the_same_topic_twice_is_one_delivery(
    topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Subscription`."""
    stream = open_stream(topic, topic)
    ids = [publish(topic), publish(topic)]
    assert [stream.next().id, stream.next().id] == ids


def test_everyone_gets_every_update(
    topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Subscription`."""
    streams = [open_stream(topic) for _ in range(10)]
    id = publish(topic)
    assert {stream.next().id for stream in streams} == {id}


def test_who_leaves_does_not_disturb_the_others(
    topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Subscription`."""
    streams = [open_stream(topic) for _ in range(6)]
    for leaver in streams[::2]:
        leaver.close()
    ids = [publish(topic) for _ in range(5)]
    for stream in streams[1::2]:
        assert [stream.next().id for _ in ids] == ids


def test_foreign_parameters_are_ignored(hub: Hub, topic: str) -> None:
    """`Mercure, Subscription`."""
    foreign = [("foo", "bar"), ("utm_source", "x"), ("Last-Event-ID", "x"), ("retry", "x")]
    assert hub.subscribe([*foreign, *hub.exactly(topic)]).status == 200


def test_a_subscription_needs_something_to_match(hub: Hub) -> None:
    """`Mercure, Subscription`."""
    for query in ("", "foo=bar", hub.version.cursor_parameter + "=x"):
        assert hub.subscribe(query).status == 400


@pytest.mark.parametrize(
    ("raw", "meaning"),
    [
        ("a+b", "a b"),
        ("a%2Bb", "a+b"),
        ("a%20b", "a b"),
        ("a=b", "a=b"),
        ("a%26b", "a&b"),
        ("a%2Fb", "a/b"),
        ("a%252Fb", "a%2Fb"),
        ("a%C3%A9", "aé"),
        ("a?b", "a?b"),
        pytest.param("a;b", "a;b", marks=pytest.mark.choice("the reference hub drops such a parameter")),
        pytest.param("a%zz", "a%zz", marks=pytest.mark.choice("the reference hub drops such a parameter")),
        pytest.param("a%", "a%", marks=pytest.mark.choice("the reference hub drops such a parameter")),
    ],
)
def test_form_rules_are_those_of_the_url_standard(
    hub: Hub,
    topic: str,
    raw: str,
    meaning: str,
    publish: Callable[..., str],
    open_stream: Callable[..., Stream],
) -> None:
    """`Mercure, Subscription`; `URL, application/x-www-form-urlencoded parsing`."""
    stream = open_stream(query=f"&{encoded(hub.exactly(topic))}/{raw}&&")
    id = publish(f"{topic}/{meaning}")
    assert stream.next().id == id


def test_the_name_of_a_parameter_may_be_encoded(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`URL, application/x-www-form-urlencoded parsing`."""
    name = "".join(f"%{ord(character):02x}" for character in hub.version.topic_parameter)
    stream = open_stream(query=f"{name}={topic}")
    id = publish(topic)
    assert stream.next().id == id


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "FOO"])
def test_other_methods_are_405_and_the_answer_names_those_that_are_not(hub: Hub, method: str) -> None:
    """`RFC 9110, 405 Method Not Allowed`."""
    answer = hub.request(method, f"{hub.path}?{encoded(hub.exactly('x'))}")
    assert answer.status == 405


@pytest.mark.choice("RFC 9110 asks for it; the reference hub does not send it")
def test_405_comes_with_the_methods_that_are_allowed(hub: Hub) -> None:
    """`RFC 9110, 405 Method Not Allowed`."""
    allowed = hub.request("DELETE").headers["Allow"]
    assert {"GET", "POST"} <= {method.strip() for method in allowed.split(",")}


@pytest.mark.choice("the specification does not name it")
def test_head_shows_the_head_of_a_stream_and_ends(hub: Hub, topic: str) -> None:
    """`RFC 9110, HEAD`."""
    answer = hub.request("HEAD", f"{hub.path}?{encoded(hub.exactly(topic))}")
    assert (answer.status, answer.content_type, answer.body) == (200, "text/event-stream", b"")


@pytest.mark.choice("the specification does not name it")
def test_head_tells_no_length_of_a_stream(hub: Hub, topic: str) -> None:
    """`RFC 9110, Content-Length`."""
    answer = hub.request("HEAD", f"{hub.path}?{encoded(hub.exactly(topic))}")
    assert "Content-Length" not in answer.headers


@pytest.mark.choice("the specification does not name it")
def test_head_refuses_what_get_refuses(hub: Hub) -> None:
    """`RFC 9110, HEAD`."""
    assert hub.request("HEAD").status == 400


@pytest.mark.choice("who may not read learns nothing of what was wrong with the question")
def test_the_token_is_looked_at_before_the_question(hub: Hub) -> None:
    """`Mercure, Subscription`."""
    assert hub.subscribe("", token="rubbish." * 10).status == 401


@pytest.mark.should
def test_a_subscription_may_not_be_without_end(hub: Hub, topic: str) -> None:
    """`Mercure, Subscription`: too many matchers, or too long ones."""
    parameter = hub.version.topic_parameter
    for query in ([(parameter, f"{topic}/{n}") for n in range(1001)],):
        assert hub.subscribe(query).status in (400, 414, 431)
