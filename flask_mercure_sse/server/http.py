"""HTTP/1.1 for the standalone hub: requests in, responses out, and sockets that others take over.

All connections are in one epoll, with one watcher of the loop for all: an idle one is a small object and a
descriptor. Greenlets run the requests of those that have sent something, and are kept for the next.

For one thread: that of the loop in which the server was started.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import gevent

from .acceptor import Acceptor, dismiss
from .admission import Admission
from .bodies import Body, ChunkedBody, SizedBody
from .counters import Counters
from .exchange import Response
from .heads import Head, HeadReader, Refused, write_response
from .http_limits import HttpLimits
from .system import Socket, close, new_epoll, new_poll
from .workers import Workers

logger: logging.Logger = logging.getLogger(__name__)

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

TICK = 0.25
"""Seconds between two looks at whose time is up."""

READ_SIZE = 64 * 1024

MAX_PIPELINED = 32
"""Requests of one connection that are answered in one turn of the loop."""

MAX_TURN = 0.01
"""Seconds for which connections are served before the loop has its turn."""

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

    def __init__(self, server: HttpServer, fd: int, address: str, limit: str | None, deadline: float) -> None:
        self.server: HttpServer = server
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
            data = os.read(self.fd, READ_SIZE)
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


class HttpServer:
    """Serves a handler.

    :param listener: an address to listen on, or a socket that listens.
    :param handler: gets each request; what it raises is answered 500.
    :param admission: how many may be connected, no limit by default.
    """

    def __init__(
        self,
        listener: socket.socket | tuple[str, int],
        handler: Handler,
        limits: HttpLimits | None = None,
        *,
        admission: Admission | None = None,
        counters: Counters | None = None,
    ) -> None:
        self.limits: HttpLimits = limits or HttpLimits()
        self.admission: Admission = admission or Admission()
        self.counters: Counters = counters or Counters()
        self.epoll: Any = new_epoll()
        self.is_closed: bool = False
        self.heads: HeadReader = HeadReader()
        self.workers: Workers[Connection] = Workers(Connection.work)
        self._handler = handler
        self._connections: dict[int, Connection] = {}
        self._told: deque[tuple[int, int]] = deque()
        """Descriptors, with what the epoll told of each, that had no turn yet."""
        self._acceptor = Acceptor(listener, self.epoll, self._take, self.limits.silent_time)

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def server_port(self) -> int:
        """The port on which it listens."""
        return self._acceptor.port

    @property
    def is_accepting(self) -> bool:
        """Whether it takes new connections: not before it was started, when closed, or out of descriptors."""
        return self._acceptor.is_accepting

    def start(self) -> None:
        """Begin to serve."""
        loop: Any = gevent.get_hub().loop
        self._ready = loop.io(self.epoll.fileno(), 1)
        self._clock = loop.timer(TICK, TICK)
        self._ready.start(self._on_ready)
        self._clock.start(self._on_tick)
        self._acceptor.start()

    def close(self) -> None:
        """Take no new connections, and end those that are idle; responses under way are the last."""
        if self.is_closed:
            return
        self.is_closed = True
        self._acceptor.close()
        for connection in list(self._connections.values()):
            if connection.is_idle:
                connection.close()

    def stop(self, timeout: float = 1.0) -> None:
        """Close, and stop.

        :param timeout: seconds that requests under way get.
        """
        self.close()
        deadline = time.monotonic() + timeout
        while self._connections and time.monotonic() < deadline:
            gevent.sleep(0.01)
        for connection in list(self._connections.values()):
            connection.close()
        self._ready.stop()
        self._clock.stop()
        self.epoll.close()

    def handle(self, request: HttpRequest) -> Response | TakeOver:
        """Return the handler's answer to a request."""
        try:
            return self._handler(request)
        except Refused:
            raise
        except Exception:
            logger.exception("A request failed")
            return Response(500, b"Internal Server Error\n", [("Content-Type", "text/plain")])

    def note(self, refused: Refused) -> None:
        """Count a refusal, and write down why."""
        self.counters.refusals[refused.status, refused.limit or "http"] += 1
        logger.info("A request was refused with %d: %s", refused.status, refused)

    def forget(self, fd: int) -> None:
        """Serve a connection no longer."""
        del self._connections[fd]

    # The loop's callbacks

    def _on_ready(self) -> None:
        now = time.monotonic
        until = now() + MAX_TURN
        if not self._told:
            self._told.extend(self.epoll.poll(0, 256))
        # What is left when others have their turn comes first in the next: told anew, those who always have
        # something to say would be first again.
        while self._told:
            fd, _events = self._told.popleft()
            connection = self._connections.get(fd)
            if connection is not None:
                connection.on_ready()
            elif fd == self._acceptor.fd:
                self._acceptor.on_ready()
            if now() > until:
                return

    def _on_tick(self) -> None:
        now = time.monotonic()
        late = [one for one in self._connections.values() if one.deadline < now and one.is_waiting]
        heard = _readable([one.fd for one in late if one.is_listening])
        for connection in late:
            # Of whom something has arrived is not late; the server is, and will come to it.
            if connection.fd not in heard:
                connection.give_up()
        self._acceptor.on_tick()

    def _take(self, sock: socket.socket, peer: str) -> None:
        """Serve a new connection.

        :raises OSError: the system has no room for another.
        """
        self.epoll.register(sock.fileno(), _READABLE)
        self.counters.connections += 1
        limit = self.admission.arrive(peer)
        if self.admission.is_flooded:
            self.admission.leave(peer)
            self.counters.refusals[429, limit or "connections"] += 1
            dismiss(sock, 429)
            return
        fd = sock.detach()
        deadline = time.monotonic() + self.limits.head_time
        self._connections[fd] = Connection(self, fd, peer, limit, deadline)


def _readable(fds: list[int]) -> set[int]:
    """Return those descriptors for which something has arrived."""
    if not fds:
        return set()
    poll = new_poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return {fd for fd, _events in poll.poll(0)}


def _shut(fd: int) -> None:
    """Tell a client that nothing more comes."""
    sock = Socket(fileno=fd)
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # it is gone already
    finally:
        sock.detach()
