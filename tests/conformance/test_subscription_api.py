"""The subscription API as both versions have it (`Mercure, Subscription API`)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from .client import PATIENCE, Stream
from .hub import Hub, bearer

pytestmark = pytest.mark.needs("subscriptions")

Open = Callable[..., Stream]

NAMES = [
    "a/b",
    "a%2Fb",
    "a%b",
    "é二😀",
    "?x=y&z",
    "#x",
    "a;b",
    ".",
    "..",
    "//",
    "'\"<>\\",
    ":id",
    "~-_",
    "{x}",
    "a/../b",
]


def _listed(hub: Hub, path: str = "") -> list[dict[str, Any]]:
    answer = hub.ask(path or hub.api, token=hub.subscriber_token("*"))
    assert answer.status == 200, answer
    return answer.json()["subscriptions"]


def _only(hub: Hub, topic: str) -> dict[str, Any]:
    [subscription] = _listed(hub, hub.version.subscriptions_path(hub.api, topic))
    return subscription


def test_the_collection_lists_every_subscription(
    hub: Hub, topic: str, other_topic: str, open_stream: Open
) -> None:
    """`Mercure, Subscription API`."""
    open_stream(topic, other_topic)
    open_stream(topic)
    listed = [one for one in _listed(hub) if topic in one["id"] or quote(topic, safe="") in one["id"]]
    expected = [hub.version.subscription(hub.api, topic, one["subscriber"], active=True) for one in listed]
    assert listed == expected
    assert len({one["subscriber"] for one in listed}) == 2
    assert [one for one in _listed(hub) if quote(other_topic, safe="") in one["id"]]


def test_the_collection_of_a_topic_lists_its_subscriptions_alone(
    hub: Hub, topic: str, other_topic: str, open_stream: Open
) -> None:
    """`Mercure, Subscription API`."""
    open_stream(topic, other_topic)
    open_stream(other_topic)
    subscription = _only(hub, topic)
    expected = hub.version.subscription(hub.api, topic, subscription["subscriber"], active=True)
    assert subscription == expected


def test_a_collection_is_a_document_of_its_own(hub: Hub, topic: str, open_stream: Open) -> None:
    """`Mercure, Subscription API`."""
    open_stream(topic)
    for path in (hub.api, hub.version.subscriptions_path(hub.api, topic)):
        document = hub.ask(path, token=hub.subscriber_token("*")).json()
        for name in ("lastEventID", "subscriptions"):
            document.pop(name, None)
        assert document == {**hub.version.api_context, "id": path, "type": hub.version.collection_type}


def test_a_subscription_is_a_document_of_its_own(hub: Hub, topic: str, open_stream: Open) -> None:
    """`Mercure, Subscription API`."""
    open_stream(topic)
    listed = _only(hub, topic)
    document = hub.ask(listed["id"], token=hub.subscriber_token("*")).json()
    document.pop("lastEventID", None)
    assert document == {**hub.version.api_context, **listed}


def test_documents_are_of_the_versions_type(hub: Hub, topic: str, open_stream: Open) -> None:
    """`Mercure, Subscription API`."""
    open_stream(topic)
    for path in (hub.api, hub.version.subscriptions_path(hub.api, topic), _only(hub, topic)["id"]):
        answer = hub.ask(path, token=hub.subscriber_token("*"))
        assert (answer.status, answer.content_type) == (200, hub.version.api_content_type)


def test_the_events_tell_the_same_as_the_api(
    hub: Hub, topic: str, watch: Callable[[], Stream], open_stream: Open
) -> None:
    """`Mercure, Subscription API`."""
    watcher = watch()
    open_stream(topic, token=hub.subscriber_token(topic, payload={"a": 1}))
    told = json.loads(watcher.wait_for(lambda event: topic in event.data).data)
    assert told == {**hub.version.api_context, **_only(hub, topic)}


def test_payloads_are_listed(hub: Hub, topic: str, open_stream: Open) -> None:
    """`Mercure, Payloads`."""
    open_stream(topic, token=hub.subscriber_token(topic, payload={"name": "é", "list": [1, None]}))
    subscription = _only(hub, topic)
    assert subscription["payload"] == {"name": "é", "list": [1, None]}
    document = hub.ask(subscription["id"], token=hub.subscriber_token("*")).json()
    assert document["payload"] == subscription["payload"]


def test_a_topic_without_subscribers_is_an_empty_collection(hub: Hub, topic: str) -> None:
    """`Mercure, Subscription API`."""
    assert _listed(hub, hub.version.subscriptions_path(hub.api, topic)) == []


def test_an_unknown_subscriber_is_404(hub: Hub, topic: str, open_stream: Open) -> None:
    """`Mercure, Subscription API`."""
    open_stream(topic)
    unknown = f"{hub.version.subscriptions_path(hub.api, topic)}/urn%3Auuid%3A0"
    assert hub.ask(unknown, token=hub.subscriber_token("*")).status == 404


def test_a_subscription_is_found_at_its_own_topic_only(
    hub: Hub, topic: str, other_topic: str, open_stream: Open
) -> None:
    """`Mercure, Subscription API`."""
    open_stream(topic)
    open_stream(other_topic)
    subscriber = quote(_only(hub, topic)["subscriber"], safe="")
    wrong = f"{hub.version.subscriptions_path(hub.api, other_topic)}/{subscriber}"
    assert hub.ask(wrong, token=hub.subscriber_token("*")).status == 404


def test_a_subscription_that_ended_is_no_longer_listed(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Open
) -> None:
    """`Mercure, Subscription API`."""
    stream = open_stream(topic)
    subscription = _only(hub, topic)
    stream.close()
    publish(topic)  # a hub may learn of it only when it writes
    deadline = time.monotonic() + PATIENCE
    while _listed(hub, hub.version.subscriptions_path(hub.api, topic)):
        assert time.monotonic() < deadline, "still listed"
        time.sleep(0.02)
    answer = hub.ask(subscription["id"], token=hub.subscriber_token("*"))
    assert answer.status == 404 or answer.json()["active"] is False


@pytest.mark.parametrize("name", NAMES)
def test_topics_of_any_characters_are_encoded_once(
    hub: Hub, topic: str, name: str, open_stream: Open
) -> None:
    """`Mercure, Subscription Events`: each part of the path is percent-encoded."""
    topic = f"{topic}/{name}"
    open_stream(topic)
    listed = _only(hub, topic)
    assert listed == hub.version.subscription(hub.api, topic, listed["subscriber"], active=True)
    assert hub.ask(listed["id"], token=hub.subscriber_token(listed["id"])).status == 200


@pytest.mark.parametrize("name", NAMES)
def test_an_encoded_path_is_asked_for_and_granted_as_it_is(
    hub: Hub, topic: str, name: str, open_stream: Open
) -> None:
    """`Mercure, Subscription API`: the grant is of the path as it stands in the request."""
    topic = f"{topic}/{name}"
    open_stream(topic)
    path = hub.version.subscriptions_path(hub.api, topic)
    answer = hub.ask(path, token=hub.subscriber_token(path))
    assert (answer.status, answer.json()["id"]) == (200, path)


def test_without_a_token_the_api_is_closed(hub: Hub, topic: str, open_stream: Open) -> None:
    """`Mercure, Subscription API`: also where anonymous subscribers are let in."""
    open_stream(topic)
    for path in (hub.api, hub.version.subscriptions_path(hub.api, topic), _only(hub, topic)["id"]):
        assert hub.ask(path).status == 401


def test_each_path_needs_a_grant_of_its_own(hub: Hub, topic: str, open_stream: Open) -> None:
    """`Mercure, Subscription API`."""
    open_stream(topic)
    paths = [hub.api, hub.version.subscriptions_path(hub.api, topic), _only(hub, topic)["id"]]
    for granted in paths:
        statuses = [hub.ask(path, token=hub.subscriber_token(granted)).status for path in paths]
        assert statuses[paths.index(granted)] == 200
        assert all(status in (401, 403) for status in statuses if status != 200)
        assert statuses.count(200) == 1


def test_a_grant_of_a_topic_does_not_show_its_subscribers(hub: Hub, topic: str, open_stream: Open) -> None:
    """`Mercure, Subscription API`."""
    open_stream(topic)
    token = hub.subscriber_token(topic)
    for path in (hub.api, hub.version.subscriptions_path(hub.api, topic), _only(hub, topic)["id"]):
        assert hub.ask(path, token=token).status in (401, 403)


def test_the_right_to_publish_shows_no_subscribers(hub: Hub) -> None:
    """`Mercure, Subscription API`."""
    assert hub.ask(hub.api, token=hub.sign(hub.claims(publish=["*"]))).status in (401, 403)


def test_who_may_not_read_learns_nothing_of_what_is_there(hub: Hub, topic: str, open_stream: Open) -> None:
    """`Mercure, Subscription API`: refused before looked up."""
    open_stream(topic)
    there = _only(hub, topic)["id"]
    not_there = there[:-1] + ("0" if there[-1] != "0" else "1")
    for token in (None, hub.subscriber_token(topic)):
        answers = [hub.ask(path, token=token) for path in (there, not_there)]
        assert answers[0].status == answers[1].status
        assert answers[0].body == answers[1].body


@pytest.mark.should
def test_a_valid_token_without_the_grant_is_403(hub: Hub) -> None:
    """`Mercure, Subscription API`."""
    assert hub.ask(hub.api, token=hub.subscriber_token("x")).status == 403


def test_the_cookie_opens_the_api_too(hub: Hub) -> None:
    """`Mercure, Cookie`."""
    cookie = ("Cookie", f"{hub.cookie_name}={hub.subscriber_token(hub.api)}")
    assert hub.ask(hub.api, headers=[cookie]).status == 200


@pytest.mark.parametrize("rest", ["/a/b/c/d/e", "x", "/", "//", "/%", "/%zz", "/a/%FF"])
def test_other_paths_break_nothing(hub: Hub, rest: str) -> None:
    """`Mercure, Subscription API`."""
    answer = hub.ask(hub.api + rest, token=hub.subscriber_token("*"))
    assert answer.status < 500
    assert answer.status != 200 or isinstance(answer.json()["subscriptions"], list)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_the_api_is_only_read(hub: Hub, method: str) -> None:
    """`Mercure, Subscription API`."""
    answer = hub.request(method, hub.api, bearer(hub.subscriber_token("*")), b"")
    assert answer.status in (404, 405)


@pytest.mark.needs("history")
def test_its_cursor_leads_on_without_a_gap(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Open
) -> None:
    """`Mercure, Subscription API`: list, then follow from there."""
    publish(topic)
    stream = open_stream(topic)
    for path in (hub.api, hub.version.subscriptions_path(hub.api, topic), _only(hub, topic)["id"]):
        answer = hub.ask(path, token=hub.subscriber_token("*"))
        cursor = hub.version.cursor(answer)
        id = publish(topic)
        follower = open_stream(topic, headers=[("Last-Event-ID", cursor.encode())])
        # Where many leave at once a cursor may be forgotten; then more comes than was missed, never less.
        follower.until(id)
        follower.close()
    stream.close()


@pytest.mark.choice("the specification does not name ETag")
def test_what_did_not_change_is_not_sent_again(hub: Hub, topic: str) -> None:
    """`RFC 9110, If-None-Match`."""
    path = hub.version.subscriptions_path(hub.api, topic)
    token = hub.subscriber_token("*")
    for _ in range(10):  # subscribers of other tests may still be leaving
        tag = hub.ask(path, token=token).headers["ETag"] or ""
        answer = hub.ask(path, token=token, headers=[("If-None-Match", tag)])
        if answer.status == 304:
            break
    assert (answer.status, answer.body) == (304, b"")


@pytest.mark.choice("the specification does not name ETag")
def test_what_changed_is_sent_again(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Open
) -> None:
    """`RFC 9110, If-None-Match`."""
    path = hub.version.subscriptions_path(hub.api, topic)
    token = hub.subscriber_token("*")
    tag = hub.ask(path, token=token).headers["ETag"] or ""
    assert tag
    open_stream(topic)
    answer = hub.ask(path, token=token, headers=[("If-None-Match", tag)])
    assert (answer.status, len(answer.json()["subscriptions"])) == (200, 1)


@pytest.mark.choice("the reference hub does not say it")
def test_no_cache_keeps_what_a_token_opened(hub: Hub) -> None:
    """`RFC 9111, Storing Responses to Authenticated Requests`."""
    cache = hub.ask(hub.api, token=hub.subscriber_token("*")).headers["Cache-Control"] or ""
    assert "public" not in cache
    assert any(word in cache for word in ("no-cache", "no-store", "must-revalidate"))
