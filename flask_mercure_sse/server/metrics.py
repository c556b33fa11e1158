"""A hub's numbers as Prometheus reads them. Needs the extra ``metrics``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from .counters import Counters, Gauges

_as_openmetrics: Callable[[CollectorRegistry], bytes] = openmetrics.generate_latest  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]

OPENMETRICS = "application/openmetrics-text"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The metrics of one hub and of its process, in a registry of their own.

    :param counters: what the server counts.
    :param gauges: what it has at the moment.
    """

    def __init__(self, counters: Counters, gauges: Gauges) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_HubCollector(counters, gauges))
        ProcessCollector(registry=self._registry)

    def page(self, accept: str) -> tuple[bytes, str]:
        """Return all of them as text, and its media type.

        :param accept: the value of the ``Accept`` header: who asks for OpenMetrics gets it.
        """
        if any(part.partition(";")[0].strip() == OPENMETRICS for part in accept.lower().split(",")):
            return _as_openmetrics(self._registry), openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(self._registry), TEXT


class _HubCollector(Collector):
    """Reads the numbers when somebody asks, so that counting them costs no more than an addition."""

    def __init__(self, counters: Counters, gauges: Gauges) -> None:
        self._counters = counters
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        yield from self._counted()
        yield from self._measured()

    def _counted(self) -> Iterator[Metric]:
        counters = self._counters
        yield _counter("connections", "Connections that were accepted.", counters.connections)
        yield _counter("subscribers", "Subscribers that came.", counters.subscribers)
        yield _counter("updates", "Updates that publishers sent and the hub took.", counters.updates)
        yield _counter("updates_failed", "Valid updates that the hub did not take.", counters.failed_updates)
        refusals = CounterMetricFamily(
            "mercure_refusals", "Requests and connections that were refused.", labels=("status", "reason")
        )
        for (status, reason), count in sorted(counters.refusals.items()):
            refusals.add_metric((str(status), reason), count)
        yield refusals
        endings = CounterMetricFamily(
            "mercure_subscriber_disconnects", "Subscribers whose stream ended.", labels=("reason",)
        )
        for reason, count in sorted(counters.endings.items()):
            endings.add_metric((reason,), count)
        yield endings

    def _measured(self) -> Iterable[Metric]:
        sizes = self._gauges.hub()
        return (
            _gauge("connections_open", "Connections that are open.", self._gauges.connections()),
            _gauge("subscribers_connected", "Subscribers whose stream is open.", sizes.subscribers),
            _gauge("router_groups", "Groups of subscribers who want and may read the same.", sizes.groups),
            _gauge("router_selectors", "Different selectors of all subscribers.", sizes.selectors),
            _gauge("history_updates", "Updates kept for those who come back.", sizes.updates),
            _gauge("backlog_bytes", "Bytes that wait for slow subscribers.", self._gauges.backlog()),
        )


def _counter(name: str, text: str, value: int) -> Metric:
    return CounterMetricFamily(f"mercure_{name}", text, value)


def _gauge(name: str, text: str, value: int) -> Metric:
    return GaugeMetricFamily(f"mercure_{name}", text, value)
