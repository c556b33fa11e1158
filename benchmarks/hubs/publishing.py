"""Connections that publish, one update at a time each."""

from __future__ import annotations

import re
import select
import socket
from contextlib import suppress
from dataclasses import dataclass

CONNECT_TIMEOUT = 10.0
"""Seconds until a hub must have taken a connection."""

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """What a hub said to an update.

    :param topic: the number of the update's topic.
    :param line: the answer's first line.
    """

    topic: int
    line: str

    @property
    def is_success(self) -> bool:
        """Whether the hub took the update."""
        return self.line.partition(" ")[2].startswith("2")


class Publisher:
    """A keep-alive connection; a hub that closes it gets a new one."""

    def __init__(self, epoll: select.epoll, address: tuple[str, int]) -> None:
        self._epoll = epoll
        self._address = address
        self._topic: int | None = None
        self._received = b""
        self._connect()

    def _connect(self) -> None:
        self._socket = connected(self._address)
        self.fd: int = self._socket.fileno()
        self._epoll.register(self.fd, select.EPOLLIN)

    @property
    def is_busy(self) -> bool:
        """Whether an answer is missing."""
        return self._topic is not None

    def send(self, request: bytes, topic: int) -> None:
        """Send a publish request.

        :param topic: the number of the update's topic.
        """
        self._topic = topic
        with suppress(ConnectionError):  # which is then read as the end of the connection
            self._socket.sendall(request)

    def receive(self) -> Answer | None:
        """Take what has come; return the answer if it is whole, or what is known of it if no more comes."""
        try:
            data = self._socket.recv(65536)
        except ConnectionError:
            data = b""
        self._received += data
        if data and not is_whole(self._received):
            return None
        topic, line = self._topic, self._received.partition(b"\r\n")[0].decode("latin-1")
        self._topic, self._received = None, b""
        if not data:
            self.close()
            self._connect()
        return None if topic is None else Answer(topic, line or "the connection was closed")

    def close(self) -> None:
        """Leave the hub."""
        self._epoll.unregister(self.fd)
        self._socket.close()


def connected(address: tuple[str, int]) -> socket.socket:
    """Return a socket that blocks, connected.

    :param address: host and port.
    :raises OSError: nobody took the connection.
    """
    connection = socket.create_connection(address, CONNECT_TIMEOUT)
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def is_whole(answer: bytes) -> bool:
    """Return whether these bytes are all of an HTTP response."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    if length := LENGTH.search(head):
        return len(body) >= int(length[1])
    return not CHUNKED.search(head) or body.endswith(b"0\r\n\r\n")
