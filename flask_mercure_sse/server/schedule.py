"""When streams end: one table for all of them, and no timer for each."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

TICK = 0.25
"""Seconds between two looks at what is due."""


class Ending(Protocol):
    """What ends at some time."""

    ends_in_tick: int | None


Thing = TypeVar("Thing", bound=Ending)


class Schedule(Generic[Thing]):
    """What ends, by when it does. Times are in seconds since the epoch: the ends of tokens are.

    :param now: the present.
    """

    def __init__(self, now: float) -> None:
        self._things: dict[int, dict[Thing, None]] = {}
        self._looked_until = _tick_of(now)

    def add(self, thing: Thing, ends_at: float, now: float) -> None:
        """Let a thing end; what is due already is found with the next look."""
        looked_until = min(self._looked_until, _tick_of(now))  # the clock may be set back
        thing.ends_in_tick = tick = max(_tick_of(ends_at), looked_until)
        self._things.setdefault(tick, {})[thing] = None

    def remove(self, thing: Thing) -> None:
        """Let a thing end no longer; nothing for one that was not to end."""
        tick, thing.ends_in_tick = thing.ends_in_tick, None
        if tick is not None:
            things = self._things[tick]
            del things[thing]
            if not things:
                del self._things[tick]

    def take_due(self, now: float) -> list[Thing]:
        """Return what has ended since the last look, and forget it."""
        tick = _tick_of(now)
        if tick - self._looked_until < len(self._things):
            ticks = [each for each in range(self._looked_until, tick) if each in self._things]
        else:  # the clock was set, or the machine slept
            ticks = [each for each in self._things if each < tick]
        self._looked_until = tick
        due = [thing for each in ticks for thing in self._things.pop(each)]
        for thing in due:
            thing.ends_in_tick = None
        return due


def _tick_of(moment: float) -> int:
    return int(moment / TICK)
