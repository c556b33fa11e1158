"""The hub on its own: an HTTP server in front, open streams handed to the fan-out."""

from __future__ import annotations

import logging
import socket
from functools import partial
from urllib.parse import unquote, urlsplit

from .admission import Admission
from .counters import Counters
from .draining import drain
from .exchange import Request, Response
from .fanout import FanOut
from .front import Front, Opening
from .heads import Refused, response_head
from .http import HttpServer
from .http_connection import HttpRequest, TakeOver
from .http_limits import HttpLimits
from .stream import MAX_BACKLOG
from .system import close

logger: logging.Logger = logging.getLogger(__name__)

LAST_REQUESTS = 1.0
"""Seconds that requests under way get when the hub drains."""


class Standalone:
    """Serves a hub over HTTP, with all open streams in one epoll.

    :param listener: an address to listen on, or a socket that listens.
    :param front: answers the requests.
    :param limits: how much and how long a request may take.
    :param admission: how many may be connected; the front's, too.
    :param keepalive_interval: seconds between comments on an idle stream, 0 for none.
    :param max_backlog: bytes that may wait for a subscriber that does not read.
    :param max_lifetime: seconds after which a stream ends, 0 for never; each a little earlier, by chance.
    """

    def __init__(
        self,
        listener: socket.socket | tuple[str, int],
        front: Front,
        *,
        limits: HttpLimits | None = None,
        admission: Admission | None = None,
        keepalive_interval: float = 15.0,
        max_backlog: int = MAX_BACKLOG,
        max_lifetime: float = 0.0,
        counters: Counters | None = None,
    ) -> None:
        self._front = front
        self._hub = front.hub
        self.admission: Admission = admission or Admission()
        counters = counters or Counters()
        self.fanout: FanOut = FanOut(
            front.hub,
            keepalive_interval=keepalive_interval,
            max_backlog=max_backlog,
            max_lifetime=max_lifetime,
            admission=self.admission,
            counters=counters,
        )
        self.server: HttpServer = HttpServer(
            listener, self._handle, limits, admission=self.admission, counters=counters, turns=self.fanout
        )

    def start(self) -> None:
        """Begin to serve."""
        self.fanout.start()
        self.server.start()

    def drain(self, seconds: float) -> None:
        """Take no new connections, and end every stream at a moment of its own; return when none is left.

        :param seconds: for all of them together.
        """
        self.server.close()
        drain(self.fanout, seconds)

    def stop(self, timeout: float = LAST_REQUESTS) -> None:
        """End all streams and stop.

        :param timeout: seconds that requests under way get.
        """
        self.server.stop(timeout)
        self.fanout.stop()

    def _handle(self, received: HttpRequest) -> Response | TakeOver:
        answer = self._front.answer(_request_of(received))
        return partial(self._open, answer) if isinstance(answer, Opening) else answer

    def _open(self, opening: Opening, fd: int) -> None:
        rights = opening.rights
        joined = None
        try:
            joined = self._hub.subscribe(opening.request, rights)
            self.fanout.open(
                fd,
                joined.subscriber,
                response_head(200, opening.headers_for(joined.last_event_id)),
                joined.replay,
                rights.expires_at if rights else None,
                opening.place,
            )
        except Exception:
            logger.exception("A stream could not be opened")
            close(fd)
            self.admission.close_stream(opening.place)
            if joined:
                self._hub.unsubscribe(joined.subscriber)
            return
        if logger.isEnabledFor(logging.DEBUG):
            names = [selector.text for selector in opening.request.selectors]
            logger.debug("Stream %s opened for %s", joined.subscriber.id, names)


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
        address=received.address,
        limit=received.limit,
    )
