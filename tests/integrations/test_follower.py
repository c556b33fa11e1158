"""A connection that is kept open, with a hub that is made up."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from flask_mercure_sse.integrations.backoff import Backoff
from flask_mercure_sse.integrations.follower import Follower
from flask_mercure_sse.integrations.recent_ids import RecentIds
from flask_mercure_sse.protocol.errors import SubscribeError
from flask_mercure_sse.protocol.sse import Event
from tests.server.processes import PATIENCE

Answer = bytes | Exception


class FakeStream:
    """Gives some bytes, and then ends or waits to be interrupted."""

    def __init__(
        self,
        chunks: Sequence[bytes],
        *,
        ends: bool,
        is_renewed: bool = False,
        resumed_after: str | None = None,
    ) -> None:
        self.resumed_after: str | None = resumed_after
        self.is_renewed: bool = is_renewed
        self._chunks: queue.Queue[bytes] = queue.Queue()
        for chunk in chunks:
            self._chunks.put(chunk)
        if ends:
            self._chunks.put(b"")

    def read(self) -> bytes:
        return self._chunks.get(timeout=PATIENCE)

    def interrupt(self) -> None:
        self._chunks.put(b"")

    def close(self) -> None:
        pass

    def renew_after_fork(self) -> None:
        pass


class FakeSource:
    """A hub that answers as it is told, and in the end with a stream that stays open.

    :param answers: for each time that a stream is opened the bytes of one that ends, or an error.
    :param resumed_after: the update after which it says that it goes on.
    """

    def __init__(self, *answers: Answer, cursor: str | None = None, resumed_after: str | None = None) -> None:
        self._resumed_after = resumed_after
        self.opened: queue.Queue[tuple[tuple[str, ...], str | None, float]] = queue.Queue()
        self._answers = iter(answers)
        self._cursor = cursor

    def open(self, selectors: Sequence[str], last_event_id: str | None) -> FakeStream:
        self.opened.put((tuple(selectors), last_event_id, time.monotonic()))
        answer = next(self._answers, None)
        if isinstance(answer, Exception):
            raise answer
        chunks = [] if answer is None else [answer]
        return FakeStream(chunks, ends=answer is not None, resumed_after=self._resumed_after)

    def cursor(self) -> str | None:
        return self._cursor

    def next_opened(self) -> tuple[tuple[str, ...], str | None]:
        return self.opened.get(timeout=PATIENCE)[:2]


class NoWaits(Backoff):
    """Waits for nothing, and counts how often it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0
        self.successes = 0

    def succeeded(self) -> None:
        self.successes += 1

    def next_wait(self, least: float = 0.0) -> float:
        self.waits += 1
        return least


@contextmanager
def following(
    source: FakeSource, take: Callable[[Event], None] = lambda _event: None, backoff: Backoff | None = None
) -> Iterator[Follower]:
    follower = Follower(source, ("/a",), take, backoff or NoWaits())
    follower.start()
    try:
        yield follower
    finally:
        follower.stop()


def test_a_broken_stream_is_opened_again_after_the_last_update() -> None:
    source = FakeSource(b"id: 1\ndata: x\n\nid: 2\ndata: y\n\nid: 3\ndata: cut", b"id: 4\ndata: z\n\n")
    taken: list[str] = []
    with following(source, lambda event: taken.append(event.id)):
        assert [source.next_opened()[1] for _ in range(3)] == [None, "2", "4"]
    assert taken == ["1", "2", "4"]


def test_without_an_update_it_goes_on_after_the_newest_that_the_hub_had_before() -> None:
    source = FakeSource(b":\n", cursor="0")
    with following(source):
        assert [source.next_opened()[1] for _ in range(2)] == ["0", "0"]


@pytest.mark.parametrize(("told", "next_after"), [("newest", "newest"), ("earliest", "0"), (None, "0")])
def test_where_the_hub_knows_the_update_no_more_it_goes_on_from_where_the_hub_did(
    told: str | None, next_after: str
) -> None:
    source = FakeSource(b":\n", cursor="0", resumed_after=told)
    with following(source):
        assert [source.next_opened()[1] for _ in range(2)] == ["0", next_after]


def test_what_a_hub_repeats_is_taken_once() -> None:
    taken: list[str] = []
    source = FakeSource(b"id: 1\ndata: x\n\n", b"id: 1\ndata: x\n\nid: 2\ndata: y\n\n")
    with following(source, lambda event: taken.append(event.id)):
        for _ in range(3):
            source.next_opened()
    assert taken == ["1", "2"]


@pytest.mark.parametrize("error", [SubscribeError("hub", 503, "later"), RuntimeError("a defect")])
def test_no_error_ends_it(error: Exception) -> None:
    source = FakeSource(error, error)
    with following(source) as follower:
        for _ in range(3):
            source.next_opened()
        assert follower.connected.wait(PATIENCE)


def test_a_change_of_selectors_opens_it_anew_without_a_wait() -> None:
    source, backoff = FakeSource(), NoWaits()
    with following(source, backoff=backoff) as follower:
        assert source.next_opened()[0] == ("/a",)
        follower.change(("/a", "/b"))
        assert source.next_opened()[0] == ("/a", "/b")
        assert follower.connected.wait(PATIENCE)
    assert backoff.waits == 0


def test_a_hub_that_hangs_up_at_once_is_not_taken_for_one_that_works() -> None:
    source, backoff = FakeSource(b":\n", b":\n", b"id: 1\ndata: x\n\n"), NoWaits()
    with following(source, backoff=backoff):
        for _ in range(4):
            source.next_opened()
    assert (backoff.waits, backoff.successes) == (3, 1)


def test_the_reconnection_time_of_the_hub_is_kept_from_then_on() -> None:
    source = FakeSource(b"retry: 200\n\n", b":\n")
    with following(source):
        times = [source.opened.get(timeout=PATIENCE)[2] for _ in range(3)]
    assert times[1] - times[0] >= 0.2
    assert times[2] - times[1] >= 0.2


# Waiting


def test_waits_grow_up_to_a_limit_and_begin_again_after_a_success() -> None:
    backoff = Backoff(first=1, most=8)
    for ceiling in (1, 2, 4, 8, 8):
        assert 0 <= backoff.next_wait() <= ceiling
    backoff.succeeded()
    assert backoff.next_wait() <= 1


def test_waits_are_spread_over_all_the_time_that_they_may_take() -> None:
    waits = [Backoff(first=8).next_wait() for _ in range(400)]
    assert min(waits) < 2
    assert max(waits) > 6


def test_what_the_hub_asks_for_is_waited_at_least_but_not_for_ever() -> None:
    assert 3 <= Backoff().next_wait(least=3) <= 4
    assert Backoff(first=1, most=30).next_wait(least=1e12) <= 31


# Ids


def test_the_last_ids_are_remembered_and_old_ones_forgotten() -> None:
    ids = RecentIds(10)
    for number in range(100):
        ids.add(str(number))
        assert all(str(recent) in ids for recent in range(max(0, number - 9), number + 1))
    assert sum(str(number) in ids for number in range(100)) <= 20
