"""What a hub answers to those who watch it, on a port of its own: metrics and health.

It runs in the hub's own loop: where that is stuck, the port does not answer, which says so as well.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .counters import Counters, Gauges
from .exchange import Response
from .health import Health
from .http_connection import HttpRequest

if TYPE_CHECKING:
    from .metrics import Metrics

logger: logging.Logger = logging.getLogger(__name__)

NO_METRICS = "/metrics needs prometheus-client: pip install flask-mercure-sse[metrics]"

TEXT = "text/plain; charset=utf-8"


class Admin:
    """Answers the requests of the admin port; :meth:`answer` is a handler for an ``HttpServer``.

    :param health: whether the hub is ready and live.
    :param counters: what the server counts.
    :param gauges: what it has at the moment.
    """

    def __init__(self, health: Health, counters: Counters, gauges: Gauges) -> None:
        self._metrics = _metrics(counters, gauges)
        self._has_told = False
        self._pages: dict[str, Callable[[HttpRequest], Response]] = {
            "/metrics": self._numbers,
            "/healthz": lambda _request: _state(health.dead()),
            "/readyz": lambda _request: _state(health.unready()),
        }

    def answer(self, request: HttpRequest) -> Response:
        """Return the response to a request."""
        page = self._pages.get(_path(request.target))
        if page is None:
            response = Response(404, b"Not Found\n", [("Content-Type", TEXT)])
        elif request.method not in ("GET", "HEAD"):
            headers = [("Content-Type", TEXT), ("Allow", "GET, HEAD")]
            response = Response(405, b"Method Not Allowed\n", headers)
        else:
            response = page(request)
        response.headers += [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
        return response

    def _numbers(self, request: HttpRequest) -> Response:
        if self._metrics is None:
            if not self._has_told:
                self._has_told = True
                logger.warning(NO_METRICS)
            return Response(501, f"{NO_METRICS}\n".encode(), [("Content-Type", TEXT)])
        text, content_type = self._metrics.page(request.headers.get("accept", ""))
        return Response(200, text, [("Content-Type", content_type)])


def _metrics(counters: Counters, gauges: Gauges) -> Metrics | None:
    """Return the metrics, None where the extra is not installed: health is told without it."""
    try:
        from .metrics import Metrics
    except ImportError:
        return None
    return Metrics(counters, gauges)


def _state(problem: str | None) -> Response:
    """Return the response that tells whether all is well.

    :param problem: a word for what is not, None for nothing.
    """
    document = {"status": "ok"} if problem is None else {"status": "unavailable", "reason": problem}
    status = 200 if problem is None else 503
    return Response(status, f"{json.dumps(document)}\n".encode(), [("Content-Type", "application/json")])


def _path(target: str) -> str:
    """Return the path of a request's target, which may be a whole URL (`RFC 9112, Request Target`)."""
    if target.startswith("/"):
        return target.partition("?")[0]
    try:
        return urlsplit(target).path
    except ValueError:
        return ""
