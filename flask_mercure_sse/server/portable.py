"""The hub on its own as a WSGI application: a greenlet for each stream, slower.

For systems without epoll, and for middleware that must run in front of the hub.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import random
from typing import Any

import gevent
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from ..protocol.limits import Limits
from .front import Front
from .middleware import Middleware, wrapped
from .wsgi import HubFront


class _Handler(WSGIHandler):
    """pywsgi's handler, with the raw request target: an encoded slash in a topic must stay one."""

    def get_environ(self) -> dict[str, Any]:
        return {**super().get_environ(), "REQUEST_URI": self.path}


class PortableServer:
    """Serves a hub over HTTP; see :class:`~.standalone.Standalone`, which it stands in for.

    :param listener: a socket that listens.
    :param front: answers the requests.
    :param body_size: bytes of a request's body.
    :param connections: how many there may be, 0 for any number.
    :param keepalive_interval: seconds between comments on an idle stream, 0 for none.
    :param middleware: what runs in front of the hub.
    """

    def __init__(
        self,
        listener: Any,
        front: Front,
        *,
        body_size: int,
        connections: int = 0,
        keepalive_interval: float = 15.0,
        middleware: Iterable[Middleware] = (),
    ) -> None:
        hub = HubFront(front, keepalive_interval=keepalive_interval, limits=Limits(body_size))
        self._serving = Pool(connections or None)
        self._server = WSGIServer(
            listener, wrapped(hub, middleware), spawn=self._serving, handler_class=_Handler, log=None
        )

    def start(self) -> None:
        """Begin to serve."""
        self._server.start()

    def drain(self, seconds: float) -> None:
        """Take no new connections, and end the open ones at moments of their own within a time."""
        self._server.close()
        for greenlet in self._serving:
            gevent.spawn_later(random() * seconds, greenlet.kill)  # noqa: S311 - no secret
        self._serving.join(seconds)

    def stop(self, timeout: float = 1.0) -> None:
        """Stop.

        :param timeout: seconds that open connections get to end.
        """
        self._server.stop(timeout)
