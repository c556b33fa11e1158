"""What is left of a stream that could not be opened."""

from __future__ import annotations

import logging

import gevent
import pytest
from gevent import socket

from flask_mercure_sse.hub.authority import Authority
from flask_mercure_sse.hub.hub import Hub
from flask_mercure_sse.protocol.v0 import MERCURE_0
from flask_mercure_sse.protocol.version import HUB_PATH
from flask_mercure_sse.protocol.versions import Versions
from flask_mercure_sse.server.admission import Admission, ConnectionLimits
from flask_mercure_sse.server.fanout import FanOut
from flask_mercure_sse.server.front import Front
from flask_mercure_sse.server.standalone import Standalone


def test_stream_that_cannot_be_opened_leaves_no_subscriber_and_no_place_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(FanOut, "open", refuse)
    hub, admission = Hub(Versions(MERCURE_0)), Admission(ConnectionLimits(per_address=5))
    front = Front(hub, publishers=None, subscribers=Authority({}), admission=admission)
    standalone = Standalone(("127.0.0.1", 0), front, admission=admission)
    standalone.start()
    with (
        caplog.at_level(logging.CRITICAL, "flask_mercure_sse"),
        gevent.Timeout(10),
        socket.create_connection(("127.0.0.1", standalone.server.server_port)) as client,
    ):
        client.sendall(f"GET {HUB_PATH}?topic=/a HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert client.recv(100) == b""
    assert (hub.sizes().subscribers, admission.connections, admission.streams) == (0, 0, 0)
    standalone.stop(0)
