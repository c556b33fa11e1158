"""Publishing with a cookie, as another site's page could make a browser do it (`Mercure, Security Considerations`)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .client import Answer, Headers, Stream
from .hub import Hub, bearer

STRANGERS = {
    "another site": [("Origin", "https://evil.example")],
    "a name that ends alike": [("Origin", "https://evil-app.example")],
    "a name that begins alike": [("Origin", "https://app.example.evil.example")],
    "another scheme": [("Origin", "http://app.example")],
    "another port": [("Origin", "https://app.example:8443")],
    "a hidden origin": [("Origin", "null")],
    "an empty origin": [("Origin", "")],
    "another site's page": [("Referer", "https://evil.example/page?https://app.example/")],
    "a user name that looks like a host": [("Referer", "https://app.example@evil.example/")],
    "a page that is no URL": [("Referer", "app.example")],
    "a port that is no number": [("Referer", "https://app.example:x/")],
    "neither": [],
}


def _post_with_cookie(hub: Hub, topic: str, headers: Headers) -> Answer:
    cookie = ("Cookie", f"{hub.cookie_name}={hub.publisher_token()}")
    return hub.post_as([cookie, *headers], [("topic", topic)])


@pytest.mark.parametrize("headers", STRANGERS.values(), ids=STRANGERS)
def test_a_cookie_does_not_publish_for_a_strangers_page(
    hub: Hub,
    topic: str,
    headers: Headers,
    publish: Callable[..., str],
    open_stream: Callable[..., Stream],
) -> None:
    """`Mercure, Security Considerations`."""
    stream = open_stream(topic)
    assert _post_with_cookie(hub, topic, headers).status in (400, 401, 403)
    assert stream.until(publish(topic)) == []


@pytest.mark.needs("publish_origins")
def test_a_cookie_publishes_for_a_page_of_an_allowed_origin(
    hub: Hub, topic: str, open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Security Considerations`."""
    stream = open_stream(topic)
    answer = _post_with_cookie(hub, topic, [("Origin", hub.publish_origin)])
    assert answer.status == 200
    assert stream.next().id == answer.text


@pytest.mark.should
@pytest.mark.needs("publish_origins")
def test_without_an_origin_the_pages_address_counts(hub: Hub, topic: str) -> None:
    """`Mercure, Security Considerations`."""
    answer = _post_with_cookie(hub, topic, [("Referer", f"{hub.publish_origin}/page?x=y")])
    assert answer.status == 200


@pytest.mark.needs("publish_origins")
def test_the_origin_counts_before_the_pages_address(hub: Hub, topic: str) -> None:
    """`Mercure, Security Considerations`."""
    headers = [("Origin", "https://evil.example"), ("Referer", f"{hub.publish_origin}/page")]
    assert _post_with_cookie(hub, topic, headers).status in (400, 401, 403)


def test_a_header_publishes_from_anywhere(hub: Hub, topic: str) -> None:
    """`Mercure, Security Considerations`: no browser adds it by itself."""
    for headers in STRANGERS.values():
        assert hub.post_as([*bearer(hub.publisher_token()), *headers], [("topic", topic)]).status == 200


@pytest.mark.needs("publish_origins")
def test_an_allowed_page_needs_a_good_cookie_all_the_same(hub: Hub, topic: str) -> None:
    """`Mercure, Cookie`."""
    cookie = ("Cookie", f"{hub.cookie_name}={'rubbish.' * 10}")
    answer = hub.post_as([cookie, ("Origin", hub.publish_origin)], [("topic", topic)])
    assert answer.status == 401
