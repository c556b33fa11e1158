"""A publisher that does what a test says, and what is told of its updates."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from flask_mercure_sse import PublishError, Update
from flask_mercure_sse.publishers.background import BackgroundPublisher, HubQueue
from flask_mercure_sse.publishers.delivery import Delivery, QueueSettings
from flask_mercure_sse.publishers.outcomes import Outcomes

HUB = "http://hub.example/.well-known/mercure"
PATIENCE = 20.0
"""Seconds that a test waits for what must come."""


class ScriptedPublisher:
    """Keeps every attempt; each raises the next of `errors` while there are any, and waits for `gate`."""

    def __init__(self) -> None:
        self.attempts: list[Update] = []
        self.errors: list[Exception] = []
        self.threads: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()

    def publish(self, update: Update) -> str:
        self.attempts.append(update)
        self.threads.add(threading.current_thread().name)
        self.gate.wait(PATIENCE)
        if self.errors:
            raise self.errors.pop(0)
        return update.id

    def close(self) -> None:
        """There is nothing to give back."""


class Background:
    """A background publisher over a scripted one, with everything that was told."""

    def __init__(self, **settings: float) -> None:
        self.hub = ScriptedPublisher()
        self.published: list[Update] = []
        self.failed: list[tuple[Update, PublishError]] = []
        self.outcomes = Outcomes(HUB, self._tell)
        self.queue = HubQueue(self.outcomes, QueueSettings(**settings))  # pyright: ignore[reportArgumentType]
        self.publisher = BackgroundPublisher(self.hub, self.queue)

    def _tell(self, updates: Sequence[Update], error: PublishError | None) -> None:
        if error is None:
            self.published += updates
        else:
            self.failed += [(update, error) for update in updates]

    def publish(self, *data: str) -> list[str]:
        return [self.publisher.publish(Update(("/a",), one)) for one in data]

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.outcomes.counters._counts)

    @property
    def delivery(self) -> Delivery:
        assert self.queue._delivery is not None
        return self.queue._delivery

    def settle(self) -> None:
        assert self.queue.flush(PATIENCE)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.005)


def refused(status: int | None, retry_after: float | None = None) -> PublishError:
    return PublishError(HUB, status, "because", retry_after)
