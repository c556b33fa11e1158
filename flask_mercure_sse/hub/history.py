"""The last updates of a hub, kept for subscribers that come back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
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
        self.last_event_id = EARLIEST
        """The id of the newest update, ``earliest`` before the first."""

    def append(self, update: Update, *, subscription_event: bool = False) -> None:
        """Keep an update as the newest."""
        row = self._subscription_events if subscription_event else self._updates
        self._position += 1
        row.append((self._position, update))
        self.last_event_id = update.id

    def after(self, event_id: str) -> tuple[str, list[Update]]:
        """Return what came after an event, and the id of the event before the first returned.

        An id that is not known, never was or is no longer, gives everything that is kept, behind
        ``earliest``: more than was asked, because less would be a silent loss. An id that was used twice
        means its first use (`Mercure, Reconciliation`).
        """
        if event_id != EARLIEST:
            following = list(dropwhile(lambda update: update.id != event_id, self._all()))
            if following:
                return event_id, following[1:]
        return EARLIEST, list(self._all())

    def _all(self) -> Iterator[Update]:
        rows = merge(self._updates, self._subscription_events, key=itemgetter(0))
        return (update for _position, update in rows)
