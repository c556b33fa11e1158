"""Publishing that remembers what was published."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..protocol.update import Update
from .publisher import Publisher

Note = Callable[[Iterable[str]], None]
"""Gets the event ids of updates of the app's own."""


class NotingPublisher:
    """Notes the id of each update before another publisher sends it; see :class:`~.publisher.Publisher`.

    The update may be back before the hub has answered.
    """

    def __init__(self, publisher: Publisher, note: Note) -> None:
        self._publisher = publisher
        self._note = note

    def publish(self, update: Update) -> str:
        self._note((update.id,))
        event_id = self._publisher.publish(update)
        if event_id != update.id:  # some hubs make their own
            self._note((event_id,))
        return event_id

    def close(self) -> None:
        self._publisher.close()
