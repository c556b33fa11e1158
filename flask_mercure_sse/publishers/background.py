"""Publishing in the background: an update is accepted at once and sent by a thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from ..hub.forks import renew_in_children
from ..protocol.update import Update
from .delivery import Delivery, QueueSettings
from .outcomes import Outcomes
from .publisher import Publisher


class HubQueue:
    """The updates that wait for one hub, whoever publishes them.

    It begins anew in each forked process: what waits in the parent is the parent's to send. Some servers
    fork without telling Python, so the process is looked at as well.

    :param outcomes: what is told of each update.
    """

    def __init__(self, outcomes: Outcomes, settings: QueueSettings | None = None) -> None:
        self.outcomes = outcomes
        self._settings = settings or QueueSettings()
        self.renew_after_fork()
        renew_in_children(self)

    def renew_after_fork(self) -> None:
        self._lock = threading.RLock()  # a handler of signals may come in between
        self._delivery: Delivery | None = None

    @property
    def waiting(self) -> tuple[int, int]:
        """How many updates wait, and how many bytes they take."""
        delivery = self._delivery
        return delivery.waiting if delivery else (0, 0)

    def put(self, updates: Sequence[Update], publisher: Publisher) -> None:
        """Let updates wait for their turn, all of them or none.

        :param publisher: what they go through.
        :raises QueueFull: there is no room for them.
        """
        delivery = self._delivery
        while delivery is None or delivery.process != os.getpid() or not delivery.put(updates, publisher):
            delivery = self._start_after(delivery)

    def _start_after(self, useless: Delivery | None) -> Delivery:
        with self._lock:
            if self._delivery is None or self._delivery is useless:
                self._delivery = Delivery(self._settings, self.outcomes)
            return self._delivery

    def flush(self, timeout: float) -> bool:
        """Wait until no update waits; False when some still do after so many seconds."""
        delivery = self._delivery
        return delivery is None or delivery.flush(timeout)

    def close(self) -> None:
        """Send what waits, within the time limit; the next update begins anew."""
        with self._lock:
            delivery, self._delivery = self._delivery, None
        if delivery is not None:
            delivery.begin_to_close()
            delivery.finish_closing()


class BackgroundPublisher:
    """Accepts updates for another publisher; see :class:`~.publisher.Publisher`.

    Updates are sent in their order, each with its own event id, and again while the hub fails in a way that
    may pass. What became of each is told by the queue's outcomes.

    :param publisher: the one that sends, and that waits for the hub.
    :param queue: where updates wait; several publishers for one hub share it, so that order is kept.
    """

    def __init__(self, publisher: Publisher, queue: HubQueue) -> None:
        self._publisher = publisher
        self._queue = queue

    def publish(self, update: Update) -> str:
        self._queue.put((update,), self._publisher)
        return update.id

    def publish_many(self, updates: Sequence[Update]) -> list[str]:
        """Accept updates, all of them or none, and return their ids.

        :raises QueueFull: there is no room for them.
        """
        if updates:
            self._queue.put(updates, self._publisher)
        return [update.id for update in updates]

    def close(self) -> None:
        self._queue.close()
        self._publisher.close()
