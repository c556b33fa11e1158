"""Ending all streams of a hub that stops, so that their clients come back and not all at once."""

from __future__ import annotations

import random
import time
from collections import deque

import gevent

from .fanout import FanOut
from .outbox import Connection

STEP = 0.05
"""Seconds between two streams or more that end."""

MIN_RETRY = 1.0
"""Seconds that a client waits at least."""


def drain(fanout: FanOut, seconds: float) -> None:
    """End every stream, one after the other, and return when none is left.

    Each is told when to come back: after the last has ended, and then at a moment of its own, for all of them
    at once would be a flood.

    :param seconds: for all of them together.
    """
    ends_at = time.monotonic() + seconds
    connections = list(fanout.connections)
    random.shuffle(connections)
    waiting = deque(connections)
    while (remaining := ends_at - time.monotonic()) > 0 and waiting:
        fanout.flush()
        for _ in range(len(waiting) - int(len(connections) * remaining / seconds)):
            connection = waiting.popleft()
            if connection.backlog is None:
                _send_home(fanout, connection, remaining, seconds)
            elif fanout.is_open(connection):
                waiting.append(connection)  # what it still has to get may be nowhere else
        gevent.sleep(min(remaining, STEP))
    fanout.flush()
    for connection in list(fanout.connections):
        _send_home(fanout, connection, 0.0, seconds)


def _send_home(fanout: FanOut, connection: Connection, remaining: float, spread: float) -> None:
    """End a stream.

    :param remaining: seconds until the hub has ended.
    :param spread: seconds over which all come back.
    """
    pause = remaining + random.uniform(MIN_RETRY, MIN_RETRY + spread)  # noqa: S311 - no secret
    if connection.backlog is None:
        fanout.say(connection, b"retry: %d\n\n" % (pause * 1000))
    fanout.end(connection, "drained")
