"""Publishing to the hub in this process."""

from __future__ import annotations

from collections.abc import Sequence

from ..hub.hub import Hub
from ..protocol.update import Update
from .counters import PublishCounters
from .noting import Note
from .outcomes import Outcomes


class EmbeddedPublisher:
    """Hands updates to a hub in this process, which always takes them; see :class:`~.publisher.Publisher`.

    :param outcomes: what is told of each update.
    :param note: gets the event ids of updates, before they are published: they may be back at once.
    """

    def __init__(self, hub: Hub, outcomes: Outcomes, note: Note) -> None:
        self._hub = hub
        self._outcomes = outcomes
        self._note = note

    @property
    def counters(self) -> PublishCounters:
        """What was counted."""
        return self._outcomes.counters

    def publish(self, update: Update) -> str:
        self._note((update.id,))
        event_id = self._hub.publish(update)
        self._outcomes.published_at_once((update,))
        return event_id

    def publish_many(self, updates: Sequence[Update]) -> list[str]:
        """Publish updates in their order, with no other between them, and return their ids."""
        ids = [update.id for update in updates]
        self._note(ids)
        self._hub.publish_many(updates)
        self._outcomes.published_at_once(updates)
        return ids

    def close(self) -> None:
        """There is nothing to give back: the hub belongs to the app."""
