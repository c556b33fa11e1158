"""What a client has to know of each version of the protocol: names, claims, places."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from .client import Answer

AUTHORIZATION_DETAIL = "https://mercure.rocks/authorization-detail"

Grant = str | dict[str, Any]
"""What a token grants: a topic (``*`` for all); in 0.x also a URI template, in 1.0 also a matcher object."""


class Version0:
    """`draft-dunglas-mercure-07`, as hubs up to 0.24 speak it."""

    protocol = "0.x"
    topic_parameter = "topic"
    cursor_parameter = "lastEventID"
    cursor_answer = "Last-Event-ID"
    cookie_name = "mercureAuthorization"
    token_header: ClassVar[dict[str, object]] = {}
    api_content_type = "application/ld+json"
    api_context: ClassVar[dict[str, str]] = {"@context": "https://mercure.rocks/"}
    collection_type = "Subscriptions"
    event_type = "message"
    bad_presentation = 401

    def claims(
        self,
        *,
        publish: Sequence[Grant] = (),
        subscribe: Sequence[Grant] = (),
        payload: object = None,
        issuer: str,
        audience: str,
    ) -> dict[str, Any]:
        granted: dict[str, Any] = {"publish": list(publish), "subscribe": list(subscribe)}
        if payload is not None:
            granted["payload"] = payload
        return {"mercure": granted, "exp": int(time.time()) + 600}

    def subscriptions_path(self, api: str, topic: str) -> str:
        """Return the path of the subscriptions to one topic."""
        return f"{api}/{quote(topic, safe='')}"

    def subscription(self, api: str, topic: str, subscriber: str, **more: object) -> dict[str, Any]:
        """Return what describes one subscription to a topic, in events and in the API."""
        return {
            "id": f"{self.subscriptions_path(api, topic)}/{quote(subscriber, safe='')}",
            "type": "Subscription",
            "topic": topic,
            "subscriber": subscriber,
            **more,
        }

    def cursor(self, answer: Answer) -> str:
        """Return the id that an answer of the API gives for following from there."""
        return answer.json()["lastEventID"]

    def every_subscription(self, api: str) -> tuple[tuple[str, str], Grant]:
        """Return a query parameter that follows all subscription events, and the grant for them."""
        template = f"{api}/{{topic}}/{{subscriber}}"
        return ("topic", template), template


class Version1:
    """`draft-dunglas-mercure-08`, Mercure 1.0."""

    protocol = "1.0"
    topic_parameter = "match"
    cursor_parameter = "last_event_id"
    cursor_answer = "Mercure-Last-Event-ID"
    cookie_name = "__Secure-mercure_access_token"
    token_header: ClassVar[dict[str, object]] = {"typ": "at+jwt"}
    api_content_type = "application/json"
    api_context: ClassVar[dict[str, str]] = {}
    collection_type = "subscriptions"
    event_type = "mercure"
    bad_presentation = 400

    def claims(
        self,
        *,
        publish: Sequence[Grant] = (),
        subscribe: Sequence[Grant] = (),
        payload: object = None,
        issuer: str,
        audience: str,
    ) -> dict[str, Any]:
        now = int(time.time())
        details: list[dict[str, Any]] = []
        for action, grants in (("publish", publish), ("subscribe", subscribe)):
            if grants:
                details.append(detail([action], grants))
                if payload is not None:
                    details[-1]["payload"] = payload
        return {
            "iss": issuer,
            "aud": audience,
            "sub": "conformance",
            "client_id": "https://client.example",
            "iat": now,
            "exp": now + 600,
            "jti": f"urn:uuid:{uuid.uuid4()}",
            "authorization_details": details,
        }

    def subscriptions_path(self, api: str, topic: str) -> str:
        """Return the path of the subscriptions to one topic."""
        return f"{api}/exact/{quote(topic, safe='')}"

    def subscription(self, api: str, topic: str, subscriber: str, **more: object) -> dict[str, Any]:
        """Return what describes one subscription to a topic, in events and in the API."""
        return {
            "id": f"{self.subscriptions_path(api, topic)}/{quote(subscriber, safe='')}",
            "type": "subscription",
            "match_type": "exact",
            "match": topic,
            "subscriber": subscriber,
            **more,
        }

    def cursor(self, answer: Answer) -> str:
        """Return the id that an answer of the API gives for following from there."""
        [cursor] = re.findall(r';\s*last-event-id="((?:[^"\\]|\\.)*)"', answer.headers["Link"])
        return re.sub(r"\\(.)", r"\1", cursor)

    def every_subscription(self, api: str) -> tuple[tuple[str, str], Grant]:
        """Return a query parameter that follows all subscription events, and the grant for them."""
        pattern = f"{api}/:match_type/:match/:subscriber"
        return ("match_urlpattern", pattern), {"match": pattern, "match_type": "urlpattern"}


def detail(actions: object, grants: Sequence[Grant], **more: object) -> dict[str, Any]:
    """Return one entry of ``authorization_details``."""
    topics = [{"match": grant} if isinstance(grant, str) else grant for grant in grants]
    return {"type": AUTHORIZATION_DETAIL, "actions": actions, "topics": topics, **more}


Version = Version0 | Version1
VERSIONS: dict[str, Version] = {"0.x": Version0(), "1.0": Version1()}
