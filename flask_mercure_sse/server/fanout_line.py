"""A stream of the fan-out that ends in this process, in a pipe instead of a socket."""

from __future__ import annotations

import os

from gevent import socket

from ..hub.frame import Frame
from ..hub.hub import Hub
from ..hub.subscriber import Group, Subscriber
from ..protocol.rights import ANONYMOUS
from ..protocol.version import SubscribeRequest
from .admission import ANY_PLACE
from .fanout import FanOut
from .outbox import Connection, Outbox


class FanOutLine:
    """A line for a probe: its frames are queued and written with those of all others.

    The fan-out does not know it as a connection, so that it counts nowhere, gets no comments, and is nothing
    to wait for at the end. It holds two descriptors.

    :param fanout: the fan-out to go through.
    :param hub: whose fan-out it is.
    """

    def __init__(self, fanout: FanOut, hub: Hub) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        request = SubscribeRequest(hub.versions.newest, ())
        nobody = Subscriber(Group(("", (), ()), request, ()), ANONYMOUS, None, "")
        self._outbox = Outbox(fanout, 0)
        self._outbox.connections[self._writer] = Connection(self._writer, nobody, self._outbox, ANY_PLACE)

    def deliver(self, frame: Frame) -> None:
        """Take a frame."""
        self._outbox.put(frame)

    def receive(self) -> bytes:
        """Wait for what the fan-out writes, and return it."""
        socket.wait_read(self._reader)
        return os.read(self._reader, 65536)

    def close(self) -> None:
        """Close the pipe."""
        # What still waits must not be written to whoever gets the descriptor's number next.
        self._outbox.connections.clear()
        os.close(self._reader)
        os.close(self._writer)
