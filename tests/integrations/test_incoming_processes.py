"""Processes that hear each other through one hub: scripts, forks and greenlets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from blinker import Namespace

from tests.integrations.hearing import Instance, Receiver, StandaloneHub, heard
from tests.server.processes import PATIENCE

ROOT = Path(__file__).parents[2]

PING = """
import sys
from blinker import Namespace
from tests.integrations.hearing import Instance

mercure = Instance(sys.argv[1])
ping = Namespace().signal("ping")

@ping.connect
def answer(sender, data, **others):
    mercure.publish("/pong", data + 1)

subscription = mercure.subscribe_signal("/ping", ping).start()
assert subscription.wait_until_connected(20)
print("ready", flush=True)
sys.stdin.read()
"""

FORK = """
import ctypes, json, os, sys, threading, time
fork = os.fork
from blinker import Namespace
from tests.integrations.hearing import Instance, Receiver

mercure = Instance(sys.argv[1], TESTING=False)
told = Namespace().signal("told")
receiver = Receiver(told)
subscription = mercure.subscribe_signal("/told", told).start()
assert subscription.wait_until_connected(20)
[connection] = mercure.subscriptions("/told")

child = fork()
if child == 0:
    try:
        before = subscription.connected
        time.sleep(0.2)  # for what goes on in the child unasked
        mercure.app.test_client().get("/")
        assert subscription.wait_until_connected(20)
        mercure.publish("/told", "child is ready")
        heard = [receiver.next(), receiver.next()]
        mercure.publish("/told", ["child heard", before, heard])
        subscription.close()
        with mercure.app.app_context():
            mercure.flush()
    finally:
        os._exit(0)
first = receiver.next()
for number in range(2):
    mercure.publish("/told", ["parent", number])
second = receiver.next()
os.waitpid(child, 0)
mercure.publish("/told", "own")
print(json.dumps([first, second, connection in mercure.subscriptions("/told")]))
print("patched" if "gevent.monkey" in sys.modules else "not patched")
"""

# As uWSGI forks.
UNTOLD = FORK.replace("fork = os.fork", "fork = ctypes.PyDLL(None).fork")

# Older gevents complain of what Python does at its end.
PATCHED = f"from gevent import monkey; monkey.patch_all()\n{FORK}\nsys.stdout.flush(); os._exit(0)\n"


@contextmanager
def script(code: str, hub: StandaloneHub) -> Iterator[subprocess.Popen[str]]:
    """Run a script until it ends by itself."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, hub.url],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with process:
            yield process
    finally:
        process.kill()


def test_two_processes_answer_each_other_and_a_subscription_does_not_keep_one_from_its_end(
    hub: StandaloneHub,
) -> None:
    mercure = Instance(hub.url)
    pong = Namespace().signal("pong")
    receiver = Receiver(pong)
    with script(PING, hub) as process, heard(mercure.subscribe_signal("/pong", pong)):
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for number in range(5):
            mercure.publish("/ping", number)
        assert receiver.until(5) == [1, 2, 3, 4, 5]
        _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize(
    ("code", "kind"),
    [(FORK, "not patched"), (UNTOLD, "not patched"), (PATCHED, "patched")],
    ids=["threads", "threads, without telling Python", "greenlets"],
)
def test_a_forked_process_hears_anew_and_leaves_the_parents_connection_alone(
    code: str, kind: str, hub: StandaloneHub
) -> None:
    with script(code, hub) as process:
        output, errors = process.communicate(timeout=2 * PATIENCE)
    assert (process.returncode, errors) == (0, "")
    heard, told = output.splitlines()
    assert told == kind
    assert json.loads(heard) == [
        "child is ready",
        ["child heard", False, [["parent", 0], ["parent", 1]]],
        True,
    ]
