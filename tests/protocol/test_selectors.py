"""Selectors: what a subscriber asks for and what a token grants."""

from __future__ import annotations

import pytest

from flask_mercure_sse.protocol.selectors import any_matches, template_selector


@pytest.mark.parametrize(
    ("selector", "topic", "selected"),
    [
        # "*" selects everything, and only alone.
        ("*", "/books/1", True),
        ("*", "*", True),
        ("*", "", True),
        ("*", "é \n", True),
        ("/books/*", "/books/1", False),
        ("/books/*", "/books/*", True),
        ("**", "/books/1", False),
        # A topic selects itself, without base URL and without normalisation.
        ("/books/1", "/books/1", True),
        ("/books/1", "/books/1/", False),
        ("/books/1", "/books/12", False),
        ("/books/1", "/Books/1", False),
        ("/books/1", "https://example.com/books/1", False),
        ("/books/%41", "/books/A", False),
        ("/books/é", "/books/e\u0301", False),
        (".*", "/books/1", False),
        ("", "/books/1", False),
        # A template selects its expansions, and the topic that is spelled like it.
        ("/books/{id}", "/books/1", True),
        ("/books/{id}", "/books/1/pages", False),
        ("/books/{id}", "/books/{id}", True),
        ("/books/{id}", "/books/{other}", False),
        ("https://example.com{/path*}", "https://example.com/a/b", True),
        ("/a b/{id}", "/a b/1", False),
        # What is no template is a topic.
        ("/books/{id", "/books/{id", True),
        ("/books/{id", "/books/1", False),
        ("/books/{a b}", "/books/{a b}", True),
        ("/books/{a b}", "/books/1", False),
    ],
)
def test_selector_selects_topics(selector: str, topic: str, selected: bool) -> None:
    """Mercure 0.x, Topic Selectors."""
    assert template_selector(selector).matches(topic) is selected


def test_one_selector_and_one_topic_are_enough() -> None:
    """Mercure 0.x, Subscribers."""
    selectors = [template_selector("/books/{id}"), template_selector("/authors/7")]
    assert any_matches(selectors, ["/movies/1", "/authors/7"])
    assert any_matches(selectors, iter(["/movies/1", "/authors/7"]))
    assert not any_matches(selectors, ["/movies/1", "/authors/8"])
    assert not any_matches(selectors, [])
    assert not any_matches([], ["/books/1"])


def test_selector_shows_its_text() -> None:
    """Mercure 0.x, Topic Selectors."""
    assert repr(template_selector("/books/{id}")) == "<Selector template '/books/{id}'>"
