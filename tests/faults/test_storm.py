"""Thousands of subscribers that come back at once."""

from __future__ import annotations

import threading

import pytest

from tests.faults.hubs import Publisher, running
from tests.faults.streams import Stream, open_streams, read_until, reading

LONGEST_WORK = 0.25
"""Seconds of the CPU between two turns of the loop that are too many on any machine; 0.05 is the aim."""


@pytest.mark.parametrize(("back_again", "missed", "size"), [(3000, 300, 200), (400, 200, 5000)])
def test_storm_of_those_who_come_back_delays_nobody(back_again: int, missed: int, size: int) -> None:
    """Mercure 1.0, Reconnection: neither by their number nor by how much they missed."""
    with running(hub={"history_length": 1000}) as hub:
        publisher = Publisher(hub)
        for _ in range(missed):
            publisher.publish(size=size)
        live = open_streams(hub, 20)
        hub.report()
        stop = threading.Event()

        def publish() -> None:
            while not stop.wait(0.05):
                publisher.publish(size=size)

        publishing = threading.Thread(target=publish)
        publishing.start()
        back: list[Stream] = []
        with reading(live):
            back = [Stream(hub, after=publisher.acknowledged[0], asks=False) for _ in range(back_again)]
            for one in back:
                one.ask()
            read_until(back, lambda: all(one.events >= missed - 1 for one in back), patience=60)
        stop.set()
        publishing.join(20)
        report = hub.report()
        count = len(publisher.acknowledged)
        read_until(live, lambda: all(one.events == count - missed for one in live))
        read_until(back, lambda: all(one.events == count - 1 for one in back))
    assert report["longest_work"] < LONGEST_WORK
    assert [one.ids for one in live] == [publisher.acknowledged[missed:]] * len(live)
    for one in back:
        assert one.ids == publisher.acknowledged[1:]
