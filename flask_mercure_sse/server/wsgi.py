"""The hub as a plain WSGI application, for any server that can keep many responses open."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from urllib.parse import unquote_plus

from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

from ..hub.authority import Authority
from ..hub.hub import Hub
from ..protocol.errors import (
    ContentTooLarge,
    InvalidRequest,
    InvalidUpdate,
    MethodNotAllowed,
    MissingKeyError,
    NotFound,
    Refusal,
    Unauthorized,
)
from ..protocol.forms import Fields, parse_form
from ..protocol.sse import CONTENT_TYPE
from ..protocol.tokens import Rights
from ..protocol.version import HUB_PATH
from .cors import Cors
from .stream import Stream

logger: logging.Logger = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024
"""Bytes of a publish request."""

FORM = "application/x-www-form-urlencoded"

STREAM_HEADERS = {
    "Cache-Control": "private, no-cache, no-store, must-revalidate, max-age=0",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}


class HubFront:
    """Answers HTTP requests for a hub.

    :param hub: the hub.
    :param publishers: checks publishers' tokens; None switches publishing over HTTP off.
    :param subscribers: checks subscribers' tokens.
    :param cookie_name: the cookie in which browsers present a subscriber's token.
    :param keepalive_interval: seconds between comments on an idle stream, 0 for none.
    :param cors: which other origins' pages may use the hub.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        publishers: Authority | None,
        subscribers: Authority,
        cookie_name: str | None = None,
        keepalive_interval: float = 15,
        cors: Cors | None = None,
    ) -> None:
        self.hub = hub
        self._publishers = publishers
        self._subscribers = subscribers
        self._cookie_name = cookie_name or hub.version.cookie_name
        self._keepalive_interval = keepalive_interval
        self._cors = cors or Cors()

    def __call__(self, environ: dict[str, object], start_response: object) -> Iterable[bytes]:
        """Serve the hub alone, as a WSGI application."""
        return self.respond(environ)(environ, start_response)  # pyright: ignore[reportArgumentType]

    def respond(self, environ: dict[str, object]) -> Response:
        """Return the response to a request for the hub or its subscription API."""
        request = Request(environ)
        request.max_content_length = MAX_BODY
        try:
            response = self._route(request)
        except Refusal as refusal:
            response = _refused(request, refusal)
        except InvalidUpdate as error:
            response = _refused(request, InvalidRequest(str(error)))
        self._cors.apply(request.headers.get("Origin"), response)
        return response

    def _route(self, request: Request) -> Response:
        api = self.hub.version.subscriptions_url()
        if request.path == HUB_PATH:
            answers = {"GET": self._subscribe, "HEAD": self._subscribe, "POST": self._publish}
            if self._publishers is None:
                del answers["POST"]
        elif request.path == api or request.path.startswith(f"{api}/"):
            answers = {"GET": self._subscriptions, "HEAD": self._subscriptions}
        else:
            raise NotFound("no such page")
        if request.method == "OPTIONS":
            return Response(status=204, headers={"Allow": ", ".join([*answers, "OPTIONS"])})
        if request.method not in answers:
            raise MethodNotAllowed(f"{request.method} is not for this URL; use {', '.join(answers)}")
        return answers[request.method](request)

    def _subscribe(self, request: Request) -> Response:
        query = parse_form(request.query_string)
        rights = self._subscriber_rights(request, query)
        wanted = self.hub.version.subscribe_request(
            query, _from_header(request.headers.get(self.hub.version.last_event_id_header))
        )
        self.hub.admit(rights)
        cursor = None if wanted.last_event_id is None else self.hub.cursor(wanted.last_event_id)

        def join(stream: Stream) -> None:
            joined = self.hub.subscribe(wanted, rights, stream.deliver)
            stream.open(joined.replay, lambda: self.hub.unsubscribe(joined.subscriber))
            if joined.last_event_id != cursor:
                stream.close()  # much came since the answer's head was made: let the client ask again

        stream = Stream(self._keepalive_interval, rights.expires_at if rights else None, join)
        body = () if request.method == "HEAD" else stream
        response = Response(body, content_type=CONTENT_TYPE, headers=STREAM_HEADERS)
        if cursor is not None:
            response.headers[self.hub.version.last_event_id_header] = _to_header(cursor)
        return response

    def _publish(self, request: Request) -> Response:
        assert self._publishers is not None
        # Never from a cookie: a browser sends it along with other sites' forms too.
        query = parse_form(request.query_string)
        token = self.hub.version.token(request.headers.get("Authorization"), query, {}, None)
        if token is None:
            raise Unauthorized("publishing needs a token")
        rights = _rights(self._publishers, token)
        update = self.hub.version.update(_read_form(request))
        return Response(self.hub.publish_with(rights, update), content_type="text/plain; charset=utf-8")

    def _subscriptions(self, request: Request) -> Response:
        rights = self._subscriber_rights(request, parse_form(request.query_string))
        document = self.hub.subscriptions_with(rights, *self._subscription_parts(request))
        return Response(
            json.dumps(document),
            content_type=self.hub.version.api_content_type,
            headers={"Cache-Control": "private, no-cache"},
        )

    def _subscriber_rights(self, request: Request, query: Fields) -> Rights | None:
        token = self.hub.version.token(
            request.headers.get("Authorization"), query, request.cookies, self._cookie_name
        )
        return None if token is None else _rights(self._subscribers, token)

    def _subscription_parts(self, request: Request) -> list[str]:
        """Return the selector and subscriber that the URL names.

        A topic may hold an encoded slash, so the raw target is read where the server tells it. Elsewhere
        the path is already decoded; the subscriber is known by its form, made by the hub.
        """
        api = self.hub.version.subscriptions_url()
        raw = str(request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or "")
        _before, found, rest = raw.partition("?")[0].partition(api)
        if found:
            parts = [unquote_plus(part) for part in rest.split("/")[1:]]
        else:
            selector, _slash, last = request.path[len(api) + 1 :].rpartition("/")
            parts = [selector, last] if last.startswith("urn:uuid:") else [f"{selector}/{last}".lstrip("/")]
        parts = [part for part in parts if part]
        if len(parts) > 2:
            raise NotFound("the URL has more parts than a selector and a subscriber")
        return parts


