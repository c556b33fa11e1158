"""The figures that are read from what became of the loads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .load import Outcome

Outcomes = Mapping[str, Outcome]
"""What became of each load, by the name of its measure."""

Reading = Callable[[Outcome], float | None]


@dataclass(frozen=True)
class Figure:
    """A figure.

    :param label: what it is; a format string for the sizes.
    :param needs: the measures that it is read from.
    :param read: reads it; None where it is not known.
    :param unit: what follows the number.
    :param more_is_better: which way is better.
    """

    label: str
    needs: Sequence[str]
    read: Callable[[Outcomes], float | None]
    unit: str = ""
    more_is_better: bool = False


def deliveries(outcome: Outcome) -> float | None:
    """Return the deliveries per CPU second."""
    return outcome.delivered / outcome.cpu if outcome.cpu else None


def publishes(outcome: Outcome) -> float | None:
    """Return the publishes per CPU second."""
    return outcome.published / outcome.cpu if outcome.cpu else None


def memory(outcome: Outcome) -> float | None:
    """Return the kB of memory for each subscriber."""
    return None if outcome.memory is None else outcome.memory / 1024


def connecting(outcome: Outcome) -> float | None:
    """Return the milliseconds of CPU for each subscriber that connects."""
    return None if outcome.connect_cpu is None else outcome.connect_cpu * 1e3


def p50(outcome: Outcome) -> float | None:
    """Return the milliseconds within which half of the deliveries came."""
    return _latency(outcome.latencies, 0.5)


def p99(outcome: Outcome) -> float | None:
    """Return the milliseconds within which 99 of 100 deliveries came."""
    return _latency(outcome.latencies, 0.99)


def _latency(latencies: Sequence[float], share: float) -> float | None:
    return latencies[min(len(latencies) - 1, int(share * len(latencies)))] * 1e3 if latencies else None


def _throughput(label: str, need: str, read: Reading) -> Figure:
    return Figure(label, [need], lambda outcomes: read(outcomes[need]), more_is_better=True)


def _cost(label: str, need: str, read: Reading, unit: str) -> Figure:
    return Figure(label, [need], lambda outcomes: read(outcomes[need]), unit)


def _growth(label: str, many: str, read: Reading) -> Figure:
    """Tell how many times the CPU one takes with many of what the measure has few of as well."""
    few = f"{many}-few"

    def times(outcomes: Outcomes) -> float | None:
        with_few, with_many = read(outcomes[few]), read(outcomes[many])
        return with_few / with_many if with_few and with_many else None

    return Figure(label, [few, many], times)


STEADY = "{0.rate:g} updates/s to {0.subscribers:,} subscribers"

FIGURES = (
    _throughput(f"deliveries per CPU second, {STEADY}", "steady", deliveries),
    _throughput(
        "deliveries per CPU second, burst of {0.publishers} publishers to {0.subscribers:,}",
        "burst",
        deliveries,
    ),
    _throughput("publishes per CPU second, {0.topics:,} topics", "topics", publishes),
    _throughput("publishes per CPU second, {0.patterns:,} patterns", "patterns", publishes),
    _cost(f"latency p50, {STEADY}", "steady", p50, "ms"),
    _cost(f"latency p99, {STEADY}", "steady", p99, "ms"),
    _cost("memory per anonymous subscriber", "steady", memory, "kB"),
    _cost("memory per subscriber with its own token", "tokens", memory, "kB"),
    _cost("CPU per anonymous subscriber that connects", "steady", connecting, "ms"),
    _cost("CPU per subscriber that connects with its own token", "tokens", connecting, "ms"),
)

GROWTH = (
    _growth("publish, {0.followers:,} to {0.topics:,} topics", "topics", publishes),
    _growth("publish, {0.followers:,} to {0.patterns:,} patterns", "patterns", publishes),
    _growth("delivery, {0.few_subscribers:,} to {0.subscribers:,} subscribers", "steady", deliveries),
)
"""How many times the CPU one of them takes when there is more of something."""
