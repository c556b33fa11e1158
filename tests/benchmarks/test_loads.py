"""Loads on a hub: what is counted, and what is noticed."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest

from benchmarks.hubs.generator import run, run_apart
from benchmarks.hubs.load import Load
from benchmarks.hubs.publishing import is_whole
from benchmarks.hubs.subscribing import LoadError
from tests.benchmarks.broadcaster import Broadcaster


def test_a_rate_makes_a_number_of_updates_and_takes_its_time() -> None:
    began = time.monotonic()
    with Broadcaster() as hub:
        outcome = run(hub.load(rate=50, seconds=0.2))

    assert outcome.published == 10
    assert time.monotonic() - began >= 0.18


def test_without_a_rate_updates_go_as_fast_as_they_are_answered() -> None:
    with Broadcaster() as hub:
        outcome = run(hub.load(rate=None, seconds=0.1, publishers=2))

    assert outcome.is_clean
    assert outcome.published > 1
    assert outcome.latencies == []


def test_every_update_to_a_pattern_has_a_topic_of_its_own() -> None:
    with Broadcaster() as hub:
        outcome = run(replace(hub.load(), topics=["/a/{n}"]))

    assert len(set(hub.topics)) == outcome.published == 10


def only_once(deliver: Callable[[bytes], bytes], which: int = 4) -> Callable[[int, bytes], bytes]:
    """Do it with one frame of the second subscriber."""
    frames: list[bytes] = []

    def changed(number: int, frame: bytes) -> bytes:
        if number == 1:
            frames.append(frame)
            if len(frames) == which:
                return deliver(frame)
        return frame

    return changed


def test_one_lost_delivery_is_noticed() -> None:
    with Broadcaster(only_once(lambda _frame: b"")) as hub:
        outcome = run(hub.load())

    assert (outcome.lost, outcome.repeated) == (1, 0)
    assert outcome.delivered == 3 * outcome.published - 1


@pytest.mark.parametrize("which", [1, 10])
def test_one_delivery_too_many_is_noticed(which: int) -> None:
    with Broadcaster(only_once(lambda frame: frame * 2, which)) as hub:
        outcome = run(hub.load())

    assert (outcome.lost, outcome.repeated) == (0, 1)
    assert not outcome.is_clean


def test_one_delivery_too_many_makes_up_for_no_loss() -> None:
    lose, repeat = only_once(lambda _frame: b""), only_once(lambda frame: frame * 2, which=2)

    with Broadcaster(lambda number, frame: repeat(number, frame) if number == 1 else lose(1, frame)) as hub:
        outcome = run(hub.load())

    assert (outcome.lost, outcome.repeated) == (1, 1)


@pytest.mark.parametrize("cut", [3, 10, 20, 30, -1])
def test_a_frame_that_comes_in_two_pieces_counts_once(cut: int) -> None:
    with Broadcaster(lambda _number, frame: frame[:cut] + b"|" + frame[cut:]) as hub:
        outcome = run(hub.load())

    assert outcome.is_clean
    assert len(outcome.latencies) == outcome.delivered == 3 * outcome.published


def test_updates_that_are_refused_are_no_losses_and_tell_why() -> None:
    with Broadcaster(lambda _number, _frame: b"", answer=b"HTTP/1.1 503 Busy") as hub:
        outcome = run(hub.load())

    assert outcome.refused > 0
    assert outcome.refusal == "HTTP/1.1 503 Busy"
    assert (outcome.published, outcome.lost) == (0, 0)


def test_updates_that_are_never_answered_count_as_refused() -> None:
    with Broadcaster(answer=b"") as hub:
        outcome = run(hub.load(publishers=2))

    assert (outcome.refused, outcome.refusal) == (2, "no answer")


def test_a_stream_that_the_hub_ends_is_noticed() -> None:
    with Broadcaster() as hub:

        def end_one(number: int, frame: bytes) -> bytes:
            if number == 1 and len(hub.topics) == 1:
                hub.streams[1].shutdown(socket.SHUT_WR)
            return b"" if number == 1 else frame

        hub.deliver = end_one
        outcome = run(hub.load())

    assert outcome.closed == 1


def test_a_subscriber_that_is_refused_ends_the_load() -> None:
    with Broadcaster(welcome=b"HTTP/1.1 401 Unauthorized") as hub, pytest.raises(LoadError, match="401 Unau"):
        run(hub.load())


def test_a_delay_is_part_of_the_latency() -> None:
    def late(number: int, frame: bytes) -> bytes:
        time.sleep(0.02 if number == 0 else 0)
        return frame

    with Broadcaster(late) as hub:
        outcome = run(hub.load())

    assert outcome.latencies[0] >= 0.02


def test_a_load_runs_in_a_process_of_its_own_and_brings_its_error_back() -> None:
    with Broadcaster() as hub:
        assert run_apart(hub.load()).is_clean
    with pytest.raises(OSError, match="refused"):
        run_apart(hub_that_is_gone())


def hub_that_is_gone() -> Load:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        address = listener.getsockname()
    return Load(address, [b"GET / HTTP/1.1\r\n\r\n"], [[0]], ["/a"], b"POST / HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
    ],
)
def test_an_answer_is_known_to_be_whole(answer: bytes, whole: bool) -> None:
    assert is_whole(answer) is whole
