"""The hub as a plain WSGI application, for any server that can keep many responses open."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping

from werkzeug.http import quote_etag
from werkzeug.wrappers import Request, Response

from ..hub.authority import Authority
from ..hub.hub import Hub
from ..protocol.credentials import Credentials
from ..protocol.errors import (
    ConfigurationError,
    InvalidRequest,
    InvalidToken,
    InvalidUpdate,
    MethodNotAllowed,
    NotFound,
    Refusal,
    Unauthorized,
)
from ..protocol.forms import parse_form
from ..protocol.limits import Limits
from ..protocol.rights import Rights
from ..protocol.sse import CONTENT_TYPE
from ..protocol.v1 import METADATA_PATH
from ..protocol.version import HUB_PATH, ProtocolVersion
from .cors import Cors, comes_from
from .links import link
from .requests import header_text, path_parts, read_parameters, read_publication, text_header
from .stream import Stream

logger: logging.Logger = logging.getLogger(__name__)

API_PATH = f"{HUB_PATH}/subscriptions"
HUB_METADATA_PATH = METADATA_PATH + HUB_PATH

STREAM_HEADERS = {
    "Cache-Control": "private, no-cache, no-store, must-revalidate, max-age=0",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}

Answer = Callable[[Request, ProtocolVersion], Response]


class HubFront:
    """Answers HTTP requests for a hub.

    :param hub: the hub.
    :param publishers: checks publishers' tokens; None switches publishing over HTTP off.
    :param subscribers: checks subscribers' tokens.
    :param cookie_name: the cookie in which browsers present a token, where it is not the version's own.
    :param publish_origins: origins whose pages may publish with the cookie.
    :param keepalive_interval: seconds between comments on an idle stream, 0 for none.
    :param cors: which other origins' pages may use the hub.
    :param limits: how much one request may ask.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        publishers: Authority | None,
        subscribers: Authority,
        cookie_name: str | None = None,
        publish_origins: Iterable[str] = (),
        keepalive_interval: float = 15,
        cors: Cors | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.hub = hub
        self._publishers = publishers
        self._subscribers = subscribers
        self._cookie_name = cookie_name
        self._publish_origins = frozenset(publish_origins)
        self._keepalive_interval = keepalive_interval
        self._cors = cors or Cors()
        self._limits = limits or Limits()

    def __call__(self, environ: dict[str, object], start_response: object) -> Iterable[bytes]:
        """Serve the hub alone, as a WSGI application."""
        return self.respond(environ)(environ, start_response)  # pyright: ignore[reportArgumentType]

    def respond(self, environ: dict[str, object]) -> Response:
        """Return the response to a request for the hub, its subscription API or its description."""
        request = Request(environ)
        request.max_content_length = self._limits.body_size
        version = self.hub.versions.oldest
        try:
            answers = self._answers(request.path)
            if request.method == "OPTIONS":
                response = Response(status=204, headers={"Allow": ", ".join([*answers, "OPTIONS"])})
            else:
                version = self._version(request)
                response = self._answer(request, version, answers)
        except Refusal as refusal:
            response = _refused(request, refusal, version)
        except InvalidUpdate as error:
            response = _refused(request, InvalidRequest(str(error)), version)
        self._cors.apply(request.headers.get("Origin"), response)
        return response

    def _answers(self, path: str) -> Mapping[str, Answer]:
        """Return what answers each method at a path."""
        if path == HUB_PATH:
            methods = dict.fromkeys(
                method for version in self.hub.versions for method in version.subscribe_methods
            )
            answers: dict[str, Answer] = dict.fromkeys(methods, self._subscribe)
            return {**answers, "POST": self._publish} if self._publishers else answers
        if path == API_PATH or path.startswith(f"{API_PATH}/"):
            return dict.fromkeys(("GET", "HEAD"), self._subscriptions)
        if path == HUB_METADATA_PATH:
            return dict.fromkeys(("GET", "HEAD"), self._metadata)
        raise NotFound("no such page")

    def _version(self, request: Request) -> ProtocolVersion:
        """Return the version of the protocol that a request is in."""
        if request.path == HUB_PATH and request.method != "POST":
            return self.hub.versions.of_parameters(read_parameters(request))
        query = parse_form(request.query_string)
        return self.hub.versions.of_token(
            request.headers.get("Authorization"), query, request.cookies, self._cookie_name
        )

    def _answer(self, request: Request, version: ProtocolVersion, answers: Mapping[str, Answer]) -> Response:
        answer = answers.get(request.method)
        if answer is None or (answer == self._subscribe and request.method not in version.subscribe_methods):
            raise MethodNotAllowed(request.method, answers)
        return answer(request, version)

    def _subscribe(self, request: Request, version: ProtocolVersion) -> Response:
        parameters = read_parameters(request)
        rights = self._subscriber_rights(request, version)
        self.hub.admit(rights)
        wanted = version.subscribe_request(parameters, header_text(request.headers.get("Last-Event-ID")))
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
            response.headers[version.last_event_id_header] = text_header(cursor)
        return response

    def _publish(self, request: Request, version: ProtocolVersion) -> Response:
        assert self._publishers is not None
        credentials = self._credentials(request, version)
        if credentials is None:
            raise Unauthorized("publishing needs a token")
        if credentials.from_cookie and not self._may_use_cookie(request):
            raise version.foreign_origin()
        rights = _rights(self._publishers, version, credentials.token)
        update = version.update(read_publication(request))
        return Response(self.hub.publish_with(rights, update), content_type="text/plain; charset=utf-8")

    def _may_use_cookie(self, request: Request) -> bool:
        """Tell whether a publisher's cookie counts: a browser sends it with other sites' forms, too."""
        headers = request.headers
        return comes_from(self._publish_origins, headers.get("Origin"), headers.get("Referer"))

    def _subscriptions(self, request: Request, version: ProtocolVersion) -> Response:
        rights = self._subscriber_rights(request, version)
        parts = path_parts(request, API_PATH, leading=version.leading_parts)
        wanted = version.subscription_filter(parts)
        document, last_event_id = self.hub.subscriptions_with(rights, version, wanted)
        response = Response(json.dumps(document), content_type=version.api_content_type)
        response.headers["Cache-Control"] = "private, no-cache"
        response.headers["ETag"] = quote_etag(_etag(last_event_id))
        response.headers["Link"] = link(
            request.root_path + HUB_PATH, {"rel": "mercure", **version.link_attributes(last_event_id)}
        )
        if _is_current(request, last_event_id):
            response.status_code = 304
            response.set_data(b"")
        return response

    def _metadata(self, request: Request, version: ProtocolVersion) -> Response:
        for one in self.hub.versions:
            document = one.metadata(subscriptions=self.hub.tells_subscriptions, cookie_name=self._cookie_name)
            if document:
                return Response(json.dumps(document), content_type="application/json")
        raise NotFound("the hub has no description")

    def _credentials(self, request: Request, version: ProtocolVersion) -> Credentials | None:
        query = parse_form(request.query_string)
        return version.credentials(
            request.headers.get("Authorization"), query, request.cookies, self._cookie_name
        )

    def _subscriber_rights(self, request: Request, version: ProtocolVersion) -> Rights | None:
        credentials = self._credentials(request, version)
        return None if credentials is None else _rights(self._subscribers, version, credentials.token)


