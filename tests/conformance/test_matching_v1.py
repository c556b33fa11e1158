"""Matchers of Mercure 1.0: exact and URL patterns (`Mercure 1.0, Matcher Types`)."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from .client import Stream
from .hub import Hub

Matches = Callable[..., bool]

MATCHING = [
    ("/books/:id", "/books/1"),
    ("/books/:id", "/books/a%20b"),
    ("/books/:id", "/books/a:b@c"),
    ("/books/:id", "/books/1?x=y"),
    ("/books/:id", "/books/1#part"),
    ("/books/:id?", "/books"),
    ("/books/:id?", "/books/1"),
    ("/books/:id+", "/books/1/2/3"),
    ("/books/:id*", "/books"),
    ("/books/*", "/books/1/2/3"),
    ("/books/*", "/books/"),
    ("/books{/:id}?", "/books"),
    ("/books{/:id}?", "/books/1"),
    ("/books/(\\d+)", "/books/123"),
    ("/books/:id(\\d+)", "/books/123"),
    ("/books/:id([a-z]+)", "/books/abc"),
    ("/books/:id.:ext", "/books/1.json"),
    ("/books/x-:id", "/books/x-1"),
    ("/books/a.b", "/books/a.b"),
    ("/books/\\:id", "/books/:id"),
    ("/books/é", "/books/é"),
    ("/books/é", "/books/%C3%A9"),
    ("/a/../books/:id", "/books/1"),
    ("/books/:id", "/a/../books/1"),
    ("/books/:id", "/a/%2e%2e/books/1"),
    ("/books/:id\\?:q", "/books/1?x"),
    ("/books\\?page=*", "/books?page=2"),
    ("/books#:part", "/books#one"),
]
"""Patterns and topics, both below a URL of their own."""

NOT_MATCHING = [
    ("/books/:id", "/books"),
    ("/books/:id", "/books/"),
    ("/books/:id", "/books/1/2"),
    ("/books/:id", "/Books/1"),
    ("/books/:id", "/books2/1"),
    ("/books/:id+", "/books"),
    ("/books/*", "/books"),
    ("/books/(\\d+)", "/books/abc"),
    ("/books/(\\d+)", "/books/12a"),
    ("/books/:id([a-z]+)", "/books/ABC"),
    ("/books/a.b", "/books/axb"),
    ("/books/\\:id", "/books/1"),
    ("/books\\?page=*", "/books"),
    ("/books\\?page=*", "/books?Page=2"),
    ("/books#:part", "/books"),
    ("/books/{id}", "/books/1"),
]

ABSOLUTE = [
    ("https://example.com/{name}/:id", "https://example.com/{name}/1", True),
    ("https://example.com/{name}/:id", "https://EXAMPLE.com/{name}/1", True),
    ("https://EXAMPLE.com/{name}/:id", "https://example.com/{name}/1", True),
    ("https://example.com/{name}/:id", "HTTPS://example.com/{name}/1", True),
    ("https://example.com/{name}/:id", "https://example.com:443/{name}/1", True),
    ("https://example.com:443/{name}/:id", "https://example.com/{name}/1", True),
    ("https://example.com/{name}/:id", "https://example.com/X{name}/1", False),
    ("https://example.com/{name}/:id", "http://example.com/{name}/1", False),
    ("https://example.com/{name}/:id", "https://example.com:8443/{name}/1", False),
    ("https://example.com/{name}/:id", "https://sub.example.com/{name}/1", False),
    ("https://example.com/{name}/:id", "https://example.com.evil.example/{name}/1", False),
    ("https://*.example.com/{name}", "https://a.b.example.com/{name}", True),
    ("https://*.example.com/{name}", "https://example.com/{name}", False),
    ("https://:sub.example.com/{name}", "https://a.example.com/{name}", True),
    ("https://:sub.example.com/{name}", "https://a.b.example.com/{name}", False),
    ("http{{s}}?://example.com/{name}", "http://example.com/{name}", True),
    ("http{{s}}?://example.com/{name}", "https://example.com/{name}", True),
    ("http{{s}}?://example.com/{name}", "ftp://example.com/{name}", False),
    ("*://example.com/{name}", "https://example.com/{name}", True),
    ("https://example.com:*/{name}", "https://example.com:8443/{name}", True),
    # The base has a path, so that even this pattern gets one, which no URN has (`URL Pattern, constructor`).
    ("urn\\:x\\:a{name}", "urn:x:a{name}", False),
    ("https://example.com/{name}", "{name}", False),
    ("https://münchen.example/{name}", "https://xn--mnchen-3ya.example/{name}", True),
]


@pytest.mark.parametrize(("pattern", "text"), MATCHING)
def test_a_pattern_matches(topic: str, pattern: str, text: str, matches: Matches) -> None:
    """`Mercure 1.0, URL Pattern`."""
    assert matches([("match_urlpattern", topic + pattern)], topic + text)


@pytest.mark.parametrize(("pattern", "text"), NOT_MATCHING)
def test_a_pattern_matches_nothing_else(topic: str, pattern: str, text: str, matches: Matches) -> None:
    """`Mercure 1.0, URL Pattern`."""
    assert not matches([("match_urlpattern", topic + pattern)], topic + text)


@pytest.mark.parametrize(("pattern", "text", "expected"), ABSOLUTE)
def test_each_part_of_a_url_is_matched_by_its_own_rules(
    topic: str, pattern: str, text: str, expected: bool, matches: Matches
) -> None:
    """`Mercure 1.0, URL Pattern`: the case of the host does not matter, that of the rest does."""
    name = topic[-32:]
    assert matches([("match_urlpattern", pattern.format(name=name))], text.format(name=name)) == expected


def test_the_hubs_url_is_the_base_of_relative_patterns(hub: Hub, topic: str, matches: Matches) -> None:
    """`Mercure 1.0, URL Pattern`."""
    name = topic[-32:]
    assert matches([("match_urlpattern", f"/{name}/:id")], f"{hub.origin}/{name}/1")
    assert not matches([("match_urlpattern", f"/{name}/:id")], f"https://other.example/{name}/1")


def test_the_hubs_url_is_the_base_of_relative_topics(hub: Hub, topic: str, matches: Matches) -> None:
    """`Mercure 1.0, URL Pattern`."""
    name = topic[-32:]
    assert matches([("match_urlpattern", f"{hub.origin}/{name}/:id")], f"/{name}/1")
    assert matches([("match_urlpattern", f"/{name}/:id")], f"/{name}/1")
    assert not matches([("match_urlpattern", f"https://other.example/{name}/:id")], f"/{name}/1")


def test_a_topic_relative_to_the_hubs_folder_is_resolved_there(
    hub: Hub, topic: str, matches: Matches
) -> None:
    """`Mercure 1.0, URL Pattern`."""
    name, folder = topic[-32:], hub.path.rpartition("/")[0]
    assert matches([("match_urlpattern", f"{hub.origin}{folder}/{name}/:id")], f"{name}/1")


@pytest.mark.parametrize("text", ["http://[", "https://exa mple.com/", "http://a:b:c/"])
def test_a_topic_that_is_no_url_matches_no_pattern_and_breaks_nothing(
    topic: str, text: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 1.0, URL Pattern`."""
    stream = open_stream(topic, query=[("match_urlpattern", "*://*/*"), ("match_urlpattern", "*")])
    ids = [publish(text), publish(topic)]
    # The pattern of one star is the matcher of all, before the type is looked at.
    assert [stream.next().id, stream.next().id] == ids
    stream = open_stream(topic, query=[("match_urlpattern", "*://*/*"), ("match_urlpattern", "/:x*")])
    publish(text)
    assert stream.until(publish(topic)) == []


