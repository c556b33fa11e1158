"""What a hub's server did since it started and what it has now, for whoever watches it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from ..hub.hub import Sizes
from ..protocol.errors import Refusal, TooManyConnections


class Counters:
    """Plain numbers that only grow: counting costs a publication nothing worth naming.

    The words for reasons are few and fixed: nothing that a client chooses is among them.
    """

    __slots__ = ("connections", "endings", "failed_updates", "refusals", "subscribers", "updates")

    def __init__(self) -> None:
        self.connections: int = 0
        """Connections that were accepted."""
        self.subscribers: int = 0
        """Streams that were opened."""
        self.updates: int = 0
        """Updates that publishers sent and that the hub took."""
        self.failed_updates: int = 0
        """Updates that publishers sent, with which nothing was wrong, and that the hub did not take."""
        self.refusals: Counter[tuple[int, str]] = Counter()
        """Requests and connections that were refused, by status and a word for the reason."""
        self.endings: Counter[str] = Counter()
        """Streams that ended, by a word for the reason."""

    def refused(self, refusal: Refusal) -> None:
        """Count a request that the hub refuses, by the limit that is reached or by the kind of refusal."""
        is_limit = isinstance(refusal, TooManyConnections)
        self.refusals[refusal.status, refusal.limit if is_limit else refusal_word(type(refusal))] += 1


@dataclass(frozen=True, slots=True)
class Gauges:
    """What a server has at a moment, each asked when somebody looks.

    :param hub: how much the hub holds.
    :param connections: connections that are open.
    :param backlog: bytes that wait for subscribers who read too slowly.
    """

    hub: Callable[[], Sizes]
    connections: Callable[[], int]
    backlog: Callable[[], int]


@cache
def refusal_word(kind: type[Refusal]) -> str:
    """Return the word for a kind of refusal: its name in snake case."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
