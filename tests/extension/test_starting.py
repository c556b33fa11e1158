"""What registering the extension starts: nothing, in whichever way an app uses it; nor does a reloader."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path

import pytest
import requests

from tests.extension.registering import WAYS
from tests.publishers.fake_hub import FakeHub
from tests.publishers.scripted import wait_until
from tests.server.processes import PATIENCE, ROOT, Server, free_port, serving

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="there is no /proc")


@pytest.fixture(scope="module")
def started() -> dict[str, dict[str, list[str]]]:
    """What each way of registering has started in a fresh process."""
    command = [sys.executable, "-m", "tests.extension.registering"]
    output = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    return dict(json.loads(line) for line in output.stdout.splitlines())


@pytest.mark.parametrize("way", WAYS)
def test_registering_starts_no_thread_and_opens_no_socket_and_sets_no_handler(
    way: str, started: dict[str, dict[str, list[str]]]
) -> None:
    assert started[way] == {}


# The reloader


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    hub.answer = ""
    yield hub
    hub.close()


def flask_run(*options: str, hub: FakeHub, port: int, folder: Path) -> AbstractContextManager[Server]:
    command = ["flask", "--app", "tests.extension.reloaded", "run", "--port", str(port), *options]
    environment = {"SITE_MERCURE_HUB_URL": hub.url, "SITE_FOLDER": str(folder)}
    return serving(*command, port=port, path="/idle", **environment)


def sockets(process: int) -> int:
    folder = Path(f"/proc/{process}/fd")
    return sum(os.readlink(link).startswith("socket:") for link in folder.iterdir())


def threads(process: int) -> int:
    return len(os.listdir(f"/proc/{process}/task"))


def test_the_parent_of_a_reloader_does_nothing_and_its_child_everything(hub: FakeHub, tmp_path: Path) -> None:
    port = free_port()
    with flask_run("--debug", hub=hub, port=port, folder=tmp_path) as server, ExitStack() as cleanup:
        parent = server.process.pid
        child = int(requests.post(f"{server.url}/publish", timeout=PATIENCE).text)
        cleanup.callback(end, child)
        wait_until(lambda: len(hub.updates) == 20)
        wait_until(lambda: hub.asked)  # the hub is followed
        assert child != parent
        assert {update.data for update in hub.updates} == {f"{number} by {child}" for number in range(20)}
        # It has the socket that it hands over to each of its children.
        assert (threads(parent), sockets(parent)) == (1, 1)
        assert threads(child) > 1
        hub.delay = 0.02
        requests.post(f"{server.url}/publish", timeout=PATIENCE)
        os.kill(child, signal.SIGTERM)
        server.process.wait(PATIENCE)
    assert len({update.id for update in hub.updates}) == 40


def end(process: int) -> None:
    """End a server that would go on without its parent, where a test has failed."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def test_flask_run_sends_what_waits_where_the_app_has_the_line_for_sigterm(
    hub: FakeHub, tmp_path: Path
) -> None:
    hub.delay = 0.02
    port = free_port()
    with flask_run(hub=hub, port=port, folder=tmp_path) as server:
        requests.post(f"{server.url}/publish", timeout=PATIENCE)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(PATIENCE)
    assert len({update.id for update in hub.updates}) == 20
