"""The hub on its own: an HTTP server in front, open streams handed to the fan-out."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from ..protocol.limits import Limits
from .exchange import Request, Response
from .fanout import FanOut
from .front import Front, Opening
from .http import HttpLimits, HttpRequest, HttpServer, Refused, TakeOver, response_head


class Standalone:
    """Serves a hub over HTTP, with all open streams in one epoll.

    :param listener: an address, or a socket that listens.
    :param front: answers the requests.
    :param keepalive_interval: seconds between comments on an idle stream, 0 for none.
    """

    def __init__(
        self, listener: Any, front: Front, *, limits: Limits | None = None, keepalive_interval: float = 15.0
    ) -> None:
        self._front = front
        self._hub = front.hub
        self._fanout = FanOut(front.hub, keepalive_interval=keepalive_interval)
        http_limits = HttpLimits(body_size=(limits or Limits()).body_size)
        self.server: Any = HttpServer(listener, self._handle, http_limits)

    def start(self) -> None:
        """Begin to serve."""
        self._fanout.start()
        self.server.start()

    def stop(self, timeout: float = 1.0) -> None:
        """End all streams and stop.

        :param timeout: seconds that requests under way get.
        """
        self.server.close()
        self._fanout.stop()
        self.server.stop(timeout)

    def _handle(self, received: HttpRequest) -> Response | TakeOver:
        answer = self._front.answer(_request_of(received))
        return partial(self._open, answer) if isinstance(answer, Opening) else answer

    def _open(self, opening: Opening, fd: int) -> None:
        rights = opening.rights
        joined = self._hub.subscribe(opening.request, rights)
        self._fanout.open(
            fd,
            joined.subscriber,
            response_head(200, opening.headers_for(joined.last_event_id)),
            joined.replay,
            rights.expires_at if rights else None,
        )


def _request_of(received: HttpRequest) -> Request:
    target = received.target
    if not target.startswith("/"):
        try:
            parts = urlsplit(target)
        except ValueError:
            raise Refused(400, "a target that is no URL") from None
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    path, _mark, query = target.partition("?")
    return Request(
        received.method,
        unquote(path) if "%" in path else path,
        query.encode("latin-1"),
        received.headers,
        lambda: received.body,
        raw_path=path,
    )
