"""The hub on its own as a WSGI application: where the system has no epoll, and with middleware in front."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import requests

from flask_mercure_sse.server.middleware import read_middleware
from tests.server.processes import ROOT, Stream, free_port, serving

HUB = "/.well-known/mercure"

CODE = """
from gevent import monkey
monkey.patch_all(ssl=False)
import select, sys
del select.EPOLLIN  # as where there is none
from flask_mercure_sse.server import settings
assert not settings.HAS_EPOLL
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


MIDDLEWARE = """
def signed(application):
    def call(environ, start_response):
        def start(status, headers, error=None):
            return start_response(status, [*headers, ("X-Signed", "yes")], error)
        return application(environ, start)
    return call
"""


def test_middleware_runs_in_front_of_the_hub(tmp_path: Path) -> None:
    """PEP 3333, Middleware: around streams as well."""
    (tmp_path / "around.py").write_text(MIDDLEWARE)
    port = free_port()
    options = ("--port", str(port), "--middleware", "around:signed")
    with serving(
        "flask_mercure_sse.server", *options, port=port, path=HUB, folder=tmp_path, PYTHONPATH=str(ROOT)
    ) as server:
        token = server.told("Publisher JWT: ")
        with closing(Stream(f"{server.url}{HUB}?topic=/a")) as stream:
            assert stream.response.headers["X-Signed"] == "yes"
            headers = {"Authorization": f"Bearer {token}"}
            published = requests.post(server.url + HUB, data={"topic": "/a"}, headers=headers, timeout=5)
            assert stream.next().id == published.text


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("nowhere:at_all", "cannot be imported: No module named 'nowhere'"),
        ("json:nothing", "cannot be imported"),
        ("json", "name middleware as module:name"),
        ("string:digits", "which is a str; name what wraps an application"),
        (7, "list middleware as module:name"),
    ],
)
def test_middleware_that_cannot_be_had_is_told(value: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_middleware(value)


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
