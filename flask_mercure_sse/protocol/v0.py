"""Mercure 0.x, as deployed hubs speak it (`draft-dunglas-mercure-07`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, cast
from urllib.parse import unquote_plus

from .credentials import Credentials, bearer_token, is_access_token
from .errors import (
    ConfigurationError,
    Forbidden,
    InvalidRequest,
    InvalidToken,
    InvalidUpdate,
    NotFound,
    Refusal,
    TooManySelectors,
    Unauthorized,
)
from .forms import Fields, first
from .ids import new_urn
from .keys import Unverified
from .limits import MAX_PATTERNS, Limits
from .parameters import distinct, distinct_texts
from .publishing import read_update
from .reserved import is_reserved
from .rights import Claims, Rights
from .selectors import EVERYTHING, EXACT, TEMPLATE, Selector, match_exact, match_urlpattern, template_selector
from .subscriptions import Subscription, SubscriptionEvent, SubscriptionFilter, encode_part, read_event
from .text import shown
from .update import Update
from .uri_template import UriTemplate
from .version import HUB_PATH, SubscribeRequest

CLAIM = "mercure"
NAMESPACED_CLAIM = "https://mercure.rocks/"
CONTEXT = "https://mercure.rocks/"
SUBSCRIPTIONS_PATH = f"{HUB_PATH}/subscriptions"

_ALL_SELECTORS = (Selector(EVERYTHING),)

MAX_SELECTORS = 1000
"""Selectors of one subscriber, or of one action in a token."""

MAX_EXPRESSIONS = 64
"""Expressions of one URI template that a client may send."""

MAX_TEMPLATE_SIZE = 128
"""Places of one URI template that a client may send: a topic may be at all of them at once."""


class Mercure0:
    """The rules of Mercure 0.x; see :class:`~flask_mercure_sse.protocol.version.ProtocolVersion`.

    :param limits: how much one request may ask.
    :param cookie_name: the cookie with a browser's token, where it is not the usual one.
    """

    name: str = "0.x"
    last_event_id_header: str = "Last-Event-ID"
    api_content_type: str = "application/ld+json"
    token_type: str = "JWT"  # noqa: S105 - what tokens say they are
    match_types: AbstractSet[str] = frozenset({EXACT, TEMPLATE})
    subscribe_methods: Sequence[str] = ("GET", "HEAD")
    reads_query_token: bool = True
    leading_parts: int = 0
    hub_path: str = HUB_PATH

    def __init__(self, limits: Limits | None = None, cookie_name: str | None = None) -> None:
        self._cookie_name = cookie_name or "mercureAuthorization"
        self._limits = limits or Limits()
        self._max_selectors = self._limits.selectors or MAX_SELECTORS

    # Subscribing

    def url_query(self, topics: Sequence[str], token: str | None = None) -> Fields:
        query = [("topic", _selector_text(topic)) for topic in topics]
        return [*query, ("authorization", token)] if token else query

    def is_spoken_in(self, parameters: Fields) -> bool:
        return any(name in ("topic", "lastEventID", "authorization") for name, _value in parameters)

    def subscribe_request(self, parameters: Fields, last_event_id: str | None) -> SubscribeRequest:
        texts = distinct_texts(
            [field for field in parameters if field[0] == "topic"], "topic", self._max_selectors
        )
        selectors = tuple(template_selector(text) for _name, text in texts)
        templates = [selector.pattern for selector in selectors if isinstance(selector.pattern, UriTemplate)]
        if len(templates) > MAX_PATTERNS:
            raise TooManySelectors(f'more than {MAX_PATTERNS} parameters "topic" are URI templates')
        if any(template.expressions > MAX_EXPRESSIONS for template in templates):
            raise InvalidRequest(f'a parameter "topic" has more than {MAX_EXPRESSIONS} expressions')
        if any(template.size > MAX_TEMPLATE_SIZE for template in templates):
            raise InvalidRequest(
                f'a parameter "topic" has over {MAX_TEMPLATE_SIZE} characters behind a brace'
            )
        return SubscribeRequest(
            version=self,
            selectors=distinct(selectors),
            last_event_id=last_event_id or first(parameters, "lastEventID") or None,
        )

    # Publishing

    def update(self, form: Fields) -> Update:
        update = read_update(form, self._limits)
        if any(is_reserved(topic, HUB_PATH) for topic in update.topics):
            raise Forbidden("a topic lies in the hub's reserved namespace")
        return update

    def check(self, update: Update) -> None:
        for topic in update.topics:
            # A name without a slash is below no path, even if a URL resolves it to the hub's.
            if "/" in topic and is_reserved(topic, HUB_PATH):
                raise InvalidUpdate("topic", f"{shown(topic)} is the hub's own; publish outside {HUB_PATH}")

    # Authorization

    def cookie_name(self, *, secure: bool) -> str:
        return self._cookie_name

    @property
    def cookie_names(self) -> Sequence[str]:
        return [self._cookie_name]

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
        granted: dict[str, Any] = {}
        if publish:
            granted["publish"] = list(map(_selector_text, publish))
        if subscribe:
            granted["subscribe"] = list(map(_selector_text, subscribe))
        if payload is not None:
            granted["payload"] = payload
        claims: dict[str, Any] = {CLAIM: {**granted, **(others or {})}}
        return claims if lifetime is None else {**claims, "exp": int(now + lifetime)}

    def credentials(
        self, authorization: str | None, query: Fields, cookies: Mapping[str, str]
    ) -> Credentials | None:
        if authorization is not None:
            token = bearer_token(authorization)
            if token is None:
                raise Unauthorized("the Authorization header holds no bearer token")
            return Credentials(token)
        in_query = first(query, "authorization")
        if in_query is not None:
            return Credentials(in_query)
        in_cookie = cookies.get(self._cookie_name)
        return None if in_cookie is None else Credentials(in_cookie, from_cookie=True)

    def is_own(self, declared_type: object) -> bool:
        # Nothing else about the header is read; but a token of Mercure 1.0 must be judged by its own rules.
        return not is_access_token(declared_type)

    def issuer(self, token: Unverified) -> str | None:
        if not self.is_own(token.header.get("typ")):
            raise InvalidToken("an access token of Mercure 1.0 says nothing in Mercure 0.x")
        return None

    def rights(self, claims: Claims, expires_at: float | None = None) -> Rights:
        granted: object = claims.get(NAMESPACED_CLAIM, claims.get(CLAIM, {}))
        if not isinstance(granted, dict):
            raise InvalidToken(f"the claim {CLAIM} is not an object")
        granted = cast("dict[str, object]", granted)
        return Rights(
            publish=_granted_selectors(granted, "publish"),
            subscribe=_granted_selectors(granted, "subscribe"),
            payloads=((_ALL_SELECTORS, _payload(granted)),),
            expires_at=expires_at,
        )

    def foreign_origin(self) -> Refusal:
        return Unauthorized("the page's origin may not publish with a cookie")

    def challenge(self, refusal: Refusal) -> str | None:
        return "Bearer" if isinstance(refusal, Unauthorized) else None

    def metadata(self, *, subscriptions: bool) -> dict[str, Any] | None:
        return None

    # Subscription events and API

    def subscription_topic(self, topic: str | None, subscriber: str | None = None) -> str:
        if topic is None:
            return f"{SUBSCRIPTIONS_PATH}/{{topic}}/{{subscriber}}"
        url = self.subscriptions_url(self.filter_for(topic, subscriber or None))
        return url if subscriber else f"{url}/{{subscriber}}"

    def subscription_update(
        self, subscription: Subscription, *, active: bool, id: str | None = None
    ) -> Update:
        described = self._described(subscription, active=active)
        data = json.dumps({"@context": CONTEXT, **described})
        return Update((described["id"],), data=data, private=True, id=id or new_urn())

    def subscription_event(self, type: str | None, data: str) -> SubscriptionEvent | None:
        # Hubs of Mercure 1.0 that still serve 0.x write the type as 1.0 does.
        return read_event(data, types=("Subscription", "subscription"), topic="topic")

    def subscription_filter(self, parts: Sequence[str]) -> SubscriptionFilter:
        # Some hubs write a space as "+"; ours never leaves a plus sign as it is.
        decoded = list(map(unquote_plus, parts))
        if len(decoded) > 2:
            raise NotFound("the URL has more parts than a topic and a subscriber")
        text, subscriber = [*decoded, None, None][:2]
        return SubscriptionFilter(text=text, subscriber=subscriber)

    def subscriptions_url(self, wanted: SubscriptionFilter) -> str:
        parts = [encode_part(part) for part in (wanted.text, wanted.subscriber) if part is not None]
        return "/".join([SUBSCRIPTIONS_PATH, *parts])

    def filter_for(self, topic: str | None, subscriber: str | None = None) -> SubscriptionFilter:
        text = None if topic is None else _selector_text(topic)
        return SubscriptionFilter(text=text, subscriber=subscriber)

    def subscription_document(self, subscription: Subscription, last_event_id: str) -> dict[str, Any]:
        described = self._described(subscription, active=True)
        return {"@context": CONTEXT, **described, "lastEventID": last_event_id}

    def subscriptions_document(
        self, wanted: SubscriptionFilter, subscriptions: Iterable[Subscription], last_event_id: str
    ) -> dict[str, Any]:
        return {
            "@context": CONTEXT,
            "id": self.subscriptions_url(wanted),
            "type": "Subscriptions",
            "lastEventID": last_event_id,
            "subscriptions": [self._described(subscription, active=True) for subscription in subscriptions],
        }

    def _described(self, subscription: Subscription, *, active: bool) -> dict[str, Any]:
        text, subscriber = subscription.selector.text, subscription.subscriber
        described: dict[str, Any] = {
            "id": self.subscriptions_url(SubscriptionFilter(text=text, subscriber=subscriber)),
            "type": "Subscription",
            "topic": text,
            "subscriber": subscriber,
            "active": active,
        }
        if subscription.payload is not None:
            described["payload"] = subscription.payload
        return described

    def lifetime(self, wanted: float | None) -> float | None:
        return wanted

    def link_target(self, root: str) -> str:
        return root + HUB_PATH

    def link_attributes(self, last_event_id: str) -> Mapping[str, str]:
        return {"last-event-id": last_event_id, "content-type": self.api_content_type}

    def listed(self, document: Mapping[str, Any]) -> list[dict[str, Any]]:
        return list(document["subscriptions"])


def _selector_text(topic: str) -> str:
    """Return what an app calls a topic as a selector of this version."""
    if isinstance(topic, match_urlpattern):
        raise ConfigurationError(
            f"{str(topic)!r} is a URL Pattern, which Mercure 0.x does not know; give a URI template, or set "
            "MERCURE_PROTOCOL to 1.0"
        )
    if isinstance(topic, match_exact) and template_selector(topic).pattern:
        raise ConfigurationError(
            f"{str(topic)!r} is always a URI template in Mercure 0.x; percent-encode its braces, or set "
            "MERCURE_PROTOCOL to 1.0"
        )
    return str(topic)


def _granted_selectors(granted: dict[str, object], action: str) -> tuple[Selector, ...]:
    texts = granted.get(action)
    if texts is None:
        return ()
    if not isinstance(texts, list):
        raise InvalidToken(f"the claim {CLAIM}.{action} is not an array")
    texts = cast("list[object]", texts)
    if len(texts) > MAX_SELECTORS:
        raise InvalidToken(f"the claim {CLAIM}.{action} has more than {MAX_SELECTORS} selectors")
    selectors: list[Selector] = []
    for text in texts:
        if not isinstance(text, str):
            raise InvalidToken(f"the claim {CLAIM}.{action} has an entry that is not a text")
        selectors.append(template_selector(text))
    return tuple(selectors)


def _payload(granted: dict[str, object]) -> object:
    payload = granted.get("payload")
    try:
        json.dumps(payload, allow_nan=False)
    except ValueError as error:
        raise InvalidToken(f"the claim {CLAIM}.payload has a number that JSON cannot write") from error
    return payload


MERCURE_0 = Mercure0()
