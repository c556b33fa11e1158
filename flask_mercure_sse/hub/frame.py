"""An update on its way to many subscribers, encoded when the first of them needs it and only once."""

from __future__ import annotations

from ..protocol.ids import new_urn
from ..protocol.sse import encode
from ..protocol.subscriptions import Subscription
from ..protocol.update import Update
from ..protocol.version import ProtocolVersion


class Frame:
    """An update and, from the first use on, its bytes."""

    __slots__ = ("_encoded", "_update", "id", "position")

    def __init__(self, update: Update) -> None:
        self.id: str = update.id
        self.position: int = 0
        """In the order of publishing, from 1 on; 0 until a history gives it one."""
        self._update = update
        self._encoded: bytes | None = None

    @property
    def update(self) -> Update:
        """The update itself."""
        return self._update

    @property
    def encoded(self) -> bytes:
        """The bytes that every subscriber gets."""
        if self._encoded is None:
            self._encoded = encode(self.update)
        return self._encoded

    def is_for(self, version: ProtocolVersion) -> bool:
        """Tell whether subscribers who speak a version of the protocol may be told."""
        return True


class SubscriptionFrame(Frame):
    """A subscription event, written when somebody reads it: mostly nobody does.

    :param audience: the version of the protocol in which it is told, to that version's subscribers alone.
    :param subscription: what began or ended.
    :param active: whether it began.
    """

    __slots__ = ("_active", "_subscription", "_written", "audience")

    def __init__(self, audience: ProtocolVersion, subscription: Subscription, *, active: bool) -> None:
        self.id: str = new_urn()
        self.position: int = 0
        self.audience: ProtocolVersion = audience
        self._encoded = None
        self._written: Update | None = None
        self._subscription = subscription
        self._active = active

    @property
    def update(self) -> Update:
        """The update itself."""
        if self._written is None:
            self._written = self.audience.subscription_update(
                self._subscription, active=self._active, id=self.id
            )
        return self._written

    def is_for(self, version: ProtocolVersion) -> bool:
        """Tell whether subscribers who speak a version of the protocol may be told."""
        return version is self.audience
