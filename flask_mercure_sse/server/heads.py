"""The heads of HTTP/1.1 messages: read those of requests, write those of responses.

A request's head is read whole before anything else, so that what parsers disagree on is refused before it is
believed (`RFC 9112, Request Smuggling`). The grammar is httptools' work.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import httptools

from .exchange import Response

MAX_HEADERS = 100

_METHOD_CHARACTERS = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MAX_METHOD = 32
_SINGLE = {"host", "content-length", "transfer-encoding", "content-type", "expect", "origin", "last-event-id"}
_VERSIONS = {b"HTTP/1.1": True, b"HTTP/1.0": False}
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_LENGTH = b"\r\nContent-Length: "
_MAX_DIGITS = 15
_MAX_REMEMBERED = 2048  # bytes of a head
_MAX_KNOWN = 256

_CLOSE = b"Connection: close\r\n\r\n"


class Refused(Exception):
    """The request cannot be served; the connection ends with this status.

    :param reason: for the log alone.
    :param limit: a word for the limit that was passed, None where none was.
    """

    def __init__(self, status: int, reason: str, limit: str | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.limit = limit


@dataclass(slots=True)
class Head:
    """The head of a request.

    :param target: as it was sent.
    :param headers: by name in lower case; one that was sent several times is joined with commas, cookies
        with semicolons. Values are the bytes that were sent, as Latin-1.
    :param length: bytes of the body; None where it comes in chunks.
    :param keeps_alive: whether the client wants to send more on its connection.
    :param expects: whether it waits to be told to send the body.
    """

    method: str
    target: str
    headers: dict[str, str]
    length: int | None
    keeps_alive: bool
    expects: bool


class _Found:
    """Collects what httptools finds in a head."""

    __slots__ = ("pairs",)

    def __init__(self) -> None:
        self.pairs: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name, value))


def parse_head(head: bytes) -> Head:
    """Read the head of a request.

    :param head: up to and with its empty line.
    :raises Refused: it is no head, or one that others may read in another way.
    """
    # Without the line ends that are right, there is nothing left of them.
    unbroken = head.replace(b"\r\n", b"")
    if b"\n" in unbroken or b"\r" in unbroken or b"\0" in unbroken:
        raise Refused(400, "a bare line break or a NUL in the head")
    if b"\n " in head or b"\n\t" in head:
        raise Refused(400, "a folded line in the head")
    method, target, is_new = _request_line(head[: head.index(b"\r\n")])
    headers = _headers_of(head, len(method))
    if is_new and "host" not in headers:
        raise Refused(400, "no Host")
    return Head(
        method.decode(),
        target.decode("latin-1"),
        headers,
        _length(headers, is_new=is_new) if len(headers) > 1 else 0,
        _keeps_alive(headers.get("connection"), is_new=is_new),
        "expect" in headers and _expects(headers["expect"]),
    )


def check_beginning(data: bytes) -> None:
    """Check a part of a head, as far as it can be judged.

    :raises Refused: it can never be one: a greeting of TLS, or lines that end in another way.
    """
    if data[:1].strip(_METHOD_CHARACTERS):
        raise Refused(400, "no method")
    if data.count(b"\n") != data.count(b"\r\n"):
        raise Refused(400, "a bare line break in the head")


class HeadReader:
    """Reads heads, and remembers those that it has read: a publisher sends the same again and again.

    Heads that differ in nothing but the digits of their length are read alike.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}

    def read(self, data: bytes) -> Head:
        """See :func:`parse_head`."""
        start = data.find(_LENGTH) + len(_LENGTH)
        end = data.find(b"\r\n", start)
        digits = data[start:end] if start >= len(_LENGTH) else b""
        if not digits.isdigit() or len(digits) > _MAX_DIGITS or end > _MAX_REMEMBERED:
            return parse_head(data)
        key = data[:start] + data[end:]
        known = self._known.get(key)
        if known is None:
            head = parse_head(data)
            if len(self._known) >= _MAX_KNOWN:
                self._known.pop(next(iter(self._known)))
            self._known[key] = head
            return head
        headers = {**known.headers, "content-length": digits.decode()}
        return Head(known.method, known.target, headers, int(digits), known.keeps_alive, known.expects)


