"""How many streams are open in a process, and who gets a place where there are enough."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from weakref import WeakSet

import pytest

from flask_mercure_sse.server import open_streams, stopping
from flask_mercure_sse.server.open_streams import OpenStreams
from flask_mercure_sse.server.stopping import StopWatch
from flask_mercure_sse.server.stream import Stream
from tests.server.processes import PATIENCE

LONG = 3600.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_streams, "PROBE_TIME", 0.01)
    monkeypatch.setattr(open_streams, "PAUSE", 0.0)
    monkeypatch.setattr(stopping, "INTERVAL", 0.01)


@pytest.fixture
def streams() -> OpenStreams:
    return OpenStreams()


def admitted(streams: OpenStreams, most: int | None = 1) -> Stream:
    stream = Stream(LONG)
    assert streams.admit(stream, most)
    return stream


class Server(threading.Thread):
    """Reads a stream for a client, and learns that the client has left when it writes."""

    def __init__(self, streams: OpenStreams, stream: Stream) -> None:
        super().__init__(daemon=True)
        stream.open((), lambda: streams.remove(stream))
        self.stream = stream
        self.has_client = True
        self.writes = 0
        self.start()

    def run(self) -> None:
        for _ in self.stream:
            self.writes += 1
            if not self.has_client:
                break
        self.stream.close()


@pytest.fixture
def served(streams: OpenStreams) -> Iterator[Server]:
    server = Server(streams, admitted(streams))
    _until(lambda: server.writes > 0)
    yield server
    server.stream.close()
    server.join(PATIENCE)
    assert not server.is_alive()


def test_as_many_are_admitted_as_there_may_be(streams: OpenStreams) -> None:
    kept = [admitted(streams, 3) for _ in range(3)]
    assert not streams.admit(Stream(LONG), 3)
    assert streams.admit(kept[0], 4)


def test_any_number_is_admitted_where_nothing_limits_them(streams: OpenStreams) -> None:
    assert len([admitted(streams, None) for _ in range(1000)]) == 1000


def test_many_threads_together_get_no_place_too_many(streams: OpenStreams) -> None:
    class SlowSet(WeakSet[Stream]):
        def __len__(self) -> int:
            length = super().__len__()
            time.sleep(0.001)
            return length

    streams._places = SlowSet()
    everybody = [Stream(LONG) for _ in range(40)]
    barrier = threading.Barrier(len(everybody))
    answers: list[bool] = []

    def ask(stream: Stream) -> None:
        barrier.wait(PATIENCE)
        answers.append(streams.admit(stream, 7))

    threads = [threading.Thread(target=ask, args=(stream,)) for stream in everybody]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(answers) == [False] * 33 + [True] * 7


def test_a_stream_that_ended_gives_its_place_back(streams: OpenStreams) -> None:
    stream = admitted(streams)
    stream.open((), lambda: streams.remove(stream))
    stream.close()
    admitted(streams)


def test_a_stream_that_the_server_closes_unread_gives_its_place_back(streams: OpenStreams) -> None:
    stream = admitted(streams)
    stream.close()
    admitted(streams)


def test_a_stream_that_is_dropped_on_its_way_to_the_server_gives_its_place_back(streams: OpenStreams) -> None:
    admitted(streams)
    gc.collect()
    admitted(streams)


def test_the_place_of_a_client_that_left_is_found_by_writing(streams: OpenStreams, served: Server) -> None:
    served.has_client = False
    admitted(streams)


def test_a_client_that_stays_keeps_its_place(streams: OpenStreams, served: Server) -> None:
    assert not streams.admit(Stream(LONG), 1)
    assert served.is_alive()


def test_during_a_search_others_are_sent_away_at_once(
    streams: OpenStreams, served: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_streams, "PROBE_TIME", LONG)
    writes = served.writes
    first = threading.Thread(target=streams.admit, args=(Stream(LONG), 1))
    first.start()
    _until(lambda: served.writes > writes)
    assert not streams.admit(Stream(LONG), 1)
    assert first.is_alive()
    served.stream.end()
    first.join(PATIENCE)
    assert not first.is_alive()


def test_after_a_search_in_vain_others_are_sent_away_at_once(
    streams: OpenStreams, served: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_streams, "PAUSE", LONG)
    assert not streams.admit(Stream(LONG), 1)
    served.has_client = False
    assert not streams.admit(Stream(LONG), 1)
    assert served.is_alive()


def test_a_server_that_stops_has_its_streams_ended(streams: OpenStreams, served: Server) -> None:
    begun = threading.Event()
    StopWatch(streams).watch(begun.is_set)
    assert served.is_alive()
    begun.set()
    served.join(PATIENCE)
    assert not served.is_alive()


def test_nothing_watches_the_server_when_there_is_no_stream(streams: OpenStreams) -> None:
    watch = StopWatch(streams)
    _until(lambda: not _watching())
    for _ in range(2):
        stream = admitted(streams)
        watch.watch(lambda: False)
        watch.watch(lambda: False)
        assert len(_watching()) == 1
        stream.close()
        _until(lambda: not _watching())


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _watching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "mercure-stop"]
