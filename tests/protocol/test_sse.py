"""Updates as the bytes of an event stream, read back by two clients that are not ours and by our own."""

from __future__ import annotations

import re
from itertools import pairwise

import httpx
import pytest
from httpx_sse import EventSource
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sseclient import SSEClient

from flask_mercure_sse.protocol.sse import COMMENT, Decoder, encode
from flask_mercure_sse.protocol.sse import Event as Decoded
from flask_mercure_sse.protocol.update import MAX_RETRY, Update

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


def decoded(chunks: list[bytes]) -> list[Event]:
    """Return what our own decoder reads, in the form of the other clients."""
    decoder = Decoder()
    events: list[Event] = []
    for chunk in chunks:
        events += [(one.type or "message", one.id, None, one.data) for one in decoder.feed(chunk)]
    return events


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
    assert decoded(chunks) == [(type, id, None, data) for type, id, _retry, data in map(as_read, published)]


# Decoding: HTML, Interpreting an event stream.


def test_events_are_decoded() -> None:
    stream = b"event: greeting\nid: 7\ndata: one\ndata: two\n\ndata:three\n\n"
    assert Decoder().feed(stream) == [Decoded("one\ntwo", "7", "greeting"), Decoded("three", "7")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_at_lf_crlf_or_cr_wherever_the_stream_is_cut(end: str) -> None:
    stream = f"id: 7{end}data: x{end}{end}id: 8{end}data: y{end}{end}id: 9{end}".encode()
    for cut in range(len(stream)):
        decoder = Decoder()
        events = decoder.feed(stream[:cut]) + decoder.feed(stream[cut:])
        assert events == [Decoded("x", "7"), Decoded("y", "8")]


def test_a_line_is_decoded_however_many_pieces_it_comes_in() -> None:
    stream = b"id: 7\ndata: " + b"x" * 300_000 + b"\n\n"
    decoder = Decoder()
    events = [event for at in range(len(stream)) for event in decoder.feed(stream[at : at + 1])]
    assert events == [Decoded("x" * 300_000, "7")]


def test_an_event_that_the_stream_does_not_end_is_none() -> None:
    assert Decoder().feed(b"id: 7\ndata: x\n") == []


def test_an_event_without_data_is_none_but_its_id_counts() -> None:
    assert Decoder().feed(b"id: 8\nevent: gone\n\ndata: x\n\n") == [Decoded("x", "8")]


def test_the_last_id_is_that_of_an_earlier_connection_until_an_event_brings_one() -> None:
    assert Decoder("7").feed(b"data: x\n\nid\ndata: y\n\n") == [Decoded("x", "7"), Decoded("y", "")]


def test_an_id_with_nul_is_ignored() -> None:
    assert Decoder("7").feed(b"id: 8\0\ndata: x\n\n") == [Decoded("x", "7")]


@pytest.mark.parametrize(
    ("line", "retry"),
    [
        ("retry: 3000", 3000),
        ("retry:0", 0),
        ("retry: " + 5000 * "9", MAX_RETRY),
        ("retry: 1.5", None),
        ("retry: -1", None),
        ("retry: ٣", None),
    ],
)
def test_the_reconnection_time_is_digits(line: str, retry: int | None) -> None:
    decoder = Decoder()
    assert decoder.feed(f"{line}\n\n".encode()) == []
    assert decoder.retry == retry


def test_one_byte_order_mark_is_stripped() -> None:
    mark = "\ufeff".encode()
    assert Decoder().feed(mark + b"data: x\n\n" + mark + b"data: y\n\n") == [Decoded("x", "")]


def test_comments_and_unknown_fields_are_passed_over() -> None:
    assert Decoder().feed(b": hello\nnonsense\ndata: x\nfoo: bar\n\n") == [Decoded("x", "")]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=20)))
def test_no_bytes_are_an_error(chunks: list[bytes]) -> None:
    decoder = Decoder()
    for chunk in chunks:
        decoder.feed(chunk)
