"""A small HTTP client that sends exactly what it is told: raw targets, repeated headers, any method."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import quote, urlsplit

from .reader import Event, Reader

PATIENCE = 10.0
"""Seconds that a test waits for what must come."""

_NOTHING = f"nothing came within {PATIENCE:.0f} s"

FORM = "application/x-www-form-urlencoded"

Pairs = Iterable[tuple[str, str | bytes]]
Headers = Sequence[tuple[str, str | bytes]]


def encoded(pairs: Pairs) -> str:
    """Return fields as a form: everything but unreserved characters is percent-encoded."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)


@dataclass(frozen=True)
class Answer:
    """A response that has ended."""

    status: int
    headers: Message = field(repr=False)
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def content_type(self) -> str:
        return self.headers.get_content_type()

    @property
    def challenge(self) -> Challenge | None:
        """What the response says about tokens, None where it says nothing."""
        value = self.headers.get("WWW-Authenticate")
        return None if value is None else Challenge.parse(value)


@dataclass(frozen=True)
class Challenge:
    """A ``WWW-Authenticate`` header with one challenge (`RFC 6750, The WWW-Authenticate Response Header`)."""

    scheme: str
    parameters: dict[str, str]

    @classmethod
    def parse(cls, value: str) -> Challenge:
        scheme, _space, rest = value.partition(" ")
        parameters: dict[str, str] = {}
        for part in filter(None, rest.split(", ")):
            name, equals, quoted = part.partition("=")
            assert (equals, quoted[:1], quoted[-1:]) == ("=", '"', '"'), f"not a list of parameters: {value}"
            parameters[name] = quoted[1:-1]
        return cls(scheme, parameters)


def _send(
    origin: str, method: str, target: str, headers: Headers, body: bytes | None
) -> tuple[socket.socket, http.client.HTTPResponse]:
    """Send a request; return its socket, and its response as soon as the head is there."""
    parts = urlsplit(origin)
    secure = parts.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = connect(parts.hostname or "", parts.port, timeout=PATIENCE)
    has_host = any(name.lower() == "host" for name, _value in headers)
    connection.putrequest(method, target, skip_host=has_host, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    # A hub may answer before it has read a body that is too large.
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.endheaders(body)
    connected = connection.sock
    try:
        return connected, connection.getresponse()
    except BaseException:
        connected.close()
        raise


def request(
    origin: str, method: str, target: str, headers: Headers = (), body: bytes | None = None
) -> Answer:
    """Send a request and read its response to the end."""
    connected, response = _send(origin, method, target, headers, body)
    with connected, response:
        return Answer(response.status, response.headers, response.read())


class Stream:
    """An open event stream, read when the test asks for what comes next."""

    def __init__(
        self, origin: str, method: str, target: str, headers: Headers = (), body: bytes | None = None
    ) -> None:
        self._socket, self._response = _send(origin, method, target, headers, body)
        self.status = self._response.status
        self.headers = self._response.headers
        self._reader = Reader()
        self._events: list[Event] = []
        self._ended = False

    @property
    def is_open(self) -> bool:
        return self.status == 200 and self.headers.get_content_type() == "text/event-stream"

    @property
    def comments(self) -> int:
        return self._reader.comments

    def answer(self) -> Answer:
        """Return the response as one that has ended; of an open stream only its head."""
        return Answer(self.status, self.headers, b"" if self.is_open else self._response.read())

    def wait_for_comment(self) -> None:
        """Wait until the hub has said something that is no event."""
        self._read_until(lambda: self.comments > 0)

    def next(self) -> Event:
        """Return the next event; fail where none comes."""
        self._read_until(lambda: bool(self._events))
        return self._events.pop(0)

    def wait_for(self, wanted: Callable[[Event], bool]) -> Event:
        """Return the next event that is wanted, and skip the others."""
        while True:
            if wanted(event := self.next()):
                return event

    def until(self, id: str) -> list[Event]:
        """Return the events before the one with this id."""
        before: list[Event] = []
        while (event := self.next()).id != id:
            before.append(event)
        return before

    def wait_for_end(self) -> None:
        """Wait until the hub ends the stream."""
        self._read_until(lambda: self._ended)

    def _read_until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not done():
            assert not self._ended, "the stream ended"
            # Comments come all the time, so that the time of one reading says nothing.
            assert time.monotonic() < deadline, _NOTHING
            self._read()

    def _read(self) -> None:
        try:
            received = self._response.read1(65536)
        except TimeoutError:
            raise AssertionError(_NOTHING) from None
        except (http.client.HTTPException, ConnectionError):
            received = b""
        self._ended = not received
        self._events += self._reader.feed(received)

    def close(self) -> None:
        """Leave without a word, as a closed tab does."""
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._response.close()
        self._socket.close()
