"""What every way out of the app is."""

from __future__ import annotations

from typing import Protocol

from ..protocol.update import Update


class Publisher(Protocol):
    """Takes updates to a hub."""

    def publish(self, update: Update) -> str:
        """Publish an update and return the id under which the hub knows it.

        :raises PublishError: the hub did not take it.
        """
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...
