"""The hub on its own where the system has no epoll."""

from __future__ import annotations

import subprocess
import sys

from tests.server.processes import free_port

CODE = """
from gevent import monkey
monkey.patch_all(ssl=False)
import select, sys
del select.EPOLLIN  # as where there is none
from flask_mercure_sse.server import settings
assert settings.Server.__name__ == "PortableServer"
import gevent, requests
from flask_mercure_sse.server.command import main
gevent.spawn(main, ["--port", sys.argv[1], "--publisher-secret", "s" * 32], standalone_mode=False)
gevent.sleep(0.5)
answer = requests.head(f"http://127.0.0.1:{sys.argv[1]}/.well-known/mercure?topic=/a", timeout=5)
print(answer.status_code, answer.headers["Content-Type"])
"""

DRAINING = """
from gevent import monkey
monkey.patch_all(ssl=False)
import select, signal, sys
del select.EPOLLIN
import gevent, os, requests
from flask_mercure_sse.server.command import main
hub = gevent.spawn(main, ["--port", sys.argv[1], "--drain-time", "0.5"], standalone_mode=False)
gevent.sleep(0.5)
stream = requests.get(f"http://127.0.0.1:{sys.argv[1]}/.well-known/mercure?topic=/a", stream=True, timeout=20)
os.kill(os.getpid(), signal.SIGTERM)
hub.join(20)
print(hub.successful())
try:
    stream.content
except requests.RequestException:
    pass
print("ended")
"""


def test_hub_runs_without_epoll_as_well() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(free_port())], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-1:] == ["200 text/event-stream"], done.stdout + done.stderr


def test_hub_drains_without_epoll_as_well() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DRAINING, str(free_port())], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-2:] == ["True", "ended"], done.stdout + done.stderr
