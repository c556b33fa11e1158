"""The hub as a blueprint of the app, and the check that the app's server can carry it."""

from __future__ import annotations

import logging
import os
from typing import Any

from flask import Blueprint, Flask, request
from werkzeug.wrappers import Response

from .protocol.errors import Unavailable
from .protocol.version import HUB_PATH
from .server.carrying import carrying
from .server.front import API_PATH, refusal_response
from .server.stream import Stream
from .server.wsgi import HubFront, to_wsgi

logger: logging.Logger = logging.getLogger(__name__)

METHODS = ["GET", "HEAD", "POST", "QUERY", "OPTIONS"]

_KEPT_FOR_DEBUGGING = "werkzeug.debug.preserve_context"
"""Where Werkzeug's debugger has the app leave its contexts, to keep them until the response has ended."""


def embed(app: Flask, front: HubFront, max_streams: int | None = None) -> None:
    """Serve a hub at ``/.well-known/mercure`` of an app.

    Under a server that cannot carry it the hub answers 503 with the reason, and the app's first request in
    each process writes the reason to the log. Under one that carries some streams the others are answered
    503.

    :param max_streams: how many may be open at most, None for as many as the server is known to carry.
    """
    checked_process = 0

    @app.before_request
    def warn_once() -> None:  # pyright: ignore[reportUnusedFunction]
        nonlocal checked_process
        if checked_process != os.getpid():
            checked_process = os.getpid()
            if problem := carrying(request.environ).problem:
                logger.error(problem)

    def serve(**_path: str) -> Response:
        environ = request.environ
        carried = carrying(environ, max_streams)
        if carried.problem:
            return to_wsgi(refusal_response(Unavailable(carried.problem)))
        response = front.respond(environ, carried)
        if isinstance(response.response, Stream):
            _let_go_of_contexts(environ)
        return response

    blueprint = Blueprint("mercure_hub", __name__)
    for rule in (HUB_PATH, API_PATH, f"{API_PATH}/<path:rest>", *front.other_paths):
        # A topic in a path may begin with // once it is decoded.
        blueprint.add_url_rule(
            rule, "serve", serve, methods=METHODS, provide_automatic_options=False, merge_slashes=False
        )
    app.register_blueprint(blueprint)


def _let_go_of_contexts(environ: dict[str, Any]) -> None:
    """Have a stream's request and all that the app put beside it end with the view, also in debug mode."""
    if "SERVER_SOFTWARE" in environ:  # a test client asks for the contexts on purpose
        environ.pop(_KEPT_FOR_DEBUGGING, None)
