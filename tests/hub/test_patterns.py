"""Patterns are found without trying each."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_mercure_sse.hub.patterns import PatternIndex
from flask_mercure_sse.protocol.selectors import URL_PATTERN, Selector, template_selector
from flask_mercure_sse.protocol.uri_template import UriTemplate
from flask_mercure_sse.protocol.url_pattern import compile_pattern

HUB = "https://hub.example.com/.well-known/mercure"

PARTS = st.sampled_from(["a", "b", "{x}", "{y}-b", "a{x}", "{+x}", "{/x}", "{;x}", "{?x}", "", "{x,y}"])
TEMPLATES = st.lists(PARTS, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
TOPICS = st.lists(st.sampled_from(["a", "b", "c-b", "ab", "", "a;x=1", "{x}"]), max_size=5).map(
    lambda parts: "/" + "/".join(parts)
)


def index_of(*selectors: Selector) -> PatternIndex:
    index = PatternIndex()
    for selector in selectors:
        index.add(selector)
    return index


@settings(max_examples=300, deadline=None)
@given(st.lists(TEMPLATES, max_size=8, unique=True), TOPICS)
def test_index_finds_just_the_templates_that_match(templates: list[str], topic: str) -> None:
    """Mercure 0.x, Topic Selectors."""
    selectors = [one for one in map(template_selector, templates) if not one.is_exact]
    index = index_of(*selectors)
    assert sorted(index.find(topic)) == sorted(one.key for one in selectors if one.matches(topic))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *["/a", "/a/:x", "/:x/a", "/a/*", "/*/b", "/a{/:x}?", "/a/:x+", "/a/:x(b|c)", "*", "/a?x=:y"],
                *["https://hub.example.com/a/:x", "https://*.example.com/a", "/a%20b/:x", "/a/../b", "b/:x"],
                *["/{a/}b", "/A/:x", "/é/:x"],
            ]
        ),
        unique=True,
    ),
    st.sampled_from(
        [
            *["/a", "/a/b", "/a/b/c", "/b/a", "/c/b", "https://hub.example.com/a/b", "/a?x=1", "b/1", "/b"],
            *[
                "https://www.example.com/a",
                "/a b/1",
                "/a%20b/1",
                "/A/1",
                "/%C3%A9/1",
                "/a/b:c",
                "urn:x:y",
                "",
            ],
        ]
    ),
)
def test_index_finds_just_the_url_patterns_that_match(patterns: list[str], topic: str) -> None:
    """Mercure 1.0, URL Pattern: relative topics, and topics that are spelled in another way, as well."""
    selectors = [
        Selector(text, URL_PATTERN, None if text == "*" else compile_pattern(text, HUB)) for text in patterns
    ]
    found = index_of(*selectors).find(topic)
    assert sorted(found) == sorted(one.key for one in selectors if one.matches(topic))


@pytest.mark.parametrize("shape", ["/b{n}/{{id}}", "/{{id}}/b{n}", "/a/{{x}}/b{n}/{{y}}"])
def test_only_patterns_with_a_fitting_outline_are_tried(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 0.x, Topic Selectors: ten thousand others cost a publication nothing."""
    index = index_of(*(template_selector(shape.format(n=number)) for number in range(10_000)))
    tried: list[str] = []
    matches = UriTemplate.matches
    monkeypatch.setattr(
        UriTemplate, "matches", lambda self, topic: (tried.append(topic), matches(self, topic))[1]
    )
    topic = shape.format(n=7).replace("{id}", "1").replace("{x}", "2").replace("{y}", "3")
    assert len(index.find(topic)) == 1
    assert len(tried) == 1


def test_what_is_removed_is_found_no_longer_and_leaves_nothing() -> None:
    """Mercure 0.x, Topic Selectors."""
    index = index_of(template_selector("/a/{x}"), template_selector("/a/{x}/b"), Selector("*"))
    index.remove(template_selector("/a/{x}"))  # one like it
    assert index.find("/a/1") == [("exact", "*")]
    assert len(index.find("/a/1/b")) == 2
    for text in ("/a/{x}/b", "*"):
        index.remove(template_selector(text))
    assert index.find("/a/1/b") == []
    assert vars(index) == vars(PatternIndex())


def test_exact_topics_are_none_of_its_business() -> None:
    """Mercure 0.x, Topic Selectors."""
    index = index_of(Selector("/a"))
    assert index.find("/a") == []
    index.remove(Selector("/a"))
