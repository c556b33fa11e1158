"""Publishing in the background: accepted at once, sent in order, tried again, and always told."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from flask_mercure_sse import QueueFull, Update
from flask_mercure_sse.publishers import delivery, outcomes
from flask_mercure_sse.publishers.waiting import size_of
from tests.publishers.scripted import Background, refused, wait_until

SIZE = size_of(Update(("/a",), "0"))


@pytest.fixture
def background() -> Iterator[Background]:
    background = Background(flush_timeout=0.1)
    yield background
    background.hub.gate.set()
    background.publisher.close()


@pytest.fixture(autouse=True)
def _without_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_mercure_sse.publishers.backoff.FIRST", 0.001)


def data(updates: list[Update]) -> list[str]:
    return [update.data for update in updates]


def test_nothing_starts_before_the_first_update(background: Background) -> None:
    assert background.queue._delivery is None


def test_publishing_returns_the_id_while_the_hub_is_asked_elsewhere(background: Background) -> None:
    background.hub.gate.clear()
    [event_id] = background.publish("x")
    wait_until(lambda: background.hub.attempts)
    assert background.published == []
    background.hub.gate.set()
    background.settle()
    assert [update.id for update in background.published] == [event_id]
    assert background.hub.threads == {"mercure-publisher"}


def test_order_is_kept_over_failures_that_pass(background: Background) -> None:
    background.hub.errors = [refused(status) for status in (None, 500, 503, 429, 408)]
    background.publish(*map(str, range(50)))
    background.settle()
    assert data(background.published) == list(map(str, range(50)))
    assert background.failed == []


def test_an_update_is_tried_again_under_its_own_id(background: Background) -> None:
    background.hub.errors = [refused(None), refused(503)]
    [event_id] = background.publish("x")
    background.settle()
    assert [update.id for update in background.hub.attempts] == [event_id] * 3


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 501])
def test_what_never_will_succeed_is_told_at_once(status: int, background: Background) -> None:
    background.hub.errors = [refused(status)]
    background.publish("bad", "good")
    background.settle()
    assert data(background.hub.attempts) == ["bad", "good"]
    [(update, error)] = background.failed
    assert (update.data, error.status) == ("bad", status)
    assert data(background.published) == ["good"]


def test_an_error_of_another_kind_is_told_and_does_not_end_the_thread(background: Background) -> None:
    background.hub.errors = [ValueError("no key")]
    background.publish("bad", "good")
    background.settle()
    assert "ValueError: no key" in str(background.failed[0][1])
    assert data(background.published) == ["good"]


def test_a_hub_that_asks_for_time_gets_it(background: Background, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []
    monkeypatch.setattr(delivery.Backoff, "next", lambda _self, asked: waits.append(asked) or 0.0)
    background.hub.errors = [refused(429, 7.0), refused(503)]
    background.publish("x")
    background.settle()
    assert waits == [7.0, None]


def test_an_update_that_was_tried_for_too_long_is_given_up() -> None:
    background = Background(retry_for=0.0)
    background.hub.errors = [refused(500)]
    background.publish("old", "next")
    background.settle()
    assert [update.data for update, _ in background.failed] == ["old"]
    assert data(background.published) == ["next"]


def test_a_hub_that_is_gone_for_too_long_costs_all_updates_that_are_as_old() -> None:
    background = Background(retry_for=0.0)
    background.hub.gate.clear()
    background.hub.errors = [refused(None)]
    background.publish("1", "2", "3")
    background.hub.gate.set()
    background.settle()
    assert [update.data for update, _ in background.failed] == ["1", "2", "3"]
    assert background.counts == {"accepted": 3, "failed": 3, "retried": 1, "outages": 1}


def test_a_full_queue_is_an_error_that_names_the_hub_and_the_fix() -> None:
    background = Background(size=3 * SIZE)
    background.hub.gate.clear()
    background.publish("1", "2", "3")
    with pytest.raises(QueueFull, match=r"hub\.example.* MERCURE_QUEUE_SIZE"):
        background.publish("4")
    background.hub.gate.set()
    background.settle()
    assert data(background.published) == ["1", "2", "3"]
    assert background.counts == {"accepted": 3, "published": 3, "refused": 1}
    assert [update.data for update, _ in background.failed] == ["4"]


def test_a_full_queue_may_drop_the_oldest_instead_and_tells_it() -> None:
    background = Background(size=3 * SIZE, drop_oldest=True)
    background.hub.gate.clear()
    background.publish("1")
    wait_until(lambda: background.hub.attempts)  # what is being sent is not dropped
    background.publish("2", "3", "4", "5")
    background.hub.gate.set()
    background.settle()
    assert data(background.published) == ["1", "4", "5"]
    assert [update.data for update, _ in background.failed] == ["2", "3"]
    assert background.counts == {"accepted": 5, "published": 3, "dropped": 2}


@pytest.mark.parametrize("drop_oldest", [False, True])
def test_an_update_that_is_larger_than_the_queue_is_refused(drop_oldest: bool) -> None:
    background = Background(size=SIZE, drop_oldest=drop_oldest)
    with pytest.raises(QueueFull):
        background.publish("x" * SIZE)


def test_several_updates_are_accepted_together_or_not_at_all() -> None:
    background = Background(size=3 * SIZE)
    updates = [Update(("/a",), str(number)) for number in range(4)]
    with pytest.raises(QueueFull):
        background.publisher.publish_many(updates)
    assert background.publisher.publish_many(updates[:3]) == [update.id for update in updates[:3]]
    background.settle()
    assert background.published == updates[:3]


def test_each_text_of_an_update_takes_room() -> None:
    long = "x" * 2 * SIZE
    for update in (Update((long,)), Update(("/a", long)), Update(("/a",), long), Update(("/a",), type=long)):
        assert size_of(update) > 2 * SIZE


def test_an_outage_is_one_line_in_the_log(background: Background, caplog: pytest.LogCaptureFixture) -> None:
    background.hub.errors = [refused(None) for _ in range(10)]
    with caplog.at_level(logging.INFO):
        background.publish("1", "2", "3")
        background.settle()
    began, ended = caplog.records
    assert (began.levelname, ended.levelname) == ("WARNING", "INFO")
    assert "hub.example/.well-known/mercure could not be reached" in began.getMessage()
    assert background.counts["outages"] == 1
    assert background.counts["retried"] == 10


def test_outages_that_come_one_after_the_other_are_one_line_each_minute(
    background: Background, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_and_recover() -> None:
        background.hub.errors = [refused(503)]
        background.publish("x")
        background.settle()

    with caplog.at_level(logging.INFO):
        for _ in range(5):
            fail_and_recover()
        assert [line.levelname for line in caplog.records] == ["WARNING", "INFO"]
        monkeypatch.setattr(outcomes, "QUIET", 0.0)
        fail_and_recover()
    assert [line.levelname for line in caplog.records] == ["WARNING", "INFO"] * 2
    assert background.counts["outages"] == 6


def test_many_updates_that_are_refused_are_one_line_in_the_log(
    background: Background, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    background.hub.errors = [refused(401) for _ in range(10)]
    background.publish(*map(str, range(10)))
    background.settle()
    [line] = caplog.records
    assert "not published: 1. the hub" in line.getMessage()
    monkeypatch.setattr(outcomes, "QUIET", 0.0)
    background.hub.errors = [refused(401)]
    background.publish("x")
    background.settle()
    assert "not published: 10. the hub" in caplog.records[-1].getMessage()


def test_closing_sends_what_waits(background: Background) -> None:
    background.hub.errors = [refused(None)]
    background.publish("1", "2")
    background.publisher.close()
    assert data(background.published) == ["1", "2"]


def test_closing_waits_no_longer_than_its_limit_and_tells_what_is_lost() -> None:
    background = Background(flush_timeout=0.05)
    background.hub.gate.clear()
    background.publish("1", "2")
    wait_until(lambda: background.hub.attempts)
    delivery = background.delivery
    background.publisher.close()
    assert [update.data for update, _ in background.failed] == ["1", "2"]
    assert "the app ended first" in str(background.failed[0][1])
    background.hub.gate.set()
    wait_until(lambda: delivery._thread is None)
    assert background.published == []  # each update is told once
    assert background.counts == {"accepted": 2, "failed": 2}


def test_closing_does_not_wait_for_a_hub_that_asks_for_more_time_than_there_is() -> None:
    background = Background(flush_timeout=60.0)
    background.hub.errors = [refused(429, 120.0)]
    background.publish("1")
    wait_until(lambda: background.counts.get("retried"))
    background.publisher.close()
    assert [update.data for update, _ in background.failed] == ["1"]


def test_what_is_published_after_closing_is_sent_by_a_new_thread(background: Background) -> None:
    background.publish("1")
    background.publisher.close()
    background.publish("2")
    background.settle()
    assert data(background.published) == ["1", "2"]


def test_the_thread_ends_when_there_is_nothing_to_do_and_comes_back(
    background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "IDLE", 0.01)
    background.publish("1")
    wait_until(lambda: background.delivery._thread is None)
    background.publish("2")
    background.settle()
    assert data(background.published) == ["1", "2"]


def test_many_threads_publish_and_each_keeps_its_order(background: Background) -> None:
    def publish(name: str) -> None:
        for number in range(200):
            background.publish(f"{name} {number}")

    threads = [threading.Thread(target=publish, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    background.settle()
    for name in "abcdefgh":
        own = [one for one in data(background.published) if one.startswith(name)]
        assert own == [f"{name} {number}" for number in range(200)]
    assert background.counts == {"accepted": 1600, "published": 1600}


def test_without_a_thread_whoever_closes_sends_what_waits(
    background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    background.publish("1", "2")
    background.publisher.close()
    assert data(background.published) == ["1", "2"]


def test_a_child_begins_with_an_empty_queue(background: Background) -> None:
    background.hub.gate.clear()
    background.publish("the parent's")
    background.queue.renew_after_fork()  # as it is in a child
    background.hub.attempts.clear()
    background.hub.gate.set()
    background.publish("the child's")
    background.settle()
    assert data(background.hub.attempts)[-1] == "the child's"
    assert background.queue.waiting == (0, 0)


def test_a_thread_that_is_killed_is_replaced_and_loses_nothing(background: Background) -> None:
    """As gevent kills greenlets."""
    killed = threading.Event()
    background.hub.errors = [GreenletExit()]  # pyright: ignore[reportAttributeAccessIssue]
    hook, threading.excepthook = threading.excepthook, lambda _arguments: killed.set()
    try:
        background.publish("1")
        wait_until(killed.is_set)
    finally:
        threading.excepthook = hook
    background.publish("2")
    background.settle()
    assert data(background.published) == ["1", "2"]


class GreenletExit(BaseException):
    pass


def test_a_thread_that_waits_for_work_takes_it_at_once(background: Background) -> None:
    background.publish("1")
    background.settle()
    wait_until(lambda: background.delivery._is_idle)
    began = time.monotonic()
    background.publish("2")
    background.settle()
    assert time.monotonic() - began < delivery.IDLE / 2


def test_after_a_success_waits_are_short_again(background: Background) -> None:
    background.hub.errors = [refused(None) for _ in range(5)]
    background.publish("1")
    background.settle()
    assert background.delivery._backoff._failures == 0


def test_closing_does_not_sit_out_a_long_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    background = Background(flush_timeout=30.0)
    monkeypatch.setattr(delivery.Backoff, "next", lambda _self, _asked: 10.0)
    background.hub.errors = [refused(None)]
    background.publish("1")
    wait_until(lambda: background.counts.get("retried"))
    began = time.monotonic()
    background.publisher.close()
    assert data(background.published) == ["1"]
    assert time.monotonic() - began < 8


def test_what_is_published_after_the_end_of_the_process_began_is_sent_as_well(background: Background) -> None:
    background.publish("1")
    first = background.delivery
    first.begin_to_close()
    first.finish_closing()
    background.publish("2")
    background.settle()
    assert background.delivery is not first
    assert data(background.published) == ["1", "2"]


def test_no_updates_are_no_work(background: Background) -> None:
    assert background.publisher.publish_many([]) == []
    assert background.queue._delivery is None


def test_a_process_that_may_set_no_handlers_publishes_all_the_same(
    background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in mod_wsgi."""

    def refuse(*_arguments: object) -> None:
        raise ValueError("signal only works in main thread of the main interpreter")

    monkeypatch.setattr("signal.getsignal", lambda _number: signal.SIG_DFL)
    monkeypatch.setattr("signal.signal", refuse)
    background.publish("1")
    background.settle()
    assert data(background.published) == ["1"]
