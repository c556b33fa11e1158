"""Sending updates of the outbox to hubs, and what becomes of those that a hub does not take."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from flask_mercure_sse.protocol.errors import ConfigurationError, InvalidUpdate, PublishError
from flask_mercure_sse.protocol.update import Update

from .failures import describe, tell_failed
from .outbox_order import Order

logger: logging.Logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 10
"""How often an update is sent that a hub fails on, before it is given up."""

MAX_STUMBLES = 3
"""On how many updates in a row a hub may fail before it counts as being down."""

MAX_REST = 30.0
"""Seconds for which a hub that is down is not asked again, at most."""

Send = Callable[["str | None", Update], object]
"""Publishes an update on the hub of a URL, None for the app's."""


@dataclass(slots=True, eq=False)
class Row:
    """An update in the outbox that is this process's to publish for a while.

    :param hub: URL of another hub than the app's.
    :param attempts: how often it was sent in vain.
    :param binding: what made it, where that is known.
    """

    id: int
    hub: str | None
    update: Update
    attempts: int = 0
    binding: object = None


@dataclass(frozen=True, slots=True, eq=False)
class Delay:
    """A row that is to be sent again.

    :param seconds: after how long.
    :param attempts: how often it was sent in vain, as far as that counts.
    :param error: what it met.
    """

    row: Row
    seconds: float
    attempts: int
    error: str


@dataclass(slots=True)
class Outcome:
    """What became of rows; each is in one of these lists.

    :param published: a hub has taken them.
    :param refused: no hub will ever take them, and why.
    :param delayed: they are to be sent again.
    :param left: they were not sent.
    """

    published: list[Row] = field(default_factory=list["Row"])
    refused: list[tuple[Row, str]] = field(default_factory=list["tuple[Row, str]"])
    delayed: list[Delay] = field(default_factory=list["Delay"])
    left: list[Row] = field(default_factory=list["Row"])


def delay(attempts: int) -> float:
    """Return for how many seconds to wait after so many attempts in vain, with jitter."""
    return min(MAX_REST, 2.0 ** min(attempts, 10)) * random.uniform(0.5, 1)  # noqa: S311


class Hubs:
    """The hubs that updates go to; one that is down is left alone for a while.

    :param send: publishes one update.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._failures: dict[str | None, int] = {}
        self._stumbles: dict[str | None, int] = {}
        self._rests_until: dict[str | None, float] = {}
        self._stopped = False

    def stop(self) -> None:
        """Begin to send no more."""
        self._stopped = True

    @property
    def resting(self) -> list[str | None]:
        """The hubs that are left alone now."""
        if not self._rests_until:
            return []
        now = time.monotonic()
        return [hub for hub, until in list(self._rests_until.items()) if until > now]

    def is_resting(self, hub: str | None) -> bool:
        """Tell whether a hub is left alone now."""
        return bool(self._rests_until) and self._rests_until.get(hub, 0.0) > time.monotonic()

    def may_take(self, hubs: Iterable[str | None]) -> bool:
        """Tell whether one of these hubs is not left alone."""
        resting = self.resting
        return not resting or any(hub not in resting for hub in hubs)

    def deliver(self, rows: Iterable[Row], until: float, order: Order | None = None) -> Outcome:
        """Send updates in their order.

        :param until: when to begin no more, on the monotonic clock.
        :param order: what stops some of them from the start.
        """
        outcome, order = Outcome(), order or Order()
        for row in rows:
            topics = row.update.topics
            if self._stopped or time.monotonic() > until or self.is_resting(row.hub):
                order.stop(row.hub, topics)
            elif order.may_go(row.hub, topics):
                if not self._try(row, outcome):
                    order.stop(row.hub, topics)
                continue
            outcome.left.append(row)
        return outcome

    def _try(self, row: Row, outcome: Outcome) -> bool:
        """Send one update; return whether those behind it need not wait for it."""
        failures = self._failures.get(row.hub, 0)
        if failures:
            # Its rest is over. Others wait for what comes of this one.
            self._rests_until[row.hub] = time.monotonic() + MAX_REST
        try:
            self._send(row.hub, row.update)
        except Exception as error:
            return self._failed(row, error, failures, outcome)
        self._is_up(row.hub)
        outcome.published.append(row)
        return True

    def _failed(self, row: Row, error: Exception, failures: int, outcome: Outcome) -> bool:
        fault, attempts, told = _fault(error), row.attempts, describe(error)
        if fault == "unknown":
            attempts += 1
            fault = "update" if attempts >= MAX_ATTEMPTS else self._stumbled(row.hub)
        if fault == "hub":
            rest = self._rest(row.hub, failures)
            logger.warning("Updates wait in the outbox for %.1f seconds: %s", rest, told)
            # The next to be sent then is another row, should this one be what the hub stumbles on.
            outcome.delayed.append(Delay(row, 2 * rest, attempts, told))
            return False
        self._rests_until.pop(row.hub, None)
        if fault == "unknown":
            outcome.delayed.append(Delay(row, delay(attempts), attempts, told))
            return False
        logger.error("An update in the outbox is given up: %s", told)
        tell_failed(logger, error, sender=row.binding, update=row.update)
        outcome.refused.append((row, told))
        return True

    def _is_up(self, hub: str | None) -> None:
        for known in (self._failures, self._stumbles, self._rests_until):
            known.pop(hub, None)

    def _stumbled(self, hub: str | None) -> str:
        stumbles = self._stumbles[hub] = self._stumbles.get(hub, 0) + 1
        return "hub" if stumbles >= MAX_STUMBLES else "unknown"

    def _rest(self, hub: str | None, failures: int) -> float:
        """Leave a hub alone, longer with each failure; return for how many seconds.

        :param failures: how many there were when sending began; threads that fail together are one.
        """
        now = time.monotonic()
        if self._failures.get(hub, 0) == failures:
            self._failures[hub] = failures + 1
            self._rests_until[hub] = now + delay(failures)
        return max(0.0, self._rests_until.get(hub, now) - now)


def _fault(error: Exception) -> str:
    if isinstance(error, PublishError):
        return error.fault
    if isinstance(error, InvalidUpdate):
        return "update"
    # Of a setting, such as a key that is missing: it holds for each update.
    return "hub" if isinstance(error, ConfigurationError) else "unknown"
