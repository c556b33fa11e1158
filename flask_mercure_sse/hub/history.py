"""The last updates of a hub, kept for subscribers that come back."""

from __future__ import annotations

from collections import deque
from heapq import merge
from itertools import dropwhile
from operator import itemgetter

from ..protocol.update import EARLIEST, Update

_Entry = tuple[int, Update]  # position in the order of publishing, and the update


class History:
    """The last `length` updates in the order in which the hub published them.

    Subscription events have a row of their own, as long, so that clients that come and go never push the
    app's own updates out.

    Not safe for threads by itself; the hub calls it under its lock.

    :param length: how many updates to keep, 0 for none.
    """

    def __init__(self, length: int) -> None:
        self._updates: deque[_Entry] = deque(maxlen=length)
        self._subscription_events: deque[_Entry] = deque(maxlen=length)
        self._position = 0
        self._dropped = 0
        """Position of the newest update that is no longer kept."""
        self.last_event_id: str = EARLIEST
        """The id of the newest update, ``earliest`` before the first."""

    def append(self, update: Update, *, subscription_event: bool = False) -> None:
        """Keep an update as the newest."""
        row = self._subscription_events if subscription_event else self._updates
        self._position += 1
        if not subscription_event and len(row) == row.maxlen:
            self._dropped = row[0][0] if row else self._position
        row.append((self._position, update))
        self.last_event_id = update.id

    def after(self, event_id: str) -> tuple[str, list[Update]]:
        """Return what came after an event, and the id of the event before the first returned.

        An id that is not known, never was or is no longer, gives everything that is kept, behind
        ``earliest``: more than was asked, because less would be a silent loss. An id that was used twice
        means its first use (`Mercure, Reconciliation`).
        """
        entries = list(merge(self._updates, self._subscription_events, key=itemgetter(0)))
        if event_id != EARLIEST:
            following = list(dropwhile(lambda entry: entry[1].id != event_id, entries))
            # A subscription event may be kept longer than updates that came after it.
            if following and following[0][0] > self._dropped:
                return event_id, _updates(following[1:])
        return EARLIEST, _updates(entries)


def _updates(entries: list[_Entry]) -> list[Update]:
    return [update for _position, update in entries]