def _rights(authority: Authority, version: ProtocolVersion, token: str) -> Rights:
    try:
        return authority.rights(version, token, time.time())
    except ConfigurationError as error:
        # Not the client's fault, but a stranger must not be able to make errors at will.
        logger.error("A token could not be checked: %s", error)
        raise InvalidToken("there is no key to check the token with") from error


def _refused(request: Request, refusal: Refusal, version: ProtocolVersion) -> Response:
    logger.info("%s %r refused with %d: %s", request.method, request.path, refusal.status, refusal)
    response = refusal_response(refusal)
    if isinstance(refusal, MethodNotAllowed):
        response.headers["Allow"] = refusal.allowed
    if challenge := version.challenge(refusal):
        response.headers["WWW-Authenticate"] = challenge
    return response


def refusal_response(refusal: Refusal) -> Response:
    """Return the answer to a request that is refused."""
    return Response(
        f"{refusal.public_answer}\n", status=refusal.status, content_type="text/plain; charset=utf-8"
    )


def _etag(last_event_id: str) -> str:
    """Return an event id as the opaque part of an entity tag (`RFC 9110, ETag`)."""
    return "".join(
        f"%{byte:02X}" if byte < 0x21 or byte > 0x7E or byte in b'"%' else chr(byte)
        for byte in last_event_id.encode()
    )


def _is_current(request: Request, last_event_id: str) -> bool:
    """Tell whether the client knows the document already; some clients leave the quotes out."""
    tag = _etag(last_event_id)
    return request.headers.get("If-None-Match") == tag or request.if_none_match.contains_weak(tag)
