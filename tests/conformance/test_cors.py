"""Which other origins' pages may use the hub (`Mercure, Subscription`; `Fetch, CORS protocol`)."""

from __future__ import annotations

import pytest

from .client import Answer
from .hub import Hub, bearer

pytestmark = pytest.mark.needs("cors")

STRANGERS = [
    "https://evil.example",
    "https://evil-app.example",
    "https://app.example.evil.example",
    "https://sub.app.example",
    "http://app.example",
    "https://app.example:8443",
    "https://app.example/",
    "null",
    "*",
    "true",
    "",
]

REQUESTS = {"a stream": "GET", "a preflight": "OPTIONS", "an update": "POST"}


def _ask(hub: Hub, method: str, origin: str, topic: str) -> Answer:
    headers = [("Origin", origin)]
    if method == "OPTIONS":
        headers += [
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "authorization"),
        ]
        return hub.request("OPTIONS", headers=headers)
    if method == "POST":
        return hub.post([("topic", topic)], headers=headers)
    return hub.subscribe(hub.exactly(topic), headers=headers)


@pytest.mark.parametrize("method", REQUESTS.values(), ids=REQUESTS)
def test_an_allowed_origin_is_named_and_gets_credentials(hub: Hub, topic: str, method: str) -> None:
    """`Mercure, Subscription`."""
    headers = _ask(hub, method, hub.cors_origin, topic).headers
    assert headers["Access-Control-Allow-Origin"] == hub.cors_origin
    assert headers["Access-Control-Allow-Credentials"] == "true"


@pytest.mark.parametrize("method", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("origin", STRANGERS)
def test_no_other_origin_is_allowed_or_reflected(hub: Hub, topic: str, method: str, origin: str) -> None:
    """`Mercure, Subscription`: never a wildcard, never whatever was sent."""
    headers = _ask(hub, method, origin, topic).headers
    assert headers["Access-Control-Allow-Origin"] in (None, hub.cors_origin)
    assert headers["Access-Control-Allow-Credentials"] is None or headers["Access-Control-Allow-Origin"]


@pytest.mark.should
@pytest.mark.parametrize("origin", ["https://evil.example", None])
@pytest.mark.parametrize("method", REQUESTS.values(), ids=REQUESTS)
def test_caches_are_told_that_the_answer_depends_on_the_origin(
    hub: Hub, topic: str, method: str, origin: str | None
) -> None:
    """`Fetch, CORS protocol and HTTP caches`."""
    answer = _ask(hub, method, hub.cors_origin if origin is None else origin, topic)
    assert "origin" in ", ".join(answer.headers.get_all("Vary", [])).lower()


@pytest.mark.parametrize("header", ["authorization", "cache-control", "last-event-id"])
def test_a_preflight_allows_the_headers_that_clients_send(hub: Hub, header: str) -> None:
    """`Mercure, Subscription`."""
    asked = [("Access-Control-Request-Method", "GET"), ("Access-Control-Request-Headers", header)]
    answer = hub.request("OPTIONS", headers=[("Origin", hub.cors_origin), *asked])
    assert answer.status in (200, 204)
    assert header in _names(answer, "Access-Control-Allow-Headers")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_preflight_allows_the_methods_of_the_hub(hub: Hub, method: str) -> None:
    """`Mercure, Subscription`."""
    asked = [("Access-Control-Request-Method", method), ("Access-Control-Request-Headers", "authorization")]
    answer = hub.request("OPTIONS", headers=[("Origin", hub.cors_origin), *asked])
    assert answer.status in (200, 204)
    # Of these two a browser needs no permission; a hub may name them all the same.
    assert _names(answer, "Access-Control-Allow-Methods") <= {"get", "head", "post", "query", "options"}


def test_a_preflight_needs_no_token(hub: Hub) -> None:
    """`Fetch, CORS-preflight request`: it carries no credentials."""
    asked = [("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "authorization")]
    assert hub.request("OPTIONS", headers=[("Origin", hub.cors_origin), *asked]).status in (200, 204)


@pytest.mark.should
def test_a_page_may_read_why_it_was_refused(hub: Hub, topic: str) -> None:
    """`Fetch, CORS check`."""
    for answer in (
        hub.subscribe("", headers=[("Origin", hub.cors_origin)]),
        hub.subscribe(hub.exactly(topic), headers=[("Origin", hub.cors_origin), *bearer("rubbish." * 10)]),
    ):
        assert answer.status in (400, 401)
        assert answer.headers["Access-Control-Allow-Origin"] == hub.cors_origin


@pytest.mark.needs("subscriptions")
def test_a_page_may_read_the_subscription_api(hub: Hub) -> None:
    """`Mercure, Subscription API`."""
    answer = hub.ask(hub.api, token=hub.subscriber_token("*"), headers=[("Origin", hub.cors_origin)])
    assert answer.headers["Access-Control-Allow-Origin"] == hub.cors_origin


@pytest.mark.choice("the specification names Link alone; a page needs the cursor too")
def test_a_page_may_read_the_cursor(hub: Hub, topic: str) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`."""
    answer = _ask(hub, "GET", hub.cors_origin, topic)
    assert hub.version.cursor_answer.lower() in _names(answer, "Access-Control-Expose-Headers")


def _names(answer: Answer, header: str) -> set[str]:
    values = ",".join(answer.headers.get_all(header, []))
    return {name.strip().lower() for name in values.split(",") if name.strip()}
