"""One client of the HTTP server: its requests, and the responses to them."""

from __future__ import annotations

import logging
import os
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from .admission import Admission
from .bodies import Body, ChunkedBody, SizedBody
from .exchange import Response
from .heads import Head, HeadReader, Refused, check_beginning, write_response
from .http_limits import HttpLimits
from .system import Socket, close
from .workers import Workers

logger: logging.Logger = logging.getLogger(__name__)

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

READ_SIZE = 64 * 1024
"""Bytes that are read at once."""

CHUNKS_READ_SIZE = 8 * 1024
"""Bytes of a body in chunks that are read at once: as many as take a turn of the loop if each is small."""

MAX_PIPELINED = 32
"""Requests of one connection that are answered in one turn of the loop."""

LINGER_TIME = 2.0
"""Seconds that a client gets to read the last response before its connection is closed."""

_NOTHING = 0
_READABLE = select.EPOLLIN
_WRITABLE = select.EPOLLOUT


@dataclass(slots=True)
class HttpRequest:
    """A request that was read to its end.

    :param target: as it was sent.
    :param headers: see :class:`~.heads.Head`.
    :param address: the client's, or that of the proxy in between.
    :param limit: a word for the limit that its connection is over, None where it is over none.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    address: str = ""
    limit: str | None = None


TakeOver = Callable[[int], None]
"""Takes the descriptor of a socket, not blocking, on which nothing was answered yet; it must not raise.

