"""The standalone hub in a process of its own, built from JSON and watched through a socket.

``python -m tests.faults.serve FD JSON``: the descriptor is that of a socket; each line that comes in asks for
a report, which goes out as a line of JSON.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all(ssl=False)

import json  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from ipaddress import ip_network  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from gevent.event import Event  # noqa: E402

from flask_mercure_sse.hub.hub import Hub  # noqa: E402
from flask_mercure_sse.protocol.versions import speak  # noqa: E402
from flask_mercure_sse.server.admission import Admission, ConnectionLimits  # noqa: E402
from flask_mercure_sse.server.counters import Counters  # noqa: E402
from flask_mercure_sse.server.front import Front  # noqa: E402
from flask_mercure_sse.server.http_limits import HttpLimits  # noqa: E402
from flask_mercure_sse.server.issuers import authority, key_source  # noqa: E402
from flask_mercure_sse.server.standalone import Standalone  # noqa: E402
from tests.faults.hubs import HUB, PUBLISHER, SUBSCRIBER  # noqa: E402

PROBE = 0.005
"""Seconds between two looks at how late the loop is."""


class Pauses:
    """The longest time for which the loop had no turn."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self._last = (time.monotonic(), time.process_time())
        self._timer: Any = gevent.get_hub().loop.timer(PROBE, PROBE)
        self._timer.start(self._look)

    def _look(self) -> None:
        now = (time.monotonic(), time.process_time())
        self.wall = max(self.wall, now[0] - self._last[0] - PROBE)
        self.cpu = max(self.cpu, now[1] - self._last[1])
        self._last = now

    def take(self) -> tuple[float, float]:
        """Return the longest since the last call: on the clock, and in time of the CPU."""
        taken = (self.wall, self.cpu)
        self.wall = self.cpu = 0.0
        return taken


class Service:
    """A hub that serves, and tells how it is."""

    def __init__(
        self,
        *,
        hub: dict[str, Any] | None = None,
        limits: dict[str, Any] | None = None,
        connections: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        versions = speak("0.x", f"http://localhost{HUB}")
        self.hub = Hub(versions, **{"subscriptions": False, **(hub or {})})
        self.counters = Counters()
        self.admission = Admission(_connection_limits(**connections or {}))
        front = Front(
            self.hub,
            publishers=authority("publisher", key_source("publisher", PUBLISHER, None), own_names=[]),
            subscribers=authority("subscriber", key_source("subscriber", SUBSCRIBER, None), own_names=[]),
            admission=self.admission,
            counters=self.counters,
        )
        self.standalone = Standalone(
            ("127.0.0.1", 0),
            front,
            limits=HttpLimits(**limits or {}),
            admission=self.admission,
            counters=self.counters,
            **options,
        )
        self.pauses = Pauses()

    def start(self) -> None:
        self.standalone.start()

    def report(self) -> dict[str, Any]:
        server, counters = self.standalone.server, self.counters
        wall, cpu = self.pauses.take()
        return {
            "port": server.server_port if not server.is_closed else None,
            "streams": len(self.standalone.fanout),
            "requests": len(server),
            "subscribers": self.hub.sizes().subscribers,
            "counted": [self.admission.connections, self.admission.streams],
            "is_accepting": server.is_accepting,
            "refusals": {f"{status} {reason}": n for (status, reason), n in counters.refusals.items()},
            "endings": dict(counters.endings),
            "longest_pause": wall,
            "longest_work": cpu,
        }

    def drain(self, seconds: float) -> None:
        self.standalone.drain(seconds)
        self.standalone.stop()


def _connection_limits(trusted_proxies: list[str] | None = None, **numbers: int) -> ConnectionLimits:
    networks = tuple(ip_network(one) for one in trusted_proxies or [])
    return ConnectionLimits(trusted_proxies=networks, **numbers)


def _answer_reports(fd: int, service: Service) -> None:
    """Report each time that a line comes in."""
    watcher: Any = gevent.get_hub().loop.io(fd, 1)

    def on_ready() -> None:
        if not os.read(fd, 1000):
            watcher.stop()
            return
        os.write(fd, json.dumps(service.report()).encode() + b"\n")

    watcher.start(on_ready)


def main(fd: int, descriptors: int | None = None, drain: float = 0.0, **options: Any) -> None:
    """Serve until told to stop.

    :param descriptors: how many the process may have.
    :param drain: seconds for which streams are drained at the end.
    """
    logging.basicConfig(level=logging.WARNING)
    service = Service(**options)
    stopping = Event()
    gevent.signal_handler(signal.SIGTERM, stopping.set)
    _answer_reports(fd, service)
    if descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    service.start()
    stopping.wait()
    service.drain(drain)


if __name__ == "__main__":
    main(int(sys.argv[1]), **json.loads(sys.argv[2]))
