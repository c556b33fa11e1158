"""What a hub answers to HTTP requests, before any server."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from werkzeug.sansio.http import parse_cookie

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
    TooManyConnections,
    TooManyStreams,
    Unauthorized,
)
from ..protocol.forms import Fields, parse_form
from ..protocol.rights import Rights
from ..protocol.sse import CONTENT_TYPE
from ..protocol.text import shown
from ..protocol.update import Update
from ..protocol.version import HUB_PATH, METADATA_PATH, ProtocolVersion, SubscribeRequest
from .admission import ANY_PLACE, RETRY_AFTER, Admission, Place
from .cors import Cors, comes_from
from .counters import Counters
from .etags import etag_of, is_current
from .exchange import Request, Response, text_header
from .links import link
from .requests import path_parts, read_parameters, read_publication

logger: logging.Logger = logging.getLogger(__name__)

API_PATH = f"{HUB_PATH}/subscriptions"

TEXT = "text/plain; charset=utf-8"

STREAM_HEADERS = [
    ("Content-Type", CONTENT_TYPE),
    ("Cache-Control", "private, no-cache, no-store, must-revalidate, max-age=0"),
    ("X-Accel-Buffering", "no"),
]


@dataclass(slots=True)
class Opening:
    """A stream that is to be opened.

    :param request: what its subscriber asks for.
    :param rights: what its token grants, None where it has none.
    :param headers: those of the response; the cursor comes with the first of its subscriber's updates.
    :param place: what it takes of what there is for streams.
    """

    request: SubscribeRequest
    rights: Rights | None
    headers: list[tuple[str, str]]
    place: Place = ANY_PLACE

    def headers_for(self, cursor: str | None) -> list[tuple[str, str]]:
        """Return the headers of the response to a subscriber whose first update comes after this id."""
        if cursor is None:
            return self.headers
        return [*self.headers, (self.request.version.last_event_id_header, text_header(cursor))]


Answer = Callable[[Request, ProtocolVersion], "Response | Opening"]


class Front:
    """Answers HTTP requests for a hub.

    :param hub: the hub.
    :param publishers: checks publishers' tokens; None switches publishing over HTTP off.
    :param subscribers: checks subscribers' tokens.
    :param publish_origins: origins whose pages may publish with the cookie.
    :param cors: which other origins' pages may use the hub.
    :param admission: how many streams may be open, None where a server counts its own.
    :param counters: where it counts what publishers sent and whom it refused.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        publishers: Authority | None,
        subscribers: Authority,
        publish_origins: Iterable[str] = (),
        cors: Cors | None = None,
        admission: Admission | None = None,
        counters: Counters | None = None,
    ) -> None:
        self.hub: Hub = hub
        self._admission = admission
        self._publishers = publishers
        self._subscribers = subscribers
        self._publish_origins = frozenset(publish_origins)
        self._cors = cors or Cors()
        self._counters = counters or Counters()
        self._hub_answers = self._at_hub()
        self._seen_path = hub.versions.newest.hub_path
        self._metadata_paths = {METADATA_PATH + path for path in (HUB_PATH, self._seen_path)}

    @property
    def other_paths(self) -> list[str]:
        """The routes beside those of the usual path, with ``<path:rest>`` for what may follow."""
        seen = self._seen_path
        if seen == HUB_PATH:
            return sorted(self._metadata_paths)
        return [*sorted(self._metadata_paths), seen, f"{seen}/<path:rest>"]

    def answer(self, request: Request) -> Response | Opening:
        """Return the response to a request for the hub, its subscription API or its description."""
        request.path = _at_usual_path(request.path, self._seen_path)
        request.raw_path = request.raw_path and _at_usual_path(request.raw_path, self._seen_path)
        version = self.hub.versions.oldest
        try:
            if request.limit:
                raise TooManyConnections(request.limit)
            answers = self._answers(request.path)
            if request.method == "OPTIONS":
                response = Response(204, headers=[("Allow", ", ".join([*answers, "OPTIONS"]))])
            else:
                if request.method not in answers:
                    raise MethodNotAllowed(request.method, answers)
                version = self._version(request)
                response = self._answer(request, version, answers)
        except (Refusal, InvalidUpdate) as error:
            refusal = error if isinstance(error, Refusal) else InvalidRequest(str(error))
            return self._refuse(request, refusal, version)
        self._add_headers(request, response)
        return response

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """Return the answer to a request that the hub would take but what serves it does not."""
        return self._refuse(request, refusal, self.hub.versions.oldest)

    def _refuse(self, request: Request, refusal: Refusal, version: ProtocolVersion) -> Response:
        self._counters.refused(refusal)
        response = _refused(request, refusal, version)
        self._add_headers(request, response)
        return response

    def _add_headers(self, request: Request, response: Response | Opening) -> None:
        response.headers.append(("X-Content-Type-Options", "nosniff"))
        response.headers += self._cors.headers_for(request.headers.get("origin"))

    def _at_hub(self) -> Mapping[str, Answer]:
        answers: dict[str, Answer] = {
            method: self._subscribe for version in self.hub.versions for method in version.subscribe_methods
        }
        return {**answers, "POST": self._publish} if self._publishers else answers

    def _answers(self, path: str) -> Mapping[str, Answer]:
        """Return what answers each method at a path."""
        if path == HUB_PATH:
            return self._hub_answers
        if path == API_PATH or path.startswith(f"{API_PATH}/"):
            return {"GET": self._subscriptions, "HEAD": self._subscriptions}
        if path in self._metadata_paths:
            return {"GET": self._metadata, "HEAD": self._metadata}
        raise NotFound("no such page")

    def _version(self, request: Request) -> ProtocolVersion:
        """Return the version of the protocol that a request is in."""
        versions = self.hub.versions
        if len(versions) == 1:
            return versions.oldest
        if request.path == HUB_PATH and request.method != "POST":
            return versions.of_parameters(read_parameters(request))
        return versions.of_token(*_presented(request))

    def _answer(
        self, request: Request, version: ProtocolVersion, answers: Mapping[str, Answer]
    ) -> Response | Opening:
        answer = answers[request.method]
        if answer == self._subscribe and request.method not in version.subscribe_methods:
            raise MethodNotAllowed(request.method, [method for method in answers if method != request.method])
        return answer(request, version)

    def _subscribe(self, request: Request, version: ProtocolVersion) -> Response | Opening:
        parameters = read_parameters(request)
        credentials = self._credentials(request, version)
        token = credentials and credentials.token
        rights = None if token is None else _rights(self._subscribers, version, token)
        self.hub.admit(rights)
        wanted = version.subscribe_request(parameters, request.header_text("last-event-id"))
        opening = Opening(wanted, rights, list(STREAM_HEADERS))
        if request.method != "HEAD":
            if self._admission:
                opening.place = self._admission.open_stream(*_who(request), token)
            return opening
        cursor = None if wanted.last_event_id is None else self.hub.cursor(wanted.last_event_id)
        return Response(200, headers=opening.headers_for(cursor), has_length=False)

    def _publish(self, request: Request, version: ProtocolVersion) -> Response:
        assert self._publishers is not None
        credentials = self._credentials(request, version)
        if credentials is None:
            raise Unauthorized("publishing needs a token")
        if credentials.from_cookie and not self._may_use_cookie(request):
            raise version.foreign_origin()
        rights = _rights(self._publishers, version, credentials.token)
        update = version.update(read_publication(request))
        self.hub.versions.check_for_others(update, version)
        event_id = self._hand_over(update, rights)
        return Response(200, event_id.encode(), [("Content-Type", TEXT)])

    def _hand_over(self, update: Update, rights: Rights) -> str:
        """Publish an update, count whether the hub took it, and return its id."""
        try:
            event_id = self.hub.publish_with(rights, update)
        except Refusal:
            raise
        except Exception:
            self._counters.failed_updates += 1
            raise
        self._counters.updates += 1
        logger.debug("Update %r published to %s", event_id, update.topics)
        return event_id

    def _may_use_cookie(self, request: Request) -> bool:
        """Tell whether a publisher's cookie counts: a browser sends it with other sites' forms, too."""
        headers = request.headers
        return comes_from(self._publish_origins, headers.get("origin"), headers.get("referer"))

    def _subscriptions(self, request: Request, version: ProtocolVersion) -> Response:
        rights = self._subscriber_rights(request, version)
        if rights is None and self.hub.tells_subscriptions:
            raise Unauthorized("the subscription API needs a token")
        parts = path_parts(request, API_PATH, leading=version.leading_parts)
        wanted = version.subscription_filter(parts)
        document, last_event_id = self.hub.subscriptions_with(rights, version, wanted)
        # Two versions write the same in two ways.
        tag = etag_of(last_event_id if len(self.hub.versions) == 1 else f"{version.name} {last_event_id}")
        attributes = {"rel": "mercure", **version.link_attributes(last_event_id)}
        headers = [
            ("Content-Type", version.api_content_type),
            ("Cache-Control", "private, no-cache"),
            ("ETag", f'"{tag}"'),
            ("Link", link(version.link_target(request.root), attributes)),
        ]
        if is_current(request.headers.get("if-none-match"), tag):
            return Response(304, headers=headers[1:])
        return Response(200, json.dumps(document).encode(), headers)

    def _metadata(self, request: Request, version: ProtocolVersion) -> Response:
        for one in self.hub.versions:
            document = one.metadata(subscriptions=self.hub.tells_subscriptions)
            if document:
                return Response(200, json.dumps(document).encode(), [("Content-Type", "application/json")])
        raise NotFound("the hub has no description")

    def _credentials(self, request: Request, version: ProtocolVersion) -> Credentials | None:
        return version.credentials(*_presented(request))

    def _subscriber_rights(self, request: Request, version: ProtocolVersion) -> Rights | None:
        credentials = self._credentials(request, version)
        return None if credentials is None else _rights(self._subscribers, version, credentials.token)


