"""Heads of requests: what is read as one, and what is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_mercure_sse.server.heads import MAX_HEADERS, HeadReader, Refused, parse_head


def head(*lines: str, start: str = "GET / HTTP/1.1") -> bytes:
    return "\r\n".join([start, "Host: hub", *lines, "", ""]).encode("latin-1")


@pytest.mark.parametrize("method", ["GET", "POST", "QUERY", "FOO", "CONNECT", "get"])
def test_method_is_whatever_was_sent(method: str) -> None:
    """RFC 9110, Methods: which there are is not the parser's to decide."""
    parsed = parse_head(head(start=f"{method} /a?b=%20c HTTP/1.1"))
    assert (parsed.method, parsed.target) == (method, "/a?b=%20c")


def test_headers_are_joined_by_their_names() -> None:
    """RFC 9110, Field Lines and Combined Field Value; RFC 6265, The Cookie Header Field."""
    headers = parse_head(head("X: a", "x: b", "Cookie: a=1", "Cookie: b=2")).headers
    assert (headers["x"], headers["cookie"]) == ("a, b", "a=1; b=2")


@pytest.mark.parametrize(
    "bad",
    [
        b"GET / HTTP/1.1\nHost: hub\n\n",
        b"GET / HTTP/1.1\r\nHost: hub\nX: y\r\n\r\n",
        head("X: a\r\n b"),
        head("X: a\r\n\tb"),
        head("X: a\0b"),
        head("X : a"),
        head("Content-Length: 1", "Transfer-Encoding: chunked"),
        head("Content-Length: 1", "Content-Length: 1"),
        head("Content-Length: 1", "Content-Length: 2"),
        head("Content-Length: +1"),
        head("Content-Length: 1, 1"),
        head("Content-Length: -1"),
        head("Transfer-Encoding: gzip"),
        head("Transfer-Encoding: gzip, chunked"),
        head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        head("Transfer-Encoding: xchunked"),
        head("Host: other"),
        b"GET / HTTP/1.1\r\nX: y\r\n\r\n",
        b"GET /\r\n\r\n",
        b"\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: hub\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\nHost: hub\r\n\r\n",
        head(start="GET  / HTTP/1.1"),
        head(start="GET /  HTTP/1.1"),
        head(start="GET /\t HTTP/1.1"),
        head(start=" GET / HTTP/1.1"),
        head(start="GET /a#b HTTP/1.1"),
        head(start="GET http://user@hub/ HTTP/1.1"),
        head(start="GET / HTTP/2.0"),
        head(start="GET / HTTP/0.9"),
        head(start="GET / http/1.1"),
        head("Transfer-Encoding: chunked", start="GET / HTTP/1.0"),
        head("Transfer-Encoding:\x0bchunked"),
    ],
)
def test_what_servers_read_in_several_ways_is_refused(bad: bytes) -> None:
    """RFC 9112, Request Smuggling."""
    with pytest.raises(Refused) as refused:
        parse_head(bad)
    assert refused.value.status in (400, 505)


def test_expectation_that_is_not_known_is_refused() -> None:
    """RFC 9110, Expect."""
    with pytest.raises(Refused) as refused:
        parse_head(head("Expect: more"))
    assert refused.value.status == 417


def test_headers_have_a_largest_number() -> None:
    """RFC 6585, 431 Request Header Fields Too Large."""
    with pytest.raises(Refused) as refused:
        parse_head(head(*[f"X-{number}: y" for number in range(MAX_HEADERS)]))
    assert refused.value.status == 431


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_are_an_error_of_the_server(junk: bytes) -> None:
    """RFC 9112: they are a head, or refused."""
    for sent in (junk + b"\r\n\r\n", head() + junk, head().replace(b"hub", junk)):
        with suppress(Refused):
            parse_head(sent)


def test_offer_of_another_protocol_is_declined_by_silence() -> None:
    """RFC 9110, Upgrade: Java's client offers HTTP/2 with its first request, whatever that is."""
    offer = [
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAEAA",
        "Content-Length: 3",
    ]
    parsed = parse_head(head(*offer, start="POST / HTTP/1.1"))
    assert (parsed.length, parsed.keeps_alive, parsed.headers["upgrade"]) == (3, True, "h2c")


@pytest.mark.parametrize(
    ("version", "connection", "stays"),
    [
        ("1.1", None, True),
        ("1.1", "close", False),
        ("1.1", "x, Close", False),
        ("1.0", None, False),
        ("1.0", "Keep-Alive", True),
    ],
)
def test_connection_stays_as_the_client_asks(version: str, connection: str | None, stays: bool) -> None:
    """RFC 9112, Persistence."""
    lines = [] if connection is None else [f"Connection: {connection}"]
    assert parse_head(head(*lines, start=f"GET / HTTP/{version}")).keeps_alive == stays


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(["0", "7", "12", "007", "+1", "1 ", "1,1", "", "9" * 16]), min_size=1), st.data()
)
def test_remembered_head_is_read_as_it_would_be_anew(lengths: list[str], data: st.DataObject) -> None:
    """RFC 9112, Content-Length: whatever was read before."""
    reader = HeadReader()
    for length in lengths:
        others = data.draw(
            st.sampled_from([[], ["X: y"], ["content-length: 7"], ["Transfer-Encoding: chunked"]])
        )
        sent = head(*others, f"Content-Length: {length}", start="POST / HTTP/1.1")
        try:
            expected = parse_head(sent)
        except Refused:
            with pytest.raises(Refused):
                reader.read(sent)
        else:
            assert reader.read(sent) == expected
