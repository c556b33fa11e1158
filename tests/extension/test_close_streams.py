"""Ending the streams of a user who has logged out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_mercure_sse import ConfigurationError, MercureSSE

HUB = "/.well-known/mercure"


class Reader:
    """Reads a stream as a server does, and closes it at its end."""

    def __init__(self, response: TestResponse) -> None:
        self._response = response
        self._pieces = response.iter_encoded()

    def next(self) -> bytes:
        return next(self._pieces)

    def rest(self) -> list[bytes]:
        rest = list(self._pieces)
        self.close()
        return rest

    def close(self) -> None:
        self._response.close()


Open = Callable[..., Reader]


@pytest.fixture
def open_stream(app: Flask, mercure: MercureSSE) -> Iterator[Open]:
    """Open a stream of the embedded hub, as a server reads it: ``open_stream(user=7)``."""
    readers: list[Reader] = []

    def open_it(**payload: object) -> Reader:
        token = mercure.create_subscription_jwt("/a", payload)
        headers = {"Authorization": f"Bearer {token}"} if payload else {}
        readers.append(Reader(app.test_client().get(f"{HUB}?topic=/a", headers=headers, buffered=False)))
        readers[-1].next()
        return readers[-1]

    yield open_it
    for reader in readers:
        reader.close()


def test_the_streams_of_one_user_end_and_those_of_others_go_on(
    mercure: MercureSSE, open_stream: Open
) -> None:
    own, second, other, stranger = (
        open_stream(user=7, tab=1),
        open_stream(user=7, tab=2),
        open_stream(user=8),
        open_stream(),
    )
    assert mercure.close_streams(user=7) == 2
    for ended in (own, second):
        assert ended.rest() == []
    mercure.publish("/a", "x")
    assert b"data: x" in other.next()
    assert b"data: x" in stranger.next()
    assert mercure.count("/a") == 2


def test_nobody_is_closed_twice(mercure: MercureSSE, open_stream: Open) -> None:
    stream = open_stream(user=7)
    mercure.close_streams(user=7)
    assert stream.rest() == []
    assert mercure.close_streams(user=7) == 0


def test_nothing_to_look_for_is_an_error(mercure: MercureSSE) -> None:
    with pytest.raises(ConfigurationError, match="give what the payload"):
        mercure.close_streams()


def test_an_external_hub_has_no_way(app: Flask) -> None:
    mercure = MercureSSE(app, "http://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="only the embedded hub can"):
        mercure.close_streams(user=7)
