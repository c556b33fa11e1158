"""A socket that listens: new connections, also when there are no descriptors left for them."""

from __future__ import annotations

import errno
import logging
import os
import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from .admission import RETRY_AFTER
from .counters import Counters
from .listeners import BACKLOG
from .system import Socket, close

logger: logging.Logger = logging.getLogger(__name__)

MAX_ACCEPTED = 64
"""Connections that are accepted in one turn of the loop; the others wait for the next."""

SILENCE = 60.0
"""Seconds for which the same is not logged again: clients that come and go could fill a disk."""

_EXHAUSTED = (errno.EMFILE, errno.ENFILE)
_SHORT_OF_MEMORY = (errno.ENOBUFS, errno.ENOMEM)


class Acceptor:
    """Accepts connections as long as there are descriptors, and sends the others away.

    :param listener: an address to listen on, or a socket that listens; it belongs to the acceptor from then.
    :param epoll: tells when there is something to accept.
    :param take: gets each new socket, not blocking, and the address of its peer; an
        :class:`OSError` means that the system has no room for it now.
    :param silent_time: see :class:`~.http_limits.HttpLimits`.
    :param counters: where it counts those whom it sends away.
    """

    def __init__(
        self,
        listener: socket.socket | tuple[str, int],
        epoll: Any,
        take: Callable[[socket.socket, str], None],
        silent_time: float,
        counters: Counters | None = None,
    ) -> None:
        self._socket = _listening(listener)
        _prepare(self._socket, silent_time)
        self._socket.setblocking(False)
        self._epoll = epoll
        self._take = take
        self._counters = counters or Counters()
        self._is_on = False
        self._is_exhausted = False
        self._silent_until = 0.0
        self._spare: int | None = None
        """A descriptor that is given up to send somebody away."""

    @property
    def fd(self) -> int:
        """The descriptor that the epoll tells of."""
        return self._socket.fileno()

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return self._socket.getsockname()[1]

    @property
    def is_accepting(self) -> bool:
        """Whether new connections are served."""
        return self._is_on and not self._is_exhausted

    def start(self) -> None:
        """Begin to accept."""
        self._keep_a_spare()
        self._switch(on=True)

    def close(self) -> None:
        """Accept no more."""
        self._switch(on=False)
        self._socket.close()
        if self._spare is not None:
            close(self._spare)
            self._spare = None

    def on_ready(self) -> None:
        """Accept those who wait."""
        for _ in range(MAX_ACCEPTED):
            try:
                sock, address = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    if not self._send_away(error):
                        return
                elif error.errno in _SHORT_OF_MEMORY:
                    self._switch(on=False)
                    return
                continue  # else the client has left while it waited
            self._is_exhausted = False
            sock.setblocking(False)
            try:
                self._take(sock, "" if sock.family == socket.AF_UNIX else str(address[0]))
            except OSError as error:
                logger.error("A new connection was closed: %s", error.strerror)
                sock.close()
                self._switch(on=False)
                return

    def on_tick(self) -> None:
        """Look from time to time whether there are descriptors again."""
        if self._socket.fileno() >= 0 and (self._is_exhausted or not self._is_on):
            self._keep_a_spare()
            if self._spare is not None:
                self._is_exhausted = not _is_one_left()
                self._switch(on=True)

    def _switch(self, *, on: bool) -> None:
        if on and not self._is_on:
            self._epoll.register(self.fd, select.EPOLLIN)
        elif self._is_on and not on:
            self._epoll.unregister(self.fd)
        self._is_on = on

    def _send_away(self, error: OSError) -> bool:
        """Use the spare descriptor to tell a client, who would else wait in vain; False where nobody waits.

        The system asks for a descriptor first, and only then whether somebody waits.
        """
        self._is_exhausted = True
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + SILENCE
            logger.error("New connections are refused: %s; raise the limit of descriptors", error.strerror)
        if self._spare is None:
            self._switch(on=False)  # or the loop would be woken for nothing, again and again
            return False
        close(self._spare)
        self._spare = None
        try:
            dismiss(self._socket.accept()[0], 503)
        except OSError:
            return False
        finally:
            self._keep_a_spare()
        self._counters.refusals[503, "descriptors"] += 1
        return True

    def _keep_a_spare(self) -> None:
        if self._spare is None:
            with suppress(OSError):
                self._spare = os.open(os.devnull, os.O_RDONLY)


def dismiss(sock: socket.socket, status: int) -> None:
    """Answer without having heard the request, and close."""
    phrase = HTTPStatus(status).phrase
    head = f"HTTP/1.1 {status} {phrase}\r\nRetry-After: {RETRY_AFTER}\r\nContent-Length: 0\r\n"
    with sock, suppress(OSError):
        sock.setblocking(False)
        sock.send(f"{head}Connection: close\r\n\r\n".encode())
        sock.shutdown(socket.SHUT_WR)


def _prepare(listener: socket.socket, silent_time: float) -> None:
    """Set what each accepted socket inherits: a call here saves one for each connection."""
    if listener.family != socket.AF_UNIX:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        milliseconds = max(1, round(silent_time * 1000))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def _is_one_left() -> bool:
    try:
        close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return False
    return True


def _listening(listener: socket.socket | tuple[str, int]) -> socket.socket:
    if not isinstance(listener, tuple):
        return Socket(fileno=listener.detach())
    sock = Socket(socket.AF_INET6 if ":" in listener[0] else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(listener)
    sock.listen(BACKLOG)
    return sock
