"""What a hub's server did since it started, for whoever watches it."""

from __future__ import annotations

from collections import Counter


class Counters:
    """Plain numbers that only grow: counting costs a publication nothing worth naming."""

    __slots__ = ("connections", "endings", "refusals", "subscribers", "updates")

    def __init__(self) -> None:
        self.connections: int = 0
        """Connections that were accepted."""
        self.subscribers: int = 0
        """Streams that were opened."""
        self.updates: int = 0
        """Updates that publishers sent and that the hub took."""
        self.refusals: Counter[tuple[int, str]] = Counter()
        """Requests and connections that were refused, by status and a word for the reason."""
        self.endings: Counter[str] = Counter()
        """Streams that ended, by a word for the reason."""
