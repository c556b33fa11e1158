"""Hubs of this package that let no anonymous subscribers in and tell nobody who reads what."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import targets
from .client import Stream
from .hub import Hub


@pytest.fixture(scope="module", params=["0.x", "1.0"])
def closed_hub(request: pytest.FixtureRequest) -> Iterator[Hub]:
    """A hub with everything off that can be."""
    switches = ("--no-allow-anonymous", "--no-subscriptions", "--cors-origins", "", "--publish-origins", "")
    with targets.standalone(request.param, switches=switches) as url:
        yield targets.described(url, request.param)


def test_without_a_token_nobody_subscribes(closed_hub: Hub, topic: str) -> None:
    """`Mercure, Authorization`; `Mercure 1.0, Error Responses`."""
    for query in (closed_hub.exactly(topic), closed_hub.exactly("*")):
        answer = closed_hub.subscribe(query)
        assert answer.status == 401
        assert not answer.challenge or "error" not in answer.challenge.parameters


def test_with_any_good_token_public_updates_are_open(closed_hub: Hub, topic: str) -> None:
    """`Mercure, Subscribers`."""
    stream = closed_hub.stream(closed_hub.exactly(topic), token=closed_hub.subscriber_token())
    try:
        stream.wait_for_comment()
        closed_hub.post([("topic", topic), ("private", "on")])
        assert stream.until(closed_hub.post([("topic", topic)]).text) == []
    finally:
        stream.close()


def test_the_subscription_api_is_not_there(closed_hub: Hub, topic: str) -> None:
    """`Mercure, Subscription API`."""
    for path in (closed_hub.api, closed_hub.version.subscriptions_path(closed_hub.api, topic)):
        assert closed_hub.ask(path, token=closed_hub.subscriber_token("*")).status == 404


def test_nobody_is_told_who_reads_what(closed_hub: Hub, topic: str) -> None:
    """`Mercure, Subscription Events`."""
    every, _grant = closed_hub.version.every_subscription(closed_hub.api)
    token = closed_hub.subscriber_token("*")
    query = [*closed_hub.exactly("*"), every]
    watcher = closed_hub.stream(query, token=token)
    reader: Stream | None = None
    try:
        watcher.wait_for_comment()
        reader = closed_hub.stream(closed_hub.exactly(topic), token=token)
        reader.wait_for_comment()
        assert watcher.until(closed_hub.post([("topic", topic)]).text) == []
    finally:
        watcher.close()
        if reader:
            reader.close()


def test_its_description_says_so(closed_hub: Hub) -> None:
    """`Mercure 1.0, Protected Resource Metadata`: a hub of 0.x has none."""
    answer = closed_hub.ask(f"/.well-known/oauth-protected-resource{closed_hub.path}")
    if closed_hub.protocol == "0.x":
        assert answer.status == 404
    else:
        assert not answer.json().get("mercure_subscriptions")


def test_no_page_of_another_origin_may_use_it(closed_hub: Hub, topic: str) -> None:
    """`Mercure, Subscription`."""
    answer = closed_hub.subscribe(
        closed_hub.exactly(topic), token=closed_hub.subscriber_token(), headers=[("Origin", targets.PAGE)]
    )
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] is None


def test_no_page_publishes_with_a_cookie_not_even_its_own(closed_hub: Hub, topic: str) -> None:
    """`Mercure, Security Considerations`."""
    cookie = ("Cookie", f"{closed_hub.cookie_name}={closed_hub.publisher_token()}")
    for origin in (targets.PAGE, closed_hub.origin, "null"):
        answer = closed_hub.post_as([cookie, ("Origin", origin)], [("topic", topic)])
        assert answer.status in (400, 401, 403)
