"""A standalone hub with its admin port, in a thread with a loop of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import gevent
import requests

from flask_mercure_sse.hub.authority import Authority
from flask_mercure_sse.hub.hub import Hub
from flask_mercure_sse.protocol.keys import read_key
from flask_mercure_sse.protocol.v0 import MERCURE_0
from flask_mercure_sse.protocol.versions import Versions
from flask_mercure_sse.server.admin_port import AdminPort
from flask_mercure_sse.server.admission import Admission, ConnectionLimits
from flask_mercure_sse.server.counters import Counters, Gauges
from flask_mercure_sse.server.fanout_line import FanOutLine
from flask_mercure_sse.server.front import Front
from flask_mercure_sse.server.standalone import Standalone
from tests.tokens import encode_token

HUB = "/.well-known/mercure"
SECRET = "a secret that is long enough for HS256"
T = TypeVar("T")


MAX_BACKLOG = 64 * 1024
"""Bytes that may wait for a subscriber."""


class Watched:
    """A hub that runs; what touches it is done in its own thread, by :meth:`do`.

    Its probe makes the first attempt by itself, and the others when a test says so.
    """

    def __init__(self) -> None:
        self.hub = Hub(Versions(MERCURE_0))
        self.counters = Counters()
        self._tasks: list[Callable[[], None]] = []
        self._ready, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        assert self._ready.wait(10)

    def _serve(self) -> None:
        authority = Authority({None: lambda: [read_key(SECRET)]})
        admission = Admission(ConnectionLimits(per_token=2))
        front = Front(
            self.hub,
            publishers=authority,
            subscribers=authority,
            admission=admission,
            counters=self.counters,
        )
        self.standalone = Standalone(
            ("127.0.0.1", 0), front, admission=admission, counters=self.counters, max_backlog=MAX_BACKLOG
        )
        fanout = self.standalone.fanout
        gauges = Gauges(self.hub.sizes, lambda: admission.connections, lambda: fanout.backlog)
        port = AdminPort(
            ("127.0.0.1", 0),
            self.hub,
            door=self.standalone.server,
            line=FanOutLine(fanout, self.hub),
            counters=self.counters,
            gauges=gauges,
        )
        self.probe = port.probe
        self.probe._interval = 3600.0
        self.standalone.start()
        port.start()
        self.url = f"http://127.0.0.1:{self.standalone.server.server_port}{HUB}"
        self.admin_url = f"http://127.0.0.1:{port.server.server_port}"
        while not (self.probe.has_succeeded or self.probe.failures):
            gevent.sleep(0.001)
        self._ready.set()
        while not self._stopping.is_set():
            gevent.sleep(0.005)
            while self._tasks:
                self._tasks.pop(0)()
        port.stop()
        self.standalone.stop(0.1)

    def do(self, work: Callable[[], T]) -> T:
        """Do something in the hub's thread, and return what it gives."""
        done = threading.Event()
        results: list[T] = []
        self._tasks.append(lambda: (results.append(work()), done.set())[1])
        assert done.wait(10)
        return results[0]

    def attempt(self) -> None:
        """Let the hub publish to itself now."""
        self.do(self.probe.attempt)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(10)

    def get(self, path: str, method: str = "GET", **headers: str) -> requests.Response:
        """Ask the admin port."""
        return requests.request(method, self.admin_url + path, headers=headers, timeout=10)

    def publish(self, token: str | None = None, **fields: str) -> requests.Response:
        """Publish with a token that grants everything, or another."""
        token = encode_token({"mercure": {"publish": ["*"]}}, SECRET) if token is None else token
        headers = {"Authorization": f"Bearer {token}"}
        return requests.post(self.url, data=fields, headers=headers, timeout=10)
