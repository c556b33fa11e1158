"""The loads that hubs are measured with, each on a fresh hub."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from .client import Client
from .load import Load

ORIGIN = "https://example.com"


@dataclass(frozen=True)
class Sizes:
    """How large the loads are.

    :param subscribers: streams, where the number of subscribers is what costs.
    :param rate: updates per second of a steady load.
    :param seconds: how long each load publishes.
    :param topics: distinct topics, where their number is what costs.
    :param patterns: distinct URI templates, where their number is what costs.
    :param size: bytes of an update's data.
    :param publishers: connections that publish as fast as they are answered: so many that updates reach a
        hub together however long this side takes.
    """

    subscribers: int = 900
    rate: float = 20.0
    seconds: float = 4.0
    topics: int = 10_000
    patterns: int = 1_000
    size: int = 100
    publishers: int = 64

    @property
    def few_subscribers(self) -> int:
        """A tenth of the subscribers."""
        return max(1, self.subscribers // 10)

    @property
    def followers(self) -> int:
        """Subscribers that share the many topics or patterns, and each have one of the few."""
        return min(100, self.subscribers)

    @property
    def descriptors(self) -> int:
        """File descriptors that a load takes, with some to spare."""
        return self.subscribers + max(self.publishers, math.ceil(self.rate)) + 32


MakeLoad = Callable[[Client, Sizes, int | None], Load]
"""Makes a load of these sizes for a hub, given its client and its process."""


def _broadcast(client: Client, sizes: Sizes, pid: int | None, *, steady: bool, few: bool = False) -> Load:
    """Publish to one topic that all follow: at a rate, or as fast as updates are answered."""
    topic = f"{ORIGIN}/news"
    subscribers = sizes.few_subscribers if few else sizes.subscribers
    # With as many connections as updates in a second a slow answer delays no later update.
    publishers = math.ceil(sizes.rate) if steady else sizes.publishers
    return Load(
        client.address,
        subscribe=[client.subscribe([topic])] * subscribers,
        follows=[[0]] * subscribers,
        topics=[topic],
        publish=client.publish(),
        size=sizes.size,
        publishers=publishers,
        rate=sizes.rate if steady else None,
        seconds=sizes.seconds,
        pid=pid,
    )


def _with_tokens(client: Client, sizes: Sizes, pid: int | None) -> Load:
    topic = f"{ORIGIN}/news"
    return Load(
        client.address,
        subscribe=[client.subscribe([topic], name=f"user {number}") for number in range(sizes.subscribers)],
        follows=[[0]] * sizes.subscribers,
        topics=[topic],
        publish=client.publish(),
        size=sizes.size,
        publishers=1,
        rate=sizes.rate,
        seconds=1 / sizes.rate,  # one update, to see that they are all there
        pid=pid,
    )


def _spread(client: Client, sizes: Sizes, pid: int | None, *, selectors: Sequence[str]) -> Load:
    """Share selectors among subscribers, and publish to what each of them matches in turn.

    :param selectors: topics, or URI templates with an "{id}". Each update to one of these has a topic that
        was never seen before, as they are for: what a hub remembers of topics does not answer it.
    """
    followers = min(sizes.followers, len(selectors))
    follows = [range(number, len(selectors), followers) for number in range(followers)]
    return Load(
        client.address,
        subscribe=[client.subscribe([selectors[number] for number in one]) for one in follows],
        follows=follows,
        topics=[selector.replace("{id}", "{n}") for selector in selectors],
        publish=client.publish(),
        size=sizes.size,
        publishers=sizes.publishers,
        seconds=sizes.seconds,
        pid=pid,
    )


def _topics(client: Client, sizes: Sizes, pid: int | None, *, few: bool = False) -> Load:
    number = sizes.followers if few else sizes.topics
    return _spread(client, sizes, pid, selectors=[f"{ORIGIN}/topics/{one}" for one in range(number)])


def _patterns(client: Client, sizes: Sizes, pid: int | None, *, few: bool = False) -> Load:
    number = sizes.followers if few else sizes.patterns
    selectors = [f"{ORIGIN}/kind-{one}/{{id}}" for one in range(number)]
    return _spread(client, sizes, pid, selectors=selectors)


MEASURES: Mapping[str, MakeLoad] = {
    "steady": partial(_broadcast, steady=True),
    "steady-few": partial(_broadcast, steady=True, few=True),
    "burst": partial(_broadcast, steady=False),
    "tokens": _with_tokens,
    "topics": _topics,
    "topics-few": partial(_topics, few=True),
    "patterns": _patterns,
    "patterns-few": partial(_patterns, few=True),
}
