"""Publishing as both versions have it: the fields, the answer, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from .client import FORM, Stream, encoded
from .hub import Hub, bearer

LINE_BREAKERS = {"CR": "\r", "LF": "\n", "CRLF": "\r\n", "NUL": "\0"}


def test_success_is_answered_with_the_id_alone(hub: Hub, topic: str) -> None:
    """`Mercure, Publication`."""
    answer = hub.post([("topic", topic), ("data", "x"), ("id", f"{topic}#1")])
    assert (answer.status, answer.text) == (200, f"{topic}#1")


def test_the_answer_is_plain_text_in_utf_8(hub: Hub, topic: str) -> None:
    """`Mercure, Publication`."""
    headers = hub.post([("topic", topic)]).headers
    assert headers.get_content_type() == "text/plain"
    assert (headers.get_content_charset() or "").lower() == "utf-8"


def test_every_field_arrives(hub: Hub, topic: str, open_stream: Callable[..., Stream]) -> None:
    """`Mercure, Publication`."""
    stream = open_stream(topic)
    fields = [("topic", topic), ("data", "some text"), ("type", "greeting"), ("retry", "1234"), ("id", topic)]
    id = hub.post(fields).text
    event = stream.next()
    assert (event.id, event.type, event.data, event.retry) == (id, "greeting", "some text", 1234)


def test_an_update_without_an_id_gets_one_of_its_own(
    topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Publication`; `Reconnection, State Reconciliation, and Event Sourcing`."""
    stream = open_stream(topic)
    first, second = publish(topic), publish(topic)
    assert first != second
    assert [stream.next().id, stream.next().id] == [first, second]


def test_a_made_id_is_an_iri_or_a_fragment(topic: str, publish: Callable[..., str]) -> None:
    """`Mercure, Publication`."""
    assert re.match(r"#.|[A-Za-z][A-Za-z0-9+.-]*:.", publish(topic))


@pytest.mark.choice("an empty field is as none")
def test_an_empty_id_is_as_none(topic: str, publish: Callable[..., str]) -> None:
    """`Mercure, Publication`."""
    assert publish(topic, id="")


