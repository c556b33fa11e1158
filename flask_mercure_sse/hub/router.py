"""Who gets an update.

Subscribers who want and may read the same are one group, so that the cost of an update follows the number of
groups that get it. Exact topics are found in a dictionary, patterns by their outlines. Private updates are
looked up among those alone who are granted something, and subscription events among those who may be told of
them, so that strangers cost them nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain

from ..protocol.rights import Rights
from ..protocol.selectors import EXACT
from ..protocol.update import Update
from ..protocol.version import SubscribeRequest
from .frame import SubscriptionFrame
from .patterns import PatternIndex
from .subscriber import Deliver, Group, GroupKey, Subscriber

_Key = tuple[str, str]  # a selector's


class Router:
    """The subscribers of a hub by what they selected.

    Not safe for threads by itself; the hub calls it under its lock.
    """

    def __init__(self) -> None:
        self._count = 0
        self._groups: dict[GroupKey, Group] = {}
        self._all = _Index()
        self._granted = _Index()
        self._watching = _Index()

    def __len__(self) -> int:
        return self._count

    def __contains__(self, subscriber: Subscriber) -> bool:
        return subscriber in subscriber.group.members

    @property
    def groups(self) -> Collection[Group]:
        """The groups that there are."""
        return self._groups.values()

    @property
    def selector_count(self) -> int:
        """How many different selectors its subscribers have."""
        return len(self._all)

    def __iter__(self) -> Iterator[Subscriber]:
        for group in self.groups:
            yield from group.members

    def add(self, request: SubscribeRequest, rights: Rights, deliver: Deliver | None, id: str) -> Subscriber:
        """Route to a new subscriber from now on."""
        key = Group.key_of(request, rights)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(key, request, rights.subscribe)
            for index in self._indexes_of(group):
                index.add(group)
        subscriber = Subscriber(group, rights, deliver, id)
        group.members[subscriber] = None
        self._count += 1
        return subscriber

    def remove(self, subscriber: Subscriber) -> None:
        """Route to a subscriber no longer."""
        group = subscriber.group
        del group.members[subscriber]
        self._count -= 1
        if not group.members:
            del self._groups[group.key]
            for index in self._indexes_of(group):
                index.remove(group)

    def route(self, update: Update) -> list[Group]:
        """Return each group that selected one of the update's topics and may read it, once."""
        if not update.private:
            return self._all.find(update.topics)
        return [group for group in self._granted.find(update.topics) if group.may_read(update)]

    def route_subscription_event(self, event: SubscriptionFrame) -> list[Group]:
        """Return each group that is to be told of a subscription, in its version of the protocol."""
        if self._watching.is_empty:
            return []  # so that the event need not even be written
        update = event.update
        return [
            group
            for group in self._watching.find(update.topics)
            if group.version is event.audience and group.may_read(update)
        ]

    def _indexes_of(self, group: Group) -> Iterator[_Index]:
        yield self._all
        if group.grants:
            yield self._granted
        if group.may_watch:
            yield self._watching


class _Index:
    """Groups by their selectors."""

    def __init__(self) -> None:
        self._followers: dict[_Key, dict[Group, None]] = {}
        self._patterns = PatternIndex()

    def __len__(self) -> int:
        return len(self._followers)

    def add(self, group: Group) -> None:
        for selector in group.selectors:
            followers = self._followers.get(selector.key)
            if followers is None:
                followers = self._followers[selector.key] = {}
                self._patterns.add(selector)
            followers[group] = None

    def remove(self, group: Group) -> None:
        for selector in group.selectors:
            followers = self._followers[selector.key]
            del followers[group]
            if not followers:
                del self._followers[selector.key]
                self._patterns.remove(selector)

    @property
    def is_empty(self) -> bool:
        """Whether nobody follows anything."""
        return not self._followers

    def find(self, topics: tuple[str, ...]) -> list[Group]:
        """Return each group that selected one of the topics, once."""
        followers = self._followers
        if not followers:
            return []
        rows: list[dict[Group, None]] = []
        for topic in topics:
            if exact := followers.get((EXACT, topic)):
                rows.append(exact)
            rows += [followers[key] for key in self._patterns.find(topic)]
        return list(rows[0] if len(rows) == 1 else dict.fromkeys(chain.from_iterable(rows)))
