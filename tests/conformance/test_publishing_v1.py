"""Publishing in Mercure 1.0 (`Mercure 1.0, Publication`)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .client import Stream
from .hub import Hub
from .reserved import FREE, RELATIVE_WITH_SCHEME, RESERVED, filled

UNCLEAN = {
    "NUL": "\0",
    "tab": "\t",
    "LF": "\n",
    "CR": "\r",
    "escape": "\x1b",
    "unit separator": "\x1f",
    "delete": "\x7f",
    "the first of C1": "\x80",
    "next line": "\x85",
    "the last of C1": "\x9f",
    "soft hyphen": "\xad",
    "zero-width space": "\u200b",
    "change of direction": "\u202e",
    "byte order mark": "\ufeff",
    "language tag": "\U000e0001",
}


def test_success_is_200_in_plain_text(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Publication`."""
    answer = hub.post([("topic", topic)])
    assert answer.status == 200
    assert answer.headers["Content-Type"].lower() == "text/plain; charset=utf-8"


@pytest.mark.parametrize("text", RESERVED.values(), ids=RESERVED)
def test_nobody_publishes_in_the_hubs_reserved_namespace(hub: Hub, text: str) -> None:
    """`Mercure 1.0, Reserved Hub Namespace`: not even with the right to all topics."""
    assert hub.post([("topic", filled(hub, text))]).status == 400


@pytest.mark.parametrize("text", ["the hub", "below the hub", "nothing", "an encoded letter", "another host"])
def test_no_alternate_topic_is_reserved_either(hub: Hub, topic: str, text: str) -> None:
    """`Mercure 1.0, Reserved Hub Namespace`."""
    reserved = filled(hub, RESERVED[text])
    assert hub.post([("topic", topic), ("topic", reserved)]).status == 400


@pytest.mark.choice("the reference hub resolves against https, whatever scheme it has itself")
def test_a_topic_with_the_hubs_scheme_may_be_relative_all_the_same(hub: Hub) -> None:
    """`Mercure 1.0, Reserved Hub Namespace`; `URL, scheme state`."""
    assert hub.post([("topic", filled(hub, RELATIVE_WITH_SCHEME))]).status == 400


@pytest.mark.parametrize("text", FREE.values(), ids=FREE)
def test_what_only_looks_reserved_is_free(hub: Hub, text: str) -> None:
    """`Mercure 1.0, Reserved Hub Namespace`."""
    assert hub.post([("topic", filled(hub, text))]).status == 200


def test_presence_cannot_be_forged(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 1.0, Security Considerations`: neither its topic nor its type is for publishers."""
    forged = f"{hub.api}/exact/{topic[-32:]}/urn%3Auuid%3A1"
    stream = open_stream(topic, forged, token=hub.subscriber_token("*"))
    for fields in (
        [("topic", forged)],
        [("topic", topic), ("topic", forged)],
        [("topic", topic), ("type", "mercure")],
    ):
        assert hub.post([*fields, ("private", "on")]).status == 400
    assert stream.until(publish(topic)) == []


def test_a_topic_cannot_be_a_star(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Publication`."""
    assert hub.post([("topic", "*")]).status == 400
    assert hub.post([("topic", topic), ("topic", "*")]).status == 400


@pytest.mark.choice("the reference hub looks at the grant first, and answers 403")
@pytest.mark.parametrize("bad", ["*", "", "/.well-known/mercure"])
def test_a_topic_that_nobody_may_use_is_400_whatever_the_token(hub: Hub, topic: str, bad: str) -> None:
    """`Mercure 1.0, Publication` and `Reserved Hub Namespace`."""
    bad = hub.path if bad.startswith("/") else bad
    assert hub.post([("topic", bad)], token=hub.publisher_token(topic)).status == 400


def test_the_type_mercure_is_the_hubs_alone(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Publication`."""
    assert hub.post([("topic", topic), ("type", "mercure")]).status == 400
    assert hub.post([("topic", topic), ("type", "Mercure")]).status == 200


@pytest.mark.parametrize("id", ["#", "#1", "#/x", "earliest"])
def test_ids_that_are_the_hubs_alone_are_refused(hub: Hub, topic: str, id: str) -> None:
    """`Mercure 1.0, Publication`."""
    assert hub.post([("topic", topic), ("id", id)]).status == 400


@pytest.mark.parametrize("id", ["Earliest", "earliest1", "x#1", "/x", "1", "é"])
def test_other_ids_are_taken(hub: Hub, topic: str, id: str) -> None:
    """`Mercure 1.0, Publication`."""
    assert hub.post([("topic", topic), ("id", id)]).status == 200


@pytest.mark.parametrize("field", ["topic", "id", "type"])
@pytest.mark.parametrize("character", UNCLEAN.values(), ids=UNCLEAN)
def test_text_that_is_not_clean_is_refused(hub: Hub, topic: str, field: str, character: str) -> None:
    """`Mercure 1.0, Terminology`."""
    assert hub.post([("topic", topic), (field, f"{topic}/a{character}b")]).status == 400
    assert hub.post([("topic", topic), (field, f"{topic}/a{character}")]).status == 400


@pytest.mark.parametrize("field", ["topic", "id", "type", "data"])
@pytest.mark.parametrize("raw", ["%FF", "%C3", "%C0%AF", "%ED%A0%80", "%F5%80%80%80"])
def test_text_that_is_not_utf_8_is_refused(hub: Hub, topic: str, field: str, raw: str) -> None:
    """`Mercure 1.0, Publication`."""
    assert hub.post(f"topic={topic}&{field}={topic}/a{raw}").status == 400


def test_an_alternate_topic_is_checked_like_the_first(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Publication`."""
    for bad in ("a\nb", "\u200b", "\x7f"):
        assert hub.post([("topic", topic), ("topic", bad)]).status == 400


def test_data_may_hold_what_other_fields_may_not(
    topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 1.0, Publication`: it is opaque."""
    stream = open_stream(topic)
    data = "".join(set(UNCLEAN.values()) - {"\r"})
    publish(topic, data=data)
    assert stream.next().data == data


@pytest.mark.should
@pytest.mark.choice("the reference hub answers 400")
def test_too_many_topics_are_413(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Publication`."""
    assert hub.post([("topic", f"{topic}/{number}") for number in range(1001)]).status == 413
