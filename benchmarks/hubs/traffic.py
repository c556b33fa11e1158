"""Updates on their way."""

from __future__ import annotations

import select
import sys
import time
from urllib.parse import quote

from .load import Load
from .publishing import Publisher
from .subscribing import MARKER, STAMP_SIZE, Subscribers

LINGER = 0.05
"""Seconds for which more than enough may still come."""


class Traffic:
    """What happens from the first publish request to the last delivery."""

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