def test_no_data_is_empty_data(
    topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Publication`."""
    stream = open_stream(topic)
    id = publish(topic)
    event = stream.next()
    assert (event.id, event.data, event.type) == (id, "", "message")


def test_each_topic_of_an_update_reaches_its_subscribers(
    topic: str, other_topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Publication`: the first topic is canonical, the others are alternates."""
    streams = [open_stream(topic), open_stream(other_topic)]
    id = publish(topic, other_topic)
    assert [stream.next().id for stream in streams] == [id, id]


def test_an_update_arrives_once_however_many_of_its_topics_match(
    topic: str, other_topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Subscription`."""
    stream = open_stream(topic, other_topic, "*")
    ids = [publish(topic, other_topic), publish(topic)]
    assert [stream.next().id, stream.next().id] == ids


def test_unknown_fields_are_ignored(hub: Hub, topic: str, open_stream: Callable[..., Stream]) -> None:
    """`Mercure, Publication`."""
    stream = open_stream(topic)
    answer = hub.post([("topic", topic), ("foo", "\n\0"), ("Type", "x"), ("data", "y"), ("match", "z")])
    event = stream.next()
    assert (event.id, event.type, event.data) == (answer.text, "message", "y")


@pytest.mark.choice("the specification does not say which")
def test_the_first_of_a_repeated_field_counts(
    hub: Hub, topic: str, open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Publication`."""
    stream = open_stream(topic)
    twice = [
        (name, value) for name, one in [("data", "d"), ("type", "t")] for value in (f"{one}1", f"{one}2")
    ]
    hub.post([("topic", topic), *twice])
    event = stream.next()
    assert (event.type, event.data) == ("t1", "d1")


def test_form_rules_are_those_of_the_url_standard(
    hub: Hub, topic: str, open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Publication`: a plus is a space, and order or empty pairs do not matter."""
    stream = open_stream(topic)
    hub.post(f"data=a+b%2Bc=d&&topic={topic}&")
    assert stream.next().data == "a b+c=d"


@pytest.mark.parametrize("fields", ["", "data=x", "Topic=x", "data=x&private=on&id=y"])
def test_an_update_needs_a_topic(hub: Hub, fields: str) -> None:
    """`Mercure, Publication`."""
    assert hub.post(fields).status == 400


def test_fields_are_read_from_the_body_only(hub: Hub, topic: str) -> None:
    """`Mercure, Publication`."""
    headers = [*bearer(hub.publisher_token()), ("Content-Type", FORM)]
    answer = hub.request("POST", f"{hub.path}?{encoded([('topic', topic)])}", headers, b"data=x")
    assert answer.status == 400


@pytest.mark.parametrize("type", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
def test_a_body_that_is_no_form_is_refused(hub: Hub, topic: str, type: str) -> None:
    """`Mercure, Publication`."""
    body = b'--x\r\nContent-Disposition: form-data; name="topic"\r\n\r\nx\r\n--x--\r\n'
    body = body if "multipart" in type else encoded([("topic", topic)]).encode()
    headers = [*bearer(hub.publisher_token()), ("Content-Type", type)]
    assert hub.request("POST", headers=headers, body=body).status in (400, 415)


def test_the_form_may_name_its_charset(hub: Hub, topic: str) -> None:
    """`Mercure, Publication`."""
    headers = [*bearer(hub.publisher_token()), ("Content-Type", f"{FORM}; charset=UTF-8")]
    assert hub.request("POST", headers=headers, body=encoded([("topic", topic)]).encode()).status == 200


@pytest.mark.parametrize("retry", ["+1", "-1", "1.5", " 1", "1 ", "1e3", "0x10", "1_000", "٣", "x", "1\n"])
def test_a_retry_that_is_not_digits_is_refused(hub: Hub, topic: str, retry: str) -> None:
    """`Mercure, Publication`: milliseconds in ASCII digits."""
    assert hub.post([("topic", topic), ("retry", retry)]).status == 400


@pytest.mark.choice("the specification sets no limit")
def test_a_retry_that_no_client_can_hold_is_refused(hub: Hub, topic: str) -> None:
    """`Mercure, Publication`."""
    assert hub.post([("topic", topic), ("retry", "9" * 30)]).status == 400


@pytest.mark.choice("an empty field is as none, and clients would reconnect at once with zero")
@pytest.mark.parametrize("retry", ["", "0"])
def test_a_retry_of_nothing_is_not_sent(
    topic: str, retry: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Publication`."""
    stream = open_stream(topic)
    publish(topic, retry=retry)
    assert stream.next().retry in (None, 0)


@pytest.mark.parametrize("field", ["id", "type"])
@pytest.mark.parametrize("character", LINE_BREAKERS.values(), ids=LINE_BREAKERS)
def test_an_id_or_type_that_could_forge_a_field_is_refused(
    hub: Hub,
    topic: str,
    field: str,
    character: str,
    publish: Callable[..., str],
    open_stream: Callable[..., Stream],
) -> None:
    """`Mercure, Server-Sent Events Field Injection`."""
    stream = open_stream(topic)
    assert hub.post([("topic", topic), (field, f"a{character}data: forged")]).status == 400
    assert stream.until(publish(topic)) == []


def test_refused_updates_reach_nobody(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Publication`."""
    stream = open_stream(topic)
    for bad in [("retry", "x"), ("id", "a\nb"), ("type", "a\nb")]:
        assert hub.post([("topic", topic), ("data", "refused"), bad]).status == 400
    assert stream.until(publish(topic)) == []


@pytest.mark.should
def test_a_body_above_the_limit_is_refused(hub: Hub, topic: str) -> None:
    """`Mercure, Publication`: above 1 MiB where nothing else is set."""
    assert hub.post([("topic", topic), ("data", "x" * 1_100_000)]).status == 413


def test_a_large_update_below_the_limit_arrives_whole(
    topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Publication`."""
    stream = open_stream(topic)
    data = "\n".join(f"{number} {'x' * 1000}" for number in range(900))
    publish(topic, data=data)
    assert stream.next().data == data


@pytest.mark.should
def test_many_topics_are_taken_and_too_many_refused(hub: Hub, topic: str) -> None:
    """`Mercure, Publication`: above 1000 where nothing else is set."""
    topics = [("topic", f"{topic}/{number}") for number in range(1001)]
    assert hub.post(topics[:1000]).status == 200
    assert hub.post(topics).status in (400, 413)
