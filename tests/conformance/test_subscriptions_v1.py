"""Subscription events, payloads and API of Mercure 1.0."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from .client import Stream
from .hub import Hub
from .versions import Grant, detail

pytestmark = pytest.mark.needs("subscriptions")

Open = Callable[..., Stream]


def _path(hub: Hub, match_type: str, match: str) -> str:
    return f"{hub.api}/{match_type}/{quote(match, safe='')}"


def _only(hub: Hub, match_type: str, match: str) -> dict[str, Any]:
    answer = hub.ask(_path(hub, match_type, match), token=hub.subscriber_token("*"))
    [subscription] = answer.json()["subscriptions"]
    return subscription


@pytest.mark.parametrize(
    ("name", "match_type"), [("match", "exact"), ("match_exact", "exact"), ("match_urlpattern", "urlpattern")]
)
def test_a_subscription_tells_its_matcher_and_its_type(
    hub: Hub, topic: str, name: str, match_type: str, watch: Callable[[], Stream], open_stream: Open
) -> None:
    """`Mercure 1.0, Subscription Events`."""
    watcher = watch()
    match = f"{topic}/:id"
    open_stream(query=[(name, match)])
    told = json.loads(watcher.wait_for(lambda event: topic in event.data).data)
    subscriber = told["subscriber"]
    assert told == {
        "id": f"{_path(hub, match_type, match)}/{quote(subscriber, safe='')}",
        "type": "subscription",
        "match_type": match_type,
        "match": match,
        "subscriber": subscriber,
        "active": True,
    }
    assert _only(hub, match_type, match) == told


def test_a_star_and_a_space_are_encoded_in_the_path(hub: Hub, topic: str, open_stream: Open) -> None:
    """`Mercure 1.0, Subscription Events`: `%2A` and `%20`."""
    match = f"a b*+~{topic}"
    open_stream(match)
    assert _only(hub, "exact", match)["id"].startswith(
        f"{hub.api}/exact/a%20b%2A%2B~https%3A%2F%2Fexample.com%2F"
    )


def test_the_matcher_of_all_is_a_subscription_like_any(
    hub: Hub, topic: str, watch: Callable[[], Stream], open_stream: Open
) -> None:
    """`Mercure 1.0, Subscription Events`."""
    watcher = watch()
    open_stream("*", topic)
    subscriber = json.loads(watcher.wait_for(lambda event: topic in event.data).data)["subscriber"]
    path = f"{hub.api}/exact/%2A/{quote(subscriber, safe='')}"
    document = hub.ask(path, token=hub.subscriber_token("*")).json()
    assert (document["id"], document["match"], document["match_type"]) == (path, "*", "exact")


def test_one_text_of_two_types_is_two_subscriptions(hub: Hub, topic: str, open_stream: Open) -> None:
    """`Mercure 1.0, Subscription`."""
    open_stream(query=[("match", topic), ("match_urlpattern", topic)])
    exact, pattern = _only(hub, "exact", topic), _only(hub, "urlpattern", topic)
    assert exact["subscriber"] == pattern["subscriber"]
    assert exact["id"] != pattern["id"]


def test_documents_have_nothing_of_json_ld(hub: Hub, topic: str, open_stream: Open) -> None:
    """`Mercure 1.0, Subscription API`."""
    open_stream(topic)
    for path in (hub.api, _path(hub, "exact", topic), _only(hub, "exact", topic)["id"]):
        document = hub.ask(path, token=hub.subscriber_token("*")).json()
        assert not {"@context", "lastEventID", "topic"} & document.keys()


@pytest.mark.parametrize("match_type", ["Exact", "regexp", "uritemplate", "URLPattern", "*"])
def test_an_unknown_type_of_matcher_is_not_there(hub: Hub, topic: str, match_type: str) -> None:
    """`Mercure 1.0, Subscription API`."""
    answer = hub.ask(f"{hub.api}/{match_type}/{quote(topic, safe='')}", token=hub.subscriber_token("*"))
    assert answer.status in (400, 404)


def test_a_collection_of_a_type_alone_is_none(hub: Hub) -> None:
    """`Mercure 1.0, Subscription API`."""
    assert hub.ask(f"{hub.api}/exact", token=hub.subscriber_token("*")).status in (400, 404)


# Rights


def _pattern(text: str) -> Grant:
    return {"match": text, "match_type": "urlpattern"}


def test_a_grant_of_the_events_does_not_open_the_collections(hub: Hub, topic: str, open_stream: Open) -> None:
    """`Mercure 1.0, Subscription API`."""
    open_stream(topic)
    token = hub.subscriber_token(_pattern(f"{hub.api}/:match_type/:match/:subscriber"))
    assert hub.ask(_only(hub, "exact", topic)["id"], token=token).status == 200
    assert hub.ask(_path(hub, "exact", topic), token=token).status == 403
    assert hub.ask(hub.api, token=token).status == 403


def test_patterns_open_what_they_match(hub: Hub, topic: str, open_stream: Open) -> None:
    """`Mercure 1.0, Subscription API`."""
    open_stream(topic)
    token = hub.subscriber_token(_pattern(f"{hub.api}/exact/:match"))
    assert hub.ask(_path(hub, "exact", topic), token=token).status == 200
    assert hub.ask(_path(hub, "urlpattern", topic), token=token).status == 403
    token = hub.subscriber_token(_pattern(f"{hub.api}*"))
    for path in (hub.api, _path(hub, "exact", topic), _only(hub, "exact", topic)["id"]):
        assert hub.ask(path, token=token).status == 200


def test_an_encoded_slash_is_no_slash_of_the_path(hub: Hub, topic: str, open_stream: Open) -> None:
    """`Mercure 1.0, Subscription API`: the grant is of the encoded path."""
    open_stream(topic)
    decoded = f"{hub.api}/exact/{topic}"
    assert hub.ask(_path(hub, "exact", topic), token=hub.subscriber_token(decoded)).status == 403


def test_the_query_has_no_part_in_it(hub: Hub) -> None:
    """`Mercure 1.0, Subscription API`."""
    answer = hub.ask(f"{hub.api}?x=y", token=hub.subscriber_token(hub.api))
    assert (answer.status, answer.json()["id"]) == (200, hub.api)
    assert hub.ask(f"{hub.api}?x=y", token=hub.subscriber_token(f"{hub.api}?x=y")).status == 403


# The link


def test_each_document_links_to_the_hub_and_names_the_cursor(hub: Hub, topic: str, open_stream: Open) -> None:
    """`Mercure 1.0, Subscription API`."""
    open_stream(topic)
    for path in (hub.api, _path(hub, "exact", topic), _only(hub, "exact", topic)["id"]):
        link = hub.ask(path, token=hub.subscriber_token("*")).headers["Link"]
        target, _end, parameters = link.partition(">")
        assert target.removeprefix("<") in (hub.path, hub.url)
        assert '; rel="mercure"' in parameters
        assert '; last-event-id="' in parameters


@pytest.mark.should
def test_the_link_tells_the_type_of_the_updates(hub: Hub) -> None:
    """`Mercure 1.0, Subscription API`."""
    link = hub.ask(hub.api, token=hub.subscriber_token("*")).headers["Link"]
    assert '; type="mercure"' in link
    assert '; content-type="application/json"' in link


def test_the_link_quotes_the_cursor(hub: Hub, topic: str, publish: Callable[..., str]) -> None:
    """`RFC 8288, The Link Header Field`."""
    for _ in range(10):  # subscribers of other tests may still be leaving
        id = publish(topic, id=f'{topic}/"quoted" \\ and; rel="evil", <x>')
        answer = hub.ask(hub.api, token=hub.subscriber_token("*"))
        if (cursor := hub.version.cursor(answer)) == id:
            break
    assert cursor == id


@pytest.mark.choice("the specification does not name ETag")
def test_the_tag_is_a_quoted_text(hub: Hub, topic: str, publish: Callable[..., str]) -> None:
    """`RFC 9110, ETag`."""
    publish(topic, id=f'{topic}/"x" %')
    tag = hub.ask(hub.api, token=hub.subscriber_token("*")).headers["ETag"] or ""
    assert tag
    assert tag.removeprefix("W/")[0] == tag[-1] == '"'
    assert not set(tag.removeprefix("W/")[1:-1]) & {'"', " ", "\x7f"}


@pytest.mark.needs("cors")
def test_a_page_may_read_the_link(hub: Hub) -> None:
    """`Mercure 1.0, Subscription API`."""
    origin = ("Origin", hub.cors_origin)
    answer = hub.ask(hub.api, token=hub.subscriber_token("*"), headers=[origin])
    exposed = answer.headers["Access-Control-Expose-Headers"].lower().split(",")
    assert "link" in [name.strip() for name in exposed]


# Payloads

A, B = {"a": 1}, {"b": [2]}

PAYLOADS: dict[str, tuple[list[tuple[Any, Any, Any]], Any]] = {
    "of the detail that matches": ([(["subscribe"], "{topic}", A)], A),
    "not of one that does not match": ([(["subscribe"], "{topic}/x", A)], None),
    "of the first that matches": ([(["subscribe"], "{topic}", A), (["subscribe"], "{topic}", B)], A),
    "of a later one that matches": ([(["subscribe"], "{topic}/x", A), (["subscribe"], "{topic}", B)], B),
    "of the first although it has none": (
        [(["subscribe"], "{topic}", None), (["subscribe"], "{topic}", B)],
        None,
    ),
    "of one that grants all": ([(["subscribe"], "*", A)], A),
    "of one that grants all before one that names it": (
        [(["subscribe"], "*", A), (["subscribe"], "{topic}", B)],
        A,
    ),
    "of a pattern that matches": ([(["subscribe"], "{pattern}", A)], A),
    "not of one to publish": ([(["publish"], "{topic}", A)], None),
    "of one to do both": ([(["publish", "subscribe"], "{topic}", A)], A),
    "not of one to publish that comes first": (
        [(["publish"], "{topic}", A), (["subscribe"], "{topic}", B)],
        B,
    ),
}


@pytest.mark.parametrize(("details", "expected"), PAYLOADS.values(), ids=PAYLOADS)
def test_the_payload_is_that_of_the_first_detail_that_matches(
    hub: Hub, topic: str, details: list[tuple[Any, str, Any]], expected: Any, open_stream: Open
) -> None:
    """`Mercure 1.0, Payloads`."""
    topic = f"{topic}/1"
    entries = []
    for actions, match, payload in details:
        grant: Grant = _pattern(f"{topic[:-2]}/:id") if match == "{pattern}" else match.format(topic=topic)
        entries.append(detail(actions, [grant], **({} if payload is None else {"payload": payload})))
    open_stream(topic, token=hub.sign({**hub.claims(), "authorization_details": entries}))
    assert _only(hub, "exact", topic).get("payload") == expected


def test_each_subscription_has_the_payload_of_its_own_detail(
    hub: Hub, topic: str, other_topic: str, open_stream: Open
) -> None:
    """`Mercure 1.0, Payloads`."""
    entries = [detail(["subscribe"], [topic], payload=A), detail(["subscribe"], [other_topic], payload=B)]
    open_stream(topic, other_topic, token=hub.sign({**hub.claims(), "authorization_details": entries}))
    assert _only(hub, "exact", topic)["payload"] == A
    assert _only(hub, "exact", other_topic)["payload"] == B


def test_a_pattern_gets_the_payload_of_the_detail_that_matches_its_text(
    hub: Hub, topic: str, open_stream: Open
) -> None:
    """`Mercure 1.0, Payloads`: its text is taken as a topic, what it could match does not count."""
    pattern = f"{topic}/:id"
    entries = [
        detail(["subscribe"], [f"{topic}/1"], payload=B),
        detail(["subscribe"], [pattern], payload=A),
    ]
    open_stream(
        query=[("match_urlpattern", pattern)],
        token=hub.sign({**hub.claims(), "authorization_details": entries}),
    )
    assert _only(hub, "urlpattern", pattern)["payload"] == A
