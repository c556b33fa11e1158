"""Threads that belong to one process, also as greenlets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.processes import ROOT

COUNTING = """
import os, sys, time
from collections import Counter
from flask_mercure_sse.hub.threads import OwnThread

turns = Counter()

def count():
    while True:
        turns[os.getpid()] += 1
        time.sleep(0.01)

def wait_for(process):
    while not turns[process]:
        time.sleep(0.01)

OwnThread(count, "counting").start()
wait_for(os.getpid())
child = os.fork()
if not child:
    time.sleep(0.2)
    forked = turns[os.getpid()]
    OwnThread(count, "counting anew").start()
    wait_for(os.getpid())
    print(forked, flush=True)
    os._exit(0)
os.waitpid(child, 0)
turns.clear()
wait_for(os.getpid())
print("the parent's goes on", flush=True)
os._exit(0)
"""
PATCHED = f"from gevent import monkey; monkey.patch_all()\n{COUNTING}"

RELAYING = """
from gevent import monkey; monkey.patch_all()
import os, time
from sqlalchemy import event
from flask_mercure_sse.integrations.outbox_relay import Relay
from tests.extension.reloaded import app, db

Relay.__init__.__kwdefaults__["poll"] = 0.02
asked = []

def wait_for(process):
    while process not in asked:
        time.sleep(0.01)

with app.app_context():
    event.listen(db.engine, "before_cursor_execute", lambda *_: asked.append(os.getpid()))
app.testing = True  # the hub is not followed
app.test_client().get("/idle")
wait_for(os.getpid())
child = os.fork()
if not child:
    time.sleep(0.2)
    forked = asked.count(os.getpid())
    app.test_client().get("/idle")
    wait_for(os.getpid())
    print(forked, flush=True)
    os._exit(0)
os.waitpid(child, 0)
asked.clear()
wait_for(os.getpid())
print("the parent's goes on", flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.parametrize(
    "code", [COUNTING, PATCHED, RELAYING], ids=["a thread", "a greenlet", "the greenlet of a relay"]
)
def test_a_thread_does_not_go_on_in_a_forked_process_which_may_have_another(
    code: str, tmp_path: Path
) -> None:
    environment = {**os.environ, "SITE_FOLDER": str(tmp_path), "SITE_MERCURE_HUB_URL": "http://127.0.0.1:1"}
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    # Older gevents complain in each fork, but not of a thread's end.
    assert "in _bootstrap" not in ended.stderr
    assert ended.stdout.splitlines() == ["0", "the parent's goes on"]
