"""The port for those who watch a hub: metrics and health, served in the hub's process and loop."""

from __future__ import annotations

import socket

from ..hub.hub import Hub
from .admin import Admin
from .counters import Counters, Gauges
from .health import Door, Health
from .http import HttpServer
from .probe import Line, Probe


class AdminPort:
    """Serves the admin pages of a hub, and keeps its probe running.

    :param listener: an address to listen on, or a socket that listens.
    :param hub: the hub.
    :param door: where its clients come in.
    :param line: takes what the hub publishes to itself, and is closed at the end.
    :param counters: what the hub's server counts.
    :param gauges: what it has at the moment.
    """

    def __init__(
        self,
        listener: socket.socket | tuple[str, int],
        hub: Hub,
        *,
        door: Door,
        line: Line,
        counters: Counters,
        gauges: Gauges,
    ) -> None:
        self.probe: Probe = Probe(hub, line)
        admin = Admin(Health(self.probe, door), counters, gauges)
        self.server: HttpServer = HttpServer(listener, admin.answer)  # with counters of its own

    def start(self) -> None:
        """Begin to serve."""
        self.probe.start()
        self.server.start()

    def stop(self, timeout: float = 0.0) -> None:
        """Stop: after the hub has drained, for that is when others look, and before its fan-out stops.

        :param timeout: seconds that requests under way get.
        """
        self.server.stop(timeout)
        self.probe.stop()
