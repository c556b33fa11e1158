"""Bodies that end where they should not: an update is published whole or not at all."""

from __future__ import annotations

import io
from typing import Any

import pytest
from werkzeug.test import TestResponse

from .target import FORM, HUB, SPOKEN, Target

LIMIT = 1024 * 1024

CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
"""A body whose end the server tells, as gevent, gunicorn and Werkzeug do."""


def send(target: Target, body: Any, **environ: Any) -> TestResponse:
    content = io.BytesIO(body.encode()) if isinstance(body, str) else body
    return target.request(
        "POST",
        HUB,
        token=target.publisher_token(),
        content_type=FORM,
        environ_overrides={"wsgi.input": content, **environ},
    )


def test_a_body_without_a_length_is_read_to_its_end(target: Target) -> None:
    """RFC 9112, Message Body Length: or the other tests here would show nothing."""
    reader = target.follow("/a")
    data = "x" * (LIMIT - 100)
    assert send(target, f"topic=/a&data={data}&type=t", **CHUNKED).status_code == 200
    [event] = reader.events()
    assert (event.event, event.data) == ("t", data)


@pytest.mark.parametrize("spoken", SPOKEN, ids="-".join)
def test_a_private_update_is_not_public_because_its_body_is_too_large(spoken: tuple[str, str]) -> None:
    """Mercure 1.0, Publication: what says that it is private may stand behind the data."""
    target = Target(*spoken)
    stranger = target.follow("/a")
    answer = send(target, f"topic=/a&data={'x' * LIMIT}&private=on", **CHUNKED)
    assert stranger.bytes() == b""
    assert answer.status_code == 413


@pytest.mark.parametrize("spoken", SPOKEN, ids="-".join)
def test_a_private_update_is_not_public_because_its_body_was_cut(spoken: tuple[str, str]) -> None:
    """RFC 9112, Incomplete Messages: gunicorn tells the end of a connection as the end of a body."""
    target = Target(*spoken)
    stranger = target.follow("/a")
    whole = "topic=/a&data=secret&private=on"
    answer = send(target, whole[:20], CONTENT_LENGTH=str(len(whole)), **{"wsgi.input_terminated": True})
    assert stranger.bytes() == b""
    assert answer.status_code == 400


@pytest.mark.parametrize("cut", range(0, 30, 3))
def test_a_body_that_was_cut_is_refused(target: Target, cut: int) -> None:
    """RFC 9112, Incomplete Messages."""
    reader = target.follow("*")
    whole = "topic=/a&data=x&private=on&id=1"
    assert send(target, whole[:cut], CONTENT_LENGTH=str(len(whole))).status_code == 400
    assert reader.bytes() == b""


@pytest.mark.parametrize("error", [OSError, ValueError, ConnectionResetError], ids=lambda one: one.__name__)
def test_a_body_that_the_server_cannot_read_is_refused(target: Target, error: type[Exception]) -> None:
    """RFC 9112, Chunked Transfer Coding: what servers raise for a bad frame."""

    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            raise error("bad frame")

    for environ in (CHUNKED, {"CONTENT_LENGTH": "100"}):
        assert send(target, Broken(), **environ).status_code == 400


class Piecemeal(io.RawIOBase):
    """A body that comes byte by byte, as from a slow client."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._content.readinto(memoryview(buffer)[:1])


def test_a_body_that_comes_in_pieces_is_read_to_its_end(target: Target) -> None:
    """Mercure 1.0, Publication: a short read is no end, or what follows would be lost."""
    whole = b"topic=/a&data=secret&private=on"
    stranger = target.follow("/a")
    for environ in (CHUNKED, {"CONTENT_LENGTH": str(len(whole))}):
        assert send(target, Piecemeal(whole), **environ).status_code == 200
    assert stranger.bytes() == b""


class Endless:
    """A body without end that counts what was read of it."""

    given = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0
        self.given += size
        return b"a" * size


@pytest.mark.parametrize("environ", [CHUNKED, {"CONTENT_LENGTH": str(10 * LIMIT)}], ids=["chunked", "length"])
def test_a_body_without_end_is_not_read_for_ever(target: Target, environ: dict[str, Any]) -> None:
    """Mercure 1.0, Publication."""
    endless = Endless()
    assert send(target, endless, **environ).status_code in (400, 413)
    assert endless.given <= 2 * LIMIT


def test_a_length_beyond_the_limit_is_refused_unread(target: Target) -> None:
    """Mercure 1.0, Publication."""
    endless = Endless()
    assert send(target, endless, CONTENT_LENGTH=str(LIMIT + 1)).status_code == 413
    assert endless.given == 0


LENGTHS = ["-1", "1_0", "+5", "٣", "0x10", "1e3", "9" * 5000, "5,5", "", " ", "NaN"]


@pytest.mark.parametrize("length", LENGTHS, ids=lambda length: length[:10])
def test_a_length_that_is_no_number_publishes_nothing(target: Target, length: str) -> None:
    """RFC 9110, Content-Length."""
    reader = target.follow("*")
    encoded = length.encode().decode("latin-1")
    assert send(target, "topic=/a", CONTENT_LENGTH=encoded).status_code in (400, 413)
    assert reader.bytes() == b""


FORMS = [
    *(
        "",
        "text/plain",
        "application/json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded2",
    ),
    *("application/x-www-form-urlencoded, text/plain", "x", ";", "application/x-www-form-urlencoded/x"),
]


@pytest.mark.parametrize("content_type", FORMS)
def test_a_body_of_another_type_publishes_nothing(target: Target, content_type: str) -> None:
    """Mercure 1.0, Publication: among them what pages of other sites send without a preflight."""
    reader = target.follow("*")
    answer = target.request(
        "POST", HUB, token=target.publisher_token(), data=b"topic=/a", content_type=content_type
    )
    assert answer.status_code == 400
    assert reader.bytes() == b""
