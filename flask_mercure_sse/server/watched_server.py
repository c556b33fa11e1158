"""The standalone hub with its admin port."""

from __future__ import annotations

import socket

from .admin_port import AdminPort
from .counters import Counters, Gauges
from .fanout_line import FanOutLine
from .front import Front
from .standalone import Standalone


class WatchedServer:
    """A server and the admin port that tells how it is.

    :param server: serves the front.
    :param listener: the socket of the admin port.
    :param counters: those of the server and the front.
    """

    def __init__(self, server: Standalone, front: Front, listener: socket.socket, counters: Counters) -> None:
        self._server = server
        fanout, admission = server.fanout, server.admission
        self._admin = AdminPort(
            listener,
            front.hub,
            door=server.server,
            line=FanOutLine(fanout, front.hub),
            counters=counters,
            gauges=Gauges(front.hub.sizes, lambda: admission.connections, lambda: fanout.backlog),
        )

    def start(self) -> None:
        """Begin to serve."""
        self._server.start()
        self._admin.start()

    def drain(self, seconds: float) -> None:
        """Drain the server; the admin port stays, for that is when others look."""
        self._server.drain(seconds)

    def stop(self, timeout: float) -> None:
        """Stop both.

        :param timeout: seconds that requests under way get.
        """
        self._admin.stop()
        self._server.stop(timeout)
