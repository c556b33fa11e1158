"""The ways of one app to all of its external hubs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from ..protocol.errors import QueueFull
from ..protocol.update import Update
from .background import BackgroundPublisher, HubQueue
from .connections import Connections, Timeouts
from .counters import PublishCounters
from .delivery import QueueSettings
from .direct import DirectPublisher
from .http import HttpPublisher
from .noting import Note, NotingPublisher
from .outcomes import Outcomes, Tell
from .publisher import Publisher

OTHER = "other"
"""How figures call the hubs that no setting names."""

MAX_OTHERS = 100
"""Hubs that no setting names and for which updates may wait at a time."""


class Way(Publisher, Protocol):
    """A publisher that takes several updates, too."""

    def publish_many(self, updates: Sequence[Update]) -> list[str]:
        """Publish updates in their order and return their ids.

        :raises PublishError: the hub did not take one.
        """
        ...


class Ways:
    """Finds the publisher for each hub. Updates for one hub share a queue, those for two do not.

    :param connections: the pool of connections to all hubs.
    :param background: whether updates are sent in the background.
    :param settings: how they wait there.
    :param tell: gets updates when they are settled.
    :param note: gets the event ids of updates that are sent.
    :param names: how figures call the hubs that settings name, by URL.
    """

    def __init__(
        self,
        connections: Connections,
        timeouts: Timeouts,
        *,
        background: bool,
        settings: QueueSettings,
        tell: Tell,
        note: Note,
        names: Mapping[str, str],
    ) -> None:
        self._connections = connections
        self._timeouts = timeouts
        self._background = background
        self._settings = settings
        self._tell = tell
        self._note = note
        self._names = names
        self._queues: dict[str, HubQueue] = {}
        self._counters = {name: PublishCounters() for name in names.values()}

    def to(self, hub_url: str, token: Callable[[], str], *, wait: bool = False, repeats: bool = False) -> Way:
        """Return the publisher for a hub.

        :param token: returns the publisher's token.
        :param wait: whether to publish while the caller waits, whatever the settings say.
        :param repeats: whether the caller waits and tries again by itself; a failure is not told then, and
            ids are not noted: the update may be another process's.
        """
        publisher: Publisher = HttpPublisher(
            hub_url, token, connections=self._connections, timeouts=self._timeouts
        )
        if not repeats:
            publisher = NotingPublisher(publisher, self._note)
        queue = self._queues.get(hub_url) or self._add(hub_url)
        if wait or repeats or not self._background:
            return DirectPublisher(publisher, queue.outcomes, tells_failures=not repeats)
        return BackgroundPublisher(publisher, queue)

    def _add(self, hub_url: str) -> HubQueue:
        name = self._names.get(hub_url, OTHER)
        if name == OTHER:
            self._forget_others(hub_url)
        counters = self._counters.setdefault(name, PublishCounters())
        queue = HubQueue(Outcomes(hub_url, self._tell, counters), self._settings)
        return self._queues.setdefault(hub_url, queue)

    def _forget_others(self, wanted: str) -> None:
        """Keep the number of hubs within its limit: the app's code may name ever new ones."""
        others = {url: queue for url, queue in self._queues.copy().items() if url not in self._names}
        if len(others) < MAX_OTHERS:
            return
        idle = [url for url, queue in others.items() if not queue.waiting[0]]
        if not idle:
            raise QueueFull(wanted, None, f"updates wait for {len(others)} others; name hubs in MERCURE_HUBS")
        for url in idle:
            self._queues.pop(url, None)

    def figures(self) -> Iterator[tuple[str, PublishCounters, int, int]]:
        """Give for each name of hubs what was counted, and how many updates and bytes wait."""
        queues = [(self._names.get(url, OTHER), queue) for url, queue in self._queues.copy().items()]
        for name, counters in self._counters.copy().items():
            waiting = [queue.waiting for queue_name, queue in queues if queue_name == name]
            yield name, counters, sum(number for number, _ in waiting), sum(size for _, size in waiting)

    def flush(self, timeout: float) -> bool:
        """Wait until no update waits; False when some still do after so many seconds."""
        until = time.monotonic() + timeout
        unsent = [
            queue
            for queue in self._queues.copy().values()
            if not queue.flush(max(0.0, until - time.monotonic()))
        ]
        return not unsent
