"""Who gets an update.

Exact topics are found in a dictionary. Each distinct pattern is tried once for each topic, however many
subscribers share it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..protocol.selectors import Selector
from ..protocol.update import Update
from .subscriber import Subscriber


class Router:
    """The subscribers of a hub by what they selected.

    Not safe for threads by itself; the hub calls it under its lock.
    """

    def __init__(self) -> None:
        # Dictionaries instead of sets keep the order in which subscribers came.
        self._subscribers: dict[Subscriber, None] = {}
        self._by_text: dict[str, dict[Subscriber, None]] = {}
        self._patterns: dict[str, Selector] = {}

    def __len__(self) -> int:
        return len(self._subscribers)

    def __contains__(self, subscriber: Subscriber) -> bool:
        return subscriber in self._subscribers

    def __iter__(self) -> Iterator[Subscriber]:
        return iter(self._subscribers)

    def add(self, subscriber: Subscriber) -> None:
        """Route to a subscriber from now on."""
        self._subscribers[subscriber] = None
        for selector in subscriber.selectors:
            self._by_text.setdefault(selector.text, {})[subscriber] = None
            if selector.selects_everything or selector.template:
                self._patterns[selector.text] = selector

    def remove(self, subscriber: Subscriber) -> None:
        """Route to a subscriber no longer."""
        del self._subscribers[subscriber]
        for selector in subscriber.selectors:
            followers = self._by_text[selector.text]
            followers.pop(subscriber)
            if not followers:
                del self._by_text[selector.text]
                self._patterns.pop(selector.text, None)

    def route(self, update: Update) -> Collection[Subscriber]:
        """Return each subscriber that selected one of the update's topics and may read it, once."""
        if not self._subscribers:
            return ()
        followers: dict[Subscriber, None] = {}
        for topic in update.topics:
            followers.update(self._by_text.get(topic, {}))
        for text, selector in self._patterns.items():
            interested = self._by_text[text]
            if update.private and not any(subscriber.rights.subscribe for subscriber in interested):
                continue  # strangers' patterns cost private updates nothing
            if any(map(selector.matches, update.topics)):
                followers.update(interested)
        if update.private:
            return [subscriber for subscriber in followers if subscriber.rights.may_read(update.topics)]
        return followers
