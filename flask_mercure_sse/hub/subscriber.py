"""A subscriber as the hub knows it: what it asked for and what it may read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..protocol.rights import Rights
from ..protocol.selectors import any_matches
from ..protocol.subscriptions import Subscription
from ..protocol.update import Update
from ..protocol.version import SubscribeRequest
from .frame import Frame

Deliver = Callable[[Frame], None]


@dataclass(frozen=True, slots=True, eq=False)
class Subscriber:
    """One open connection.

    :param request: what it asked for.
    :param rights: what its token grants.
    :param deliver: takes each frame that is for it; called under the hub's lock, so it must neither block
        nor raise.
    :param id: made by the hub, never the client's choice; shared by all subscriptions of the connection.
    """

    request: SubscribeRequest
    rights: Rights
    deliver: Deliver
    id: str

    @property
    def subscriptions(self) -> list[Subscription]:
        """One subscription for each selector."""
        return [
            Subscription(selector, self.id, self.rights.payload_for(selector.text))
            for selector in self.request.selectors
        ]

    def gets(self, update: Update) -> bool:
        """Tell whether an update is for it: it selected one topic, and may read one, perhaps another."""
        return any_matches(self.request.selectors, update.topics) and (
            not update.private or self.rights.may_read(update.topics)
        )
