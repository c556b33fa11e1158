"""Which server runs the app around a hub, and how many streams it can carry beside the app's requests.

Servers tell little of this in their environments; each finder below knows where one of them keeps its number
of threads. What is not found is no error: then few streams are taken, or as many as a setting says.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..hub.threads import are_greenlets
from .descriptors import allowed_files

HUB_COMMAND = "python -m flask_mercure_sse.server"

INSTEAD = (
    f"Run the hub on its own ({HUB_COMMAND}) and set MERCURE_HUB_URL, or serve the app with one process "
    "that has threads or greenlets, such as: gunicorn --workers 1 --threads 100, or "
    "gunicorn --workers 1 --worker-class gevent."
)

MOST_KEPT = 100
"""Threads that are kept for the app's requests, however many there are; of few it is one half."""

DEVELOPMENT_STREAMS = 100
"""Streams under a server that starts a thread for each request, if nothing else is said."""

UNKNOWN_STREAMS = 1
"""Streams under a server of which nothing is known but that it has threads."""


@dataclass(frozen=True, slots=True)
class Carrying:
    """How many streams a server carries.

    :param most: how many may be open, None for as many as come.
    :param why: what limits them, for the log.
    :param problem: why there can be none, with what to do instead; None where there can be some.
    :param is_stopping: tells whether the server has begun to stop and waits for its requests; None where a
        server that stops does not wait for them.
    """

    most: int | None = None
    why: str = ""
    problem: str | None = None
    is_stopping: Callable[[], bool] | None = None

    @property
    def limit(self) -> str:
        """What to tell when the places are taken."""
        return (
            f"The embedded Mercure hub has as many streams open as this server may carry, {self.most}: "
            f"{self.why}. Others are answered 503 until one ends, so that the site stays responsive. "
            f"For more, run the hub on its own ({HUB_COMMAND}) and set MERCURE_HUB_URL."
        )


def carrying(environ: Mapping[str, Any], wanted: int | None = None) -> Carrying:
    """Find out what the server carries that made an environment, in this process.

    :param wanted: how many streams a setting allows, None where none does.
    """
    if problem := _problem(environ):
        return Carrying(0, problem=problem)
    if _is_called_directly(environ):
        return Carrying(wanted, _SETTING)
    found = _workers(environ)
    workers = _within_open_files(found)
    if workers is None:
        return _guessed(environ, wanted)
    if workers < 2:
        return Carrying(0, problem=_ONLY_WORKER)
    most = workers - min((workers + 1) // 2, MOST_KEPT)
    why = f"it serves {workers} requests at a time" if workers == found else f"it may open {workers} files"
    if wanted is not None:
        most, why = (wanted, _SETTING) if wanted < workers else (workers - 1, why)
    return Carrying(most, why, is_stopping=_stops(environ))


_SETTING = "MERCURE_HUB_MAX_STREAMS says so"

_ONLY_WORKER = (
    "The embedded Mercure hub keeps responses open, and this server's only worker would serve nothing else "
    f"meanwhile. {INSTEAD}"
)


def _problem(environ: Mapping[str, Any]) -> str | None:
    """Say why a server cannot carry any stream."""
    if _is_wrapped_for_asgi(environ):
        return (
            "The embedded Mercure hub keeps responses open, and a WSGI app under an ASGI server never learns "
            f"that a client has left: each closed tab would keep a thread for ever. {INSTEAD}"
        )
    if environ.get("wsgi.multiprocess"):
        return (
            "The embedded Mercure hub lives in one process, and this server runs several: an update reaches "
            f"only the subscribers of the process that published it. {INSTEAD}"
        )
    if _is_called_directly(environ) or environ.get("wsgi.multithread") or are_greenlets():
        return None
    if getattr(_uwsgi(), "loop", None) == b"gevent":
        return (
            "The embedded Mercure hub keeps responses open, and uWSGI's greenlets would wait for each other: "
            "add --gevent-monkey-patch to uWSGI's options."
        )
    return _ONLY_WORKER


def _is_wrapped_for_asgi(environ: Mapping[str, Any]) -> bool:
    """Tell whether an ASGI server runs the app: a2wsgi shows its scope, and WSGI servers tell their names."""
    claims_everything = environ.get("wsgi.multithread") and environ.get("wsgi.multiprocess")
    return "asgi.scope" in environ or bool(claims_everything and _is_called_directly(environ))


def _is_called_directly(environ: Mapping[str, Any]) -> bool:
    """Tell whether there is no server, as for a test client."""
    return "SERVER_SOFTWARE" not in environ and "uwsgi.version" not in environ


def _guessed(environ: Mapping[str, Any], wanted: int | None) -> Carrying:
    if wanted is not None:
        return Carrying(wanted, _SETTING)
    if str(environ.get("SERVER_SOFTWARE")).startswith("Werkzeug/"):
        return Carrying(DEVELOPMENT_STREAMS, "it is for development, and MERCURE_HUB_MAX_STREAMS is not set")
    return Carrying(
        UNKNOWN_STREAMS,
        "it does not tell how many threads it has; set MERCURE_HUB_MAX_STREAMS to one half of them",
    )


def _within_open_files(workers: int | None) -> int | None:
    """Return how many requests can be open, also by the number of files: greenlets may be any number."""
    files = allowed_files()
    if workers is None:
        return files if are_greenlets() else None
    return workers if files is None else min(workers, files)


def _workers(environ: Mapping[str, Any]) -> int | None:
    """Return how many requests a server handles at a time in this process, None where it is not known."""
    for find in (_of_gunicorn, _of_waitress, _of_uwsgi, _of_cheroot, _of_mod_wsgi):
        try:
            found = find(environ)
        except (AttributeError, TypeError):
            continue  # another version keeps it elsewhere
        if isinstance(found, int):
            return found
    return None


def _of_gunicorn(environ: Mapping[str, Any]) -> int | None:
    worker = _gunicorn_worker(environ)
    if worker is None:
        return None
    connections = worker.cfg.worker_connections
    return min(worker.cfg.threads, connections) if hasattr(worker, "tpool") else connections


def _of_waitress(environ: Mapping[str, Any]) -> int | None:
    if "waitress.client_disconnected" not in environ:
        return None
    settings = environ["waitress.client_disconnected"].__self__.server.adj
    return min(settings.threads, settings.connection_limit)


def _of_uwsgi(environ: Mapping[str, Any]) -> int | None:
    return getattr(_uwsgi(), "cores", None) if "uwsgi.version" in environ else None


def _of_cheroot(environ: Mapping[str, Any]) -> int | None:
    if not str(environ.get("SERVER_SOFTWARE")).startswith("Cheroot/"):
        return None
    thread: Any = threading.current_thread()
    return thread.server.requests.min


def _of_mod_wsgi(environ: Mapping[str, Any]) -> int | None:
    return getattr(sys.modules.get("mod_wsgi"), "threads_per_process", None)


def _uwsgi() -> Any:
    return sys.modules.get("uwsgi")


def _gunicorn_worker(environ: Mapping[str, Any]) -> Any:
    """Return the worker that this process is: it handles its signals by itself."""
    if "gunicorn/" not in str(environ.get("SERVER_SOFTWARE")):
        return None
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGQUIT):
        worker: Any = getattr(signal.getsignal(number), "__self__", None)
        if hasattr(worker, "cfg"):
            return worker
    return None


def _stops(environ: Mapping[str, Any]) -> Callable[[], bool] | None:
    worker = _gunicorn_worker(environ)
    return None if worker is None else lambda: not getattr(worker, "alive", True)
