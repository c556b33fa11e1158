"""Publishing in the background as processes begin and end: exits, signals, forks, pools, servers, greenlets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator

import pytest
import requests

from tests.conftest import SECRET
from tests.publishers.fake_hub import FakeHub
from tests.publishers.scripted import PATIENCE, wait_until
from tests.server.processes import ROOT, free_port, serving

APP = f"""
import os, signal, sys, threading, time
from flask import Flask
from flask_mercure_sse import MercureSSE, publish_failed, update_published
app = Flask("script")
app.config.update(SECRET_KEY={SECRET!r}, MERCURE_HUB_URL=sys.argv[1], MERCURE_FLUSH_TIMEOUT=os.environ.get("LIMIT", 10))
mercure = MercureSSE(app)
"""

forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    hub.answer = ""
    yield hub
    hub.close()


def start(code: str, hub: FakeHub, before: str = "", **environment: str) -> subprocess.Popen[str]:
    source = before + APP + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", source, hub.url],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(code: str, hub: FakeHub, before: str = "", **environment: str) -> str:
    process = start(code, hub, before, **environment)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output


def data(hub: FakeHub) -> list[str]:
    return [update.data for update in hub.updates]


def test_the_end_of_a_script_waits_for_its_updates(hub: FakeHub) -> None:
    hub.delay = 0.01
    run("for number in range(50): mercure.publish('/a', str(number))", hub)
    assert data(hub) == list(map(str, range(50)))


def test_the_end_of_a_script_does_not_wait_for_ever(hub: FakeHub) -> None:
    hub.delay = 60.0
    code = """
    receive = lambda sender, update, error: print(update.data, error)
    publish_failed.connect(receive)
    mercure.publish("/a", "x")
    """
    began = time.monotonic()
    output = run(code, hub, LIMIT="0.2")
    assert time.monotonic() - began < 30
    assert output.startswith("x the hub ")
    assert "the app ended first" in output


@pytest.mark.parametrize("code", ["", "mercure.publish('/a', 'before')"], ids=["first", "again"])
def test_what_is_published_when_the_end_has_waited_already_is_sent(hub: FakeHub, code: str) -> None:
    hub.delay = 0.1
    before = """
import atexit
atexit.register(lambda: print(mercure.publish("/a", "last")))
"""
    assert run(code, hub, before) == f"{hub.updates[-1].id}\n"
    assert data(hub) == [*(["before"] if code else []), "last"]


def test_a_script_that_is_told_to_end_sends_its_updates_first(hub: FakeHub) -> None:
    hub.delay = 0.02
    process = start(
        """
        for number in range(20): mercure.publish("/a", str(number))
        print("ready", flush=True)
        time.sleep(60)
        """,
        hub,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert data(hub) == list(map(str, range(20)))
    assert process.returncode == 128 + signal.SIGTERM


def test_a_script_whose_other_threads_go_on_sends_its_updates_before_it_is_ended(hub: FakeHub) -> None:
    hub.delay = 0.02
    process = start(
        """
        def work():
            threading.main_thread().join()
            for number in range(20): mercure.publish("/a", str(number))
            print("ready", flush=True)
            time.sleep(60)
        threading.Thread(target=work).start()
        mercure.publish("/a", "first")
        """,
        hub,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=PATIENCE)
    assert data(hub) == ["first", *map(str, range(20))]
    assert process.returncode == -signal.SIGTERM
    assert errors == ""


def test_a_handler_of_the_apps_own_is_left_alone(hub: FakeHub) -> None:
    code = """
    def handle(number, frame): pass
    signal.signal(signal.SIGTERM, handle)
    mercure.publish("/a", "x")
    print(signal.getsignal(signal.SIGTERM) is handle)
    """
    assert run(code, hub) == "True\n"


def test_importing_and_registering_set_no_handler(hub: FakeHub) -> None:
    assert run("print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)", hub) == "True\n"


@forking
def test_forked_children_send_their_own_updates_and_no_other(hub: FakeHub) -> None:
    hub.delay = 0.02
    code = """
    for number in range(10): mercure.publish("/a", f"parent {number}")
    children = []
    for name in "abcd":
        child = os.fork()
        if not child:
            for number in range(10): mercure.publish("/a", f"{name} {number}")
            sys.exit()
        children.append(child)
    for child in children: os.waitpid(child, 0)
    """
    run(code, hub)
    assert Counter(data(hub)) == Counter(
        f"{name} {number}" for name in ("parent", *"abcd") for number in range(10)
    )
    for name in ("parent", *"abcd"):
        own = [text for text in data(hub) if text.startswith(f"{name} ")]
        assert own == [f"{name} {number}" for number in range(10)]


@forking
def test_a_fork_while_many_threads_publish_does_not_block_the_child(hub: FakeHub) -> None:
    code = """
    stop = threading.Event()
    def publish():
        while not stop.wait(0.0005): mercure.publish("/noise", "x")
    threads = [threading.Thread(target=publish) for _ in range(8)]
    for thread in threads: thread.start()
    for number in range(10):
        child = os.fork()
        if not child:
            mercure.publish("/a", f"child {number}")
            os._exit(0 if mercure.flush(30) else 1)
        assert os.waitpid(child, 0)[1] == 0
    stop.set()
    """
    run(code, hub)
    assert [text for text in data(hub) if text != "x"] == [f"child {number}" for number in range(10)]


@forking
def test_a_fork_that_python_is_not_told_of_is_noticed(hub: FakeHub) -> None:
    """As uWSGI forks its workers."""
    code = """
    import ctypes
    mercure.publish("/a", "parent")
    assert mercure.flush(30)
    children = []
    for name in "abc":
        child = ctypes.PyDLL(None).fork()
        if not child:
            for number in range(10): mercure.publish("/a", f"{name} {number}")
            os._exit(0 if mercure.flush(30) else 1)
        children.append(child)
    for child in children: assert os.waitpid(child, 0)[1] == 0
    """
    run(code, hub)
    assert Counter(data(hub)) == Counter(["parent", *(f"{name} {n}" for name in "abc" for n in range(10))])
    assert len({update.id for update in hub.updates}) == 31


@forking
@pytest.mark.parametrize("leave", ["pool.close(); pool.join()", "pass"])
def test_a_pool_of_processes_sends_what_its_tasks_publish(leave: str, hub: FakeHub) -> None:
    hub.delay = 0.01
    code = f"""
    import multiprocessing
    def task(number): return mercure.publish("/a", f"task {{number}}")
    mercure.publish("/a", "parent")
    with multiprocessing.get_context("fork").Pool(3) as pool:
        pool.map(task, range(30))
        {leave}
    """
    run(code, hub)
    assert Counter(data(hub)) == Counter(["parent", *(f"task {number}" for number in range(30))])


@forking
def test_a_child_that_does_not_hear_sigterm_sends_what_waits_and_ends(hub: FakeHub) -> None:
    """The C library's `system` goes on with waiting when a signal comes, as a wait that has just begun."""
    code = """
    import ctypes, multiprocessing
    def work(at_work):
        mercure.publish("/a", "x")
        at_work.set()
        ctypes.CDLL(None).system(b"exec sleep 20 >/dev/null 2>&1")
    context = multiprocessing.get_context("fork")
    at_work = context.Event()
    process = context.Process(target=work, args=(at_work,))
    process.start()
    at_work.wait()
    time.sleep(0.2)
    process.terminate()
    process.join(15)
    print(process.exitcode)
    """
    assert run(code, hub) == "143\n"
    assert data(hub) == ["x"]


