"""HTTP/1.1 for the standalone hub: requests in, responses out, and sockets that others take over.

Heads are read whole before anything else, so that their size and time have limits and what parsers disagree
on is refused (`RFC 9112, Request Smuggling`). Their grammar is httptools' work.
"""

from __future__ import annotations

import logging
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, cast

import httptools
from gevent.server import StreamServer

from .exchange import Response

logger: logging.Logger = logging.getLogger(__name__)

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_CLOSE = b"Connection: close\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BAD_HEAD = re.compile(rb"(?<!\r)\n|\r(?!\n)|\0|\n[ \t]")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")

_METHOD = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}")

MAX_LINE = 4096
"""Bytes of the line that begins a chunk, and of all trailers."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """How much and how long a client may take.

    :param head_size: bytes of a request's head.
    :param headers: headers of a request.
    :param body_size: bytes of a body.
    :param head_time: seconds from a request's first byte to the end of its head.
    :param body_time: seconds for its body.
    :param idle_time: seconds between two requests.
    :param write_time: seconds that a client may take for a response.
    """

    head_size: int = 64 * 1024
    headers: int = 100
    body_size: int = 1024 * 1024
    head_time: float = 10.0
    body_time: float = 30.0
    idle_time: float = 75.0
    write_time: float = 30.0


class Refused(Exception):
    """The request cannot be served; the connection ends with this status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(slots=True)