Whoever takes it closes it, and tells the admission when it has."""

Handler = Callable[[HttpRequest], Response | TakeOver]


class Server(Protocol):
    """What the connections of a server share."""

    limits: HttpLimits
    admission: Admission
    heads: HeadReader
    epoll: Any
    workers: Workers[Connection]
    is_closed: bool
    """Whether each response is the last."""

    def handle(self, request: HttpRequest) -> Response | TakeOver:
        """Return the answer to a request."""
        ...

    def note(self, refused: Refused) -> None:
        """Count a refusal, and write down why."""
        ...

    def forget(self, fd: int) -> None:
        """Serve a connection no longer."""
        ...


class Connection:
    """The requests and responses of one client."""

    __slots__ = (
        "address",
        "body",
        "buffer",
        "deadline",
        "fd",
        "head",
        "is_busy",
        "is_last",
        "is_lingering",
        "limit",
        "searched",
        "server",
        "unsent",
        "waits_for",
    )

    def __init__(self, server: Server, fd: int, address: str, limit: str | None, deadline: float) -> None:
        self.server: Server = server
        self.fd: int = fd
        self.address: str = address
        self.limit: str | None = limit
        self.deadline: float = deadline
        """When its time is up, on the monotonic clock."""
        self.buffer: bytes = b""
        """What was received and not read."""
        self.searched: int = 0
        self.head: Head | None = None
        """That of the request whose body is being received."""
        self.body: Body | None = None
        self.unsent: bytes = b""
        self.waits_for: int = _READABLE
        self.is_busy: bool = False
        """Whether a greenlet is at work for it."""
        self.is_last: bool = False
        """Whether its response is the last."""
        self.is_lingering: bool = False

    @property
    def is_chunked(self) -> bool:
        """Whether it receives a body in chunks."""
        return isinstance(self.body, ChunkedBody)

    @property
    def is_idle(self) -> bool:
        """Whether it is between two requests."""
        return not (self.is_busy or self.buffer or self.head or self.unsent or self.is_lingering)

    def on_ready(self) -> None:
        """Go on: there is something to read, or room to write."""
        if self.is_busy:
            # Its greenlet waits for something else; meanwhile the client's bytes must not wake the loop.
            self.wait_for(_NOTHING)
        elif self.is_lingering:
            self._discard()
        elif self.unsent:
            self._send_rest()
        else:
            self.is_busy = True
            self.server.workers.run(self)

    def work(self) -> None:
        """Receive, and answer what is whole; in a greenlet."""
        try:
            if self.waits_for == _WRITABLE or self._receive():
                self.wait_for(_READABLE)
                self._answer_all()
        except Refused as refused:
            self._refuse(refused)
        except OSError:
            self.close()
        except Exception:  # it would end the loop
            logger.exception("A connection failed")
            self.close()
        finally:
            self.is_busy = False
            if self.waits_for == _NOTHING:
                self.wait_for(_READABLE)

    def wait_for(self, events: int) -> None:
        """Be called when the socket is ready for this."""
        if self.waits_for == events or self.fd < 0:
            return
        epoll = self.server.epoll
        if events == _NOTHING:
            epoll.unregister(
                self.fd
            )  # registered for nothing, a hang-up would still be told, again and again
        elif self.waits_for == _NOTHING:
            epoll.register(self.fd, events)
        else:
            epoll.modify(self.fd, events)
        self.waits_for = events

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for its client, and not for a greenlet or for its turn."""
        return not self.is_busy and (self.waits_for == _READABLE or bool(self.unsent))

    @property
    def is_listening(self) -> bool:
        """Whether it waits for a request, or the rest of one."""
        return self.waits_for == _READABLE and not (self.is_busy or self.is_lingering)

    def give_up(self) -> None:
        """End, for its time is up."""
        if self.is_lingering or self.unsent or not (self.buffer or self.head):
            self.close()
        else:
            self._refuse(self._too_slow())

    def _too_slow(self) -> Refused:
        return Refused(408, "too slow", "body_time" if self.head else "head_time")

    def close(self) -> None:
        """Close the socket; a second time does nothing."""
        if self.fd >= 0:
            fd = self._leave()
            self.server.admission.leave(self.address)
            close(fd)

    def _leave(self) -> int:
        """Give up the socket."""
        self.wait_for(_NOTHING)
        fd, self.fd = self.fd, -1
        self.server.forget(fd)
        return fd

    # Reading

    def _receive(self) -> bool:
        """Take in what has arrived; False at the end."""
        try:
            data = os.read(self.fd, CHUNKS_READ_SIZE if self.is_chunked else READ_SIZE)
        except BlockingIOError:
            return True
        if not data:
            if self.head:
                raise Refused(400, "a body that ends early")
            self.close()
            return False
        if not self.buffer:
            self.buffer = data
            if not self.head:
                self.deadline = time.monotonic() + self.server.limits.head_time
        else:
            self.buffer += data
        return True

    def _answer_all(self) -> None:
        for _ in range(MAX_PIPELINED):
            request = self._next_request()
            if request is None:
                if (self.buffer or self.head) and self.deadline < time.monotonic():
                    raise self._too_slow()
                return
            if not self._answer(request):
                return
            self._await_request()
            if not self.buffer:
                return
        # Others come first; a socket that can be written to has its turn next time.
        self.wait_for(_WRITABLE)

    def _await_request(self) -> None:
        """Begin the time for the next request, of which a part may be there."""
        limits = self.server.limits
        self.deadline = time.monotonic() + (limits.head_time if self.buffer else limits.idle_time)

    def _next_request(self) -> HttpRequest | None:
        """Return the next request, None while it is not whole."""
        if self.head is None:
            self._read_head()
        head = self.head
        if head is None:
            return None
        content = b""
        if self.body is None and head.length:
            content, self.buffer = self.buffer[: head.length], self.buffer[head.length :]
        elif self.body is not None:
            rest = self.body.feed(self.buffer) if self.buffer else None
            self.buffer = rest or b""
            if rest is None:
                return None
            content = self.body.content()
        self.body = self.head = None
        self.is_last = not head.keeps_alive
        return HttpRequest(head.method, head.target, head.headers, content, self.address, self.limit)

    def _read_head(self) -> None:
        limits = self.server.limits
        data = self.buffer
        if data[:2] == b"\r\n":  # some send an empty line behind a body
            data = data.lstrip(b"\r\n")
            if data:
                self.buffer = data
        end = data.find(b"\r\n\r\n", self.searched) + 4
        if end > limits.head_size or (end < 4 and len(self.buffer) > limits.head_size):
            raise Refused(431, "a head that is too large", "head_size")
        if end < 4:
            check_beginning(data)
            self.searched = max(0, len(data) - 3)
            return
        self.searched = 0
        self.buffer = data[end:]
        self.head = head = self.server.heads.read(data[:end])
        if head.length == 0:
            return
        if head.length is None:
            self.body = ChunkedBody(limits.body_size)
        elif head.length > limits.body_size:
            raise Refused(413, "a body that is too large", "body_size")
        elif head.length > len(self.buffer):
            self.body = SizedBody(head.length)
        else:
            return  # most come in one piece
        self.deadline = time.monotonic() + limits.body_time
        if head.expects and not self.buffer:
            os.write(self.fd, _CONTINUE)

    # Writing

    def _answer(self, request: HttpRequest) -> bool:
        """Answer a request; return whether another may follow at once."""
        answer = self.server.handle(request)
        if not isinstance(answer, Response):
            answer(self._leave())
            return False
        # Who is sent away for a limit must not take what there is for others.
        self.is_last = self.is_last or self.server.is_closed or answer.status == 429
        self._send(write_response(answer, keeps_alive=not self.is_last, with_body=request.method != "HEAD"))
        return not (self.is_last or self.unsent)

    def _send(self, data: bytes) -> None:
        """Send a response, and what it leaves of the connection."""
        try:
            sent = os.write(self.fd, data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self.unsent = data[sent:]
            self.deadline = time.monotonic() + self.server.limits.write_time
            self.wait_for(_WRITABLE)
        elif self.is_last:
            self._linger()

    def _send_rest(self) -> None:
        data, self.unsent = self.unsent, b""
        try:
            self._send(data)
        except OSError:
            self.close()
            return
        if not self.unsent and not self.is_lingering:
            # What has arrived meanwhile comes in the next turn, as what was received before.
            self._await_request()
            self.wait_for(_WRITABLE if self.buffer else _READABLE)

    def _refuse(self, refused: Refused) -> None:
        self.server.note(refused)
        text = f"{HTTPStatus(refused.status).phrase}\n".encode()
        response = Response(refused.status, text, [("Content-Type", "text/plain; charset=utf-8")])
        self.is_last = True
        try:
            self._send(write_response(response, keeps_alive=False))
        except OSError:
            self.close()

    def _linger(self) -> None:
        """Close when the client has read: bytes of its own under way would make the system take all back."""
        self.is_lingering = True
        self.buffer = b""
        self.head = self.body = None
        self.deadline = time.monotonic() + LINGER_TIME
        _shut(self.fd)
        self.wait_for(_READABLE)

    def _discard(self) -> None:
        try:
            if os.read(self.fd, READ_SIZE):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.close()


def _shut(fd: int) -> None:
    """Tell a client that nothing more comes."""
    sock = Socket(fileno=fd)
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # it is gone already
    finally:
        sock.detach()
