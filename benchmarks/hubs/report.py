"""What was found, as tables and as JSON."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .figures import FIGURES, GROWTH, Figure
from .load import Outcome
from .measures import Sizes

Run = Mapping[str, Outcome | str]
"""One run on one hub: what became of each load, or why it could not be put on the hub."""

NOT_KNOWN = "–"
MARK = "*"


@dataclass(frozen=True)
class Table:
    """A table whose first column is text."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """Return it for a terminal."""
        lines = [self.header, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join([line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in _rest(line, widths))])
            for line in lines
        )

    def markdown(self) -> str:
        """Return it in Markdown."""
        ruler = ["---", *("---:" for _ in self.header[1:])]
        return "\n".join(f"| {' | '.join(line)} |" for line in (self.header, ruler, *self.rows))


def _rest(line: Sequence[str], widths: Sequence[int]) -> Iterator[tuple[str, int]]:
    return zip(line[1:], widths[1:], strict=True)


class Report:
    """All runs on all hubs.

    :param sizes: how large the loads were.
    :param runs: for each hub its runs, each hub as many.
    """

    def __init__(self, sizes: Sizes, runs: Mapping[str, Sequence[Run]]) -> None:
        self._sizes = sizes
        self._runs = runs

    def ratios(self, against: str) -> Table:
        """Return each hub's figures as a ratio to one hub's."""
        others = [hub for hub in self._runs if hub != against]
        rows = [
            [f"{self._label(one)} ({_better(one)})", *(self._ratio(one, hub, against) for hub in others)]
            for one in self._known(FIGURES)
        ]
        return Table(["", *(f"{hub} / {against}" for hub in others)], rows)

    def growth(self) -> Table:
        """Return how many times the CPU one takes where there is more of something."""
        return self._table("CPU, times as much", GROWTH)

    def figures(self) -> Table:
        """Return the figures themselves."""
        return self._table("", FIGURES)

    def notes(self) -> Sequence[str]:
        """Return a line for each load that failed or where not all came as it should: they have a mark."""
        return [
            f"{MARK} {hub}, {measure}: {problem}"
            for hub, runs in self._runs.items()
            for run in runs
            for measure, outcome in run.items()
            if (problem := _problem(outcome))
        ]

    def as_json(self) -> dict[str, Any]:
        """Return everything that was found."""
        return {
            "sizes": dataclasses.asdict(self._sizes),
            "hubs": {
                hub: {
                    "figures": {self._label(one): self._value(one, hub) for one in (*FIGURES, *GROWTH)},
                    "runs": [{name: _as_json(outcome) for name, outcome in run.items()} for run in runs],
                }
                for hub, runs in self._runs.items()
            },
            "notes": self.notes(),
        }

    def _table(self, title: str, figures: Sequence[Figure]) -> Table:
        known = self._known(figures)
        rows = [[self._label(one), *(self._cell(one, hub) for hub in self._runs)] for one in known]
        return Table([title, *self._runs], rows)

    def _known(self, figures: Sequence[Figure]) -> Sequence[Figure]:
        """Return those that there is something to say of."""
        return [
            one
            for one in figures
            if any(self._value(one, hub) is not None or self._mark(one, hub) for hub in self._runs)
        ]

    def _label(self, figure: Figure) -> str:
        return figure.label.format(self._sizes)

    def _cell(self, figure: Figure, hub: str) -> str:
        number = shown(self._value(figure, hub))
        unit = f" {figure.unit}" if figure.unit and number != NOT_KNOWN else ""
        return number + unit + self._mark(figure, hub)

    def _ratio(self, figure: Figure, hub: str, against: str) -> str:
        own, other = self._value(figure, hub), self._value(figure, against)
        ratio = None if own is None or not other else own / other
        return shown(ratio) + (self._mark(figure, hub) or self._mark(figure, against))

    def _value(self, figure: Figure, hub: str) -> float | None:
        """Return the median of the runs in which the figure is known."""
        values = [value for run in self._runs[hub] if (value := _read(figure, run)) is not None]
        return statistics.median(values) if values else None

    def _mark(self, figure: Figure, hub: str) -> str:
        outcomes = [run[need] for run in self._runs[hub] for need in figure.needs if need in run]
        return MARK if any(map(_problem, outcomes)) else ""


def _read(figure: Figure, run: Run) -> float | None:
    outcomes = {name: outcome for name, outcome in run.items() if isinstance(outcome, Outcome)}
    return figure.read(outcomes) if all(need in outcomes for need in figure.needs) else None


def _problem(outcome: Outcome | str) -> str:
    """Return what was wrong, or nothing."""
    if isinstance(outcome, str):
        return outcome
    counted = {
        "deliveries lost": outcome.lost,
        "deliveries too many": outcome.repeated,
        "streams closed": outcome.closed,
        f"updates refused ({outcome.refusal})": outcome.refused,
    }
    found = [f"{number:,} {what}" for what, number in counted.items() if number]
    return f"{', '.join(found)}; {outcome.delivered:,} delivered" if found else ""


def _as_json(outcome: Outcome | str) -> dict[str, Any]:
    if isinstance(outcome, str):
        return {"failed": outcome}
    return {name: value for name, value in dataclasses.asdict(outcome).items() if name != "latencies"}


def _better(figure: Figure) -> str:
    return "more is better" if figure.more_is_better else "less is better"


def shown(number: float | None) -> str:
    """Return a number with three digits that count."""
    if number is None:
        return NOT_KNOWN
    digits = 2 - math.floor(math.log10(abs(number))) if number else 0
    return f"{round(number, digits):,.{max(0, digits)}f}"
