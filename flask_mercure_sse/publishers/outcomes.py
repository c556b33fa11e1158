"""What becomes of the updates for one hub is counted, told and logged here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from ..protocol.errors import PublishError
from ..protocol.update import Update
from .counters import Event, PublishCounters

logger: logging.Logger = logging.getLogger(__name__)

QUIET = 60.0
"""Seconds between two lines about outages, and between two about updates that were given up."""

Tell = Callable[[Sequence[Update], PublishError | None], None]
"""Gets updates that a hub took, or that are given up and why."""


class Outcomes:
    """Counts and tells each update, and logs each outage in one line, where they do not follow each other.

    :param hub: the hub's URL.
    :param tell: gets each update when it is settled.
    :param counters: what counts, which several hubs may share.
    """

    def __init__(self, hub: str, tell: Tell, counters: PublishCounters | None = None) -> None:
        self.hub: str = hub
        self.counters: PublishCounters = counters or PublishCounters()
        self._tell = tell
        self._outage_began: float | None = None
        self._is_outage_logged = False
        self._outage_logged_at = -QUIET
        self._logged_at = -QUIET
        self._unlogged = 0

    def accepted(self, number: int = 1) -> None:
        """Count updates that were accepted."""
        self.counters.add("accepted", number)

    def refused(self, updates: Sequence[Update], error: PublishError) -> None:
        """Tell that there was no room for updates."""
        self.counters.add("refused", len(updates))
        self._tell_failed(updates, error)

    def published(self, updates: Sequence[Update]) -> None:
        """Tell that the hub took updates."""
        self.counters.add("published", len(updates))
        self._end_outage()
        self._tell(updates, None)

    def retried(self, error: PublishError) -> None:
        """Tell that the hub fails for the time being; the first of such failures begins an outage."""
        self.counters.add("retried")
        now = time.monotonic()
        if self._outage_began is None:
            self._outage_began = now
            self.counters.add("outages")
        if not self._is_outage_logged and now - self._outage_logged_at >= QUIET:
            self._is_outage_logged, self._outage_logged_at = True, now
            logger.warning("Updates wait and are tried again: %s", error)

    def failed(self, updates: Sequence[Update], error: PublishError, event: Event = "failed") -> None:
        """Tell that updates are given up."""
        self.counters.add(event, len(updates))
        self._unlogged += len(updates)
        if not error.is_temporary:
            self._end_outage()
        now = time.monotonic()
        if now - self._logged_at >= QUIET:
            logger.error("Updates that were not published: %d. %s", self._unlogged, error)
            self._logged_at, self._unlogged = now, 0
        self._tell_failed(updates, error)

    def published_at_once(self, updates: Sequence[Update]) -> None:
        """Tell that the hub took updates that did not wait."""
        self.counters.add("accepted", len(updates))
        self.published(updates)

    def refused_at_once(self, updates: Sequence[Update], error: PublishError) -> None:
        """Tell that the hub did not take updates that did not wait; whoever publishes them gets an error."""
        self.counters.add("accepted", len(updates))
        self.counters.add("failed", len(updates))
        self._tell_failed(updates, error)

    def _tell_failed(self, updates: Sequence[Update], error: PublishError) -> None:
        error.is_told = True
        self._tell(updates, error)

    def _end_outage(self) -> None:
        if self._outage_began is None:
            return
        seconds = time.monotonic() - self._outage_began
        if self._is_outage_logged:
            logger.info("The hub %s answers again, after %.1f seconds", self.hub, seconds)
        self._outage_began, self._is_outage_logged = None, False