@pytest.mark.parametrize("name", ["match", "match_exact", "match_urlpattern"])
@pytest.mark.parametrize("text", ["urn:x:y", "/a/b", "http://[", "é", "no url at all"])
def test_a_star_matches_every_topic_under_any_type(name: str, text: str, matches: Matches) -> None:
    """`Mercure 1.0, Matcher Types`."""
    assert matches([(name, "*")], text)


def test_a_uri_template_is_a_plain_text(topic: str, matches: Matches) -> None:
    """`Mercure 1.0, Exact Matching`."""
    assert not matches([("match", f"{topic}/{{id}}")], f"{topic}/1")
    assert matches([("match", f"{topic}/{{id}}")], f"{topic}/{{id}}")


def test_an_exact_matcher_is_no_pattern(topic: str, matches: Matches) -> None:
    """`Mercure 1.0, Exact Matching`."""
    for name in ("match", "match_exact"):
        assert not matches([(name, f"{topic}/:id")], f"{topic}/1")
        assert not matches([(name, f"{topic}/*")], f"{topic}/1")


def test_a_pattern_is_equal_to_no_text(topic: str, matches: Matches) -> None:
    """`Mercure 1.0, URL Pattern`: what it matches counts, not how it is written."""
    assert not matches([("match_urlpattern", f"{topic}/(\\d+)")], f"{topic}/(\\d+)")