def _who(request: Request) -> tuple[str, str | None]:
    """Return the address that a request came from, and the one that it says it is for."""
    return request.address, request.headers.get("x-forwarded-for")


def _presented(request: Request) -> tuple[str | None, Fields, Mapping[str, str]]:
    """Return all places in which a request may present a token."""
    headers = request.headers
    cookie = headers.get("cookie")
    return (
        headers.get("authorization"),
        parse_form(request.query) if request.query else [],
        parse_cookie(cookie) if cookie else {},
    )


def _at_usual_path(path: str, seen_path: str) -> str:
    """Return a path below the usual one of hubs, even if clients were told another."""
    if seen_path != HUB_PATH and (path == seen_path or path.startswith(f"{seen_path}/")):
        return HUB_PATH + path[len(seen_path) :]
    return path


def _rights(authority: Authority, version: ProtocolVersion, token: str) -> Rights:
    try:
        return authority.rights(version, token, time.time())
    except ConfigurationError as error:
        # Not the client's fault, but a stranger must not be able to make errors at will.
        logger.error("A token could not be checked: %s", error)
        raise InvalidToken("there is no key to check the token with") from error


def _refused(request: Request, refusal: Refusal, version: ProtocolVersion) -> Response:
    path = shown(request.path)
    logger.info("%s %s refused with %d: %s", request.method, path, refusal.status, refusal)
    response = refusal_response(refusal)
    if isinstance(refusal, MethodNotAllowed):
        response.headers.append(("Allow", refusal.allowed))
    if isinstance(refusal, (TooManyConnections, TooManyStreams)):
        response.headers.append(("Retry-After", str(RETRY_AFTER)))
    if challenge := version.challenge(refusal):
        response.headers.append(("WWW-Authenticate", challenge))
    return response


def refusal_response(refusal: Refusal) -> Response:
    """Return the answer to a request that is refused."""
    return Response(refusal.status, f"{refusal.public_answer}\n".encode(), [("Content-Type", TEXT)])
