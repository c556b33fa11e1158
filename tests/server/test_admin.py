"""The admin port: what a hub answers to those who watch it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from flask_mercure_sse.protocol.update import EARLIEST
from flask_mercure_sse.server.health import MAX_FAILURES

from .processes import ROOT, Stream
from .watched import Watched

OK = {"status": "ok"}
PAGES = ["/metrics", "/healthz", "/readyz"]


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.stop()


@pytest.fixture
def own() -> Iterator[Watched]:
    """A hub for a test that breaks it."""
    watched = Watched()
    yield watched
    watched.stop()


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_hub_that_works_is_live_and_ready(watched: Watched, path: str) -> None:
    answer = watched.get(path)
    assert (answer.status_code, answer.text) == (200, '{"status": "ok"}\n')
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", PAGES)
def test_answers_are_not_kept_and_not_for_pages(watched: Watched, path: str) -> None:
    headers = watched.get(path, Origin="https://example.com").headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert not [name for name in headers if name.startswith("Access-Control-")]


@pytest.mark.parametrize("path", PAGES)
def test_head_has_the_headers_of_get_and_no_body(watched: Watched, path: str) -> None:
    """RFC 9110, HEAD."""
    answer = watched.get(path, "HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "QUERY"])
def test_other_methods_are_refused(watched: Watched, method: str, path: str) -> None:
    """RFC 9110, 405 Method Not Allowed."""
    answer = watched.get(path, method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path", ["/", "/metrics/", "/Metrics", "/metrics%2F", "//metrics", "/.well-known/mercure", "/debug"]
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_there_is_nothing_else(watched: Watched, method: str, path: str) -> None:
    assert watched.get(path, method).status_code == 404


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/healthz?verbose=1", b"200"),
        (b"http://hub.example/healthz?verbose=1", b"200"),
        (b"http://[/healthz", b"404"),
        (b"*", b"404"),
    ],
)
def test_the_target_may_be_a_whole_url_and_have_a_query(
    watched: Watched, target: bytes, status: bytes
) -> None:
    """RFC 9112, Request Target."""
    host, port = watched.admin_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as client:
        client.sendall(b"GET %b HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n" % target)
        assert client.recv(1000).split(b" ")[1] == status


def test_a_hub_that_drains_is_unready_at_once_and_live(own: Watched) -> None:
    assert own.get("/readyz").json() == OK
    own.do(own.standalone.server.close)
    answer = own.get("/readyz")
    assert (answer.status_code, answer.text) == (503, '{"status": "unavailable", "reason": "draining"}\n')
    assert own.get("/healthz").json() == OK


def test_a_hub_that_does_not_reach_itself_is_unready_first_and_dead_later(
    own: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(own.hub._router, "route", lambda *_: [])
        broken.setattr(own.probe, "_patience", 0.05)
        told = []
        for _ in range(MAX_FAILURES):
            own.attempt()
            told.append((own.get("/readyz").status_code, own.get("/healthz").status_code))
    assert told == [(503, 200)] * (MAX_FAILURES - 1) + [(503, 503)]
    assert own.get("/readyz").json() == {"status": "unavailable", "reason": "self_publish_failed"}
    assert own.get("/healthz").json() == {"status": "unavailable", "reason": "self_publish_failed"}
    own.attempt()
    assert (own.get("/readyz").json(), own.get("/healthz").json()) == (OK, OK)


def test_a_probe_that_runs_shows_in_nothing_that_clients_see(own: Watched) -> None:
    with closing(Stream(f"{own.url}?topic=*")) as stream:
        before = own.hub.last_event_id
        for _ in range(10):
            own.attempt()
        assert own.hub.last_event_id == before
        answer = own.publish(topic="/a")
        assert stream.next().id == answer.text
        sizes = own.hub.sizes()
        assert (sizes.subscribers, sizes.groups, sizes.selectors) == (1, 1, 1)
        assert own.counters.updates == 1
    assert before != EARLIEST  # the event of the one subscription that there was


WITHOUT_PROMETHEUS = """
import logging, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "prometheus_client":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
logging.basicConfig(stream=sys.stdout, format="log: %(message)s")
from tests.server.watched import Watched
watched = Watched()
for path in ("/metrics", "/metrics", "/healthz", "/other"):
    answer = watched.get(path)
    print(answer.status_code, answer.text.strip())
watched.stop()
"""


def test_without_the_extra_health_is_told_and_metrics_name_what_is_missing() -> None:
    command = [sys.executable, "-c", WITHOUT_PROMETHEUS]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    line = "/metrics needs prometheus-client: pip install flask-mercure-sse[metrics]"
    assert run.stdout.splitlines() == [
        f"log: {line}",  # once
        f"501 {line}",
        f"501 {line}",
        '200 {"status": "ok"}',
        "404 Not Found",
    ]
