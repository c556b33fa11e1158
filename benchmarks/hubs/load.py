"""What is done to a hub, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """What is done to a hub.

    :param address: the hub's host and port.
    :param subscribe: the request of each subscriber.
    :param follows: for each subscriber the numbers of the topics that it gets.
    :param topics: what is published to, in turn; in them "{n}" stands for the update's number.
    :param publish: a publish request without its length and body.
    :param size: bytes of an update's data.
    :param publishers: connections that publish.
    :param rate: updates per second; None for as many as are answered.
    :param seconds: how long updates are published; with a rate it says how many.
    :param pid: the hub's process, None where it is not known.
    :param settle: seconds for which the hub is left alone before its memory is read.
    :param patience: seconds without anything new after which nothing more is expected.
    """

    address: tuple[str, int]
    subscribe: Sequence[bytes]
    follows: Sequence[Sequence[int]]
    topics: Sequence[str]
    publish: bytes
    size: int = 100
    publishers: int = 1
    rate: float | None = None
    seconds: float = 1.0
    pid: int | None = None
    settle: float = 0.5
    patience: float = 5.0


@dataclass(frozen=True)
class Outcome:
    """What became of a load.

    :param published: updates that the hub said it took.
    :param refused: updates that it did not take, or never answered.
    :param refusal: what it answered to one of them.
    :param delivered: updates that reached subscribers.
    :param lost: deliveries that are missing, counted by subscriber.
    :param repeated: deliveries that were too many, counted by subscriber.
    :param closed: streams that the hub ended.
    :param latencies: seconds from a publish request to the arrival, sorted; only with a rate.
    :param cpu: the hub's CPU seconds for all updates.
    :param connect_cpu: the hub's CPU seconds for each subscriber that connects.
    :param memory: the hub's resident bytes for each subscriber.
    """

    published: int
    refused: int
    refusal: str
    delivered: int
    lost: int
    repeated: int
    closed: int
    latencies: Sequence[float]
    cpu: float | None
    connect_cpu: float | None
    memory: float | None

    @property
    def is_clean(self) -> bool:
        """Whether every update that was published came to each of its subscribers once."""
        return not (self.lost or self.repeated or self.refused or self.closed)
