"""Patterns are found without trying each."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_mercure_sse.hub.patterns import PatternIndex
from flask_mercure_sse.protocol.selectors import URL_PATTERN, Selector, template_selector
from flask_mercure_sse.protocol.uri_template import UriTemplate
from flask_mercure_sse.protocol.url_pattern import UrlPattern, compile_pattern

HUB = "https://hub.example.com/.well-known/mercure"

PARTS = st.sampled_from(
    [
        *[
            "a",
            "b",
            "{x}",
            "{y}-b",
            "a{x}",
            "{+x}",
            "{/x}",
            "{;x}",
            "{?x}",
            "",
            "{x,y}",
            "a{x}-b{y}c-b",
            "ab",
        ],
        *["a{/x}", "a{?x}", "b{+x}b", "{x}b", "{+x}a", "ab{x}", "{x}{y}c-b", "a{;x}/a{y}b", "{%41}"],
    ]
)
TEMPLATES = st.lists(PARTS, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
TOPICS = st.lists(
    st.sampled_from(["a", "b", "c-b", "ab", "", "a;x=1", "{x}", "a{x}", "a?x=1", "-b"]), max_size=5
).map(lambda parts: "/" + "/".join(parts))


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
                *[
                    "/{a/}b",
                    "/A/:x",
                    "/é/:x",
                    "/b:x",
                    "/b:x?",
                    "/b*",
                    "/{b}?c",
                    "/b{c}?",
                    "/b(c)",
                    "/b\\\\*",
                    "/a/b:x*",
                ],
                *["/b%20:x", "/é:x", "/.:x", "/a/..:x", "/%:x", "/a{/b:x}*"],
            ]
        ),
        unique=True,
    ),
    st.sampled_from(
        [
            *[
                "/a",
                "/a/b",
                "/a/b/c",
                "/b/a",
                "/c/b",
                "/bc",
                "/c",
                "/",
                "/b*",
                "/a/",
                "/a/bc/bd",
                "/.b",
                "/a/..b",
                "/é1",
                "/b%201",
                "/%1",
                "https://hub.example.com/a/b",
                "/a?x=1",
                "b/1",
                "/b",
            ],
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


SHAPES = [
    *["/bN/{id}", "/{id}/bN", "/a/{x}/bN/{y}", "/bN-{id}", "/{id}-bN", "/b{x}-N/c", "/a/N{/x}", "/aN{?x}"],
    *["{+x}/N", "/a/{x}/N{+y}", "/{x}{/y}/N", "/N{.x*}", "https://N.example.com{/x*}", "/a{#x}N"],
]


@pytest.mark.parametrize("shape", SHAPES)
def test_only_templates_with_a_fitting_outline_are_tried(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 0.x, Topic Selectors: a thousand others cost a publication nothing."""
    index = index_of(*(template_selector(shape.replace("N", str(number))) for number in range(1000)))
    tried: list[str] = []
    matches = UriTemplate.matches
    monkeypatch.setattr(
        UriTemplate, "matches", lambda self, topic: (tried.append(topic), matches(self, topic))[1]
    )
    expanded = re.sub(r"\{([+#/;?&.]?)(\w+)\*?\}", lambda found: f"{found[1].strip('+')}x", shape)
    topic = expanded.replace("N", "977").replace("?x", "?x=1")
    assert ("template", shape.replace("N", "977")) in index.find(topic)
    # Another number may be how this one begins or ends.
    assert len(tried) <= 4
    tried.clear()
    assert index.find(expanded.replace("N", "none")) == []
    assert tried == []


@pytest.mark.parametrize("shape", ["/bN/:id", "/:id/bN", "/a/:x/bN/:y", "/bN-:id", "/a/N/*", "/a/N{/:x}?"])
def test_only_url_patterns_with_a_fitting_outline_are_tried(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mercure 1.0, URL Pattern: a hundred others cost a publication nothing."""
    texts = [shape.replace("N", str(number)) for number in range(100, 200)]
    index = index_of(*(Selector(text, URL_PATTERN, compile_pattern(text, HUB)) for text in texts))
    tried: list[str] = []
    matches = UrlPattern.matches
    monkeypatch.setattr(
        UrlPattern, "matches", lambda self, topic: (tried.append(topic), matches(self, topic))[1]
    )
    topic = re.sub(r":\w+|\*|\{.*", "x", shape).replace("N", "177")
    if "{" in shape:
        topic = shape.partition("{")[0].replace("N", "177")
    assert index.find(topic) == [("urlpattern", shape.replace("N", "177"))]
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
