"""Whether a hub should get clients (ready), and whether it should be left running (live).

Both are answered from memory. Ready fails at the first sign, since clients can go elsewhere; live only when
the hub has failed for a while, since a restart ends every stream.
"""

from __future__ import annotations

from typing import Protocol

from .probe import Probe

MAX_FAILURES = 5
"""Attempts in a row that must fail before the hub counts as dead: from 20 s on, or 30 s where each hangs."""


class Door(Protocol):
    """What takes the hub's new connections; an ``HttpServer`` is one."""

    @property
    def is_closed(self) -> bool:
        """Whether it takes none any more."""
        ...

    @property
    def is_accepting(self) -> bool:
        """Whether it takes them now."""
        ...


class Health:
    """Tells what keeps a hub from its work, in words that stay the same, for machines to read.

    :param probe: publishes to itself, and is started and stopped by its owner.
    :param door: where clients come in.
    """

    def __init__(self, probe: Probe, door: Door) -> None:
        self._probe = probe
        self._door = door

    def unready(self) -> str | None:
        """Return why the hub should get no new clients, None where it should."""
        if self._door.is_closed:
            return "draining"
        if not self._door.is_accepting:
            return "not_accepting"
        if self._probe.failures:
            return "self_publish_failed"
        return None if self._probe.has_succeeded else "starting"

    def dead(self) -> str | None:
        """Return why the hub should be restarted, None where it should not."""
        if not self._probe.is_running:
            return "probe_stopped"
        return "self_publish_failed" if self._probe.failures >= MAX_FAILURES else None
