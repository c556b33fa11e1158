"""HTTP/1.1 of the standalone hub, over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import gevent
import pytest
from gevent import socket as gevent_socket

from flask_mercure_sse.server.admission import Admission, ConnectionLimits
from flask_mercure_sse.server.exchange import Response
from flask_mercure_sse.server.http import MAX_TURN, HttpServer
from flask_mercure_sse.server.http_connection import MAX_PIPELINED, HttpRequest
from flask_mercure_sse.server.http_limits import HttpLimits

from .test_heads import head

END = None
"""Instead of bytes to send: nothing more comes."""

LARGE = b"x" * 8_000_000

Exchange = Callable[..., bytes]


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    """Send bytes, piece by piece, to a server that echoes bodies; return all that it answers."""
    limits = HttpLimits(body_size=100, head_size=1000, head_time=0.3, body_time=0.3, idle_time=0.3)
    ready, stop = threading.Event(), threading.Event()
    port: list[int] = []

    def handle(request: HttpRequest) -> Response:
        if request.target == "/error":
            raise RuntimeError("a secret of the server")
        if request.target == "/slow":
            gevent.sleep(0.2)
        if request.target == "/large":
            return Response(200, LARGE)
        return Response(200, f"{request.method} {request.target} ".encode() + request.body, [])

    def serve() -> None:
        server = HttpServer(("127.0.0.1", 0), handle, limits)
        server.start()
        port.append(server.server_port or 0)
        ready.set()
        while not stop.is_set():
            gevent.sleep(0.02)
        server.stop(0.1)

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(10)

    def send(*pieces: bytes | None) -> bytes:
        got = b""
        with socket.create_connection(("127.0.0.1", port[0]), 10) as client:
            for piece in pieces:
                if piece is END:
                    client.shutdown(socket.SHUT_WR)
                else:
                    client.sendall(piece)
            while data := client.recv(65536):
                got += data
        return got

    yield send
    stop.set()
    thread.join(10)


def bodies(answers: bytes) -> list[bytes]:
    return [answer.split(b"\r\n\r\n", 1)[1] for answer in answers.split(b"HTTP/1.1 200 OK\r\n")[1:]]


def post(body: bytes, *lines: str) -> bytes:
    return head(*lines, f"Content-Length: {len(body)}", start="POST /p HTTP/1.1") + body


def chunked(*chunks: bytes, trailer: bytes = b"") -> bytes:
    encoded = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return (
        head("Transfer-Encoding: chunked", start="POST /c HTTP/1.1") + encoded + b"0\r\n" + trailer + b"\r\n"
    )


def test_requests_that_come_together_are_answered_in_order(exchange: Exchange) -> None:
    """RFC 9112, Pipelining: also behind bodies of both kinds."""
    sent = post(b"one") + chunked(b"tw", b"o", trailer=b"X: y\r\n") + head("Connection: close")
    for pieces in ([sent], [sent[start : start + 7] for start in range(0, len(sent), 7)]):
        assert bodies(exchange(*pieces)) == [b"POST /p one", b"POST /c two", b"GET / "]


def test_connection_stays_open_unless_one_side_closes_it(exchange: Exchange) -> None:
    """RFC 9112, Persistence."""
    assert exchange(head("Connection: close")).count(b"Connection: close") == 1
    assert exchange(head()).count(b"Connection: close") == 0
    assert b"200 OK" in exchange(b"GET / HTTP/1.0\r\n\r\n")


def test_head_request_has_the_length_and_not_the_body(exchange: Exchange) -> None:
    """RFC 9110, HEAD."""
    answer = exchange(head("Connection: close", start="HEAD / HTTP/1.1"))
    assert b"Content-Length: 7\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_client_that_asks_is_told_to_go_on(exchange: Exchange) -> None:
    """RFC 9110, 100 Continue."""
    asked = head("Expect: 100-continue", "Content-Length: 3", "Connection: close", start="POST /p HTTP/1.1")
    assert exchange(asked, b"one").startswith((b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200", b"HTTP/1.1 200"))


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (post(b"x" * 101), b"413"),
        (chunked(b"x" * 60, b"y" * 60), b"413"),
        (head("X: " + "y" * 2000), b"431"),
        (b"GET / HTTP/1.1\r\nHost: hu", b"408"),
        (b"GET / HTTP/1.1\nHost: hub\n\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01", b"400"),
        (head("Content-Length: 9", start="POST / HTTP/1.1") + b"x", b"408"),
        (head("Transfer-Encoding: chunked", start="POST / HTTP/1.1") + b"zz\r\n", b"400"),
        (head("Transfer-Encoding: chunked", start="POST / HTTP/1.1") + b"1\r\nab\r\n", b"400"),
        (head("Transfer-Encoding: chunked", start="POST / HTTP/1.1") + b"1\na\r\n0\r\n\r\n", b"400"),
        (head("Transfer-Encoding: chunked", start="POST / HTTP/1.1") + b"fffffffff\r\n", b"400"),
        (head(start="GET /error HTTP/1.1"), b"500"),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"400"),
    ],
)
def test_what_is_refused_ends_the_connection_and_nothing_behind_it_is_read(
    exchange: Exchange, sent: bytes, status: bytes
) -> None:
    """RFC 9112, Request Smuggling; RFC 9110, Client Error 4xx."""
    behind = b"" if status == b"408" else head(start="GET /smuggled HTTP/1.1")
    answer = exchange(sent, behind)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"a secret of the server" not in answer
    if status != b"500":
        assert answer.count(b"HTTP/1.1 ") == 1


def test_idle_connection_ends_without_a_word(exchange: Exchange) -> None:
    """RFC 9112, Failures and Timeouts."""
    assert exchange() == b""


def test_connection_with_many_requests_leaves_others_their_turn(exchange: Exchange) -> None:
    """RFC 9112, Pipelining: they are answered all the same."""
    answers = exchange(head() * 500 + head("Connection: close"))
    assert answers.count(b"HTTP/1.1 200 OK") == 501


def test_busy_connections_take_turns() -> None:
    """RFC 9112, Pipelining: those who always have something to say do not keep others from being heard."""
    asked: list[str] = []

    def handle(request: HttpRequest) -> Response:
        until = time.monotonic() + MAX_TURN / MAX_PIPELINED
        while time.monotonic() < until:
            pass
        asked.append(request.target)
        return Response(200)

    server = HttpServer(("127.0.0.1", 0), handle)
    with ExitStack() as clients:
        for number in range(8):
            client = socket.create_connection(("127.0.0.1", server.server_port), 5)
            clients.enter_context(client)
            client.sendall(head(start=f"GET /{number} HTTP/1.1") * 4 * MAX_PIPELINED)
        server.start()
        with gevent.Timeout(10):
            while len(asked) < 8 * 4 * MAX_PIPELINED:
                gevent.sleep(0.01)
    server.stop(0)
    assert len(set(asked[: 9 * MAX_PIPELINED])) == 8


def test_client_is_not_too_slow_because_the_server_is() -> None:
    """RFC 9112, Failures and Timeouts: whoever has sent its request waits for its turn, however long."""

    def handle(_request: HttpRequest) -> Response:
        time.sleep(0.02)
        return Response(200)

    server = HttpServer(("127.0.0.1", 0), handle, HttpLimits(head_time=0.3))
    server.start()
    with ExitStack() as stack:
        address = ("127.0.0.1", server.server_port)
        clients = [
            stack.enter_context(closing(gevent_socket.create_connection(address, 10))) for _ in range(50)
        ]
        gevent.sleep(0.1)
        for client in clients:
            client.sendall(head())
        answers = [client.recv(1000) for client in clients]
    server.stop(0)
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)


def test_connection_that_is_never_idle_is_not_too_slow() -> None:
    """RFC 9112, Failures and Timeouts: the time for a head begins with the head."""
    server = HttpServer(("127.0.0.1", 0), lambda _request: Response(200), HttpLimits(head_time=0.5))
    server.start()
    request = head()
    with gevent_socket.create_connection(("127.0.0.1", server.server_port), 5) as client:
        client.sendall(request[:10])
        for _ in range(12):
            gevent.sleep(0.1)
            client.sendall(request[10:] + request[:10])
            assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
    server.stop(0)


def test_response_that_its_client_takes_slowly_arrives_whole(exchange: Exchange) -> None:
    """RFC 9112, Message Body Length: and the next is behind it."""
    answers = exchange(head(start="GET /large HTTP/1.1") + head("Connection: close"))
    assert bodies(answers) == [LARGE, b"GET / "]


def test_handler_that_waits_keeps_nobody_else_waiting(exchange: Exchange) -> None:
    """RFC 9112, Pipelining: only what comes behind it on its own connection."""
    order: list[str] = []

    def ask(target: str) -> None:
        exchange(head("Connection: close", start=f"GET {target} HTTP/1.1"))
        order.append(target)

    slow = threading.Thread(target=ask, args=("/slow",))
    slow.start()
    ask("/quick")
    slow.join(10)
    assert order == ["/quick", "/slow"]
    behind = exchange(
        head(start="GET /slow HTTP/1.1"), head("Connection: close", start="GET /quick HTTP/1.1")
    )
    assert bodies(behind) == [b"GET /slow ", b"GET /quick "]


def test_client_that_has_said_all_still_gets_its_answer(exchange: Exchange) -> None:
    """RFC 9112, Tear-down: half of the connection is closed, and the other not yet."""
    assert bodies(exchange(post(b"one"), END)) == [b"POST /p one"]
    assert b"400 Bad Request" in exchange(post(b"one")[:-1], END)
    assert exchange(b"GET / HT", END) == b""


def test_empty_line_behind_a_body_is_no_request(exchange: Exchange) -> None:
    """RFC 9112, Message Parsing: old clients send one."""
    assert bodies(exchange(post(b"one") + b"\r\n" + head("Connection: close"))) == [b"POST /p one", b"GET / "]


def test_client_over_a_limit_of_connections_is_told_with_its_request() -> None:
    """Mercure 1.0, Subscription."""
    admission = Admission(ConnectionLimits(total=1))
    asked: list[str | None] = []

    def handle(request: HttpRequest) -> Response:
        asked.append(request.limit)
        return Response(429 if request.limit else 200)

    server = HttpServer(("127.0.0.1", 0), handle, admission=admission)
    server.start()
    clients = [gevent_socket.create_connection(("127.0.0.1", server.server_port), 5) for _ in range(2)]
    answers: list[bytes] = []
    for client in clients:
        client.sendall(head())
        answers.append(client.recv(1000))
        client.close()
    gevent.sleep(0.05)
    # It would be over the limit for as long as it stays, however many others leave.
    assert [b"Connection: close" in answer for answer in answers] == [False, True]
    assert (asked, admission.connections) == ([None, "connections"], 0)
    server.stop(0)
