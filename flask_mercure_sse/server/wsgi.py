"""The hub as a plain WSGI application, for any server that can keep many responses open."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request as WsgiRequest
from werkzeug.wrappers import Response as WsgiResponse

from ..hub.hub import Hub
from ..protocol.errors import ContentTooLarge, InvalidRequest, TooManyStreams
from ..protocol.limits import Limits
from ..protocol.rights import ANONYMOUS
from .carrying import Carrying
from .exchange import Request, Response
from .front import Front, Opening
from .open_streams import OpenStreams
from .stopping import StopWatch
from .stream import Stream

logger: logging.Logger = logging.getLogger(__name__)

OPENED = "flask_mercure_sse.opened"
"""Key of a WSGI environment for a callable that gets the stream that the request opens."""

_UNLIMITED = Carrying()

_METHOD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}")


class HubFront:
    """Serves a hub to WSGI servers, which keep a thread or greenlet for each open stream.

    :param front: answers the requests.
    :param keepalive_interval: seconds between comments on an idle stream, 0 for none.
    :param limits: how much one request may ask.
    :param streams: keeps the streams that are open.
    """

    def __init__(
        self,
        front: Front,
        *,
        keepalive_interval: float = 15,
        limits: Limits | None = None,
        streams: OpenStreams | None = None,
    ) -> None:
        self.hub: Hub = front.hub
        self.other_paths: list[str] = front.other_paths
        self._front = front
        self._keepalive_interval = keepalive_interval
        self._streams = streams or OpenStreams()
        self._stop_watch = StopWatch(self._streams)
        self._told_limit_in: int | None = None
        self._max_body = (limits or Limits()).body_size

    def __call__(self, environ: dict[str, object], start_response: object) -> Iterable[bytes]:
        """Serve the hub alone, as a WSGI application."""
        return self.respond(environ)(environ, start_response)  # pyright: ignore[reportArgumentType]

    def respond(self, environ: dict[str, Any], carrying: Carrying = _UNLIMITED) -> WsgiResponse:
        """Return the response to a request for the hub, its subscription API or its description.

        :param carrying: how many streams the server carries.
        """
        request = request_of(environ, self._max_body)
        answer = self._front.answer(request)
        if not isinstance(answer, Opening):
            return to_wsgi(answer)
        stream, cursor = self._stream(answer)
        if not self._streams.admit(stream, carrying.most):
            self._tell_limit(carrying)
            return to_wsgi(self._front.refuse(request, TooManyStreams(f"{carrying.most} streams are open")))
        if carrying.is_stopping:
            self._stop_watch.watch(carrying.is_stopping)
        tell: Callable[[Stream], object] | None = environ.get(OPENED)
        if tell is not None:
            tell(stream)
        return WsgiResponse(stream, headers=answer.headers_for(cursor))

    def _tell_limit(self, carrying: Carrying) -> None:
        """Write to the log, once in a process, that the server carries no more."""
        if self._told_limit_in != os.getpid():
            self._told_limit_in = os.getpid()
            logger.warning(carrying.limit)

    def _stream(self, opening: Opening) -> tuple[Stream, str | None]:
        """Return what an opening asks for, and the id of the event after which it begins."""
        wanted, rights = opening.request, opening.rights
        cursor = None if wanted.last_event_id is None else self.hub.cursor(wanted.last_event_id)

        def join(stream: Stream) -> None:
            joined = self.hub.subscribe(wanted, rights, stream.deliver)

            def leave() -> None:
                self._streams.remove(stream)
                self.hub.unsubscribe(joined.subscriber)

            self._streams.add(stream, wanted, rights or ANONYMOUS)
            stream.open(joined.replay, leave)
            if joined.last_event_id != cursor:
                stream.close()  # much came since the answer's head was made: let the client ask again

        return Stream(self._keepalive_interval, rights.expires_at if rights else None, join), cursor


def to_wsgi(response: Response) -> WsgiResponse:
    """Return a response for a WSGI server."""
    # The length of an iterator is not told.
    body = response.body if response.has_length else iter(())
    return WsgiResponse(body, response.status, response.headers)


def request_of(environ: dict[str, Any], max_body: int) -> Request:
    """Return the request of a WSGI server.

    :param max_body: bytes of its body that may be read.
    """
    request = WsgiRequest(environ, populate_request=False)  # servers keep the environment as long as a stream
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    # What some servers pass on is no method, and nothing for a log.
    method = request.method if _METHOD.fullmatch(request.method) else "?"
    return Request(
        method,
        request.path,
        request.query_string,
        {name.lower(): value for name, value in request.headers.items()},
        _body_reader(request, max_body),
        raw_path=raw and str(raw).partition("?")[0],
        root=request.root_path,
    )


def _body_reader(request: WsgiRequest, max_body: int) -> Callable[[], bytes]:
    """Return what reads a body, once, and to its end: what was cut must not pass for the whole."""
    body: list[bytes] = []

    def read() -> bytes:
        if not body:
            body.append(_read_body(request, max_body))
        return body[0]

    return read


def _read_body(request: WsgiRequest, max_body: int) -> bytes:
    length = request.content_length
    if length is not None and length > max_body:
        raise ContentTooLarge(f"the body is larger than {max_body} bytes")
    if length is None and not request.environ.get("wsgi.input_terminated"):
        return b""
    try:
        # One byte more than there may be shows that there is more.
        body = _read(request, max_body + 1 if length is None else length)
    except (HTTPException, OSError, ValueError) as error:
        raise InvalidRequest("the body ended early or is badly framed") from error
    if len(body) > max_body:
        raise ContentTooLarge(f"the body is larger than {max_body} bytes")
    if length is not None and len(body) < length:
        raise InvalidRequest("the body ended early or is badly framed")
    return body


def _read(request: WsgiRequest, size: int) -> bytes:
    """Read so many bytes, or all that there are: some servers give them piece by piece."""
    pieces: list[bytes] = []
    missing = size
    while missing and (piece := request.stream.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