@forking
def test_a_child_that_has_published_nothing_dies_of_sigterm(hub: FakeHub) -> None:
    code = """
    import multiprocessing
    mercure.publish("/a", "parent")
    context = multiprocessing.get_context("fork")
    process = context.Process(target=time.sleep, args=(60,))
    process.start()
    process.terminate()
    process.join(20)
    print(process.exitcode == -signal.SIGTERM)
    """
    assert run(code, hub) == "True\n"
    assert data(hub) == ["parent"]


def test_an_executor_of_processes_gets_the_errors_of_its_tasks(hub: FakeHub) -> None:
    hub.status = 403
    code = """
    import concurrent.futures, multiprocessing
    def task(): mercure.publish("/a", "x", wait=True)
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        print(type(executor.submit(task).exception()).__name__)
    """
    assert run(code, hub) == "PublishError\n"


def test_in_a_process_that_gevent_patched_the_hub_is_asked_by_a_greenlet(hub: FakeHub) -> None:
    hub.delay = 0.3
    code = """
    import gevent
    turns = 0
    def count():
        global turns
        while True:
            turns += 1
            gevent.sleep(0.01)
    gevent.spawn(count)
    mercure.publish("/a", "x")
    assert mercure.flush(20)
    print(turns > 10, len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 1)
    """
    output = run(code, hub, before="from gevent import monkey; monkey.patch_all()\n")
    assert output.split()[0] == "True"
    assert int(output.split()[1]) <= 2  # gevent's resolver may have one
    assert data(hub) == ["x"]


@forking
@pytest.mark.parametrize("worker", ["sync", "gthread", "gevent"])
def test_gunicorn_with_preload_sends_every_update_once(worker: str, hub: FakeHub) -> None:
    hub.delay = 0.02
    port = free_port()
    command = ["gunicorn", "--preload", "--workers", "2", "--worker-class", worker, "--threads", "4"]
    site = ["--bind", f"127.0.0.1:{port}", "tests.publishers.publishing_site:app"]
    environment = {"SITE_SECRET_KEY": SECRET, "SITE_MERCURE_HUB_URL": hub.url}
    with serving(*command, *site, port=port, **environment) as server:
        ids = [requests.post(f"{server.url}/say/hello", timeout=10).text for _ in range(40)]
        imported = next(text for text in data(hub) if text.startswith("imported"))
    wait_until(lambda: len(hub.updates) >= 41)
    sent = Counter(update.id for update in hub.updates)
    assert set(ids) <= set(sent)
    assert set(sent.values()) == {1}
    assert imported.startswith("imported by ")
