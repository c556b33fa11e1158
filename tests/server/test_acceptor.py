"""A socket that listens."""

from __future__ import annotations

import errno
import os
import resource
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask_mercure_sse.server.acceptor import Acceptor
from flask_mercure_sse.server.counters import Counters

Take = Callable[[socket.socket, str], None]


def accepting(take: Take) -> Acceptor:
    acceptor = Acceptor(("127.0.0.1", 0), select.epoll(), take, silent_time=1.0)
    acceptor.start()
    return acceptor


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Allow this process none beyond those that it has; for closed ones it gets others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_connection_for_which_there_is_no_room_is_closed_and_later_ones_are_taken() -> None:
    taken: list[socket.socket] = []

    def take(sock: socket.socket, _peer: str) -> None:
        if not answers.pop():
            raise OSError(errno.ENOSPC, "no room")
        taken.append(sock)

    answers = [True, False]
    acceptor = accepting(take)
    with socket.create_connection(("127.0.0.1", acceptor.port), 5) as client:
        acceptor.on_ready()
        assert client.recv(1) == b""
    assert not acceptor.is_accepting
    acceptor.on_tick()
    assert acceptor.is_accepting
    with socket.create_connection(("127.0.0.1", acceptor.port), 5) as client:
        acceptor.on_ready()
        [sock] = taken
        sock.send(b"!")
        sock.close()
        assert client.recv(1) == b"!"
    acceptor.close()


def test_client_for_whom_there_is_no_descriptor_is_told_so_and_counted() -> None:
    counters = Counters()
    acceptor = Acceptor(("127.0.0.1", 0), select.epoll(), lambda *_taken: None, 1.0, counters)
    acceptor.start()
    with socket.create_connection(("127.0.0.1", acceptor.port), 5) as client, no_descriptor_left():
        acceptor.on_ready()
        assert client.recv(100).startswith(b"HTTP/1.1 503 ")
    acceptor.close()
    assert counters.refusals == {(503, "descriptors"): 1}


def test_accepted_sockets_send_at_once_and_do_not_wait_for_clients_that_are_gone() -> None:
    options: list[int] = []

    def take(sock: socket.socket, _peer: str) -> None:
        with sock:
            for option in (socket.TCP_NODELAY, socket.TCP_USER_TIMEOUT):
                options.append(sock.getsockopt(socket.IPPROTO_TCP, option))

    acceptor = accepting(take)
    with socket.create_connection(("127.0.0.1", acceptor.port), 5):
        acceptor.on_ready()
    acceptor.close()
    assert options == [1, 1000]
