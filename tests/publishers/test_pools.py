"""Publishing in pools of processes, which begin and end in ways of their own."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SECRET
from tests.publishers.fake_hub import FakeHub
from tests.publishers.scripted import wait_until
from tests.publishers.test_processes import data, forking, run
from tests.server.processes import PATIENCE, ROOT
from tests.services import missing


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    hub.answer, hub.delay = "", 0.02
    yield hub
    hub.close()


def site(hub: FakeHub) -> dict[str, str]:
    return {**os.environ, "SITE_SECRET_KEY": SECRET, "SITE_MERCURE_HUB_URL": hub.url}


def test_an_executors_processes_send_what_their_tasks_publish_once_and_in_order(hub: FakeHub) -> None:
    command = [sys.executable, "-m", "tests.publishers.pools"]
    ended = subprocess.run(command, cwd=ROOT, env=site(hub), capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    accepted = ended.stdout.split()
    sent = Counter(update.id for update in hub.updates)
    assert set(accepted) < set(sent)
    assert sorted(sent.values()) == [1] * (len(accepted) + 1)
    numbers: dict[str, list[int]] = defaultdict(list)
    for text in data(hub):
        process, number = text.split()
        numbers[process].append(int(number))
    methods = multiprocessing.get_all_start_methods()
    assert list(numbers.values()) == [[0], *[[*range(1, 11)]] * len(methods)]


@forking
def test_a_process_of_billiard_sends_what_waits_before_it_ends(hub: FakeHub) -> None:
    if importlib.util.find_spec("billiard") is None:
        missing("billiard", "pip install celery")
    code = """
    import billiard
    def task(name):
        for number in range(10): mercure.publish("/a", f"{name} {number}")
    mercure.publish("/a", "parent")
    children = [billiard.Process(target=task, args=(name,)) for name in "ab"]
    for child in children: child.start()
    for child in children: child.join()
    """
    run(code, hub)
    assert Counter(data(hub)) == Counter(["parent", *(f"{name} {n}" for name in "ab" for n in range(10))])


@forking
def test_a_process_of_celery_sends_what_waits_before_it_is_replaced(hub: FakeHub, tmp_path: Path) -> None:
    if importlib.util.find_spec("celery") is None:
        missing("Celery", "pip install celery")
    hub.delay = 0.8  # the pool gives its processes a second
    (tmp_path / "control").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.publishers.tasks"],
        cwd=ROOT,
        env={**site(hub), "TASKS": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: len(hub.updates) == 4)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
    assert sorted(data(hub)) == ["parent", "task 0", "task 1", "task 2"]


@forking
def test_a_child_that_ends_at_once_loses_what_it_has_not_sent_and_nothing_of_the_parents(
    hub: FakeHub,
) -> None:
    hub.delay = 0.1
    code = """
    for number in range(3): mercure.publish("/a", f"parent {number}")
    child = os.fork()
    if not child:
        mercure.publish("/a", "sent")
        assert mercure.flush(30)
        for number in range(5): mercure.publish("/a", f"lost {number}")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    """
    run(code, hub)
    sent = data(hub)
    assert [text for text in sent if text.startswith("parent")] == [f"parent {n}" for n in range(3)]
    assert "sent" in sent
    assert "lost 4" not in sent


@forking
def test_a_greenlet_that_sends_does_not_go_on_in_a_forked_process(hub: FakeHub) -> None:
    hub.delay = 0.03
    code = """
    for number in range(10): mercure.publish("/a", f"parent {number}")
    time.sleep(0.1)  # one is being sent
    child = os.fork()
    for number in range(10): mercure.publish("/a", f"{'parent again' if child else 'child'} {number}")
    if not child:
        assert mercure.flush(30)
        os._exit(0)
    assert mercure.flush(30)
    assert os.waitpid(child, 0)[1] == 0
    """
    run(code, hub, before="from gevent import monkey; monkey.patch_all()\n")
    names = ("parent", "parent again", "child")
    assert Counter(data(hub)) == Counter(f"{name} {number}" for name in names for number in range(10))
    for name in names:
        own = [text for text in data(hub) if text.rpartition(" ")[0] == name]
        assert own == [f"{name} {number}" for number in range(10)]
