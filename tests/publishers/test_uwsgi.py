"""Publishing under uWSGI, whose master imports the app and forks without telling Python."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from flask_mercure_sse import Update
from flask_mercure_sse.publishers.uwsgi import call_at_end_of_worker
from tests.conftest import SECRET
from tests.publishers.fake_hub import FakeHub
from tests.publishers.scripted import Background, refused, wait_until
from tests.server.processes import PATIENCE, Server, free_port, serving
from tests.services import missing

PROGRAM = Path(sys.executable).with_name("uwsgi")
MODES = {
    "processes": ["--processes", "2"],
    "forks as Python does": ["--threads", "4", "--processes", "2", "--py-call-uwsgi-fork-hooks"],
    "greenlets": ["--gevent", "20", "--gevent-monkey-patch"],
}


@dataclass
class Run:
    """A uWSGI that has ended.

    :param threads: of its master, while it served.
    :param accepted: the ids of what its workers accepted.
    :param unsent: how many of them waited when it was told to end.
    :param hub: which it published on.
    """

    server: Server
    threads: int
    accepted: list[str]
    unsent: int
    hub: FakeHub


@pytest.fixture(scope="module")
def runs() -> Iterator[dict[str, Run]]:
    """Run uWSGI in each mode and tell it to end while updates wait."""
    if not PROGRAM.exists():
        missing("uWSGI", "pip install pyuwsgi")
    with ExitStack() as stack, ThreadPoolExecutor() as executor:
        hubs = [stack.enter_context(closing(FakeHub())) for _ in MODES]
        yield dict(zip(MODES, executor.map(run_and_end, MODES.values(), hubs), strict=True))


def run_and_end(options: list[str], hub: FakeHub) -> Run:
    hub.answer, hub.delay = "", 0.05
    port = free_port()
    socket = ["--http-socket", f"127.0.0.1:{port}", "--master", "--enable-threads"]
    site = ["--need-app", "--module", "tests.publishers.publishing_site:app"]
    # Without it uWSGI ends workers that are busy, and runs nothing in them.
    ending = ["--hook-master-start", "unix_signal:15 gracefully_kill_them_all"]
    environment = {"SITE_SECRET_KEY": SECRET, "SITE_MERCURE_HUB_URL": hub.url}
    with serving(str(PROGRAM), *socket, *site, *ending, *options, port=port, **environment) as server:
        accepted = [requests.post(f"{server.url}/say/hello", timeout=PATIENCE).text for _ in range(20)]
        unsent = len(set(accepted) - {update.id for update in hub.updates})
        threads = len(os.listdir(f"/proc/{server.process.pid}/task"))
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(PATIENCE)
    return Run(server, threads, accepted, unsent, hub)


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="there is no /proc")


@needs_proc
@pytest.mark.parametrize("mode", MODES)
def test_workers_send_what_waits_when_they_end_and_each_update_once(mode: str, runs: dict[str, Run]) -> None:
    run = runs[mode]
    assert run.server.process.returncode == 0, run.server.log
    assert run.unsent
    sent = Counter(update.id for update in run.hub.updates)
    assert set(run.accepted) < set(sent)
    assert set(sent.values()) == {1}
    assert len(sent) == len(run.accepted) + 1


@needs_proc
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "forks as Python does"])
def test_a_master_that_has_published_forks_without_another_thread(mode: str, runs: dict[str, Run]) -> None:
    """A thread that runs Python while uWSGI forks keeps the worker from running any."""
    imported = [update.data for update in runs[mode].hub.updates if update.data.startswith("imported")]
    assert imported == [f"imported by {runs[mode].server.process.pid}"]
    assert runs[mode].threads == 1


# In a process that believes to be uWSGI's


@pytest.fixture
def uwsgi(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Its module, as its master has it."""
    module = SimpleNamespace(masterpid=os.getpid, opt={})
    monkeypatch.setitem(sys.modules, "uwsgi", module)
    return module


@pytest.fixture
def background(monkeypatch: pytest.MonkeyPatch) -> Iterator[Background]:
    monkeypatch.setattr("flask_mercure_sse.publishers.backoff.FIRST", 0.001)
    background = Background(flush_timeout=0.2)
    yield background
    background.publisher.close()


def test_its_master_sends_before_it_goes_on(uwsgi: SimpleNamespace, background: Background) -> None:
    background.hub.errors = [refused(503)]
    background.publish("1", "2")
    assert [update.data for update in background.published] == ["1", "2"]
    assert background.hub.threads == {threading.current_thread().name}


def test_its_master_waits_once_for_a_hub_that_is_down(uwsgi: SimpleNamespace, background: Background) -> None:
    background.hub.errors = [refused(None) for _ in range(1000)]
    background.publish("1")
    attempts = len(background.hub.attempts)
    assert attempts > 1
    ends_at = background.delivery._ends_at
    assert ends_at is not None
    wait_until(lambda: time.monotonic() > ends_at)  # it gives up where the next wait would be too long
    background.publish("2", "3")
    assert len(background.hub.attempts) == attempts + 2
    assert [update.data for update, _ in background.failed] == ["1", "2", "3"]


def test_a_receiver_that_publishes_in_its_master_is_sent_as_well(
    uwsgi: SimpleNamespace, background: Background
) -> None:
    tell = background.outcomes._tell

    def publish_again(updates: Sequence[Update], error: object) -> None:
        tell(updates, None)
        if updates[0].data == "1":
            background.publish("2")

    background.outcomes._tell = publish_again
    background.publish("1")
    assert [update.data for update in background.published] == ["1", "2"]


@pytest.mark.parametrize(
    "change",
    [{"masterpid": lambda: 1}, {"opt": {"py-call-uwsgi-fork-hooks": True}}],
    ids=["worker", "option"],
)
def test_its_workers_and_a_master_that_forks_as_python_does_publish_in_the_background(
    change: dict[str, object], uwsgi: SimpleNamespace, background: Background
) -> None:
    vars(uwsgi).update(change)
    background.publish("x")
    background.settle()
    assert background.hub.threads == {"mercure-publisher"}


def test_what_the_app_has_set_for_the_end_of_a_worker_is_called_before(uwsgi: SimpleNamespace) -> None:
    called: list[str] = []
    uwsgi.atexit = lambda: called.append("the app's")
    call_at_end_of_worker(lambda: called.append("ours"))
    uwsgi.atexit()
    assert called == ["the app's", "ours"]


def test_its_handlers_of_signals_are_left_alone(
    uwsgi: SimpleNamespace, background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda _number: signal.SIG_DFL)
    set_handlers: list[int] = []
    monkeypatch.setattr(signal, "signal", lambda number, _handler: set_handlers.append(number))
    background.publish("x")  # prepares for the end of the process
    assert set_handlers == []


def test_a_package_of_stubs_is_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch, background: Background
) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace())
    background.publish("x")
    background.settle()
    assert background.hub.threads == {"mercure-publisher"}
