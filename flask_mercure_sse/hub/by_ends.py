"""A table of things by how the texts that find them begin and end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from ..protocol.outline import Ends

Thing = TypeVar("Thing")


class ByEnds(Generic[Thing]):
    """Finds the things whose ends fit a text, without looking at each.

    A text looks up its own ends, once for each pair of lengths that there is: these are few, for what
    differs between many patterns is a number or a name.
    """

    __slots__ = ("_lengths", "_things")

    def __init__(self) -> None:
        self._things: dict[tuple[str, str], Thing] = {}
        self._lengths: dict[tuple[int, int], int] = {}
        """How many things there are for each pair of lengths."""

    def __bool__(self) -> bool:
        return bool(self._things)

    def __getitem__(self, ends: Ends) -> Thing:
        return self._things[ends]

    def get_or_add(self, ends: Ends, make: Callable[[], Thing]) -> Thing:
        """Return the thing that stands under some ends, a new one when there is none."""
        thing = self._things.get(ends)
        if thing is None:
            thing = self._things[ends] = make()
            lengths = len(ends.beginning), len(ends.ending)
            self._lengths[lengths] = self._lengths.get(lengths, 0) + 1
        return thing

    def remove(self, ends: Ends) -> None:
        """Remove the thing that stands under some ends."""
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
        found: list[Thing] = []
        for head, tail in self._lengths:
            if head > len(beginning) or tail > len(ending):
                continue
            thing = self._things.get((beginning[:head], ending[-tail:] if tail else ""))
            if thing is not None:
                found.append(thing)
        return found
