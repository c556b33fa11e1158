"""What a subscriber missed, found once for all who ask for the same.

When thousands come back at once, most of them have the same few patterns and cursors, and topics of their
own. So the hub finds a topic's frames in a dictionary, remembers which frames a pattern selects between two
positions, and the next who comes back costs look-ups and what was published since.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

from ..protocol.rights import Rights
from ..protocol.selectors import Selector
from ..protocol.version import SubscribeRequest
from .frame import Frame
from .history import Row

MAX_REMEMBERED = 512 * 1024
"""Frames in all that is remembered of patterns: each takes 8 bytes there."""

WEIGHT = 64
"""What remembering no frame weighs, in frames."""

Key = tuple[str, str]  # a selector's

_position = attrgetter("position")


class Selected(NamedTuple):
    """The frames that a pattern selects behind one position and up to another."""

    after: int
    until: int
    frames: Sequence[Frame] = ()


class Search(NamedTuple):
    """What a pattern selects: what is known of it, and what is to be matched in front of that and behind.

    :param after: position of the cursor.
    :param dropped: position of the newest frame that is no longer kept.
    """

    selector: Selector
    after: int
    dropped: int
    known: Selected
    older: Sequence[Frame]
    newer: Sequence[Frame]

    @property
    def is_done(self) -> bool:
        """Whether nothing is to be matched."""
        return not (self.older or self.newer)

    def found(self) -> Selected:
        """Return what is known when all has been matched."""
        known = self.known
        if self.is_done:
            return known
        return Selected(
            after=min(self.after, known.after),
            until=self.newer[-1].position if self.newer else known.until,
            frames=[
                *_selected(self.selector, self.older),
                *_behind(self.dropped, known.frames),
                *_selected(self.selector, self.newer),
            ],
        )


class Missed:
    """What one row of the history has for a subscriber, fixed under the hub's lock and read outside of it.

    :param after: position of the cursor.
    :param rows: frames that are selected for sure.
    :param searches: what else may be selected.
    :param has_private: whether a private update may be among them.
    """

    __slots__ = ("_after", "_has_private", "_rows", "_searches")

    def __init__(
        self, after: int, rows: list[Sequence[Frame]], searches: list[Search], has_private: bool
    ) -> None:
        self._after = after
        self._rows = rows
        self._searches = searches
        self._has_private = has_private

    def match(self) -> list[tuple[Key, Selected]]:
        """Try the patterns, which takes time, and return what is worth remembering of it."""
        found = [(search, search.found()) for search in self._searches]
        self._rows += [_behind(self._after, selected.frames) for _search, selected in found]
        return [(search.selector.key, selected) for search, selected in found if not search.is_done]

    def readable(self, request: SubscribeRequest, rights: Rights) -> Sequence[Frame]:
        """Return what the subscriber gets of what it selected, in order and each once."""
        frames = in_order(self._rows)
        if not self._has_private:
            return frames
        return [
            frame
            for frame in frames
            if not frame.update.private
            or (rights.subscribe and frame.is_for(request.version) and rights.may_read(frame.update.topics))
        ]


class Replays:
    """Finds what subscribers missed of one row of the history.

    Not safe for threads by itself; the hub calls it under its lock.
    """

    def __init__(self, row: Row) -> None:
        self._row = row
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._by_topic: dict[str, list[Frame]] = {}
        self._indexed = 0
        """Position up to which frames stand by their topics."""
        self._newest_private = 0
        self._selected: dict[Key, Selected] = {}
        self._weight = 0
        self._forgets_with = 0

    def missed(self, request: SubscribeRequest, position: int) -> Missed:
        """Return what a subscriber missed behind a position."""
        row = self._row
        if row.newest <= position:
            return Missed(position, [], [], False)
        self._index()
        after = max(position, row.dropped)
        has_private = self._newest_private > after
        if any(selector.selects_everything for selector in request.selectors):
            return Missed(after, [row.between(after, row.newest)], [], has_private)
        exact = [self._by_topic.get(one.text, ()) for one in request.selectors if one.pattern is None]
        return Missed(
            after,
            [_behind(after, frames) for frames in exact if frames],
            [self._search(selector, after) for selector in request.selectors if selector.pattern is not None],
            has_private,
        )

    def remember(self, found: Iterable[tuple[Key, Selected]]) -> None:
        """Remember what was matched."""
        for key, selected in found:
            if replaced := self._selected.pop(key, None):
                self._weight -= WEIGHT + len(replaced.frames)
            self._selected[key] = selected
            self._weight += WEIGHT + len(selected.frames)
        while self._weight > MAX_REMEMBERED:
            oldest = self._selected.pop(next(iter(self._selected)))
            self._weight -= WEIGHT + len(oldest.frames)

    def forget_what_is_old(self) -> None:
        """Forget all when the row keeps nothing of what it then kept: updates may be large."""
        if (self._by_topic or self._selected) and self._row.dropped >= self._forgets_with:
            self._begin_anew()

    def _index(self) -> None:
        row = self._row
        if not self._by_topic:
            self._forgets_with = row.newest
        for frame in row.between(self._indexed, row.newest):
            update = frame.update
            for topic in dict.fromkeys(update.topics):
                self._by_topic.setdefault(topic, []).append(frame)
            if update.private:
                self._newest_private = frame.position
        self._indexed = row.newest

    def _search(self, selector: Selector, after: int) -> Search:
        row = self._row
        known = self._selected.get(selector.key)
        if known is None or known.until < after:
            known = Selected(after, after)
        older = row.between(after, known.after) if after < known.after else ()
        return Search(selector, after, row.dropped, known, older, row.between(known.until, row.newest))


def in_order(rows: Sequence[Sequence[Frame]]) -> Sequence[Frame]:
    """Return the frames of all rows in the order of the history, each once."""
    filled = [row for row in rows if row]
    if len(filled) < 2:
        return filled[0] if filled else []
    return sorted(set(chain.from_iterable(filled)), key=_position)


def _behind(position: int, frames: Sequence[Frame]) -> Sequence[Frame]:
    return frames[bisect_right(frames, position, key=_position) :]


def _selected(selector: Selector, frames: Iterable[Frame]) -> list[Frame]:
    matches = selector.matches
    return [frame for frame in frames if any(map(matches, frame.update.topics))]
