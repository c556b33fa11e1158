"""Bodies of requests, as they arrive."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_mercure_sse.server.bodies import MAX_LINE, Body, ChunkedBody, SizedBody
from flask_mercure_sse.server.heads import Refused

MAX_SIZE = 1000


def fed(body: Body, sent: bytes, cuts: list[int]) -> tuple[bytes, bytes] | None:
    """Feed a body piece by piece; return it and what follows it, None where it never is whole."""
    edges = sorted({0, len(sent), *(cut % (len(sent) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        rest = body.feed(sent[start:end])
        if rest is not None:
            return body.content(), rest + sent[end:]
    return None


def in_chunks(chunks: list[bytes], extension: str = "", trailers: str = "") -> bytes:
    encoded = [f"{len(chunk):x}{extension}\r\n".encode() + chunk + b"\r\n" for chunk in chunks]
    return b"".join(encoded) + f"0{extension}\r\n{trailers}\r\n".encode()


CUTS = st.lists(st.integers(0, 2000), max_size=30)


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=200), st.binary(max_size=20), CUTS)
def test_sized_body_ends_where_its_length_says(content: bytes, behind: bytes, cuts: list[int]) -> None:
    """RFC 9112, Content-Length: however it is cut on its way."""
    assert fed(SizedBody(len(content)), content + behind, cuts) == (content, behind)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=50), max_size=10),
    st.sampled_from(["", ";ext=1", " ", "\t;a"]),
    st.sampled_from(["", "X: y\r\n", "X: y\r\nZ: 1\r\n"]),
    st.binary(max_size=20),
    CUTS,
)
def test_chunks_are_joined_and_what_follows_them_is_kept(
    chunks: list[bytes], extension: str, trailers: str, behind: bytes, cuts: list[int]
) -> None:
    """RFC 9112, Chunked Transfer Coding: however they are cut on their way."""
    sent = in_chunks(chunks, extension, trailers)
    assert fed(ChunkedBody(MAX_SIZE), sent + behind, cuts) == (b"".join(chunks), behind)


@pytest.mark.parametrize(
    "bad",
    [
        b"x\r\na\r\n0\r\n\r\n",
        b"\r\n\r\n",
        b"-1\r\n",
        b"+1\r\na\r\n",
        b"0x1\r\na\r\n",
        b"1_0\r\n",
        b" 1\r\na\r\n",
        b"fffffffff\r\n",
        b"1\na\r\n",
        b"1\r\nab\r\n",
        b"1\r\na\n",
        b"1;a\rb\r\na\r\n",
        b"1;\0\r\na\r\n",
        b"0\r\n\n",
        b"1" + b";" * MAX_LINE,
    ],
)
def test_framing_that_servers_read_in_several_ways_is_refused(bad: bytes) -> None:
    """RFC 9112, Request Smuggling."""
    with pytest.raises(Refused) as refused:
        fed(ChunkedBody(MAX_SIZE), bad, [])
    assert refused.value.status == 400


def test_chunks_have_a_largest_size_together() -> None:
    """RFC 9110, 413 Content Too Large."""
    assert fed(ChunkedBody(10), in_chunks([b"x" * 5, b"y" * 5]), []) == (b"xxxxxyyyyy", b"")
    with pytest.raises(Refused) as refused:
        fed(ChunkedBody(10), in_chunks([b"x" * 5, b"y" * 6]), [])
    assert refused.value.status == 413


def test_framing_may_not_outgrow_what_it_frames() -> None:
    """RFC 9112, Chunked Transfer Coding: a chunk for each byte costs the reader much and the sender little."""
    with pytest.raises(Refused, match="framing"):
        fed(ChunkedBody(10**6), in_chunks([b"x"] * 20_000), [])
    assert fed(ChunkedBody(10**6), in_chunks([b"x" * 10] * 20_000), [])


@pytest.mark.parametrize("body", [SizedBody(300_001), ChunkedBody(10**6)])
def test_body_in_small_pieces_takes_little_memory(body: Body) -> None:
    """RFC 9112, Message Body Length: whoever sends it so must not fill the hub's memory."""
    piece = b"3\r\nabc\r\n" if isinstance(body, ChunkedBody) else b"abc"
    tracemalloc.start()
    for _ in range(50_000):
        assert body.feed(bytes(bytearray(piece))) is None
    taken, _most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 500_000
