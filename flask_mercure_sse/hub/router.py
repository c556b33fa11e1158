"""Who gets an update.

Exact topics are found in a dictionary. Each distinct pattern is tried once for each topic, however many
subscribers share it. Private updates are looked up among those alone who are granted something, so that
strangers cost them nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..protocol.selectors import EXACT, Selector
from ..protocol.update import Update
from .subscriber import Subscriber


class Router:
    """The subscribers of a hub by what they selected.

    Not safe for threads by itself; the hub calls it under its lock.
    """

    def __init__(self) -> None:
        # Dictionaries instead of sets keep the order in which subscribers came.
        self._subscribers: dict[Subscriber, None] = {}
        self._all = _Index()
        self._granted = _Index()

    def __len__(self) -> int:
        return len(self._subscribers)

    def __contains__(self, subscriber: Subscriber) -> bool:
        return subscriber in self._subscribers

    def __iter__(self) -> Iterator[Subscriber]:
        return iter(self._subscribers)

    def add(self, subscriber: Subscriber) -> None:
        """Route to a subscriber from now on."""
        self._subscribers[subscriber] = None
        self._all.add(subscriber)
        if subscriber.rights.subscribe:
            self._granted.add(subscriber)

    def remove(self, subscriber: Subscriber) -> None:
        """Route to a subscriber no longer."""
        del self._subscribers[subscriber]
        self._all.remove(subscriber)
        if subscriber.rights.subscribe:
            self._granted.remove(subscriber)

    def route(self, update: Update) -> Collection[Subscriber]:
        """Return each subscriber that selected one of the update's topics and may read it, once."""
        if not update.private:
            return self._all.find(update.topics)
        found = self._granted.find(update.topics)
        return [subscriber for subscriber in found if subscriber.rights.may_read(update.topics)]


class _Index:
    """Subscribers by their selectors."""

    def __init__(self) -> None:
        self._followers: dict[tuple[str, str], dict[Subscriber, None]] = {}
        self._patterns: dict[tuple[str, str], Selector] = {}

    def add(self, subscriber: Subscriber) -> None:
        for selector in subscriber.request.selectors:
            self._followers.setdefault(selector.key, {})[subscriber] = None
            if not selector.is_exact:
                self._patterns.setdefault(selector.key, selector)

    def remove(self, subscriber: Subscriber) -> None:
        for selector in subscriber.request.selectors:
            followers = self._followers[selector.key]
            del followers[subscriber]
            if not followers:
                del self._followers[selector.key]
                self._patterns.pop(selector.key, None)

    def find(self, topics: tuple[str, ...]) -> Collection[Subscriber]:
        if not self._followers:
            return ()
        found: dict[Subscriber, None] = {}
        for topic in topics:
            found.update(self._followers.get((EXACT, topic), {}))
        for key, selector in self._patterns.items():
            if any(map(selector.matches, topics)):
                found.update(self._followers[key])
        return found
