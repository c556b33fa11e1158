"""One hub of this package for both versions, for the time of a move: neither opens the other's doors."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from . import targets
from .client import FORM, Stream, encoded
from .hub import Hub

OLD, NEW = "0.x", "1.0"

Hubs = dict[str, Hub]


@pytest.fixture(scope="module")
def hubs() -> Iterator[Hubs]:
    """The one hub, as a client of each version sees it."""
    with targets.standalone("both") as url:
        yield {protocol: targets.described(url, protocol) for protocol in (OLD, NEW)}


@pytest.fixture
def streams() -> Iterator[Callable[..., Stream]]:
    """Open streams that end with the test."""
    opened: list[Stream] = []

    def open_stream(hub: Hub, *topics: str, **options: object) -> Stream:
        opened.append(hub.stream(hub.exactly(*topics), **options))  # pyright: ignore[reportArgumentType]
        assert opened[-1].is_open, opened[-1].answer()
        opened[-1].wait_for_comment()
        return opened[-1]

    yield open_stream
    for stream in opened:
        stream.close()


@pytest.mark.parametrize("publisher", [OLD, NEW])
def test_subscribers_of_both_versions_get_what_a_publisher_of_either_sends(
    hubs: Hubs, topic: str, publisher: str, streams: Callable[..., Stream]
) -> None:
    """`Mercure 1.0, Publication`: its form is that of 0.x."""
    readers = [streams(hub, topic) for hub in hubs.values()]
    answer = hubs[publisher].post([("topic", topic), ("data", "x")])
    assert answer.status == 200
    assert [reader.next().id for reader in readers] == [answer.text] * 2


@pytest.mark.parametrize("protocol", [OLD, NEW])
def test_each_versions_token_opens_private_updates_to_its_own_parameters(
    hubs: Hubs, topic: str, protocol: str, streams: Callable[..., Stream]
) -> None:
    """`Mercure, Subscribers`."""
    hub = hubs[protocol]
    stream = streams(hub, topic, token=hub.subscriber_token(topic))
    assert hub.post([("topic", topic), ("private", "on")]).text == stream.next().id


@pytest.mark.parametrize(("spoken", "presented"), [(OLD, NEW), (NEW, OLD)])
@pytest.mark.parametrize("way", ["header", "cookie of the token", "cookie of the parameters", "query"])
def test_a_token_of_one_version_grants_nothing_with_the_parameters_of_the_other(
    hubs: Hubs, topic: str, spoken: str, presented: str, way: str, streams: Callable[..., Stream]
) -> None:
    """`Mercure, Subscribers`."""
    hub, token = hubs[spoken], hubs[presented].subscriber_token("*")
    cookies = {
        "cookie of the token": hubs[presented].cookie_name,
        "cookie of the parameters": hub.cookie_name,
    }
    query = [("authorization", token)] if way == "query" else []
    headers = [("Authorization", f"Bearer {token}")] if way == "header" else []
    headers += [("Cookie", f"{cookies[way]}={token}")] if way in cookies else []
    stream = hub.stream([*hub.exactly(topic), *query], headers=headers)
    try:
        assert stream.status in (200, 400, 401)
        if stream.status == 200:
            stream.wait_for_comment()
            hub.post([("topic", topic), ("private", "on")])
            assert stream.until(hub.post([("topic", topic)]).text) == []
    finally:
        stream.close()


MIXED = [
    [("topic", "x"), ("match", "x")],
    [("match", "x"), ("topic", "x")],
    [("topic", "x"), ("match_exact", "x")],
    [("topic", "x"), ("match_urlpattern", "x")],
]


@pytest.mark.parametrize("query", MIXED)
def test_parameters_of_both_versions_in_one_request_are_refused(
    hubs: Hubs, query: list[tuple[str, str]]
) -> None:
    """`Mercure 1.0, Subscription`."""
    assert hubs[OLD].subscribe(query).status == 400


def test_parameters_of_both_versions_in_url_and_body_are_refused(hubs: Hubs) -> None:
    """`Mercure 1.0, Subscription`."""
    body = encoded([("match", "x")]).encode()
    options = {"method": "QUERY", "headers": [("Content-Type", FORM)], "body": body}
    assert hubs[NEW].subscribe("topic=x", **options).status == 400


def test_parameters_of_no_version_are_refused(hubs: Hubs) -> None:
    """`Mercure, Subscription`."""
    assert hubs[OLD].subscribe("").status == 400


@pytest.mark.parametrize("protocol", [OLD, NEW])
def test_each_version_has_its_own_parameter_and_answer_for_coming_back(
    hubs: Hubs, topic: str, protocol: str, streams: Callable[..., Stream]
) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`."""
    hub = hubs[protocol]
    ids = [hub.post([("topic", topic)]).text for _ in range(2)]
    stream = hub.stream([*hub.exactly(topic), hub.cursor(ids[0])])
    try:
        assert stream.headers[hub.version.cursor_answer] == ids[0]
        assert stream.next().id == ids[1]
    finally:
        stream.close()


@pytest.mark.parametrize("protocol", [OLD, NEW])
def test_each_version_says_no_in_its_own_way(hubs: Hubs, topic: str, protocol: str) -> None:
    """`Mercure, Publishers`; `Mercure 1.0, Error Responses`."""
    hub = hubs[protocol]
    assert hub.post([("topic", topic)], token=hub.publisher_token(f"{topic}/x")).status == 403
    assert hub.post([("topic", topic)], token="rubbish." * 10).status == 401
    assert hub.post([("topic", f"{hub.path}/x")]).status == (403 if protocol == OLD else 400)


@pytest.mark.parametrize("protocol", [OLD, NEW])
def test_each_versions_token_reads_the_subscription_api_in_its_own_form(
    hubs: Hubs, topic: str, protocol: str, streams: Callable[..., Stream]
) -> None:
    """`Mercure, Subscription API`."""
    hub = hubs[protocol]
    streams(hub, topic)
    path = hub.version.subscriptions_path(hub.api, topic)
    answer = hub.ask(path, token=hub.subscriber_token(path))
    assert (answer.status, answer.content_type) == (200, hub.version.api_content_type)
    [subscription] = answer.json()["subscriptions"]
    expected = hub.version.subscription(hub.api, topic, subscription["subscriber"], active=True)
    assert subscription == expected


def test_it_describes_itself(hubs: Hubs) -> None:
    """`Mercure 1.0, Protected Resource Metadata`."""
    hub = hubs[NEW]
    document = hub.ask(f"/.well-known/oauth-protected-resource{hub.path}").json()
    assert document["resource"] == hub.url


def test_a_token_with_the_rights_of_both_versions_is_read_in_one_way(hubs: Hubs, topic: str) -> None:
    """`Mercure 1.0, Authorization Details`: what one version refuses, the other's claims do not open."""
    new = hubs[NEW]
    claims = {**new.claims(publish=[f"{topic}/x"]), "mercure": {"publish": ["*"]}}
    assert new.post([("topic", topic)], token=new.sign(claims, new.publisher_key)).status == 403
