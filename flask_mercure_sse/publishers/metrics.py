"""The figures of publishing as Prometheus reads them. Needs the extra ``metrics``."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .counters import EVENTS, Event, PublishCounters

Figures = Callable[[], Iterable[tuple[str, PublishCounters, int, int]]]


class _PublishCollector(Collector):
    """Reads the figures when somebody asks."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        counts: dict[Event, CounterMetricFamily] = {
            event: CounterMetricFamily(f"mercure_publish_{event}", text, labels=("hub",))
            for event, text in EVENTS.items()
        }
        updates = GaugeMetricFamily("mercure_publish_waiting", "Updates that wait.", labels=("hub",))
        sizes = GaugeMetricFamily("mercure_publish_waiting_bytes", "Bytes that they take.", labels=("hub",))
        for hub, counters, waiting, size in self._figures():
            for event, family in counts.items():
                family.add_metric((hub,), counters[event])
            updates.add_metric((hub,), waiting)
            sizes.add_metric((hub,), size)
        return [*counts.values(), updates, sizes]


def publish_collector(figures: Figures) -> Collector:
    """Return what a registry of Prometheus collects.

    :param figures: gives for each name of hubs what was counted, and how many updates and bytes wait.
    """
    return _PublishCollector(figures)
