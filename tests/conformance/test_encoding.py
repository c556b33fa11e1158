"""The bytes of an event (`Mercure, Publication`; `Mercure, Server-Sent Events Field Injection`)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .client import Stream

TEXTS = {
    "one line": "text",
    "two lines": "one\ntwo",
    "only a line end": "\n",
    "a final line end": "one\n",
    "empty lines between": "one\n\n\ntwo",
    "leading spaces": "  two\n three\n\tfour",
    "trailing spaces": "one  ",
    "a colon first": ":not a comment",
    "what looks like fields": "id: 1\nevent: x\nretry: 1\ndata: y\n\ndata: z",
    "a line separator": "one\u2028two",
    "a paragraph separator": "one\u2029two",
    "vertical tab and form feed": "one\x0btwo\x0cthree",
    "file, group and record separators": "one\x1ctwo\x1dthree\x1efour",
    "next line": "one\x85two",
    "a byte order mark": "\ufeffone\n\ufefftwo",
    "NUL": "one\0two",
    "other planes": "één 二 😀 𝄞",
    "invisible characters": "a\u200bb\u202ec",
    "JSON": '{"a": "b\\n", "c": [1, 2]}',
    "percent signs": "%0A%0D+%",
}


@pytest.mark.parametrize("data", TEXTS.values(), ids=TEXTS)
def test_data_arrives_as_it_was_sent(
    topic: str, data: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Publication`: data is opaque."""
    stream = open_stream(topic)
    id = publish(topic, data=data)
    event = stream.next()
    assert (event.id, event.type, event.retry, event.data) == (id, "message", None, data)


@pytest.mark.parametrize("data", TEXTS.values(), ids=TEXTS)
def test_each_line_of_data_is_one_data_field(
    topic: str, data: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Publication`: a line ends at CR LF, CR or LF and at nothing else."""
    stream = open_stream(topic)
    publish(topic, data=data)
    expected = [line.encode() for line in data.split("\n")]
    sent = [line.removeprefix(b"data:").removeprefix(b" ") for line in stream.next().data_lines]
    assert sent == expected


@pytest.mark.parametrize("line_end", ["\r", "\n", "\r\n"], ids=["CR", "LF", "CRLF"])
def test_every_kind_of_line_end_ends_a_line(
    topic: str, line_end: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Publication`."""
    stream = open_stream(topic)
    publish(topic, data=f"one{line_end}two{line_end}{line_end}four")
    assert stream.next().data == "one\ntwo\n\nfour"


def test_mixed_line_ends_are_read_from_left_to_right(
    topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Publication`."""
    stream = open_stream(topic)
    publish(topic, data="a\r\rb\n\rc\r\n\nd")
    assert stream.next().data == "a\n\nb\n\nc\n\nd"


@pytest.mark.parametrize("line_end", ["\r", "\n", "\r\n"], ids=["CR", "LF", "CRLF"])
def test_data_cannot_forge_another_event(
    topic: str, line_end: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Server-Sent Events Field Injection`."""
    stream = open_stream(topic)
    forgery = line_end.join(["x", "", "id: forged", "event: forged", "data: forged", "", ""])
    ids = [publish(topic, data=forgery), publish(topic)]
    forged, after = stream.next(), stream.next()
    assert [forged.id, after.id] == ids
    assert (forged.type, forged.data) == ("message", forgery.replace(line_end, "\n"))


def test_empty_data_has_its_line_or_browsers_drop_the_event(
    topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`HTML, Parsing an event stream`."""
    stream = open_stream(topic)
    publish(topic, data="")
    assert len(stream.next().data_lines) == 1


def test_ids_and_types_hold_any_printable_text(
    topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Publication`: clean text."""
    stream = open_stream(topic)
    id = publish(topic, id=f"{topic}/é 😀: %0A", type="naïve: 二")
    event = stream.next()
    assert (event.id, event.type) == (id, "naïve: 二")


@pytest.mark.choice("the reader takes one space away, and lines without any are legal")
def test_a_space_follows_the_colon_so_that_leading_spaces_stay(
    topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`HTML, Interpreting an event stream`."""
    stream = open_stream(topic)
    publish(topic, data="x\n  y")
    assert stream.next().data_lines == (b"data: x", b"data:   y")


def test_every_subscriber_gets_the_same_order(
    topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`: one sequence for the hub."""
    streams = [open_stream(topic), open_stream("*")]
    ids = [publish(topic, data=str(number)) for number in range(20)]
    for stream in streams:
        assert [event.id for event in (stream.until(ids[-1]))][-19:] == ids[:-1]
