"""What a hub finds out about the server around it, from an environment as each server makes it."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from flask_mercure_sse.server import carrying as module
from flask_mercure_sse.server.carrying import DEVELOPMENT_STREAMS, UNKNOWN_STREAMS, carrying

THREADED = {"wsgi.multithread": True, "wsgi.multiprocess": False}
ONE_THREAD = {"wsgi.multithread": False, "wsgi.multiprocess": False}
CLAIMS_EVERYTHING = {"wsgi.multithread": True, "wsgi.multiprocess": True}

WERKZEUG = {**THREADED, "SERVER_SOFTWARE": "Werkzeug/3.1.9"}
GUNICORN = {**THREADED, "SERVER_SOFTWARE": "gunicorn/27.0.1"}
MOD_WSGI = {**THREADED, "SERVER_SOFTWARE": "Apache/2.4.71 (Debian) mod_wsgi/4.9.4 Python/3.11"}
CHEROOT = {**THREADED, "SERVER_SOFTWARE": "Cheroot/11.1.2 Server"}
GRANIAN = {**THREADED, "SERVER_SOFTWARE": "Granian"}
UWSGI = {**THREADED, "uwsgi.version": b"2.0.30"}


class GunicornWorker:
    """A worker of gunicorn, so far as it is looked at."""

    def __init__(self, threads: int = 1, connections: int = 1000, *, has_pool: bool) -> None:
        self.cfg = SimpleNamespace(threads=threads, worker_connections=connections)
        self.alive = True
        if has_pool:
            self.tpool = object()

    def handle_exit(self, _number: int, _frame: object) -> None:
        self.alive = False


class WaitressChannel:
    """A connection of waitress, so far as it is looked at."""

    def __init__(self, threads: int, connection_limit: int = 100) -> None:
        self.server = SimpleNamespace(adj=SimpleNamespace(threads=threads, connection_limit=connection_limit))

    def check_client_disconnected(self) -> bool:
        return False


def waitress(threads: int, connection_limit: int = 100) -> dict[str, Any]:
    channel = WaitressChannel(threads, connection_limit)
    said = {"SERVER_SOFTWARE": "waitress", "waitress.client_disconnected": channel.check_client_disconnected}
    return {**THREADED, **said}


@pytest.fixture(autouse=True)
def open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "allowed_files", lambda: 100_000)


@pytest.fixture
def greenlets(monkeypatch: pytest.MonkeyPatch) -> None:
    patches = SimpleNamespace(is_module_patched=lambda name: name == "threading")
    monkeypatch.setitem(sys.modules, "gevent.monkey", patches)


@pytest.fixture
def in_gunicorn(monkeypatch: pytest.MonkeyPatch) -> Callable[[GunicornWorker], None]:
    def run_in(worker: GunicornWorker) -> None:
        handlers = {signal.SIGTERM: worker.handle_exit}
        monkeypatch.setattr(signal, "getsignal", handlers.get)

    return run_in


@pytest.fixture
def in_uwsgi(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def run_in(**told: object) -> None:
        monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(**told))

    return run_in


@pytest.mark.parametrize(
    ("threads", "streams"), [(2, 1), (3, 1), (4, 2), (5, 2), (6, 3), (100, 50), (200, 100), (250, 150)]
)
def test_one_half_of_the_threads_is_kept_for_the_site_and_never_more_than_a_hundred(
    threads: int, streams: int
) -> None:
    assert carrying(waitress(threads, connection_limit=1000)).most == streams


def test_a_server_with_one_thread_carries_none() -> None:
    problem = carrying(waitress(1)).problem
    assert problem
    assert "only worker would serve nothing else" in problem
    assert "python -m flask_mercure_sse.server" in problem


def test_a_limit_of_connections_counts_as_one_of_threads() -> None:
    assert carrying(waitress(300, connection_limit=100)).most == 50


def test_threads_of_gunicorn_are_found(in_gunicorn: Callable[[GunicornWorker], None]) -> None:
    in_gunicorn(GunicornWorker(threads=8, has_pool=True))
    assert carrying(GUNICORN).most == 4


@pytest.mark.usefixtures("greenlets")
@pytest.mark.parametrize("software", ["gunicorn/27.0.1", "gevent/26.9.0 gunicorn/27.0.1"])
def test_greenlets_of_gunicorn_are_its_connections(
    software: str, in_gunicorn: Callable[[GunicornWorker], None]
) -> None:
    in_gunicorn(GunicornWorker(connections=1000, has_pool=False))
    assert carrying({**GUNICORN, "SERVER_SOFTWARE": software}).most == 900


def test_gunicorn_tells_when_it_stops(in_gunicorn: Callable[[GunicornWorker], None]) -> None:
    worker = GunicornWorker(threads=8, has_pool=True)
    in_gunicorn(worker)
    is_stopping = carrying(GUNICORN).is_stopping
    assert is_stopping is not None
    assert not is_stopping()
    worker.handle_exit(signal.SIGTERM, None)
    assert is_stopping()


def test_a_gunicorn_whose_worker_looks_otherwise_is_one_that_tells_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda _number: None)
    assert carrying(GUNICORN).most == UNKNOWN_STREAMS


def test_a_waitress_whose_channel_looks_otherwise_is_one_that_tells_nothing() -> None:
    environ = {**waitress(8), "waitress.client_disconnected": lambda: False}
    assert carrying(environ).most == UNKNOWN_STREAMS


def test_threads_of_uwsgi_are_its_cores(in_uwsgi: Callable[..., None]) -> None:
    in_uwsgi(cores=6, loop=None)
    assert carrying(UWSGI).most == 3


@pytest.mark.usefixtures("greenlets")
def test_greenlets_of_uwsgi_are_its_cores(in_uwsgi: Callable[..., None]) -> None:
    in_uwsgi(cores=1000, loop=b"gevent")
    assert carrying({**UWSGI, **ONE_THREAD}).most == 900


def test_greenlets_of_uwsgi_that_would_wait_for_each_other_carry_none(in_uwsgi: Callable[..., None]) -> None:
    in_uwsgi(cores=100, loop=b"gevent")
    assert "--gevent-monkey-patch" in str(carrying({**UWSGI, **ONE_THREAD}).problem)


def test_threads_of_cheroot_are_those_of_its_pool() -> None:
    found: list[int | None] = []

    class Worker(threading.Thread):
        server = SimpleNamespace(requests=SimpleNamespace(min=10))

        def run(self) -> None:
            found.append(carrying(CHEROOT).most)

    worker = Worker()
    worker.start()
    worker.join(10)
    assert found == [5]


def test_threads_of_mod_wsgi_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mod_wsgi", SimpleNamespace(threads_per_process=15))
    assert carrying(MOD_WSGI).most == 7


@pytest.mark.usefixtures("greenlets")
def test_greenlets_without_a_limit_are_limited_by_the_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "allowed_files", lambda: 1000)
    found = carrying({**ONE_THREAD, "SERVER_SOFTWARE": "gevent/26.9 Python/3.11"})
    assert (found.most, found.why) == (900, "it may open 1000 files")


def test_the_development_server_carries_a_hundred() -> None:
    assert carrying(WERKZEUG).most == DEVELOPMENT_STREAMS == 100


def test_a_server_whose_threads_are_not_known_carries_one_and_the_log_names_the_setting() -> None:
    found = carrying(GRANIAN)
    assert found.most == UNKNOWN_STREAMS == 1
    assert "MERCURE_HUB_MAX_STREAMS" in found.limit


@pytest.mark.parametrize("environ", [WERKZEUG, GRANIAN])
def test_a_setting_decides_where_the_threads_are_not_known(environ: dict[str, Any]) -> None:
    assert carrying(environ, 40).most == 40


@pytest.mark.parametrize(("wanted", "most"), [(1, 1), (9, 9), (10, 9), (500, 9)])
def test_a_setting_leaves_one_thread_for_the_site_where_they_are_known(wanted: int, most: int) -> None:
    assert carrying(waitress(10), wanted).most == most


def test_no_server_has_no_limit_but_that_of_the_setting() -> None:
    assert carrying(ONE_THREAD).most is None
    assert carrying(ONE_THREAD, 5).most == 5


@pytest.mark.parametrize("environ", [CLAIMS_EVERYTHING, {**THREADED, "asgi.scope": {}}])
def test_an_app_that_an_asgi_server_runs_carries_none(environ: dict[str, Any]) -> None:
    found = carrying(environ, 5)
    assert found.most == 0
    assert "never learns that a client has left" in str(found.problem)


@pytest.mark.parametrize("environ", [WERKZEUG, GUNICORN, UWSGI])
def test_several_processes_carry_none(environ: dict[str, Any]) -> None:
    assert "this server runs several" in str(carrying({**environ, "wsgi.multiprocess": True}).problem)


@pytest.mark.parametrize("environ", [WERKZEUG, GUNICORN, UWSGI])
def test_one_process_without_threads_carries_none(
    environ: dict[str, Any], in_uwsgi: Callable[..., None]
) -> None:
    in_uwsgi(cores=1, loop=None)
    assert "only worker" in str(carrying({**environ, **ONE_THREAD}).problem)
