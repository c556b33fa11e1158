"""The hub on its own where the system has no epoll: a greenlet for each stream, slower."""

from __future__ import annotations

from random import random
from typing import Any

import gevent
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from ..protocol.limits import Limits
from .admission import Admission
from .counters import Counters
from .front import Front
from .http_limits import HttpLimits
from .stream import MAX_BACKLOG
from .wsgi import HubFront


class _Handler(WSGIHandler):
    """pywsgi's handler, with the raw request target: an encoded slash in a topic must stay one."""

    def get_environ(self) -> dict[str, Any]:
        return {**super().get_environ(), "REQUEST_URI": self.path}


class PortableServer:
    """Serves a hub over HTTP; see :class:`~.standalone.Standalone`, which it stands in for.

    Of the limits it knows those of a body's size and of connections in all.
    """

    def __init__(
        self,
        listener: Any,
        front: Front,
        *,
        limits: HttpLimits | None = None,
        admission: Admission | None = None,
        keepalive_interval: float = 15.0,
        max_backlog: int = MAX_BACKLOG,
        max_lifetime: float = 0.0,
        counters: Counters | None = None,
    ) -> None:
        total = admission.limits.total if admission else 0
        body_size = (limits or HttpLimits()).body_size
        application = HubFront(front, keepalive_interval=keepalive_interval, limits=Limits(body_size))
        self._serving = Pool(total or None)
        self._server = WSGIServer(
            listener, application, spawn=self._serving, handler_class=_Handler, log=None
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
