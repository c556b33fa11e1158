"""What every way into the app is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class ByteStream(Protocol):
    """An open event stream. One thread reads and closes it; any other may interrupt it."""

    @property
    def resumed_after(self) -> str | None:
        """The event id after which the hub says that it goes on, None where it does not say."""
        ...

    @property
    def is_renewed(self) -> bool:
        """Whether it ended because its token was about to expire."""
        ...

    def read(self) -> bytes:
        """Wait for bytes and return them, none at the stream's end.

        :raises SubscribeError: the stream broke.
        """
        ...

    def interrupt(self) -> None:
        """Let the reading thread come to the stream's end, now."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...

    def renew_after_fork(self) -> None:
        """Keep a forked process away from the parent's stream."""
        ...


class Source(Protocol):
    """A hub that is followed."""

    def open(self, selectors: Sequence[str], last_event_id: str | None) -> ByteStream:
        """Open a stream of what selectors select.

        :param selectors: what an app calls topics.
        :param last_event_id: the id after which to go on, None to begin now.
        :raises SubscribeError: the hub does not give one.
        """
        ...

    def cursor(self) -> str | None:
        """Return the id of the newest update that the hub has, None where it does not tell.

        :raises SubscribeError: the hub does not answer.
        """
        ...
