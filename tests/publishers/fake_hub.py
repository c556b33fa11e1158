"""A hub that answers what a test wants."""

from __future__ import annotations

import ssl
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from flask_mercure_sse import Update
from flask_mercure_sse.protocol.limits import Limits
from flask_mercure_sse.protocol.publishing import read_update

HUB = "/.well-known/mercure"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_arguments: object) -> None:
        """Keep the test's output clean: publishers hang up."""


class FakeHub:
    """Keeps what it is sent and answers with `status`, `answer` and `headers` after `delay` seconds.

    :param port: of a hub that is not there yet, or was; any free one by default.
    :param tls: with which it speaks https.
    """

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, list[tuple[str, str]]]] = []
        self.connections: set[tuple[str, int]] = set()
        self.status, self.answer, self.delay = 200, "its-id", 0.0
        self.asked = 0
        """How many documents were asked for."""
        self.headers: dict[str, str] = {}
        self.first: list[tuple[int, dict[str, str]]] = []
        """Status and headers of the first answers, before `status` and `headers` count."""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                hub.take_from(self)
                hub.answer_to(self)

            def do_GET(self) -> None:
                hub.asked += 1
                hub.answer_to(self)

            def log_message(self, *_arguments: object) -> None:
                """Keep the test's output clean."""

        self._server = _Server(("127.0.0.1", port), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}{HUB}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def take_from(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
        self.requests.append((handler.headers["Authorization"], parse_qsl(body, keep_blank_values=True)))
        self.connections.add(handler.client_address)

    def answer_to(self, handler: BaseHTTPRequestHandler) -> None:
        time.sleep(self.delay)
        status, headers = self.first.pop(0) if self.first else (self.status, self.headers)
        with suppress(OSError):  # the publisher may have given up
            handler.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(self.answer))}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(self.answer.encode())

    @property
    def updates(self) -> list[Update]:
        """What it was sent."""
        return [read_update(form, Limits()) for _, form in self.requests]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
