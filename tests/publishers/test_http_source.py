"""Streams of a hub over HTTP, as servers may send them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from flask_mercure_sse.protocol.errors import SubscribeError
from flask_mercure_sse.protocol.v0 import MERCURE_0
from flask_mercure_sse.publishers.connections import Connections, Timeouts
from flask_mercure_sse.publishers.http_source import HttpSource
from tests.server.processes import PATIENCE

HUB = "/.well-known/mercure"


class Hub(BaseHTTPRequestHandler):
    """A hub that sends what the test puts into a queue, in chunks or until it closes the connection."""

    protocol_version = "HTTP/1.1"
    sent: queue.Queue[bytes]
    requests: list[BaseHTTPRequestHandler]

    def do_GET(self) -> None:
        self.requests.append(self)
        if urlsplit(self.path).path != HUB:
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        chunked = "chunked" in self.path
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header(*("Transfer-Encoding", "chunked") if chunked else ("Connection", "close"))
        self.send_header("Last-Event-ID", "é".encode().decode("latin-1"))
        self.end_headers()
        while piece := self.sent.get(timeout=PATIENCE):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[type[Hub]]:
    handler = type("OneHub", (Hub,), {"sent": queue.Queue(), "requests": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        handler.server_port = server.server_port  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield handler
        server.shutdown()
        thread.join()
        handler.sent.put(b"")


def source_of(hub: type[Hub], path: str = HUB, token: str | None = None) -> HttpSource:
    return HttpSource(
        f"http://127.0.0.1:{hub.server_port}{path}",  # type: ignore[attr-defined]
        MERCURE_0,
        lambda _topics: token,
        None,
        connections=Connections(),
        timeouts=Timeouts(),
    )


@pytest.mark.parametrize("topic", ["chunked", "until-it-closes"])
def test_bytes_are_read_as_they_come(topic: str, hub: type[Hub]) -> None:
    with closing(source_of(hub).open([topic], None)) as stream:
        for piece in (b"id: 1\n", b"data: x\n\n"):
            hub.sent.put(piece)
            assert stream.read() == piece


def test_what_is_asked_for_is_said_in_utf_8(hub: type[Hub]) -> None:
    with closing(source_of(hub, token="a.b.c").open(["/é", "/b"], "urn:é")) as stream:
        assert stream.resumed_after == "é"
    [request] = hub.requests
    assert request.path == f"{HUB}?topic=%2F%C3%A9&topic=%2Fb"
    assert request.headers["Last-Event-ID"].encode("latin-1").decode() == "urn:é"
    assert request.headers["Authorization"] == "Bearer a.b.c"


@pytest.mark.parametrize("topic", ["chunked", "until-it-closes"])
def test_another_thread_ends_a_read_that_waits(topic: str, hub: type[Hub]) -> None:
    ended = threading.Event()
    stream = source_of(hub).open([topic], None)

    def read() -> None:
        with closing(stream):
            try:
                while stream.read():
                    pass
            except SubscribeError:
                pass
        ended.set()

    threading.Thread(target=read).start()
    hub.sent.put(b":\n")
    stream.interrupt()
    assert ended.wait(PATIENCE)
    stream.interrupt()  # a second time does nothing


def test_a_stream_that_is_cut_within_a_chunk_is_an_error(hub: type[Hub]) -> None:
    with closing(source_of(hub).open(["chunked"], None)) as stream:
        hub.sent.put(b":\n")
        assert stream.read() == b":\n"
        hub.sent.put(b"")
        with pytest.raises(SubscribeError, match="the stream broke"):
            stream.read()


def test_a_redirection_is_not_followed(hub: type[Hub]) -> None:
    with pytest.raises(SubscribeError, match="answered 302"):
        source_of(hub, "/elsewhere", token="a.b.c").open(["/a"], None)


def test_a_hub_that_tells_no_subscriptions_has_no_cursor(hub: type[Hub]) -> None:
    assert source_of(hub, token="a.b.c").cursor() is None
    assert source_of(hub).cursor() is None  # no token, no question
    assert len(hub.requests) == 1
