"""A table of things by how the texts that find them begin and end."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from ..protocol.outline import Ends

Thing = TypeVar("Thing")

ANY_ENDS = Ends()

_NOTHING: dict[Any, Any] = {}
"""Shared by all tables that hold nothing more, and never written to."""


class ByEnds(Generic[Thing]):
    """Finds the things whose ends fit a text, without looking at each.

    A text looks up its own ends, once for each pair of lengths that there is: these are few, for what
    differs between many patterns is a number or a name.
    """

    __slots__ = ("_anything", "_lengths", "_things")

    def __init__(self) -> None:
        self._anything: Thing | None = None
        """What fits every text: most tables hold it alone."""
        self._things: dict[tuple[str, str], Thing] = _NOTHING
        self._lengths: dict[tuple[int, int], int] = _NOTHING
        """How many things there are for each pair of lengths."""

    def __bool__(self) -> bool:
        return self._anything is not None or bool(self._things)

    def get(self, ends: Ends) -> Thing | None:
        """Return the thing that stands under some ends, None when there is none."""
        return self._anything if ends == ANY_ENDS else self._things.get(ends)

    def add(self, ends: Ends, thing: Thing) -> None:
        """Put a thing under some ends that have none."""
        if ends == ANY_ENDS:
            self._anything = thing
            return
        if not self._things:
            self._things, self._lengths = {}, {}
        self._things[ends] = thing
        lengths = len(ends.beginning), len(ends.ending)
        self._lengths[lengths] = self._lengths.get(lengths, 0) + 1

    def remove(self, ends: Ends) -> None:
        """Remove the thing that stands under some ends."""
        if ends == ANY_ENDS:
            self._anything = None
            return
        del self._things[ends]
        lengths = len(ends.beginning), len(ends.ending)
        self._lengths[lengths] -= 1
        if not self._lengths[lengths]:
            del self._lengths[lengths]

    def find(self, beginning: str, ending: str) -> list[Thing]:
        """Return the things that fit a text.

        :param beginning: the text, or as much of it as may count for how it begins.
        :param ending: the text, or as much of it as may count for how it ends.
        """
        found: list[Thing] = [] if self._anything is None else [self._anything]
        for head, tail in self._lengths:
            if head > len(beginning) or tail > len(ending):
                continue
            thing = self._things.get((beginning[:head], ending[-tail:] if tail else ""))
            if thing is not None:
                found.append(thing)
        return found
