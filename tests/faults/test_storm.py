"""Thousands of subscribers that come back at once."""

from __future__ import annotations

import threading

from tests.faults.hubs import Publisher, running
from tests.faults.streams import Stream, open_streams, read_until, reading

MISSED = 300
BACK = 3000
LONGEST_WORK = 0.25
"""Seconds of the CPU between two turns of the loop that are too many on any machine; 0.05 is the aim."""


def test_storm_of_those_who_come_back_delays_nobody() -> None:
    with running(hub={"history_length": 1000}) as hub:
        publisher = Publisher(hub)
        for _ in range(MISSED):
            publisher.publish(size=200)
        live = open_streams(hub, 20)
        hub.report()
        stop = threading.Event()

        def publish() -> None:
            while not stop.wait(0.05):
                publisher.publish(size=200)

        publishing = threading.Thread(target=publish)
        publishing.start()
        back: list[Stream] = []
        with reading(live):
            back = [Stream(hub, after=publisher.acknowledged[0], asks=False) for _ in range(BACK)]
            for one in back:
                one.ask()
            read_until(back, lambda: all(one.events >= MISSED - 1 for one in back), patience=60)
        stop.set()
        publishing.join(20)
        report = hub.report()
        print(report, hub.work)
        count = len(publisher.acknowledged)
        read_until(live, lambda: all(one.events == count - MISSED for one in live))
        read_until(back, lambda: all(one.events == count - 1 for one in back))
    assert report["longest_work"] < LONGEST_WORK
    assert [one.ids for one in live] == [publisher.acknowledged[MISSED:]] * len(live)
    for one in back:
        assert one.ids == publisher.acknowledged[1:]
