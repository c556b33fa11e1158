"""Updates as the bytes of an event stream, read back by two clients that are not ours."""

from __future__ import annotations

import re
from itertools import pairwise

import httpx
import pytest
from httpx_sse import EventSource
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sseclient import SSEClient

from flask_mercure_sse.protocol.sse import COMMENT, encode
from flask_mercure_sse.protocol.update import Update

from .strategies import updates


def encoded(data: str = "", **fields: object) -> bytes:
    return encode(Update(("/books/1",), data=data, id="7", **fields))  # type: ignore[arg-type]


def test_fields_come_in_one_order() -> None:
    """Mercure 0.x, Publication."""
    assert encoded("hi", type="greeting", retry=3000) == b"event: greeting\nretry: 3000\nid: 7\ndata: hi\n\n"


def test_every_event_has_an_id() -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    assert encoded("hi") == b"id: 7\ndata: hi\n\n"


def test_retry_of_zero_is_not_sent() -> None:
    """Mercure 0.x, Publication: it would make clients reconnect in a tight loop."""
    assert encoded("hi", retry=0) == encoded("hi")


def test_topics_and_privacy_are_not_told() -> None:
    """Mercure 0.x, Publication."""
    update = Update(("/secret/topic", "/secret/alternate"), data="hi", private=True, id="7")
    assert encode(update) == encoded("hi")


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ("one\ntwo", "data: one\ndata: two\n"),
        ("one\r\ntwo", "data: one\ndata: two\n"),
        ("one\rtwo", "data: one\ndata: two\n"),
        ("one\n\rtwo", "data: one\ndata: \ndata: two\n"),
        ("one\r\r\ntwo", "data: one\ndata: \ndata: two\n"),
        ("\n", "data: \ndata: \n"),
        ("final\n", "data: final\ndata: \n"),
        ("final\r", "data: final\ndata: \n"),
        ("", "data: \n"),
        (" one space", "data:  one space\n"),
        ("\tone tab", "data: \tone tab\n"),
        (":colon", "data: :colon\n"),
        ("data: nested", "data: data: nested\n"),
        ("\nid: x\nevent: y", "data: \ndata: id: x\ndata: event: y\n"),
        ("\ufeffmark", "data: \ufeffmark\n"),
        ("nul\0", "data: nul\0\n"),
    ],
)
def test_each_line_of_the_data_gets_a_data_line(data: str, lines: str) -> None:
    """Mercure 0.x, Publication; HTML, Parsing an event stream."""
    assert encoded(data) == f"id: 7\n{lines}\n".encode()


@pytest.mark.parametrize("no_break", ["\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"])
def test_nothing_else_ends_a_line(no_break: str) -> None:
    """HTML, Parsing an event stream: only CRLF, CR and LF do."""
    assert encoded(f"one{no_break}two") == f"id: 7\ndata: one{no_break}two\n\n".encode()


def test_a_line_may_be_long() -> None:
    """Mercure 0.x, Publication."""
    line = "x" * 1_000_000
    assert encoded(line) == f"id: 7\ndata: {line}\n\n".encode()


def test_a_comment_is_no_event() -> None:
    """HTML, Parsing an event stream."""
    assert read_by_sseclient([COMMENT, encoded("hi"), COMMENT]) == [("message", "7", None, "hi")]
    assert read_by_httpx_sse([COMMENT, encoded("hi"), COMMENT]) == [("message", "7", None, "hi")]


Event = tuple[str, str, int | None, str]


def read_by_sseclient(chunks: list[bytes]) -> list[Event]:
    events = SSEClient(iter(chunks)).events()
    return [(one.event, one.id, one.retry and int(one.retry), one.data) for one in events]


def read_by_httpx_sse(chunks: list[bytes]) -> list[Event]:
    stream = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=iter(chunks))
    return [(one.event, one.id, one.retry, one.data) for one in EventSource(stream).iter_sse()]


def as_read(update: Update) -> Event:
    data = re.sub("\r\n|\r", "\n", update.data)
    return update.type or "message", update.id, update.retry or None, data


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Update], list[bytes]]:
    """Updates, and the bytes of their stream cut at any place."""
    published = draw(st.lists(updates(), max_size=4))
    stream = b"".join([COMMENT, *map(encode, published)])
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    bounds = [0, *cuts, len(stream)]
    return published, [stream[start:end] for start, end in pairwise(bounds)]


@settings(max_examples=60, deadline=None)
@given(streams())
@example(([Update(("/a",), data="\r\n\r\n", id="1")], [encode(Update(("/a",), data="\r\n\r\n", id="1"))]))
def test_any_update_arrives_as_it_was_published(stream: tuple[list[Update], list[bytes]]) -> None:
    """HTML, Parsing an event stream: only line breaks become LF."""
    published, chunks = stream
    assert read_by_sseclient(chunks) == list(map(as_read, published))
    assert read_by_httpx_sse(chunks) == list(map(as_read, published))
