"""Subscribers as the hub knows them: what they asked for and what they may read."""

from __future__ import annotations

from collections.abc import Callable

from ..protocol.rights import Rights
from ..protocol.selectors import Selector, any_matches
from ..protocol.subscriptions import Subscription
from ..protocol.update import Update
from ..protocol.version import ProtocolVersion, SubscribeRequest
from .frame import Frame
from .watching import may_watch

Deliver = Callable[[Frame], None]

GroupKey = tuple[str, tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]


class Group:
    """Subscribers who asked for the same and are granted the same: an update is for all of them or for none.

    :param request: what they asked for; of the cursor each has its own.
    :param grants: selectors of the topics whose private updates they may read.
    """

    __slots__ = ("deliver_to_all", "grants", "key", "may_watch", "members", "selectors", "version")

    def __init__(self, key: GroupKey, request: SubscribeRequest, grants: tuple[Selector, ...]) -> None:
        self.key: GroupKey = key
        self.version: ProtocolVersion = request.version
        self.selectors: tuple[Selector, ...] = request.selectors
        self.grants: tuple[Selector, ...] = grants
        self.may_watch: bool = may_watch(request.version, request.selectors, grants)
        """Whether subscription events may be for them."""
        # A dictionary instead of a set keeps the order in which they came.
        self.members: dict[Subscriber, None] = {}
        self.deliver_to_all: Deliver | None = None
        """Takes each frame for the members that have no way of their own; must neither block nor raise."""

    @staticmethod
    def key_of(request: SubscribeRequest, rights: Rights) -> GroupKey:
        """Return what subscribers of one group have in common."""
        return (
            request.version.name,
            tuple([selector.key for selector in request.selectors]),
            tuple([selector.key for selector in rights.subscribe]),
        )

    def may_read(self, update: Update) -> bool:
        """Tell whether an update that they selected is for them."""
        return not update.private or any_matches(self.grants, update.topics)

    def deliver(self, frame: Frame) -> None:
        """Hand a frame to every member."""
        if self.deliver_to_all is not None:
            self.deliver_to_all(frame)
            return
        for member in self.members:
            if member.deliver is not None:
                member.deliver(frame)


class Subscriber:
    """One open connection.

    :param group: those who get the same.
    :param rights: what its token grants.
    :param deliver: takes each later frame that is for it; called under the hub's lock, so it must neither
        block nor raise. None where the group has one for all.
    :param id: made by the hub, never the client's choice; shared by all subscriptions of the connection.
    """

    __slots__ = ("deliver", "group", "id", "rights")

    def __init__(self, group: Group, rights: Rights, deliver: Deliver | None, id: str) -> None:
        self.group: Group = group
        self.rights: Rights = rights
        self.deliver: Deliver | None = deliver
        self.id: str = id


def subscriptions_of(selectors: tuple[Selector, ...], rights: Rights, subscriber: str) -> list[Subscription]:
    """Return the subscriptions of a connection: one for each selector, of which it keeps the name alone."""
    payload_for = rights.payload_for
    return [
        Subscription(selector.without_pattern, subscriber, payload_for(selector.text))
        for selector in selectors
    ]
