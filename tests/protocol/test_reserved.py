"""Topics that only the hub itself may publish."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_mercure_sse.protocol import reserved
from flask_mercure_sse.protocol.reserved import is_reserved

HUB = "/.well-known/mercure"


@pytest.mark.parametrize(
    "topic",
    [
        "/.well-known/mercure",
        "/.well-known/mercure/",
        "/.well-known/mercure/subscriptions/a/b",
        "/.well-known/mercure?x",
        "/.well-known/mercure#x",
        # Against the hub's own URL
        "",
        "?x",
        "#x",
        "https:",
        "http:?x",
        "HTTPS:#x",
        "mercure",
        "mercure/x",
        "./mercure/x",
        " mercure ",
        "../.well-known/mercure",
        # Encoded, with dot segments, with backslashes
        "/.well-known/%6Dercure/x",
        "/.well-known/%6dercure",
        "/%2Ewell-known/mercure",
        "/x/../.well-known/mercure",
        "/x/%2e%2e/.well-known/mercure",
        "/x/.%2E/.well-known/mercure",
        "/./.well-known/./mercure",
        "/../../.well-known/mercure",
        "/.well-known/mercure/x/..",
        "\\.well-known\\mercure",
        "/.well-known\\mercure\\x",
        # Any scheme and any host
        "http://other/.well-known/mercure",
        "HTTPS://OTHER/.well-known/mercure",
        "https://user:password@other:8443/.well-known/mercure/x",
        "//other/.well-known/mercure",
        "\\\\other\\.well-known\\mercure",
        "https://e.com\\.well-known\\mercure",
        "https:///e.com/.well-known/mercure",
        "https:mercure",
        "HTTPS:mercure",
        "https:/.well-known/mercure",
        "foo:/.well-known/mercure",
        "foo://e.com/.well-known/mercure",
        "wss://e.com/.well-known/mercure",
    ],
)
def test_whatever_resolves_to_the_hub_or_below_it_is_reserved(topic: str) -> None:
    """Mercure 1.0, Reserved Hub Namespace."""
    assert is_reserved(topic, HUB)


@pytest.mark.parametrize(
    "topic",
    [
        "///e.com/.well-known/mercure",
        "\\\\\\e.com\\.well-known\\mercure/x",
        "/\\/e.com/.well-known/mercure",
    ],
)
def test_a_host_after_three_slashes_is_a_host(topic: str) -> None:
    """Mercure 1.0, Reserved Hub Namespace; WHATWG URL, special authority ignore slashes state."""
    assert is_reserved(topic, HUB)


@pytest.mark.parametrize(
    "topic",
    [
        "wss:e.com/.well-known/mercure",
        "http:e.com/.well-known/mercure/x",
        "https:e.com/.well-known/mercure",
        "https:/e.com/.well-known/mercure",
        "HTTP:\\e.com\\.well-known\\mercure",
    ],
)
def test_a_host_without_its_slashes_is_a_host_on_a_hub_of_another_scheme(topic: str) -> None:
    """Mercure 1.0, Reserved Hub Namespace; WHATWG URL, scheme state.

    ``https:e.com/x`` is on ``e.com`` where the hub's own URL begins with ``http:``, and the hub does not
    know how it is reached.
    """
    assert is_reserved(topic, HUB)


@pytest.mark.parametrize(
    "topic",
    [
        "/",
        "/books/1",
        "books",
        "/.well-known/mercureX",
        "/.well-known/mercure.x",
        "/.well-known/",
        "/.well-known/MERCURE",
        "/.well-known/mercure/..",
        "/.well-known/mercure/../x",
        "/a/.well-known/mercure",
        "/.well-known//mercure",
        "../mercure/x",
        "subscriptions/x",
        "https://e.com/a/.well-known/mercure",
        "https://e.com/",
        "https://e.com",
        "https://e.com/?/.well-known/mercure",
        "https://e.com/#/.well-known/mercure",
        "https://e.com/x?next=/.well-known/mercure/subscriptions",
        "urn:x:mercure",
        "urn:/x",
        "foo:mercure",
        "foo:\\.well-known\\mercure",
        "mailto:mercure@e.com",
        "/.well-known%2Fmercure",
        "/.well-known/%256Dercure",
        "/.well-known/%EDercure",
        "http://[",
        "*",
    ],
)
def test_everything_else_is_free(topic: str) -> None:
    """Mercure 1.0, Reserved Hub Namespace."""
    assert not is_reserved(topic, HUB)


def test_reserved_namespace_follows_the_path_of_the_hub() -> None:
    """Mercure 1.0, Hub Discovery."""
    assert is_reserved("/push/subscriptions", "/push")
    assert not is_reserved("/.well-known/mercure", "/push")


PIECES = [
    "http:",
    "https:",
    "HTTP:",
    "file:",
    "x:",
    "/",
    "\\",
    "..",
    ".",
    "?",
    "#",
    " ",
    "a",
    "mercure",
    ".well-known",
]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join))
def test_short_way_for_most_topics_never_says_otherwise(topic: str) -> None:
    """Mercure 1.0, Reserved Hub Namespace."""
    short = is_reserved(topic, HUB)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reserved, "_has_own_path", lambda _topic: False)
        assert is_reserved(topic, HUB) == short
