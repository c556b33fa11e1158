"""Publishing to the hub in this process."""

from __future__ import annotations

from ..hub.hub import Hub
from ..protocol.update import Update


class EmbeddedPublisher:
    """Hands updates to a hub in this process; see :class:`~.publisher.Publisher`."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def publish(self, update: Update) -> str:
        return self._hub.publish(update)

    def close(self) -> None:
        """There is nothing to give back: the hub belongs to the app."""
