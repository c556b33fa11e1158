"""Matching as both versions have it: all, and equal (`Mercure 1.0, Exact Matching`; `Mercure 0.x, Topic Selectors`)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .hub import Hub

Matches = Callable[..., bool]

DIFFERENT = {
    "another case": ("/Books", "/books"),
    "another case of the host": ("https://EXAMPLE.com", "https://example.com"),
    "another case of the scheme": ("HTTPS://example.com", "https://example.com"),
    "the default port": ("https://example.com:443/", "https://example.com/"),
    "a slash at the end": ("/books/", "/books"),
    "dot segments": ("/a/../books", "/books"),
    "an encoded character": ("/%62ooks", "/books"),
    "the case of an escape": ("/%2f", "/%2F"),
    "a query": ("/books?x", "/books"),
    "a fragment": ("/books#x", "/books"),
    "a prefix": ("/book", "/books"),
    "something before": ("books", "/books"),
    "another normal form": ("/caf\u00e9", "/cafe\u0301"),
    "a star that is not alone": ("/*", "/books"),
    "two stars": ("**", "/books"),
    "a regular expression": ("/.*", "/books"),
}

EQUAL = [
    "/books/1",
    "books",
    "urn:isbn:123",
    "https://example.com/a%2Fb?x=y&z#fragment",
    "mailto:x@example.com",
    "é 二 😀",
    "a+b (c) [d] $ ^ | \\ . ?",
    "%",
    "/*",
    ":id",
    "data:,x",
    "//example.com/x",
]


@pytest.mark.parametrize("text", EQUAL)
def test_equal_texts_match(hub: Hub, topic: str, text: str, matches: Matches) -> None:
    """`Mercure 1.0, Exact Matching`: any text may be a topic."""
    own = f"{text}/{topic[-32:]}"
    assert matches(hub.exactly(own), own)


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_texts_that_differ_do_not_match(hub: Hub, one: str, other: str, matches: Matches) -> None:
    """`Mercure 1.0, Exact Matching`: byte by byte, nothing is resolved or normalised."""
    assert not matches(hub.exactly(one), other)
    assert not matches(hub.exactly(other), one) or one == "**"


def test_a_relative_topic_is_not_the_absolute_one(hub: Hub, topic: str, matches: Matches) -> None:
    """`Mercure 1.0, Exact Matching`: there is no base."""
    path = f"/{topic[-32:]}"
    assert not matches(hub.exactly(path), hub.origin + path)
    assert not matches(hub.exactly(hub.origin + path), path)


@pytest.mark.parametrize(
    "text", ["/x", "x", "urn:x:y", "https://example.com/", "é", "http://[", "{x}", "(", ":x"]
)
def test_a_star_matches_every_topic(hub: Hub, text: str, matches: Matches) -> None:
    """`Mercure, Topic Selectors` and `Matcher Types`."""
    assert matches(hub.exactly("*"), text)
