"""Event ids that were seen of late."""

from __future__ import annotations


class RecentIds:
    """Remembers ids, the last `count` of them at least and twice as many at most.

    It needs no lock: two threads that add at once may at worst drop the older half a little early.

    :param count: how many.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._newer: set[str] = set()
        self._older: set[str] = set()

    def __contains__(self, event_id: str) -> bool:
        return event_id in self._newer or event_id in self._older

    def add(self, event_id: str) -> None:
        """Remember an id."""
        if len(self._newer) >= self._count:
            self._older, self._newer = self._newer, set()
        self._newer.add(event_id)
