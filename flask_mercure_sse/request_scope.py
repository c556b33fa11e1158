"""What the updates of one request share: its transaction's id, and where the request came from."""

from __future__ import annotations

from flask import Flask, has_request_context, request
from werkzeug.wrappers import Response

from .integrations.scope import Scope, find_scope_with, new_transaction

TRANSACTION_HEADER = "Mercure-Transaction"
"""Tells in a response the id that all updates of the request carry as ``tx``."""

ORIGIN_HEADER = "Mercure-Origin"
"""Says in a request what its updates are to carry as ``origin``, such as the id of a browser's tab."""

MAX_ORIGIN = 128
"""Characters of an origin; a longer one is left out, for it goes to everybody."""

_KEY = "flask_mercure_sse.scope"


def request_scope() -> Scope | None:
    """Return the scope of the current request, None outside of requests."""
    if not has_request_context():
        return None
    scope: Scope | None = request.environ.get(_KEY)
    if scope is None:
        scope = request.environ[_KEY] = Scope(new_transaction(), _origin(request.headers.get(ORIGIN_HEADER)))
    return scope


def _origin(text: str | None) -> str | None:
    return text if text and len(text) <= MAX_ORIGIN and text.isprintable() else None


def tell_transaction(app: Flask) -> None:
    """Put the id of each request's transaction into its response, where updates carry it."""

    @app.after_request
    def tell(response: Response) -> Response:  # pyright: ignore[reportUnusedFunction]
        scope: Scope | None = request.environ.get(_KEY)
        if scope is not None and scope.used:
            response.headers[TRANSACTION_HEADER] = scope.transaction
        return response


find_scope_with(request_scope)