def _request_line(line: bytes) -> tuple[bytes, bytes, bool]:
    """Return the method, the target, and whether the version is 1.1."""
    parts = line.split(b" ")
    if len(parts) != 3:
        raise Refused(400, "no request line")
    method, target, version = parts
    if not method or len(method) > _MAX_METHOD or method.strip(_METHOD_CHARACTERS):
        raise Refused(400, "no method")
    is_new = _VERSIONS.get(version)
    if is_new is None:
        raise Refused(505 if version.startswith(b"HTTP/") else 400, "another version of HTTP")
    if b"#" in target or (b"@" in target and not target.startswith(b"/")):
        raise Refused(400, "a fragment or user in the target")
    return method, target, is_new


def _headers_of(head: bytes, method_size: int) -> dict[str, str]:
    found = _Found()
    parser: Any = httptools.HttpRequestParser(found)
    try:
        # Which methods there are is not the parser's to decide; one that tunnels would end its work.
        parser.feed_data(b"GET" + head[method_size:])
    except httptools.HttpParserUpgrade:
        pass  # an offer, and it is declined
    except httptools.HttpParserError as error:
        raise Refused(400, f"no head of a request: {error}") from None
    if len(found.pairs) > MAX_HEADERS:
        raise Refused(431, "too many headers", "head_size")
    return _joined(found.pairs)


def _joined(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.lower().decode("latin-1"), raw_value.decode("latin-1")
        if name in headers:
            if name in _SINGLE:
                raise Refused(400, f"{name} twice")
            value = f"{headers[name]}{'; ' if name == 'cookie' else ', '}{value}"
        headers[name] = value
    return headers


def _keeps_alive(connection: str | None, *, is_new: bool) -> bool:
    if connection is None:
        return is_new
    options = {option.strip().lower() for option in connection.split(",")}
    return "close" not in options and (is_new or "keep-alive" in options)


def _length(headers: dict[str, str], *, is_new: bool) -> int | None:
    length = headers.get("content-length")
    if (coding := headers.get("transfer-encoding")) is not None:
        if not is_new or length is not None or coding.lower() != "chunked":
            raise Refused(400, "a transfer coding in HTTP/1.0, beside a length, or another than chunked")
        return None
    if length is None:
        return 0
    if not (length.isascii() and length.isdigit()) or len(length) > _MAX_DIGITS:
        raise Refused(400, "a Content-Length that is no number")
    return int(length)


def _expects(expectation: str) -> bool:
    if expectation.lower() != "100-continue":
        raise Refused(417, "an expectation that is not known")
    return True


_dated = (0, b"")


def _date() -> bytes:
    """Return the header with the date, made once a second."""
    global _dated
    now = int(time.time())
    if _dated[0] != now:
        _dated = (now, f"Date: {formatdate(now, usegmt=True)}\r\n".encode())
    return _dated[1]


def write_response(response: Response, *, keeps_alive: bool, with_body: bool = True) -> bytes:
    """Return the bytes of a response.

    :param keeps_alive: whether another may follow on the same connection.
    :param with_body: False for the answer to ``HEAD``, which has the head alone.
    """
    head = _head(response.status, response.headers)
    has_body = response.has_length and response.status not in (204, 304)
    length = b"Content-Length: %d\r\n" % len(response.body) if has_body else b""
    end = b"\r\n" if keeps_alive else _CLOSE
    return b"".join((head, length, end, response.body if with_body and has_body else b""))


def response_head(status: int, headers: list[tuple[str, str]]) -> bytes:
    """Return the head of a response that ends with its connection."""
    return _head(status, headers) + _CLOSE


def _head(status: int, headers: list[tuple[str, str]]) -> bytes:
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return _STATUS_LINES[status] + _date() + lines.encode("latin-1")
