"""An update on its way to many subscribers, encoded when the first of them needs it and only once."""

from __future__ import annotations

from ..protocol.sse import encode
from ..protocol.update import Update


class Frame:
    """An update and, from the first use on, its bytes."""

    __slots__ = ("_encoded", "update")

    def __init__(self, update: Update) -> None:
        self.update: Update = update
        self._encoded: bytes | None = None

    @property
    def encoded(self) -> bytes:
        """The bytes that every subscriber gets."""
        if self._encoded is None:
            self._encoded = encode(self.update)
        return self._encoded
