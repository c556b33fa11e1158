"""A subscriber as the hub knows it: what it asked for and what it may read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..protocol.selectors import Selector
from ..protocol.subscriptions import Subscription
from ..protocol.tokens import Rights
from .frame import Frame

Deliver = Callable[[Frame], None]


@dataclass(frozen=True, slots=True, eq=False)
class Subscriber:
    """One open connection.

    :param selectors: what it asked for.
    :param rights: what its token grants.
    :param deliver: takes each frame that is for it; called under the hub's lock, so it must neither block
        nor raise.
    :param id: made by the hub, never the client's choice; shared by all subscriptions of the connection.
    """

    selectors: tuple[Selector, ...]
    rights: Rights
    deliver: Deliver
    id: str

    @property
    def subscriptions(self) -> list[Subscription]:
        """One subscription for each selector."""
        return [Subscription(selector.text, self.id, self.rights.payload) for selector in self.selectors]