def _from_header(value: str | None) -> str | None:
    """Return the text of a header that browsers write in UTF-8 and WSGI hands over as Latin-1."""
    return value and value.encode("latin-1").decode("utf-8", "replace")


def _to_header(text: str) -> str:
    return text.encode().decode("latin-1")


def _rights(authority: Authority, token: str) -> Rights:
    try:
        return authority.rights(token, time.time())
    except MissingKeyError as error:
        # Not the client's fault, but a stranger must not be able to make errors at will.
        logger.error("A token could not be checked: %s", error)
        raise Unauthorized("there is no key to check the token with") from error


def _read_form(request: Request) -> Fields:
    if request.mimetype != FORM:
        raise InvalidRequest(f"the Content-Type must be {FORM}")
    try:
        return parse_form(request.get_data(cache=False))
    except RequestEntityTooLarge as error:
        raise ContentTooLarge(f"the body is larger than {MAX_BODY} bytes") from error
    except (HTTPException, OSError, ValueError) as error:
        raise InvalidRequest("the body ended early or is badly framed") from error


def _refused(request: Request, refusal: Refusal) -> Response:
    logger.info("%s %r refused with %d: %s", request.method, request.path, refusal.status, refusal)
    return refusal_response(refusal)


def refusal_response(refusal: Refusal) -> Response:
    """Return the answer to a request that is refused."""
    response = Response(
        f"{refusal.public_answer}\n", status=refusal.status, content_type="text/plain; charset=utf-8"
    )
    if refusal.status == Unauthorized.status:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
