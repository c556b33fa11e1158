"""The small site as ASGI applications, by the two adapters that are used for it."""

from __future__ import annotations

from a2wsgi import WSGIMiddleware
from asgiref.wsgi import WsgiToAsgi

from tests.server.site import app

by_asgiref = WsgiToAsgi(app)
by_a2wsgi = WSGIMiddleware(app, workers=4)
