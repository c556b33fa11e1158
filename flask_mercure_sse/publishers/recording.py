"""Updates that are kept in place of being published, for tests.

A recording is of the whole process: a test's updates come from threads of its app, too.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ..protocol.update import Update


@dataclass(frozen=True, slots=True)
class Recorded:
    """An update that was kept.

    :param hub: how figures call the hub that it was for, or that hub's URL.
    """

    update: Update
    hub: str


class Recording:
    """What was kept, in its order.

    :param owner: whose updates; None for those of all.
    """

    def __init__(self, owner: object = None) -> None:
        self.owner = owner
        self.kept: list[Recorded] = []


class RecordingPublisher:
    """Keeps updates in the place of a hub; see :class:`~.ways.Way`.

    :param hub: what is kept as their hub.
    """

    def __init__(self, recordings: Sequence[Recording], hub: str) -> None:
        self._recordings = recordings
        self._hub = hub

    def publish(self, update: Update) -> str:
        for recording in self._recordings:
            recording.kept.append(Recorded(update, self._hub))
        return update.id

    def publish_many(self, updates: Sequence[Update]) -> list[str]:
        """Keep updates in their order and return their ids."""
        return [self.publish(update) for update in updates]

    def close(self) -> None:
        """There is nothing to give back."""


_running: tuple[Recording, ...] = ()
_changing = threading.Lock()


def recordings_of(owner: object) -> Sequence[Recording]:
    """Return the recordings that run and concern an owner's updates."""
    if not _running:
        return ()
    return [recording for recording in _running if recording.owner is None or recording.owner is owner]


@contextmanager
def recording(owner: object = None) -> Generator[Recording, None, None]:
    """Keep updates in a block in place of publishing them.

    :param owner: as for :class:`Recording`.
    """
    global _running
    own = Recording(owner)
    with _changing:
        _running = (*_running, own)
    try:
        yield own
    finally:
        with _changing:
            _running = tuple(other for other in _running if other is not own)
