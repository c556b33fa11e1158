"""HTTP/1.1 for the standalone hub: requests in, responses out, and sockets that others take over.

All connections are in one epoll, with one watcher of the loop for all: an idle one is a small object and a
descriptor. Greenlets run the requests of those that have sent something, and are kept for the next.

For one thread: that of the loop in which the server was started.
"""

from __future__ import annotations

import logging
import select
import socket
import time
from collections import deque
from typing import Any, Protocol

import gevent

from .acceptor import Acceptor, dismiss
from .admission import Admission
from .counters import Counters
from .exchange import Response
from .heads import HeadReader, Refused
from .http_connection import Connection, Handler, HttpRequest, TakeOver
from .http_limits import HttpLimits
from .system import new_epoll, new_poll
from .workers import Workers

logger: logging.Logger = logging.getLogger(__name__)

TICK = 0.25
"""Seconds between two looks at whose time is up."""

MAX_TURN = 0.01
"""Seconds for which connections are served before the loop has its turn."""


class Turns(Protocol):
    """Somebody who does once for many requests what each asks for."""

    def begin_turn(self) -> None:
        """Requests are answered from now on."""
        ...

    def end_turn(self) -> None:
        """Those that were there are answered."""
        ...


class HttpServer:
    """Serves a handler.

    :param listener: an address to listen on, or a socket that listens.
    :param handler: gets each request; what it raises is answered 500.
    :param admission: how many may be connected, no limit by default.
    :param turns: is told when a turn of many requests begins and ends.
    """

    def __init__(
        self,
        listener: socket.socket | tuple[str, int],
        handler: Handler,
        limits: HttpLimits | None = None,
        *,
        admission: Admission | None = None,
        counters: Counters | None = None,
        turns: Turns | None = None,
    ) -> None:
        self.limits: HttpLimits = limits or HttpLimits()
        self.admission: Admission = admission or Admission()
        self.counters: Counters = counters or Counters()
        self.epoll: Any = new_epoll()
        self.is_closed: bool = False
        self.heads: HeadReader = HeadReader()
        self.workers: Workers[Connection] = Workers(Connection.work)
        self._handler = handler
        self._turns = turns
        self._connections: dict[int, Connection] = {}
        self._told: deque[tuple[int, int]] = deque()
        """Descriptors, with what the epoll told of each, that had no turn yet."""
        self._acceptor = Acceptor(listener, self.epoll, self._take, self.limits.silent_time, self.counters)

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
        if self._turns is None:
            self._serve_turn()
            return
        self._turns.begin_turn()
        try:
            self._serve_turn()
        finally:
            self._turns.end_turn()

    def _serve_turn(self) -> None:
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
        self.epoll.register(sock.fileno(), select.EPOLLIN)
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
