"""The hub on its own where the system has no epoll: a greenlet for each stream, slower."""

from __future__ import annotations

from typing import Any

from gevent.pywsgi import WSGIHandler, WSGIServer

from ..protocol.limits import Limits
from .front import Front
from .http_limits import HttpLimits
from .wsgi import HubFront


class _Handler(WSGIHandler):
    """pywsgi's handler, with the raw request target: an encoded slash in a topic must stay one."""

    def get_environ(self) -> dict[str, Any]:
        return {**super().get_environ(), "REQUEST_URI": self.path}


class PortableServer:
    """Serves a hub over HTTP; see :class:`~.standalone.Standalone`, which it stands in for."""

    def __init__(
        self,
        listener: Any,
        front: Front,
        *,
        limits: HttpLimits | None = None,
        keepalive_interval: float = 15.0,
    ) -> None:
        body_limits = Limits(body_size=(limits or HttpLimits()).body_size)
        application = HubFront(front, keepalive_interval=keepalive_interval, limits=body_limits)
        self._server = WSGIServer(listener, application, handler_class=_Handler, log=None)

    def start(self) -> None:
        """Begin to serve."""
        self._server.start()

    def stop(self, timeout: float = 1.0) -> None:
        """Stop.

        :param timeout: seconds that open connections get to end.
        """
        self._server.stop(timeout)
