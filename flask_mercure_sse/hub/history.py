"""The last updates of a hub, kept for subscribers that come back."""

from __future__ import annotations

from collections import deque
from heapq import merge
from itertools import dropwhile
from typing import NamedTuple

from ..protocol.update import EARLIEST, Update
from ..protocol.version import ProtocolVersion


class Entry(NamedTuple):
    """An update as it was published.

    :param position: in the order of publishing.
    :param audience: the version of the protocol whose subscribers alone are told; None for all.
    """

    position: int
    update: Update
    audience: ProtocolVersion | None


class History:
    """The last `length` updates in the order in which the hub published them.

    Subscription events have a row of their own, as long, so that clients that come and go never push the
    app's own updates out.

    Not safe for threads by itself; the hub calls it under its lock.

    :param length: how many updates to keep, 0 for none.
    """

    def __init__(self, length: int) -> None:
        self._updates: deque[Entry] = deque(maxlen=length)
        self._subscription_events: deque[Entry] = deque(maxlen=length)
        self._position = 0
        self._dropped = 0
        """Position of the newest update that is no longer kept."""
        self.last_event_id: str = EARLIEST
        """The id of the newest update, ``earliest`` before the first."""

    def __len__(self) -> int:
        return len(self._updates) + len(self._subscription_events)

    def append(self, update: Update, audience: ProtocolVersion | None = None) -> None:
        """Keep an update as the newest.

        :param audience: of a subscription event, the version in which it is told.
        """
        row = self._updates if audience is None else self._subscription_events
        self._position += 1
        if audience is None and len(row) == row.maxlen:
            self._dropped = row[0].position if row else self._position
        row.append(Entry(self._position, update, audience))
        self.last_event_id = update.id

    def after(self, event_id: str) -> tuple[str, list[Entry]]:
        """Return what came after an event, and the id of the event before the first returned.

        An id that is not known, never was or is no longer, gives everything that is kept, behind
        ``earliest``: more than was asked, because less would be a silent loss. An id that was used twice
        means its first use (`Mercure, Reconciliation`).
        """
        entries = list(merge(self._updates, self._subscription_events))
        if event_id != EARLIEST:
            following = list(dropwhile(lambda entry: entry.update.id != event_id, entries))
            # A subscription event may be kept longer than updates that came after it.
            if following and following[0].position > self._dropped:
                return event_id, following[1:]
        return EARLIEST, entries
