"""The last updates of a hub, kept for subscribers that come back."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter

from ..protocol.update import EARLIEST
from .frame import Frame, SubscriptionFrame

_position = attrgetter("position")


class Row:
    """The last `length` frames of one kind, in order of their positions.

    :param length: how many frames to keep, 0 for none.
    """

    def __init__(self, length: int) -> None:
        self._frames: deque[Frame] = deque(maxlen=length)
        self.dropped: int = 0
        """Position of the newest frame that is no longer kept."""
        self.newest: int = 0
        """Position of the newest frame."""

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    def append(self, frame: Frame) -> Frame | None:
        """Keep a frame as the newest, and return the one that is not kept for it."""
        frames = self._frames
        dropped = None
        if len(frames) == frames.maxlen:
            dropped = frames[0] if frames else frame
            self.dropped = dropped.position
        frames.append(frame)
        self.newest = frame.position
        return dropped

    def between(self, after: int, until: int) -> list[Frame]:
        """Return the frames behind one position and up to another; those before cost nothing."""
        frames = self._frames
        if self.newest <= after or not frames:
            return []
        start = bisect_right(frames, after, key=_position)
        end = len(frames) if self.newest <= until else bisect_right(frames, until, key=_position)
        # From the end, which is near what most ask for: a deque is walked to where a slice begins.
        found = list(islice(reversed(frames), len(frames) - end, len(frames) - start))
        found.reverse()
        return found


class History:
    """The last `length` updates in the order in which the hub published them.

    Subscription events have a row of their own, as long, so that clients that come and go never push the
    app's own updates out.

    Not safe for threads by itself; the hub calls it under its lock.

    :param length: how many updates to keep, 0 for none.
    """

    def __init__(self, length: int) -> None:
        self.updates: Row = Row(length)
        self.subscription_events: Row = Row(length)
        self._position = 0
        self.last_event_id: str = EARLIEST
        """The id of the newest update, ``earliest`` before the first."""
        self._first_uses: dict[str, int] = {}
        """Positions by id, of frames that are kept."""
        self._later_uses: dict[str, deque[int]] = {}

    def __len__(self) -> int:
        return len(self.updates) + len(self.subscription_events)

    def append(self, frame: Frame) -> None:
        """Keep a frame as the newest."""
        self._position = position = frame.position = self._position + 1
        self.last_event_id = event_id = frame.id
        if event_id in self._first_uses:
            self._later_uses.setdefault(event_id, deque()).append(position)
        else:
            self._first_uses[event_id] = position
        row = self.subscription_events if isinstance(frame, SubscriptionFrame) else self.updates
        dropped = row.append(frame)
        if dropped is not None:
            self._forget(dropped)

    def find(self, event_id: str) -> tuple[str, int]:
        """Return the cursor behind which to go on after an event, and its position.

        An id that is not known, never was or is no longer, means everything that is kept, behind
        ``earliest``: more than was asked, because less would be a silent loss. An id that was used twice
        means its first use (`Mercure, Reconciliation`).
        """
        position = self._first_uses.get(event_id, 0)
        # A subscription event may be kept longer than updates that came after it.
        return (event_id, position) if position > self.updates.dropped else (EARLIEST, 0)

    def _forget(self, frame: Frame) -> None:
        event_id = frame.id
        if event_id not in self._later_uses:
            del self._first_uses[event_id]
            return
        later = self._later_uses[event_id]
        if self._first_uses[event_id] == frame.position:
            self._first_uses[event_id] = later.popleft()
        else:  # a frame of the other row has the same id
            later.remove(frame.position)
        if not later:
            del self._later_uses[event_id]
