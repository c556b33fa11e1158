"""In order per topic, whoever publishes."""

from __future__ import annotations

from collections.abc import Iterable


class Order:
    """Tells, row by row in the order of their ids, which updates may go.

    One that cannot go now stops those behind it that share a topic with it on the same hub, and no others.
    """

    def __init__(self) -> None:
        self._stopped: set[tuple[str | None, str]] = set()

    def may_go(self, hub: str | None, topics: Iterable[str]) -> bool:
        """Tell whether nothing before this update stops it; else it stops others itself."""
        if not self._stopped or self._stopped.isdisjoint((hub, topic) for topic in topics):
            return True
        self.stop(hub, topics)
        return False

    def stop(self, hub: str | None, topics: Iterable[str]) -> None:
        """Let the updates behind this one wait for it."""
        self._stopped.update((hub, topic) for topic in topics)
