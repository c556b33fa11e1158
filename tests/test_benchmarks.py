"""The benchmark of hubs: what it counts, what it notices, and how it tells.

Small loads: nothing here says how fast a hub is.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("the benchmark needs epoll and /proc", allow_module_level=True)

from benchmarks.hubs import usage
from benchmarks.hubs.client import Client
from benchmarks.hubs.contender import HubError, RunningHub, read_contender, running
from benchmarks.hubs.load import Load, Outcome, run, run_apart
from benchmarks.hubs.measures import MEASURES, Sizes
from benchmarks.hubs.options import read_options
from benchmarks.hubs.publishing import is_whole
from benchmarks.hubs.report import Report, Run, shown
from benchmarks.hubs.subscribing import LoadError

COMMAND = Path(__file__).parents[1] / "benchmarks" / "hub.py"
KEY = "the key of all tokens, long enough for HS256"
SMALL = Sizes(subscribers=20, rate=50, seconds=0.2, topics=60, patterns=40, publishers=8)


@pytest.fixture(scope="module", params=["0.x", "1.0"])
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def hub(protocol: str) -> Iterator[RunningHub]:
    [ours] = read_options("", ["--protocol", protocol]).hubs
    with running(ours, KEY) as hub:
        yield hub


@pytest.mark.parametrize("measure", MEASURES)
def test_every_load_reaches_our_hub_and_all_of_it_arrives(
    hub: RunningHub, protocol: str, measure: str
) -> None:
    load = MEASURES[measure](Client(protocol, hub.url, KEY), SMALL, hub.pid)

    outcome = run(replace(load, settle=0))

    assert outcome.is_clean
    assert outcome.published > 0
    followers = 1 if measure.startswith(("topics", "patterns")) else len(load.subscribe)
    assert outcome.delivered == outcome.published * followers
    assert outcome.cpu is not None
    assert outcome.cpu > 0
    assert outcome.memory is not None
    assert len(outcome.latencies) == (outcome.delivered if load.rate else 0)


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


def test_a_token_of_its_own_is_another_one_for_each_subscriber(protocol: str) -> None:
    load = MEASURES["tokens"](Client(protocol, "http://127.0.0.1:1/.well-known/mercure", KEY), SMALL, None)

    assert len(set(load.subscribe)) == SMALL.subscribers


def test_the_many_topics_are_shared_by_as_many_subscribers_as_the_few() -> None:
    client = Client("0.x", "http://127.0.0.1:1/.well-known/mercure", KEY)
    many, few = (MEASURES[measure](client, SMALL, None) for measure in ("topics", "topics-few"))

    assert (len(many.topics), len(few.topics)) == (60, 20)
    assert len(many.subscribe) == len(few.subscribe) == 20


def test_every_update_to_a_pattern_has_a_topic_of_its_own() -> None:
    with Broadcaster() as hub:
        outcome = run(replace(hub.load(), topics=["/a/{n}"]))

    assert len(set(hub.topics)) == outcome.published == 10


# What goes wrong is noticed


class Broadcaster(threading.Thread):
    """The least that passes for a hub: who sends GET gets the data of every POST.

    :param deliver: what the subscriber with this number gets instead of a frame.
    :param answer: the status line of publishes.
    """

    def __init__(
        self,
        deliver: Callable[[int, bytes], bytes] = lambda _number, frame: frame,
        answer: bytes = b"HTTP/1.1 200 OK",
        welcome: bytes = b"HTTP/1.1 200 OK",
    ) -> None:
        super().__init__(daemon=True)
        self.topics: list[str] = []
        self._deliver, self._answer, self._welcome = deliver, answer, welcome
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._streams: list[socket.socket] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Broadcaster:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.join()
        for stream in self._streams:
            stream.close()

    def load(self, **options: object) -> Load:
        """Return a load of three subscribers and ten updates."""
        return Load(
            self._listener.getsockname(),
            subscribe=[b"GET / HTTP/1.1\r\n\r\n"] * 3,
            follows=[[0]] * 3,
            topics=["/a"],
            publish=b"POST / HTTP/1.1\r\n",
            **{"rate": 100, "seconds": 0.1, "settle": 0, "patience": 0.3, **options},
        )

    def run(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=[self._listener.accept()[0]], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):
            while request := connection.recv(65536):
                if request.startswith(b"GET"):
                    self._streams.append(connection)
                    connection.sendall(self._welcome + b"\r\n\r\n:\n")
                    return
                self._publish(request)
                if self._answer:
                    connection.sendall(self._answer + b"\r\nContent-Length: 2\r\n\r\nok")
        connection.close()

    def _publish(self, request: bytes) -> None:
        topic, data = re.search(rb"topic=(.*)&data=(.*)", request, re.DOTALL).groups()
        with self._lock:
            self.topics.append(topic.decode())
            for number, stream in enumerate(self._streams):
                for part in self._deliver(number, b"data: " + data + b"\n\n").split(b"|"):
                    stream.sendall(part)
                    time.sleep(0.001 if part else 0)


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
                hub._streams[1].shutdown(socket.SHUT_WR)
            return b"" if number == 1 else frame

        hub._deliver = end_one
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


# What a process costs

BUSY = "import time\nwhile time.process_time() < 0.1: pass\nprint(flush=True)\ntime.sleep(60)"


def test_the_cpu_time_and_the_memory_of_children_count() -> None:
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        with process.stdout as lines:
            lines.readline()
        assert usage.cpu_seconds(process.pid) >= 0.1
        [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        own = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * usage.PAGE
        assert usage.resident_bytes(process.pid) > own
    finally:
        os.killpg(process.pid, 9)
        process.wait()
    assert child


def test_a_process_that_is_not_there_is_an_error() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(ProcessLookupError, match=f"no process {process.pid}"):
        usage.cpu_seconds(process.pid)


# Hubs


def test_a_command_that_ends_tells_its_last_line() -> None:
    hub = read_contender("""bad=sh -c 'echo "first\nthe port is taken" >&2; exit 3' {port}""")
    with pytest.raises(HubError, match="status 3: the port is taken"), running(hub, KEY):
        pass


def test_a_hub_that_was_started_is_gone_afterwards() -> None:
    [ours] = read_options("", []).hubs
    with running(ours, KEY) as hub:
        assert Path(f"/proc/{hub.pid}").exists()
    assert not Path(f"/proc/{hub.pid}").exists()


# Options


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--hub here", "--hub: 'here' has no name or no hub; give NAME=URL"),
        ("--hub a=https://hub.example", "--hub: 'a' is behind TLS"),
        ("--hub a=http://[", "--hub: 'a' is not a valid URL"),
        ("--hub a=mercure", "--hub: 'a' is a command without {port}"),
        ("--hub ours --hub ours", "--hub: 'ours' is there twice"),
        ("--hub a=http://127.0.0.1:1", "--key is missing"),
        ("--pid ours=1", "--pid: 'ours=1' is not the process of a hub with a URL"),
        ("--against b", "--against: there is no hub 'b'; give one of: ours"),
        ("--only steady,swift", "--only: there is no load 'swift'; give some of: steady"),
        ("--seconds 0", "--seconds: 0 is not a number above 0"),
        ("--rate inf", "--rate: inf is not a number above 0"),
        ("--runs many", "--runs: invalid int value: 'many'"),
    ],
)
def test_a_wrong_option_is_one_line(arguments: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_options("", arguments.split())
    assert told in capsys.readouterr().err.splitlines()[-1]


def test_the_last_hub_is_what_others_are_compared_with() -> None:
    options = read_options("", ["--hub", "ours", "--hub", "a=a {port}", "--hub", "b=b {port}"])
    assert options.against == "b"


# Tables

CLEAN = Outcome(
    published=100,
    refused=0,
    refusal="",
    delivered=1000,
    lost=0,
    repeated=0,
    closed=0,
    latencies=[0.001] * 98 + [0.005, 0.1],
    cpu=0.5,
    connect_cpu=0.0002,
    memory=2048.0,
)
SLOWER = replace(CLEAN, cpu=1.5, memory=8192.0)


def report(**hubs: Run) -> Report:
    return Report(Sizes(subscribers=1000), {name: [run] for name, run in hubs.items()})


def test_ratios_are_to_the_chosen_hub_and_say_which_way_is_better() -> None:
    found = report(ours={"steady": CLEAN}, other={"steady": SLOWER}).ratios("other")
    rows = {row[0]: row[1] for row in found.rows}

    assert found.header == ["", "ours / other"]
    label = "deliveries per CPU second, 20 updates/s to 1,000 subscribers (more is better)"
    assert rows[label] == "3.00"
    assert rows["memory per anonymous subscriber (less is better)"] == "0.250"


def test_figures_have_their_units() -> None:
    rows = {row[0].partition(",")[0]: row[1] for row in report(ours={"steady": CLEAN}).figures().rows}

    assert rows["deliveries per CPU second"] == "2,000"
    assert rows["latency p50"] == "1.00 ms"
    assert rows["latency p99"] == "100 ms"
    assert rows["memory per anonymous subscriber"] == "2.00 kB"
    assert rows["CPU per anonymous subscriber that connects"] == "0.200 ms"


def test_growth_is_what_one_costs_among_many_against_what_it_costs_among_few() -> None:
    found = report(ours={"topics-few": CLEAN, "topics": SLOWER}).growth()
    assert found.rows == [["publish, 100 to 10,000 topics", "3.00"]]


def test_what_cannot_be_known_is_left_out() -> None:
    unknown = replace(CLEAN, cpu=None, connect_cpu=None, memory=None)
    labels = [row[0] for row in report(there={"steady": unknown}).figures().rows]
    assert [label.partition(",")[0] for label in labels] == ["latency p50", "latency p99"]


def test_a_figure_with_a_loss_has_a_mark_and_a_note() -> None:
    found = report(ours={"burst": CLEAN}, other={"burst": replace(CLEAN, lost=3, closed=1)})

    assert found.ratios("other").rows[0][1] == "1.00*"
    assert found.figures().rows[0][1:] == ["2,000", "2,000*"]
    assert found.notes() == ["* other, burst: 3 deliveries lost, 1 streams closed; 1,000 delivered"]


def test_a_load_that_failed_has_a_mark_and_a_note() -> None:
    found = report(ours={"burst": CLEAN}, other={"burst": "took no connection"})

    assert found.figures().rows[0][1:] == ["2,000", "–*"]
    assert found.notes() == ["* other, burst: took no connection"]


def test_the_median_of_the_runs_counts() -> None:
    runs = [{"burst": replace(CLEAN, cpu=cpu)} for cpu in (0.5, 0.25, 5.0)]
    assert Report(Sizes(), {"ours": runs}).figures().rows[0][1] == "2,000"


def test_tables_are_text_and_markdown() -> None:
    table = report(ours={"topics-few": CLEAN, "topics": CLEAN}).growth()

    assert table.text().splitlines() == [
        "CPU, times as much             ours",
        "publish, 100 to 10,000 topics  1.00",
    ]
    assert table.markdown().splitlines() == [
        "| CPU, times as much | ours |",
        "| --- | ---: |",
        "| publish, 100 to 10,000 topics | 1.00 |",
    ]


@pytest.mark.parametrize(
    ("number", "text"),
    [(1234567, "1,230,000"), (123.4, "123"), (12.34, "12.3"), (0.01234, "0.0123"), (0, "0"), (None, "–")],
)
def test_numbers_have_three_digits_that_count(number: float | None, text: str) -> None:
    assert shown(number) == text


# The command

TINY = [
    "--subscribers",
    "10",
    "--rate",
    "20",
    "--seconds",
    "0.1",
    "--topics",
    "10",
    "--patterns",
    "10",
    "--publishers",
    "2",
]


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    root = str(COMMAND.parents[1])
    return subprocess.run(
        [sys.executable, str(COMMAND), *TINY, *arguments],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": root},
        timeout=60,
    )


def test_the_command_compares_a_running_hub_with_one_that_it_starts(tmp_path: Path) -> None:
    [ours] = read_options("", []).hubs
    with running(ours, KEY) as there:
        done = benchmark(
            *("--hub", "ours", "--hub", f"there={there.url}", "--pid", f"there={there.pid}", "--key", KEY),
            *("--only", "steady", "--markdown", "--json", str(tmp_path / "found.json")),
        )
        assert Path(f"/proc/{there.pid}").exists()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("|  | ours / there |")
    assert KEY not in done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert all(run["steady"]["delivered"] == 20 for hub in found["hubs"].values() for run in hub["runs"])


def test_the_command_fails_where_a_hub_does() -> None:
    done = benchmark("--hub", "bad=false {port}", "--only", "burst")
    assert done.returncode == 1
    assert "* bad, burst: ended at its start with status 1" in done.stdout