class HttpRequest:
    """A request that was read to its end.

    :param target: as it was sent.
    :param headers: by name in lower case; one that was sent several times is joined with commas, cookies
        with semicolons. Values are the bytes that were sent, as Latin-1.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""


TakeOver = Callable[[int], None]
"""Takes the descriptor of a socket, not blocking, on which nothing was answered yet."""

Handler = Callable[[HttpRequest], Response | TakeOver]


class _Head:
    """Collects what httptools finds in the head of a request."""

    __slots__ = ("pairs", "target")

    def __init__(self) -> None:
        self.target = b""
        self.pairs: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name, value))


@dataclass(slots=True)
class _Parsed:
    request: HttpRequest
    keeps_alive: bool
    length: int | None  # None for chunks
    expects: bool


def parse_head(head: bytes, limits: HttpLimits) -> _Parsed:
    """Read the head of a request.

    :param head: up to and with its empty line.
    :raises Refused: it is no head, or one that others may read in another way.
    """
    if _BAD_HEAD.search(head):
        raise Refused(400, "a bare line break, a folded line or a NUL in the head")
    method, space, rest = head.partition(b" ")
    if not space or not _METHOD.fullmatch(method):
        raise Refused(400, "no method")
    found = _Head()
    parser: Any = httptools.HttpRequestParser(found)
    try:
        # Which methods there are is not the parser's to decide; one that tunnels would end its work.
        parser.feed_data(b"GET " + rest)
    except httptools.HttpParserUpgrade:
        raise Refused(400, "no upgrades here") from None
    except httptools.HttpParserError as error:
        raise Refused(400, f"no head of a request: {error}") from None
    if len(found.pairs) > limits.headers:
        raise Refused(431, "too many headers")
    headers = _joined(found.pairs)
    version = cast(str, parser.get_http_version())
    if version not in ("1.0", "1.1"):
        raise Refused(505, "another version of HTTP")
    if "host" not in headers and version == "1.1":
        raise Refused(400, "no Host")
    request = HttpRequest(method.decode(), found.target.decode("latin-1"), headers)
    return _Parsed(request, _keeps_alive(headers, version), _length(headers), _expects(headers))


_SINGLE = {"host", "content-length", "transfer-encoding", "content-type", "expect", "origin", "last-event-id"}


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


def _keeps_alive(headers: dict[str, str], version: str) -> bool:
    options = {option.strip().lower() for option in headers.get("connection", "").split(",")}
    return "close" not in options and (version == "1.1" or "keep-alive" in options)


def _length(headers: dict[str, str]) -> int | None:
    coding = headers.get("transfer-encoding")
    length = headers.get("content-length")
    if coding is not None:
        if length is not None or coding.lower() != "chunked":
            raise Refused(400, "a transfer coding beside a length, or another than chunked")
        return None
    if length is None:
        return 0
    if not (length.isascii() and length.isdigit()) or len(length) > 15:
        raise Refused(400, "a Content-Length that is no number")
    return int(length)


def _expects(headers: dict[str, str]) -> bool:
    expectation = headers.get("expect")
    if expectation is None:
        return False
    if expectation.lower() != "100-continue":
        raise Refused(417, "an expectation that is not known")
    return True


class _Conversation:
    """The requests and responses of one connection."""

    def __init__(self, sock: socket.socket, handler: Handler, limits: HttpLimits) -> None:
        self._socket = sock
        self._handler = handler
        self._limits = limits
        self._data = b""
        self._deadline = 0.0

    def run(self) -> None:
        """Serve requests until one side has enough."""
        try:
            while self._exchange():
                pass
        except Refused as refused:
            self._refuse(refused)
        except OSError:
            pass  # the client is gone, or too slow to be told

    def _exchange(self) -> bool:
        """Serve one request; return whether another may follow."""
        head = self._read_head()
        if head is None:
            return False
        parsed = parse_head(head, self._limits)
        request = parsed.request
        request.body = self._read_body(parsed)
        answer = self._handler(request)
        if not isinstance(answer, Response):
            answer(self._socket.detach())
            return False
        self._send(answer, keeps_alive=parsed.keeps_alive, with_body=request.method != "HEAD")
        return parsed.keeps_alive

    def _read_head(self) -> bytes | None:
        if not self._data and not self._receive_first():
            return None
        self._deadline = time.monotonic() + self._limits.head_time
        while (end := self._data.find(b"\r\n\r\n")) < 0:
            if len(self._data) > self._limits.head_size:
                raise Refused(431, "a head that is too large")
            if not self._receive():
                return None
        end += 4
        if end > self._limits.head_size:
            raise Refused(431, "a head that is too large")
        head, self._data = self._data[:end], self._data[end:]
        return head.lstrip(b"\r\n")

    def _receive_first(self) -> bool:
        self._socket.settimeout(self._limits.idle_time)
        self._data = self._socket.recv(65536)
        return bool(self._data)

    def _receive(self) -> bool:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise Refused(408, "too slow")
        self._socket.settimeout(remaining)
        try:
            more = self._socket.recv(65536)
        except TimeoutError:
            raise Refused(408, "too slow") from None
        self._data += more
        return bool(more)

    def _read_body(self, parsed: _Parsed) -> bytes:
        if parsed.length == 0:
            return b""
        if (parsed.length or 0) > self._limits.body_size:
            raise Refused(413, "a body that is too large")
        self._deadline = time.monotonic() + self._limits.body_time
        if parsed.expects and not self._data:
            self._socket.sendall(_CONTINUE)
        if parsed.length is None:
            return self._read_chunks()
        return self._take(parsed.length)

    def _take(self, size: int) -> bytes:
        parts = [self._data]
        missing = size - len(self._data)
        while missing > 0:
            self._data = b""
            if not self._receive():
                raise Refused(400, "a body that ends early")
            parts.append(self._data)
            missing -= len(self._data)
        whole = b"".join(parts)
        self._data = whole[size:]
        return whole[:size]

    def _read_chunks(self) -> bytes:
        chunks: list[bytes] = []
        total = 0
        while True:
            found = _CHUNK_SIZE.fullmatch(self._take_line())
            if not found:
                raise Refused(400, "a chunk without its size")
            size = int(found[1], 16)
            if size == 0:
                break
            total += size
            if total > self._limits.body_size:
                raise Refused(413, "a body that is too large")
            chunks.append(self._take(size))
            if self._take(2) != b"\r\n":
                raise Refused(400, "a chunk that is longer than its size")
        trailers = 0
        while (line := self._take_line()) != b"\r\n":
            trailers += len(line)
            if trailers > MAX_LINE:
                raise Refused(431, "trailers that are too large")
        return b"".join(chunks)

    def _take_line(self) -> bytes:
        while (end := self._data.find(b"\n")) < 0:
            if len(self._data) > MAX_LINE:
                raise Refused(400, "a line that does not end")
            if not self._receive():
                raise Refused(400, "a body that ends early")
        line, self._data = self._data[: end + 1], self._data[end + 1 :]
        if _BAD_HEAD.search(line):
            raise Refused(400, "a bare line break in the framing of a body")
        return line

    def _send(self, response: Response, *, keeps_alive: bool, with_body: bool) -> None:
        lines = _head_lines(response.status, response.headers)
        if response.status not in (204, 304):
            lines.append(b"Content-Length: %d\r\n" % len(response.body))
        lines.append(b"\r\n" if keeps_alive else _CLOSE)
        if with_body and response.status not in (204, 304):
            lines.append(response.body)
        self._socket.settimeout(self._limits.write_time)
        self._socket.sendall(b"".join(lines))

    def _refuse(self, refused: Refused) -> None:
        logger.info("A request was refused with %d: %s", refused.status, refused)
        phrase = HTTPStatus(refused.status).phrase
        response = Response(
            refused.status, f"{phrase}\n".encode(), [("Content-Type", "text/plain; charset=utf-8")]
        )
        try:
            self._send(response, keeps_alive=False, with_body=True)
            # What is still under way would make the system reset the connection before the answer is read.
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.settimeout(1.0)
            for _ in range(64):
                if not self._socket.recv(65536):
                    break
        except OSError:
            pass


_dated = (0, b"")


def _date() -> bytes:
    """Return the header with the date, made once a second."""
    global _dated
    now = int(time.time())
    if _dated[0] != now:
        _dated = (now, f"Date: {formatdate(now, usegmt=True)}\r\n".encode())
    return _dated[1]


def response_head(status: int, headers: list[tuple[str, str]]) -> bytes:
    """Return the head of a response that ends with its connection."""
    return b"".join([*_head_lines(status, headers), _CLOSE])


def _head_lines(status: int, headers: list[tuple[str, str]]) -> list[bytes]:
    lines = [f"{name}: {value}\r\n".encode("latin-1") for name, value in headers]
    return [_STATUS_LINES[status], _date(), *lines]


class HttpServer(StreamServer):  # pyright: ignore[reportUntypedBaseClass]
    """Serves a handler; ``start``, ``stop`` and ``serve_forever`` are gevent's.

    :param listener: an address, or a socket that listens.
    :param handler: gets each request; what it raises is answered 500.
    """

    def __init__(self, listener: Any, handler: Handler, limits: HttpLimits | None = None) -> None:
        super().__init__(listener, self._serve)  # pyright: ignore[reportUnknownMemberType]
        self._handler = handler
        self._limits = limits or HttpLimits()

    def _serve(self, sock: socket.socket, _address: object) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _Conversation(sock, self._guarded, self._limits).run()

    def _guarded(self, request: HttpRequest) -> Response | TakeOver:
        try:
            return self._handler(request)
        except Refused:
            raise
        except Exception:
            logger.exception("A request failed")
            return Response(500, b"Internal Server Error\n", [("Content-Type", "text/plain")])
