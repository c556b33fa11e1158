"""Subscribers that do not read, vanish, or are torn off: they come back with nothing missing."""

from __future__ import annotations

from tests.faults.hubs import Publisher, running
from tests.faults.streams import Stream, open_streams, read_until

UPDATES = 150


def test_reader_that_stalls_harms_nobody_and_comes_back_with_nothing_missing() -> None:
    with running(max_backlog=256 * 1024) as hub:
        publisher = Publisher(hub)
        others = open_streams(hub, 20)
        [stalled] = open_streams(hub, 1, buffer=4096)
        for _ in range(UPDATES):
            publisher.publish(size=100_000)
            read_until(others, lambda: all(one.events >= len(publisher.acknowledged) for one in others))
        hub.wait_until(lambda report: report["endings"].get("slow"))
        read_until([stalled], lambda: stalled.has_ended)
        seen = stalled.ids
        assert 0 < len(seen) < UPDATES
        last = Stream(hub, after=seen[-1])
        read_until([last], lambda: len(last.ids) == UPDATES - len(seen))
    assert [one.ids for one in others] == [publisher.acknowledged] * 20
    assert seen + last.ids == publisher.acknowledged


def test_reader_that_is_torn_off_amid_an_event_comes_back_with_nothing_missing_and_nothing_twice() -> None:
    with running() as hub:
        publisher = Publisher(hub)
        torn = Stream(hub, buffer=4096)
        read_until([torn], lambda: torn.got)
        for _ in range(3):
            publisher.publish(size=50_000)
        read_until([torn], lambda: len(torn.ids) == 1)
        while torn.got.endswith(b"\n\n"):
            torn.read(100)
        torn.reset()
        hub.wait_until(lambda report: report["streams"] == 0)
        publisher.publish()
        seen = torn.ids
        assert len(seen) < 4
        again = Stream(hub, after=seen[-1])
        read_until([again], lambda: len(again.ids) == 4 - len(seen))
    assert seen + again.ids == publisher.acknowledged


def test_reader_that_vanishes_without_a_word_is_found_by_comments() -> None:
    with running(keepalive_interval=0.5, limits={"silent_time": 1.0}) as hub:
        vanished, stays = open_streams(hub, 2)
        vanished.vanish()
        hub.wait_until(lambda report: report["streams"] == 1)
        read_until([stays], lambda: stays.got.count(b":\n") > 3)
    assert not vanished.has_ended


def test_reader_that_takes_nothing_is_not_waited_for_even_if_nothing_more_is_published() -> None:
    with running(limits={"silent_time": 1.0}) as hub:
        publisher = Publisher(hub)
        [stalled] = open_streams(hub, 1, buffer=4096)
        for _ in range(8):
            publisher.publish(size=100_000)
        hub.wait_until(lambda report: report["streams"] == 0)
    assert stalled.events < 8
