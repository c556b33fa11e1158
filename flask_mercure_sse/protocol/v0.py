"""Mercure 0.x, as deployed hubs speak it (`draft-dunglas-mercure-07`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from .errors import Forbidden, InvalidRequest, InvalidUpdate, Unauthorized
from .forms import Fields, first
from .ids import new_urn
from .reserved import is_reserved
from .selectors import Selector
from .subscriptions import Subscription, encode_part
from .text import text_problem
from .tokens import Claims, Rights
from .update import Update
from .version import HUB_PATH, SubscribeRequest

CLAIM = "mercure"
NAMESPACED_CLAIM = "https://mercure.rocks/"
CONTEXT = "https://mercure.rocks/"
SUBSCRIPTIONS_PATH = f"{HUB_PATH}/subscriptions"

MAX_SELECTORS = 1000
MAX_TOPICS = 1000
MAX_TEMPLATES = 100
"""URI templates of one subscriber: unlike exact topics, each costs time with every publication."""

MAX_EXPRESSIONS = 64
"""Expressions of one URI template that a client may send."""

MAX_SELECTOR_LENGTH = 4096
"""Characters of one selector that a client may send."""


class Mercure0:
    """The rules of Mercure 0.x; see :class:`~flask_mercure_sse.protocol.version.ProtocolVersion`."""

    name = "0.x"
    cookie_name = "mercureAuthorization"
    last_event_id_header = "Last-Event-ID"
    api_content_type = "application/ld+json"

    def selector(self, text: str) -> Selector:
        return Selector(text)

    # Subscribing

    def url_query(self, topics: Sequence[str], token: str | None = None) -> Fields:
        query = [("topic", topic) for topic in topics]
        return [*query, ("authorization", token)] if token else query

    def subscribe_request(self, query: Fields, last_event_id: str | None) -> SubscribeRequest:
        texts = dict.fromkeys(value for name, value in query if name == "topic")
        if not texts:
            raise InvalidRequest('the parameter "topic" is missing')
        if len(texts) > MAX_SELECTORS:
            raise InvalidRequest(f'more than {MAX_SELECTORS} parameters "topic"')
        for text in texts:
            if len(text) > MAX_SELECTOR_LENGTH:
                raise InvalidRequest(f'a parameter "topic" is longer than {MAX_SELECTOR_LENGTH} characters')
            if problem := text_problem(text):
                raise InvalidRequest(f'the parameter "topic" {problem}')
        selectors = tuple(map(self.selector, texts))
        templates = [selector.template for selector in selectors if selector.template]
        if len(templates) > MAX_TEMPLATES:
            raise InvalidRequest(f'more than {MAX_TEMPLATES} parameters "topic" are URI templates')
        if any(template.expressions > MAX_EXPRESSIONS for template in templates):
            raise InvalidRequest(f'a parameter "topic" has more than {MAX_EXPRESSIONS} expressions')
        return SubscribeRequest(
            selectors=selectors,
            last_event_id=last_event_id or first(query, "lastEventID") or None,
        )

    # Publishing

    def update(self, form: Fields) -> Update:
        topics = tuple(value for name, value in form if name == "topic")
        if len(topics) > MAX_TOPICS:
            raise InvalidUpdate("topic", f"is given {len(topics)} times, more than {MAX_TOPICS}")
        if any(is_reserved(topic, HUB_PATH) for topic in topics if topic):
            raise Forbidden("a topic lies in the hub's reserved namespace")
        return Update(
            topics,
            data=first(form, "data") or "",
            private=first(form, "private") is not None,
            id=first(form, "id") or new_urn(),
            type=first(form, "type") or None,
            retry=_retry(first(form, "retry")),
        )

    def publish_form(self, update: Update) -> Fields:
        form = [("topic", topic) for topic in update.topics]
        form += [("data", update.data), ("id", update.id)]
        if update.private:
            form.append(("private", "on"))
        if update.type:
            form.append(("type", update.type))
        if update.retry is not None:
            form.append(("retry", str(update.retry)))
        return form

    # Authorization

    def claims(
        self, *, publish: Sequence[str] = (), subscribe: Sequence[str] = (), payload: object = None
    ) -> dict[str, Any]:
        granted: dict[str, Any] = {}
        if publish:
            granted["publish"] = list(publish)
        if subscribe:
            granted["subscribe"] = list(subscribe)
        if payload is not None:
            granted["payload"] = payload
        return {CLAIM: granted}

    def rights(self, claims: Claims, expires_at: float | None = None) -> Rights:
        granted: object = claims.get(NAMESPACED_CLAIM, claims.get(CLAIM, {}))
        if not isinstance(granted, dict):
            raise Unauthorized(f"the claim {CLAIM} is not an object")
        granted = cast("dict[str, object]", granted)
        return Rights(
            publish=self._granted_selectors(granted, "publish"),
            subscribe=self._granted_selectors(granted, "subscribe"),
            payload=_payload(granted),
            expires_at=expires_at,
        )

    def _granted_selectors(self, granted: dict[str, object], action: str) -> tuple[Selector, ...]:
        texts = granted.get(action)
        if texts is None:
            return ()
        if not isinstance(texts, list):
            raise Unauthorized(f"the claim {CLAIM}.{action} is not an array")
        texts = cast("list[object]", texts)
        if len(texts) > MAX_SELECTORS:
            raise Unauthorized(f"the claim {CLAIM}.{action} has more than {MAX_SELECTORS} selectors")
        selectors: list[Selector] = []
        for text in texts:
            if not isinstance(text, str):
                raise Unauthorized(f"the claim {CLAIM}.{action} has an entry that is not a text")
            selectors.append(self.selector(text))
        return tuple(selectors)

    def token(
        self, authorization: str | None, query: Fields, cookies: Mapping[str, str], cookie_name: str | None
    ) -> str | None:
        if authorization is not None:
            scheme, _space, token = authorization.partition(" ")
            if scheme.lower() != "bearer" or not token.strip():
                raise Unauthorized("the Authorization header holds no bearer token")
            return token.strip()
        in_query = first(query, "authorization")
        if in_query is not None:
            return in_query
        return cookies.get(cookie_name) if cookie_name else None

    # Subscription events and API

    def subscription_topic(self, selector: str, subscriber: str | None = None) -> str:
        last = encode_part(subscriber) if subscriber else "{subscriber}"
        return f"{SUBSCRIPTIONS_PATH}/{encode_part(selector)}/{last}"

    def subscription_update(self, subscription: Subscription, *, active: bool) -> Update:
        body = {"@context": CONTEXT, **_described(self, subscription, active=active)}
        topic = self.subscription_topic(subscription.selector, subscription.subscriber)
        return Update((topic,), data=json.dumps(body), private=True)

    def subscriptions_url(self, selector: str | None = None, subscriber: str | None = None) -> str:
        parts = [encode_part(part) for part in (selector, subscriber) if part is not None]
        return "/".join([SUBSCRIPTIONS_PATH, *parts])

    def subscription_document(self, subscription: Subscription, last_event_id: str) -> dict[str, Any]:
        described = _described(self, subscription, active=True)
        return {"@context": CONTEXT, **described, "lastEventID": last_event_id}

    def subscriptions_document(
        self, selector: str | None, subscriptions: Iterable[Subscription], last_event_id: str
    ) -> dict[str, Any]:
        return {
            "@context": CONTEXT,
            "id": self.subscriptions_url(selector),
            "type": "Subscriptions",
            "lastEventID": last_event_id,
            "subscriptions": [_described(self, subscription, active=True) for subscription in subscriptions],
        }


def _described(version: Mercure0, subscription: Subscription, *, active: bool) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": version.subscription_topic(subscription.selector, subscription.subscriber),
        "type": "Subscription",
        "topic": subscription.selector,
        "subscriber": subscription.subscriber,
        "active": active,
    }
    if subscription.payload is not None:
        described["payload"] = subscription.payload
    return described


def _payload(granted: dict[str, object]) -> object:
    payload = granted.get("payload")
    try:
        json.dumps(payload, allow_nan=False)
    except ValueError as error:
        raise Unauthorized(f"the claim {CLAIM}.payload has a number that JSON cannot write") from error
    return payload


def _retry(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 19:
        raise InvalidUpdate("retry", f"{text[:40]!r} is not a number of milliseconds")
    return int(text)


MERCURE_0 = Mercure0()
