"""The hub as a blueprint of the app, and the check that the app's server can carry it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Flask, request
from werkzeug.wrappers import Response

from .protocol.errors import Unavailable
from .protocol.version import HUB_PATH
from .server.front import API_PATH, refusal_response
from .server.wsgi import HubFront, to_wsgi

logger: logging.Logger = logging.getLogger(__name__)

METHODS = ["GET", "HEAD", "POST", "QUERY", "OPTIONS"]

INSTEAD = (
    "Run the hub on its own (python -m flask_mercure_sse.server) and set MERCURE_HUB_URL, or serve the app "
    "with one process that has threads or greenlets, such as: gunicorn --workers 1 --threads 100, or "
    "gunicorn --workers 1 --worker-class gevent."
)


def server_problem(environ: Mapping[str, Any]) -> str | None:
    """Say why an embedded hub cannot work under the server that made `environ`, None when it can."""
    if environ.get("wsgi.multiprocess"):
        return (
            "The embedded Mercure hub lives in one process, and this server runs several: an update reaches "
            f"only the subscribers of the process that published it. {INSTEAD}"
        )
    if "SERVER_SOFTWARE" not in environ and "uwsgi.version" not in environ:
        return None  # no server: a test client calls the app directly
    if not environ.get("wsgi.multithread") and not _greenlets():
        return (
            "The embedded Mercure hub keeps responses open, and this server's only worker would serve "
            f"nothing else meanwhile. {INSTEAD}"
        )
    return None


def _greenlets() -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def embed(app: Flask, front: HubFront) -> None:
    """Serve a hub at ``/.well-known/mercure`` of an app.

    Under a server that cannot carry it the hub answers 503 with the reason, and the app's first request in
    each process writes the reason to the log.
    """
    checked_process = 0

    @app.before_request
    def warn_once() -> None:  # pyright: ignore[reportUnusedFunction]
        nonlocal checked_process
        if checked_process != os.getpid():
            checked_process = os.getpid()
            if problem := server_problem(request.environ):
                logger.error(problem)

    def serve(**_path: str) -> Response:
        if problem := server_problem(request.environ):
            return to_wsgi(refusal_response(Unavailable(problem)))
        return front.respond(request.environ)

    blueprint = Blueprint("mercure_hub", __name__)
    for rule in (HUB_PATH, API_PATH, f"{API_PATH}/<path:rest>", *front.other_paths):
        # A topic in a path may begin with // once it is decoded.
        blueprint.add_url_rule(
            rule, "serve", serve, methods=METHODS, provide_automatic_options=False, merge_slashes=False
        )
    app.register_blueprint(blueprint)