def test_an_alternate_topic_may_match_a_pattern(topic: str, other_topic: str, matches: Matches) -> None:
    """`Mercure 1.0, URL Pattern`."""
    assert matches([("match_urlpattern", f"{topic}/:id")], other_topic, f"{topic}/1")


@pytest.mark.parametrize(
    "pattern", ["/(a+)+b", "/(a|a)*b", "/(a|aa)+b", "/(.*a){12}b", "/([a-z]+)*0", "/:a*:b*:c*x"]
)
def test_no_pattern_holds_the_hub_up(
    hub: Hub, topic: str, pattern: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 1.0, URL-Pattern Denial of Service`: refused, or matched in linear time."""
    marker = f"{topic}/marker"
    query = [("match", marker), ("match_urlpattern", topic + pattern)]
    if hub.subscribe(query).status == 400:
        return
    stream = open_stream(query=query)
    begun = time.monotonic()
    publish(f"{topic}/{'a' * 3000}")
    assert stream.until(publish(marker)) == []
    assert time.monotonic() - begun < 2


GRANTS = [
    ({"match": "{topic}"}, "{topic}", True),
    ({"match": "{topic}", "match_type": "exact"}, "{topic}", True),
    ({"match": "{topic}"}, "{topic}/1", False),
    ({"match": "{topic}/:id"}, "{topic}/1", False),
    ({"match": "{topic}/:id", "match_type": "urlpattern"}, "{topic}/1", True),
    ({"match": "{topic}/:id", "match_type": "urlpattern"}, "{topic}/1/2", False),
    ({"match": "/{name}/:id", "match_type": "urlpattern"}, "/{name}/1", True),
    ({"match": "/{name}/:id", "match_type": "urlpattern"}, "{origin}/{name}/1", True),
    ({"match": "/{name}"}, "{origin}/{name}", False),
    ({"match": "*"}, "anything {name}", True),
    ({"match": "*", "match_type": "urlpattern"}, "anything {name}", True),
    ({"match": "{topic}/*"}, "{topic}/1", False),
]


@pytest.mark.parametrize(("grant", "text", "granted"), GRANTS)
def test_grants_of_publishers_are_matchers_too(
    hub: Hub, topic: str, grant: dict[str, str], text: str, granted: bool
) -> None:
    """`Mercure 1.0, Topic Matcher List`."""
    parts = {"topic": topic, "name": topic[-32:], "origin": hub.origin}
    grant = {**grant, "match": grant["match"].format(**parts)}
    answer = hub.post([("topic", text.format(**parts))], token=hub.publisher_token(grant))
    assert answer.status == (200 if granted else 403)


@pytest.mark.parametrize(("grant", "text", "granted"), GRANTS)
def test_grants_of_subscribers_are_matchers_too(
    hub: Hub,
    topic: str,
    grant: dict[str, str],
    text: str,
    granted: bool,
    publish: Callable[..., str],
    open_stream: Callable[..., Stream],
) -> None:
    """`Mercure 1.0, Topic Matcher List`."""
    parts = {"topic": topic, "name": topic[-32:], "origin": hub.origin}
    grant = {**grant, "match": grant["match"].format(**parts)}
    text = text.format(**parts)
    stream = open_stream(text, token=hub.subscriber_token(grant))
    private = publish(text, private="on")
    received = [event.id for event in stream.until(publish(text))]
    assert received == ([private] if granted else [])
