"""Load on a hub: subscribers that count what they get, publishers that wait for each answer.

One thread and one epoll, so that it takes less of the machine than the hub that it drives. An update is
counted by a marker in its data, of which the received bytes are searched; the stream is not parsed. A hub
must therefore not cut a line of data in two with its HTTP chunks, which none does for lines this short.
"""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from gc import disable as disable_garbage_collection
from multiprocessing import get_context
from urllib.parse import quote

from . import usage
from .publishing import Publisher
from .subscribing import MARKER, STAMP_SIZE, Subscribers

LINGER = 0.05
"""Seconds for which more than enough may still come."""


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


def run_apart(load: Load) -> Outcome:
    """Run a load in a fresh process of its own."""
    with ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=disable_garbage_collection
    ) as pool:
        return pool.submit(run, load).result()


def run(load: Load) -> Outcome:
    """Run a load in this process.

    :raises LoadError: a subscriber was not let in.
    :raises OSError: the hub cannot be reached.
    """
    with ExitStack() as stack:
        epoll = stack.enter_context(select.epoll())
        subscribers = Subscribers(epoll, load.address, keep_latencies=load.rate is not None)
        stack.callback(subscribers.close)
        connect_cpu, memory = _connect(load, subscribers)
        traffic = _Traffic(load, epoll, subscribers)
        stack.callback(traffic.close)
        cpu = _cpu(load)
        traffic.run()
        spent = _difference(_cpu(load), cpu)
    return _outcome(load, subscribers, traffic, spent, connect_cpu, memory)


def _connect(load: Load, subscribers: Subscribers) -> tuple[float | None, float | None]:
    """Connect all subscribers; return the CPU seconds and the bytes of memory for each, if known."""
    first, others = _parted(load.subscribe)
    subscribers.connect(first)  # what a hub makes with its first requests is not theirs
    time.sleep(load.settle)
    cpu, memory = _cpu(load), _memory(load)
    subscribers.connect(others)
    time.sleep(load.settle)
    connect_cpu, connect_memory = _difference(_cpu(load), cpu), _difference(_memory(load), memory)
    if not others or connect_cpu is None or connect_memory is None:
        return None, None
    return connect_cpu / len(others), connect_memory / len(others)


def _parted(requests: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[bytes]]:
    tenth = -(-len(requests) // 10)
    return requests[:tenth], requests[tenth:]


def _cpu(load: Load) -> float | None:
    return None if load.pid is None else usage.cpu_seconds(load.pid)


def _memory(load: Load) -> float | None:
    return None if load.pid is None else usage.resident_bytes(load.pid)


def _difference(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


class _Traffic:
    """Updates on their way, from the first publish request to the last delivery."""

    def __init__(self, load: Load, epoll: select.epoll, subscribers: Subscribers) -> None:
        self._load = load
        self._epoll = epoll
        self._subscribers = subscribers
        self._followers = [0] * len(load.topics)
        for topics in load.follows:
            for topic in topics:
                self._followers[topic] += 1
        self._padding = "x" * max(0, load.size - len(MARKER) - STAMP_SIZE)
        self._topics = [quote(topic, safe="{}") for topic in load.topics]
        self._publishers = [Publisher(epoll, load.address) for _ in range(load.publishers)]
        self._by_fd = {publisher.fd: publisher for publisher in self._publishers}
        self._goal = None if load.rate is None else max(1, round(load.rate * load.seconds))
        self._sent = 0
        self._expected = 0
        self.taken = [0] * len(load.topics)
        """Updates that the hub took, by topic."""
        self.refused = 0
        self.refusal = ""

    def close(self) -> None:
        """Close the publishers' connections."""
        for publisher in self._publishers:
            publisher.close()

    def run(self) -> None:
        """Publish for the load's time, then wait for what is to come."""
        start = last = time.monotonic()
        waits = len(self._publishers) + len(self._subscribers)
        seen = -1
        while True:
            now = time.monotonic()
            is_publishing = self._publish(now - start)
            for fd, _ in self._epoll.poll(0.001, waits):
                if publisher := self._by_fd.get(fd):
                    self._hear(publisher)
                else:
                    self._subscribers.read(fd)
            progress = self._sent + self._expected + self._subscribers.delivered
            if progress != seen:
                seen, last = progress, now
            elif self._is_over(is_publishing, quiet=now - last):
                break
        if self._busy:
            self.refused += self._busy
            self.refusal = "no answer"

    @property
    def _busy(self) -> int:
        return sum(publisher.is_busy for publisher in self._publishers)

    def _is_over(self, is_publishing: bool, quiet: float) -> bool:
        """Return whether nothing more is to be waited for.

        :param quiet: seconds since something new came or was sent.
        """
        busy = self._busy
        if is_publishing and busy < len(self._publishers):
            return False
        is_complete = not busy and self._subscribers.delivered >= self._expected
        return quiet > (LINGER if is_complete else self._load.patience)

    def _publish(self, elapsed: float) -> bool:
        """Let publishers that wait for nothing send the updates that are due.

        :param elapsed: seconds since the first update.
        :return: whether there will be more.
        """
        due = sys.maxsize
        if self._goal is not None and self._load.rate is not None:
            due = min(self._goal, int(elapsed * self._load.rate) + 1)
        elif elapsed >= self._load.seconds:
            return False
        for publisher in self._publishers:
            if self._sent < due and not publisher.is_busy:
                publisher.send(self._next_request(), self._sent % len(self._topics))
                self._sent += 1
        return self._sent != self._goal

    def _next_request(self) -> bytes:
        topic = self._topics[self._sent % len(self._topics)].replace("{n}", str(self._sent))
        stamp = f"{time.monotonic_ns():0{STAMP_SIZE}}"
        body = f"topic={topic}&data={MARKER.decode()}{stamp}{self._padding}".encode()
        return b"%bContent-Length: %d\r\n\r\n%b" % (self._load.publish, len(body), body)

    def _hear(self, publisher: Publisher) -> None:
        answer = publisher.receive()
        if answer is None:
            return
        if answer.is_success:
            self.taken[answer.topic] += 1
            self._expected += self._followers[answer.topic]
        else:
            self.refused += 1
            self.refusal = answer.line
        if publisher.fd not in self._by_fd:  # it had to connect anew
            self._by_fd = {one.fd: one for one in self._publishers}


def _outcome(
    load: Load,
    subscribers: Subscribers,
    traffic: _Traffic,
    cpu: float | None,
    connect_cpu: float | None,
    memory: float | None,
) -> Outcome:
    expected = [sum(traffic.taken[topic] for topic in topics) for topics in load.follows]
    missing = [wanted - got for wanted, got in zip(expected, subscribers.counts, strict=True)]
    return Outcome(
        published=sum(traffic.taken),
        refused=traffic.refused,
        refusal=traffic.refusal,
        delivered=subscribers.delivered,
        lost=sum(number for number in missing if number > 0),
        repeated=-sum(number for number in missing if number < 0),
        closed=subscribers.closed,
        latencies=subscribers.latencies(),
        cpu=cpu,
        connect_cpu=connect_cpu,
        memory=memory,
    )
