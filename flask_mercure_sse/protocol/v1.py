"""Mercure 1.0 (`draft-dunglas-mercure-08`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, cast
from urllib.parse import unquote_to_bytes, urlsplit

from . import uri_template
from .credentials import Credentials, bearer_token, is_access_token
from .errors import (
    ConfigurationError,
    InvalidCredentials,
    InvalidRequest,
    InvalidToken,
    InvalidUpdate,
    NotFound,
    Refusal,
)
from .forms import Fields, first
from .ids import new_urn
from .keys import Unverified, declared_type
from .limits import MAX_SELECTOR_LENGTH, Limits
from .parameters import distinct, distinct_texts
from .publishing import read_update
from .reserved import is_reserved
from .rights import Claims, Rights
from .selectors import EVERYTHING, EXACT, URL_PATTERN, Selector, match_exact, match_urlpattern
from .subscriptions import Subscription, SubscriptionEvent, SubscriptionFilter, encode_part, read_event
from .template_pattern import pattern_of_template
from .text import shown, size_problem, text_problem
from .update import Update
from .url_pattern import UrlPattern, compile_pattern
from .version import HUB_PATH, METADATA_PATH, SubscribeRequest

AUTHORIZATION_DETAIL = "https://mercure.rocks/authorization-detail"

SECURE_COOKIE = "__Secure-mercure_access_token"
PLAIN_COOKIE = "mercure_access_token"
"""Over plain HTTP, where browsers do not take the prefix (`RFC 6265bis, The "__Secure-" Prefix`)."""

EVENT_TYPE = "mercure"
"""The type of subscription events, which nobody else may use."""

PARAMETERS = {"match": EXACT, "match_exact": EXACT, "match_urlpattern": URL_PATTERN}
"""The parameters that hold selectors, and how each is read."""

NO_MATCHER = "match, match_exact or match_urlpattern"

MAX_SELECTORS = 100
"""Selectors of one subscriber."""

MAX_PATTERNS_SIZE = 16384
"""Size of all URL patterns of one request: they are compiled while others wait."""

MAX_DETAILS = 100
"""Authorization details of one token, and topics of all of them together."""

DEFAULT_LIFETIME = 24 * 3600.0
"""Seconds for which a token is good, where nobody says otherwise."""


class Mercure1:
    """The rules of Mercure 1.0; see :class:`~flask_mercure_sse.protocol.version.ProtocolVersion`.

    :param url: the hub's URL: what tokens must be for, and the base of relative topics and patterns.
    :param issuer: who signs the tokens of the app itself, the hub by default.
    :param aliases: other URLs by which tokens may name the hub.
    :param authorization_servers: URLs of those who make tokens for the hub, where others do.
    :param is_known: whether the URL is the one that clients use; only then is the hub described to them.
    :param limits: how much one request may ask.
    :param cookie_name: the cookie with a browser's token, where it is not the usual one.
    """

    name: str = "1.0"
    last_event_id_header: str = "Mercure-Last-Event-ID"
    api_content_type: str = "application/json"
    token_type: str = "at+jwt"  # noqa: S105 - what tokens say they are
    match_types: AbstractSet[str] = frozenset({EXACT, URL_PATTERN})
    subscribe_methods: Sequence[str] = ("GET", "HEAD", "QUERY")
    reads_query_token: bool = False
    leading_parts: int = 1

    def __init__(
        self,
        url: str,
        *,
        issuer: str | None = None,
        aliases: Iterable[str] = (),
        authorization_servers: Sequence[str] = (),
        is_known: bool = True,
        limits: Limits | None = None,
        cookie_name: str | None = None,
    ) -> None:
        parts = urlsplit(url)
        self._url = url
        self._issuer = issuer or url
        self._audiences = frozenset({url, *aliases})
        self._authorization_servers = authorization_servers
        self.hub_path: str = parts.path
        self._is_secure = parts.scheme == "https" and is_known
        self._metadata_url = (
            parts._replace(path=METADATA_PATH + parts.path, query="").geturl() if is_known else None
        )
        self._is_known = is_known
        self._cookie_name = cookie_name
        self._limits = limits or Limits()
        self._max_selectors = self._limits.selectors or MAX_SELECTORS

    # Subscribing

    def url_query(self, topics: Sequence[str], token: str | None = None) -> Fields:
        if token:
            raise ConfigurationError(
                "Mercure 1.0 reads no token from a URL; put it into the cookie with set_authz_cookie()"
            )
        named = {EXACT: "match", URL_PATTERN: "match_urlpattern"}
        return [(named[match_type], text) for match_type, text in map(_matcher, topics)]

    def is_spoken_in(self, parameters: Fields) -> bool:
        return any(_is_reserved_name(name) or name == "last_event_id" for name, _value in parameters)

    def subscribe_request(self, parameters: Fields, last_event_id: str | None) -> SubscribeRequest:
        for name, _value in parameters:
            if name not in PARAMETERS and _is_reserved_name(name):
                raise InvalidRequest(f"there is no parameter {name[:40]!r}; use {NO_MATCHER}")
        matchers = distinct_texts(
            [field for field in parameters if field[0] in PARAMETERS], NO_MATCHER, self._max_selectors
        )
        selectors: list[Selector] = []
        size = 0
        for name, text in matchers:
            try:
                selector = self._selector(PARAMETERS[name], text)
            except ValueError as error:
                raise InvalidRequest(f'the parameter "{name}" {error}') from error
            if isinstance(selector.pattern, UrlPattern):
                size += selector.pattern.size
            if size > MAX_PATTERNS_SIZE:
                raise InvalidRequest('the parameters "match_urlpattern" cost too much together')
            selectors.append(selector)
        given = first(parameters, "last_event_id")
        return SubscribeRequest(
            version=self,
            selectors=distinct(selectors),
            last_event_id=last_event_id if last_event_id or given is None else given,
        )

    def _selector(self, match_type: str, text: str) -> Selector:
        """Compile a matcher (`Mercure 1.0, Matcher Types`).

        :raises ValueError: the text is no matcher of this type; the end of a sentence.
        """
        if match_type == EXACT or text == EVERYTHING:
            return Selector(text, match_type)
        return Selector(text, match_type, compile_pattern(text, self._url))

    # Publishing

    def update(self, form: Fields) -> Update:
        update = read_update(form, self._limits)
        self.check(update)
        return update

    def check(self, update: Update) -> None:
        for topic in update.topics:
            if topic == EVERYTHING:
                raise InvalidUpdate("topic", "is '*', which selects every topic and is none")
            if is_reserved(topic, self.hub_path):
                raise InvalidUpdate(
                    "topic", f"{shown(topic)} is the hub's own; publish outside {self.hub_path}"
                )
        if update.type == EVENT_TYPE:
            raise InvalidUpdate("type", f"{EVENT_TYPE!r} is the hub's own; choose another name")

    # Authorization

    def cookie_name(self, *, secure: bool) -> str:
        return self._cookie_name or (SECURE_COOKIE if secure else PLAIN_COOKIE)

    @property
    def cookie_names(self) -> Sequence[str]:
        # The usual names count beside another one: a hub may get it while pages with cookies are open.
        names = [self._cookie_name, SECURE_COOKIE] if self._cookie_name else [SECURE_COOKIE]
        return names if self._is_secure else [*names, PLAIN_COOKIE]

    def claims(
        self,
        *,
        now: float,
        publish: Sequence[str] = (),
        subscribe: Sequence[str] = (),
        payload: object = None,
        others: Mapping[str, Any] | None = None,
        lifetime: float | None = None,
    ) -> dict[str, Any]:
        if others:
            raise ConfigurationError(f"{', '.join(others)}: Mercure 1.0 tokens have no such grant")
        details = [_detail("publish", publish)] if publish else []
        if subscribe:
            details.append(_detail("subscribe", subscribe, payload))
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._url,
            "sub": self._issuer,
            "client_id": self._issuer,
            "iat": int(now),
            "exp": int(now + (self.lifetime(lifetime) or 0)),
            "jti": new_urn(),
            "authorization_details": details,
        }
        try:
            self.rights(claims, claims["exp"])
        except InvalidToken as error:
            raise ConfigurationError(f"hubs would refuse a token for these topics: {error}") from error
        return claims

    def credentials(
        self, authorization: str | None, query: Fields, cookies: Mapping[str, str]
    ) -> Credentials | None:
        if authorization is not None:
            token = bearer_token(authorization)
            if token is None:
                raise InvalidCredentials("the Authorization header holds no bearer token")
            return Credentials(token)
        given = [cookies[name] for name in self.cookie_names if name in cookies]
        # Under a name that both versions had, the other's token may be left.
        own = (token for token in given if self.is_own(declared_type(token)))
        found = next(own, given[0] if given else None)
        return None if found is None else Credentials(found, from_cookie=True)

    def is_own(self, declared_type: object) -> bool:
        return is_access_token(declared_type)

    def issuer(self, token: Unverified) -> str | None:
        if not self.is_own(token.header.get("typ")):
            raise InvalidToken("the token's header does not say typ at+jwt")
        issuer: object = token.claims.get("iss")
        if not isinstance(issuer, str):
            raise InvalidToken("the claim iss is missing or not a text")
        return issuer

    def rights(self, claims: Claims, expires_at: float | None = None) -> Rights:
        if expires_at is None:
            raise InvalidToken("the claim exp is missing")
        self._check_audience(claims.get("aud"))
        details = _mercure_details(claims.get("authorization_details", []))
        if sum(len(_list(detail, "topics")) for detail in details) > MAX_DETAILS:
            raise InvalidToken(f"the authorization details have more than {MAX_DETAILS} topics")
        granted: dict[str, list[Selector]] = {"publish": [], "subscribe": []}
        payloads: list[tuple[tuple[Selector, ...], object]] = []
        for detail in details:
            selectors = tuple(self._granted_selectors(detail))
            actions = _actions(detail)
            for action in granted.keys() & actions:
                granted[action].extend(selectors)
            payload = _payload(detail)
            if "subscribe" in actions:
                payloads.append((selectors, payload))
        return Rights(
            publish=tuple(granted["publish"]),
            subscribe=tuple(granted["subscribe"]),
            payloads=tuple(payloads),
            expires_at=expires_at,
        )

    def _check_audience(self, audience: object) -> None:
        named = cast("list[object]", audience) if isinstance(audience, list) else [audience]
        if not any(isinstance(one, str) and one in self._audiences for one in named):
            raise InvalidToken("the claim aud does not name this hub")

    def _granted_selectors(self, detail: dict[str, object]) -> Iterable[Selector]:
        for topic in _list(detail, "topics"):
            matcher = cast("dict[str, object]", topic) if isinstance(topic, dict) else {}
            text, match_type = matcher.get("match"), matcher.get("match_type", EXACT)
            if not isinstance(text, str) or not text or text_problem(text):
                raise InvalidToken("a topic of an authorization detail has no clean text as match")
            if problem := size_problem(text, MAX_SELECTOR_LENGTH):
                raise InvalidToken(f"a match {problem}")
            if not isinstance(match_type, str) or match_type not in self.match_types:
                raise InvalidToken("a topic of an authorization detail has an unknown match_type")
            try:
                yield self._selector(match_type, text)
            except ValueError as error:
                raise InvalidToken(f"a topic of an authorization detail {error}") from error

    def foreign_origin(self) -> Refusal:
        return InvalidCredentials("the page's origin may not publish with a cookie")

    def challenge(self, refusal: Refusal) -> str | None:
        if refusal.status != 401 and not refusal.oauth_error:
            return None
        parameters = {"error": refusal.oauth_error, "resource_metadata": self._metadata_url}
        given = [f'{name}="{value}"' for name, value in parameters.items() if value]
        return f"Bearer {', '.join(given)}".strip()

    def metadata(self, *, subscriptions: bool) -> dict[str, Any] | None:
        if not self._metadata_url:
            return None
        document: dict[str, Any] = {
            "resource": self._url,
            "authorization_details_types_supported": [AUTHORIZATION_DETAIL],
            "bearer_methods_supported": ["header"],
            "mercure_cookie": self.cookie_name(secure=self._is_secure),
        }
        if self._authorization_servers:
            document["authorization_servers"] = list(self._authorization_servers)
        if subscriptions:
            document["mercure_subscriptions"] = True
        return document

    # Subscription events and API

    def subscription_topic(self, topic: str | None, subscriber: str | None = None) -> str:
        if topic is None:
            return f"{self.hub_path}/subscriptions/{{match_type}}/{{match}}/{{subscriber}}"
        url = self.subscriptions_url(self.filter_for(topic, subscriber or None))
        return url if subscriber else f"{url}/{{subscriber}}"

    def subscription_update(
        self, subscription: Subscription, *, active: bool, id: str | None = None
    ) -> Update:
        described = self._described(subscription, active=active)
        return Update(
            (described["id"],),
            data=json.dumps(described),
            private=True,
            id=id or new_urn(),
            type=EVENT_TYPE,
        )

    def subscription_event(self, type: str | None, data: str) -> SubscriptionEvent | None:
        if type != EVENT_TYPE:
            return None
        return read_event(data, types=("subscription",), topic="match")

    def subscription_filter(self, parts: Sequence[str]) -> SubscriptionFilter:
        if not parts:
            return SubscriptionFilter()
        if len(parts) not in (2, 3):
            raise NotFound("the URL does not name a match type, a match and perhaps a subscriber")
        try:
            match_type, text, subscriber = [*(unquote_to_bytes(part).decode() for part in parts), None][:3]
        except UnicodeDecodeError as error:
            raise InvalidRequest("a part of the URL is not UTF-8") from error
        if match_type not in self.match_types:
            raise InvalidRequest("the URL names a match type that is not supported")
        return SubscriptionFilter(match_type, text, subscriber)

    def subscriptions_url(self, wanted: SubscriptionFilter) -> str:
        parts = (wanted.match_type, wanted.text, wanted.subscriber)
        return "/".join(
            [f"{self.hub_path}/subscriptions", *(encode_part(part) for part in parts if part is not None)]
        )

    def filter_for(self, topic: str | None, subscriber: str | None = None) -> SubscriptionFilter:
        if topic is None:
            return SubscriptionFilter()
        return SubscriptionFilter(*_matcher(topic), subscriber)

    def subscription_document(self, subscription: Subscription, last_event_id: str) -> dict[str, Any]:
        return self._described(subscription, active=True)

    def subscriptions_document(
        self, wanted: SubscriptionFilter, subscriptions: Iterable[Subscription], last_event_id: str
    ) -> dict[str, Any]:
        return {
            "id": self.subscriptions_url(wanted),
            "type": "subscriptions",
            "subscriptions": [self._described(subscription, active=True) for subscription in subscriptions],
        }

    def lifetime(self, wanted: float | None) -> float | None:
        return DEFAULT_LIFETIME if wanted is None else wanted

    def link_target(self, root: str) -> str:
        return self._url if self._is_known else root + HUB_PATH

    def link_attributes(self, last_event_id: str) -> Mapping[str, str]:
        return {
            "last-event-id": last_event_id,
            "type": EVENT_TYPE,
            "content-type": self.api_content_type,
        }

    def listed(self, document: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [{**listed, "topic": listed["match"]} for listed in document["subscriptions"]]

    def _described(self, subscription: Subscription, *, active: bool) -> dict[str, Any]:
        selector = subscription.selector
        described: dict[str, Any] = {
            "id": self.subscriptions_url(SubscriptionFilter(*selector.key, subscription.subscriber)),
            "type": "subscription",
            "match_type": selector.match_type,
            "match": selector.text,
            "subscriber": subscription.subscriber,
            "active": active,
        }
        if subscription.payload is not None:
            described["payload"] = subscription.payload
        return described


def _is_reserved_name(name: str) -> bool:
    return name.lower().startswith("match")


def _matcher(topic: str) -> tuple[str, str]:
    """Return what an app calls a topic as a match type and a matcher of this version."""
    if isinstance(topic, match_urlpattern):
        return URL_PATTERN, str(topic)
    if isinstance(topic, match_exact) or not uri_template.parse(topic):
        return EXACT, str(topic)
    try:
        return URL_PATTERN, pattern_of_template(topic)
    except ValueError as error:
        raise ConfigurationError(f"the URI template {topic!r} {error}") from error


def _detail(action: str, topics: Sequence[str], payload: object = None) -> dict[str, Any]:
    matchers = [
        {"match": text} if match_type == EXACT else {"match": text, "match_type": match_type}
        for match_type, text in map(_matcher, topics)
    ]
    detail = {"type": AUTHORIZATION_DETAIL, "actions": [action], "topics": matchers}
    if payload is None:
        return detail
    if not isinstance(payload, dict):
        raise ConfigurationError("payload: Mercure 1.0 takes a dictionary; give one")
    # The payload is found by the matcher's text, which a pattern need not match (`Mercure 1.0, Payloads`).
    matchers += [{"match": matcher["match"]} for matcher in matchers if "match_type" in matcher]
    return {**detail, "payload": payload}


def _mercure_details(details: object) -> list[dict[str, object]]:
    """Return the entries that speak of Mercure; others are none of its business, whatever their shape."""
    if not isinstance(details, list):
        raise InvalidToken("the claim authorization_details is not an array")
    details = cast("list[object]", details)
    if len(details) > MAX_DETAILS:
        raise InvalidToken(f"the claim authorization_details has more than {MAX_DETAILS} entries")
    objects = [cast("dict[str, object]", detail) for detail in details if isinstance(detail, dict)]
    return [detail for detail in objects if detail.get("type") == AUTHORIZATION_DETAIL]


def _list(detail: dict[str, object], name: str) -> list[object]:
    entries = detail.get(name)
    if not isinstance(entries, list) or not entries:
        raise InvalidToken(f"{name} of an authorization detail is not an array with entries")
    return cast("list[object]", entries)


def _actions(detail: dict[str, object]) -> set[str]:
    actions = _list(detail, "actions")
    if not all(isinstance(action, str) for action in actions):
        raise InvalidToken("actions of an authorization detail has an entry that is not a text")
    return set(cast("list[str]", actions))


def _payload(detail: dict[str, object]) -> object:
    if "payload" not in detail:
        return None
    if not isinstance(detail["payload"], dict):
        raise InvalidToken("payload of an authorization detail is not an object")
    return cast("dict[str, object]", detail["payload"])
