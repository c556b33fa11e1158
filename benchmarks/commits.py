"""Commits of many rows, timed in pairs: what the benchmarks of the event layer share."""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session, scoped_session

Measure = Callable[[], float]
"""Returns the seconds that something takes."""

WARM_UP = 2
"""Pairs that do not count."""


class Pair(NamedTuple):
    """Median seconds without and with something, and the median of the pairs' ratios."""

    without: float
    with_it: float
    ratio: float


def paired(without: Measure, with_it: Measure, runs: int, after_each: Callable[[], object]) -> Pair:
    """Measure two things in turns, so that both see the same machine.

    :param runs: pairs that count.
    :param after_each: puts things in order after a measurement.
    """
    pairs: list[tuple[float, float]] = []
    for run in range(runs + WARM_UP):
        seconds: dict[Measure, float] = {}
        for measure in (without, with_it) if run % 2 else (with_it, without):
            seconds[measure] = measure()
            after_each()
        if run >= WARM_UP:
            pairs.append((seconds[without], seconds[with_it]))
    medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
    return Pair(medians[0], medians[1], statistics.median(after / before for before, after in pairs))


def show(name: str, pair: Pair, rows: int) -> None:
    """Print a line with a pair and what it means for one of so many rows."""
    per_row = (pair.with_it - pair.without) / rows * 1e6
    print(
        f"{name:20} without {pair.without * 1e3:7.2f} ms  with {pair.with_it * 1e3:7.2f} ms"
        f"  ({per_row:6.1f} us a row)  ratio {pair.ratio:.3f}"
    )


class Commits:
    """Commits of many rows on one session.

    :param clock: returns the time in seconds.
    """

    def __init__(self, session: scoped_session[Session], clock: Callable[[], float]) -> None:
        self._session = session
        self._clock = clock

    def inserts(self, model: type[Any], rows: int) -> float:
        """Return the seconds of making and committing so many rows; the program keeps their objects."""
        gc.collect()
        began = self._clock()
        added = [model(title=f"row {number}") for number in range(rows)]
        self._session.add_all(added)
        self._session.commit()
        return self._clock() - began

    def updates(self, model: type[Any], rows: int) -> float:
        """Return the seconds of changing and committing so many rows, once they are loaded."""
        loaded = self._session.scalars(select(model).order_by(model.id).limit(rows)).all()
        gc.collect()
        began = self._clock()
        for row in loaded:
            row.title = row.title.swapcase()
        self._session.commit()
        return self._clock() - began


class Options(argparse.Namespace):
    """What a benchmark is asked for."""

    url: str
    rows: int
    runs: int
    cpu: bool

    @property
    def clock(self) -> Callable[[], float]:
        """The clock to measure with."""
        return time.process_time if self.cpu else time.perf_counter


def asked(description: str | None) -> Options:
    """Return the options on the command line of a benchmark."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="sqlite://", help="database, emptied before and after")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--cpu", action="store_true", help="measure CPU time: for a machine with other work")
    return parser.parse_args(namespace=Options())
