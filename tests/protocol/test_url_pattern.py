"""Which topics match a URL pattern, and that no pattern costs the hub much."""

from __future__ import annotations

import gc
import string
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import process_time
from typing import Any
from weakref import ref

import pytest
import uritemplate
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flask_mercure_sse.protocol import pattern_cost, url_pattern
from flask_mercure_sse.protocol.template_pattern import pattern_of_template
from flask_mercure_sse.protocol.url_pattern import (
    UrlPattern,
    compile_pattern,
    is_available,
)

from .strategies import any_text

urlpattern = pytest.importorskip("urlpattern")

HUB = "https://hub.example/.well-known/mercure"


def matches(text: str, topic: str) -> bool:
    return compile_pattern(text, HUB).matches(topic)


def is_refused(text: str) -> bool:
    try:
        compile_pattern(text, HUB)
    except ValueError:
        return True
    return False


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Each test compiles anew."""
    url_pattern._known.cache_clear()
    yield
    url_pattern._known.cache_clear()


# What matches


@pytest.mark.parametrize(
    ("pattern", "topics"),
    [
        # Named groups: one segment of a path, one label of a host
        ("https://example.com/books/:id", ["https://example.com/books/1", "https://example.com/books/a-b.c"]),
        ("https://example.com/:a/:b", ["https://example.com/1/2"]),
        ("https://:user.example.com/", ["https://ada.example.com/", "https://ada.example.com"]),
        ("/books/:id.json", ["/books/1.json"]),
        ("/:year-:month", ["/2024-05"]),
        # Wildcards: anything, even nothing
        ("/a/*", ["/a/", "/a/b", "/a/b/c"]),
        ("/a*", ["/a", "/ab", "/a/b"]),
        ("https://*.example.com/*", ["https://a.b.example.com/x/y", "https://a.example.com"]),
        ("*://*/*", ["ftp://x/y", "https://example.com/"]),
        # Modifiers
        ("/books/:id?", ["/books", "/books/1"]),
        ("/a/:path+", ["/a/1", "/a/1/2/3"]),
        ("/a/:path*", ["/a", "/a/1/2/3"]),
        ("/a{b}?", ["/a", "/ab"]),
        ("/a{b}+", ["/ab", "/abb"]),
        ("{/:lang(en|fr|de)}?/a/*", ["/a/", "/en/a/b"]),
        ("http{s}?://example.com/", ["http://example.com/", "https://example.com/"]),
        # Regular expressions
        (r"/books/:id(\d+)", ["/books/42"]),
        (r"/:year(\d{4})-:month(\d{2})", ["/2024-05"]),
        ("/(en|fr)/:page", ["/en/home"]),
        (r"/:file([^/]+\.(?:png|jpg))", ["/a.b.png"]),
        (r"/:id([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", ["/67e55044-10b1-426f-9247-bb680e5fe0c8"]),
        (r"/:slug([\w-]{1,100})", ["/a-b_c-9"]),
        (r"/(\x61\.)", ["/a."]),
        # What is left out may be anything: the query and the fragment, a user
        ("/a", ["/a?x=1", "/a#x"]),
        ("https://example.com/a", ["https://ada:secret@example.com/a"]),
        ("/a?x=*", ["/a?x=1&y=2"]),
        (r"/a\?x=1", ["/a?x=1#z"]),
        ("/a#:section", ["/a#top"]),
    ],
)
def test_topics_that_match(pattern: str, topics: list[str]) -> None:
    """WHATWG URL Pattern, Pattern strings."""
    assert [topic for topic in topics if not matches(pattern, topic)] == []


@pytest.mark.parametrize(
    ("pattern", "topics"),
    [
        (
            "https://example.com/books/:id",
            [
                "https://example.com/books/",
                "https://example.com/books/1/",
                "https://example.com/books/1/2",
                "https://example.com/books",
                "https://example.org/books/1",
                "http://example.com/books/1",
            ],
        ),
        ("https://:user.example.com/", ["https://example.com/", "https://a.b.example.com/"]),
        ("https://*.example.com/*", ["https://example.com/x"]),
        ("/a/*", ["/a", "/b/c"]),
        ("/books/:id?", ["/books/", "/books/1/"]),
        ("/a/:path+", ["/a", "/a/"]),
        (r"/books/:id(\d+)", ["/books/", "/books/x", "/books/1x", "/books/\u0661"]),
        (r"/(\w+)", ["/é", "/a-b"]),
        ("/a.b", ["/axb"]),
        ("/a?x=1", ["/a", "/a?x=2", "/a?x=1&y=2"]),
        ("/a#x", ["/a", "/a#y"]),
        ("https://ada:secret@example.com/a", ["https://example.com/a"]),
        ("https://example.com/a", ["https://example.com:8443/a"]),
    ],
)
def test_topics_that_do_not_match(pattern: str, topics: list[str]) -> None:
    """WHATWG URL Pattern, Pattern strings."""
    assert [topic for topic in topics if matches(pattern, topic)] == []


def test_host_ignores_case() -> None:
    """Mercure 1.0, URL Pattern."""
    assert matches("HTTPS://Example.COM/a", "https://eXample.com/a")


@pytest.mark.parametrize(
    ("pattern", "topic"),
    [
        ("/a", "/A"),
        ("/:x([a-z]+)", "/A"),
        (r"/a\?q", "/a?Q"),
        ("/a#s", "/a#S"),
        ("https://ada@h/", "https://Ada@h/"),
    ],
)
def test_the_rest_does_not_ignore_case(pattern: str, topic: str) -> None:
    """Mercure 1.0, URL Pattern: never `ignoreCase`."""
    assert not matches(pattern, topic)


@pytest.mark.parametrize(
    ("pattern", "topic"),
    [
        ("/a", "https://hub.example/a"),
        ("https://hub.example/a", "/a"),
        ("/a", "/a"),
        ("/:x", "../y"),
        (":x", "y"),
        ("/.well-known/:x", "y"),
        (":x", "https://hub.example/.well-known/y"),
        ("https://other.example/*", "//other.example/a"),
        ("?q=*", "?q=1"),
        ("?q=*", "/.well-known/mercure?q=1"),
    ],
)
def test_hub_is_the_base_of_relative_patterns_and_topics(pattern: str, topic: str) -> None:
    """Mercure 1.0, URL Pattern."""
    assert matches(pattern, topic)


def test_relative_pattern_matches_on_its_own_hub_only() -> None:
    """Mercure 1.0, URL Pattern."""
    elsewhere = compile_pattern("/a", "http://localhost:3000/hub")

    assert elsewhere.matches("http://localhost:3000/a")
    assert elsewhere.matches("/a")
    assert not elsewhere.matches("https://hub.example/a")


@pytest.mark.parametrize(
    ("pattern", "topic", "is_match"),
    [
        ("/café", "/caf%C3%A9", True),
        ("/caf%C3%A9", "/café", True),
        ("/caf%c3%a9", "/café", False),
        ("/a", "/%61", False),
        ("/a%2Fb", "/a/b", False),
        ("/:x", "/a%2Fb", True),
        ("/a b", "/a%20b", True),
        ("/b", "/a/../b", True),
        ("/a/../b", "/b", True),
        ("https://example.com:443/a", "https://example.com/a", True),
        ("https://example.com/a", "https://example.com:443/a", True),
        ("https://example.com:80/a", "https://example.com/a", False),
        ("https://example.com/a", "https://example.com./a", False),
        ("https://münchen.de/*", "https://xn--mnchen-3ya.de/x", True),
        ("https://127.0.0.1/*", "https://127.1/x", True),
        (r"https://[\:\:1]/*", "https://[::1]/x", True),
    ],
)
def test_pattern_and_topic_are_normalised_as_urls(pattern: str, topic: str, is_match: bool) -> None:
    """WHATWG URL Pattern, Canonicalization."""
    assert matches(pattern, topic) is is_match


@pytest.mark.parametrize(
    "topic", ["http://[", "https://a b/", "https://exa%mple/", "//[", "https://x:99999/"]
)
def test_topic_that_is_no_url_matches_nothing(topic: str) -> None:
    """Mercure 1.0, URL Pattern."""
    assert not matches("*://*/*", topic)
    assert not matches("/*", topic)


@settings(max_examples=200)
@given(st.text(st.characters()) | any_text)
@example("\ud800")
@example("/\udfff")
@example("\0")
@example("/" + "a" * 1_000_000)
@example("/" + "\U0001f600" * 1_000_000)
@example("https://" + "\u4e00" * 5000)
@example("https://[" + ":" * 5000)
def test_no_topic_is_an_error(topic: str) -> None:
    """Mercure 1.0, URL Pattern."""
    for text in ("/*", "https://:host/:path(.+)", r"/:a-:b(\d+)"):
        assert compile_pattern(text, HUB).matches(topic) in (True, False)


def test_pattern_tells_its_text() -> None:
    pattern = compile_pattern(r"/:id(\d+)", HUB)

    assert pattern.text == r"/:id(\d+)"
    assert repr(pattern) == r"<UrlPattern '/:id(\\d+)'>"


# What is no pattern

NO_PATTERNS = [
    "/:",
    "/:1",
    "/:a:a",
    "/{a",
    "/a}",
    "/{a}}",
    "/{:a{b}}",
    "/(a",
    "/()",
    "/(?:a)",
    "/((a))",
    "/(é)",
    "/a\\",
    "/(a\\",
    "/:a{1}{",
    "https://[::1]/",
    "https://exa mple.com/",
    "https://example.com:port/{",
    "/\\:x",
    "\ud800",
    "/(\ud800)",
]

NO_EXPRESSIONS = [
    "*",
    "+a",
    "a**",
    "a++",
    "a{2}{3}",
    "a{2,1}",
    "a{",
    "a}",
    "{2}",
    "a{,3}",
    "a{1,2,3}",
    "a{99999}",
    "]",
    "[",
    "[]",
    "[^]",
    "[]a]",
    "[z-a]",
    r"[\d-z]",
    r"[a-\d]",
    r"[^\d\D]",
    "(?:a",
    "(?:",
]

UNKNOWN_EXPRESSIONS = [
    # Valid in some dialect, and refused
    "(?i:a)",
    "(?=a)b",
    "(?!a).*",
    "(?<=a)b",
    "(?<n>a)",
    "(?P<n>a)",
    "^a",
    "a$",
    r"\bword\b",
    r"\Ba",
    r"\Aa\z",
    r"\<a",
    r"\p{L}",
    r"\PL",
    r"[\p{L}]",
    r"(?:a)\1",
    r"\u0061",
    r"\cA",
    r"\a",
    r"\0",
    "[[a]b]",
    "[[:alpha:]]",
    "[a&&b]",
    "[a--b]",
    "[a~~b]",
    "(?:" * 20 + "a" + ")" * 20,
]


@pytest.mark.parametrize("text", NO_PATTERNS)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    """Mercure 1.0, Subscription."""
    with pytest.raises(ValueError):
        compile_pattern(text, HUB)


@pytest.mark.parametrize("expression", NO_EXPRESSIONS)
def test_what_is_no_regular_expression_is_refused(expression: str) -> None:
    """WHATWG URL Pattern, Pattern strings."""
    with pytest.raises(ValueError):
        compile_pattern(f"/({expression})", HUB)


@pytest.mark.parametrize("expression", UNKNOWN_EXPRESSIONS)
def test_regular_expression_that_is_not_understood_is_refused(expression: str) -> None:
    """Mercure 1.0, URL-Pattern Denial of Service: what is not understood may cost anything."""
    with pytest.raises(ValueError):
        compile_pattern(f"/({expression})", HUB)


@pytest.mark.parametrize("text", [*NO_PATTERNS, r"/(\w{1,1000})", "/(.*[0-9].{20})"])
def test_refusal_is_one_line_that_tells_nothing_of_the_text(text: str) -> None:
    """Mercure 1.0, Error Responses: the library quotes its tokens."""
    with pytest.raises(ValueError) as raised:
        compile_pattern(text, HUB)

    assert str(raised.value) == "is no URL pattern, or one that costs too much"
    assert raised.value.__cause__ is None


# Patterns at random

atoms = st.sampled_from(
    [*"ab0-/._~ ", ".", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\.", r"\-", r"\/", r"\x2f", "(?:)"]
)
members = st.lists(
    st.sampled_from(
        ["a", "b", "a-c", "0-9", r"\d", r"\W", "-", "_", r"\-", r"\]", ".", "/", "^", "&", " ", "!-/"]
    ),
    min_size=1,
    max_size=4,
).map("".join)
sets = st.builds("[{}{}]".format, st.sampled_from(["", "^"]), members)
quantifiers = st.sampled_from(["", "", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,}", "{2,3}?"])


def sequences(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(st.builds("{}{}".format, parts, quantifiers), min_size=1, max_size=3).map("".join)


expressions = st.recursive(
    sequences(atoms | sets),
    lambda inner: sequences(
        atoms | st.lists(inner, min_size=1, max_size=3).map("|".join).map("(?:{})".format)
    ),
    max_leaves=6,
)
texts = st.sampled_from(["/", "/", "a", "b", "-", ".", "/a", r"\*", "%20", "é"])
wildcards = st.one_of(
    st.just("*"),
    st.sampled_from([":x", ":y", ":z"]),
    st.builds("({})".format, expressions),
    st.builds(":{}({})".format, st.sampled_from("pqr"), expressions),
)
modifiers = st.sampled_from(["", "", "?", "*", "+"])
groups = st.builds(
    "{{{}{}{}}}{}".format, texts | st.just(""), wildcards | st.just(""), texts | st.just(""), modifiers
)
patterns = st.lists(
    texts | st.builds("{}{}".format, wildcards, modifiers) | groups, min_size=1, max_size=4
).map(lambda parts: "/" + "".join(parts))
topics = st.lists(st.sampled_from([*"ab0-/._~Zc ", "/a", "é", "%20", "aa", "?q", "#f"]), max_size=8).map(
    lambda parts: "/" + "".join(parts)
)


@settings(max_examples=300, deadline=None)
@given(patterns, st.lists(topics, min_size=1, max_size=8))
def test_topics_match_as_in_the_library(pattern: str, some: list[str]) -> None:
    """WHATWG URL Pattern: writing an expression in another way does not change it."""
    try:
        compiled = compile_pattern(pattern, HUB)
    except ValueError:
        return
    library = urlpattern.URLPattern(pattern, HUB)  # or the pattern was refused for what it is
    for topic in some:
        assert compiled.matches(topic) == library.test(topic, HUB), topic


syntax = st.lists(
    st.sampled_from(
        [*"ab/:*(){}?+\\.[]#@|^$&-,<%\u0378é", "(?:", "//", "https:", ":x", "{2}", "\\d", "[a-z]", "\ud800"]
    ),
    max_size=12,
).map("".join)


@settings(max_examples=500, deadline=None)
@given(syntax | st.text(st.characters()))
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    """Mercure 1.0, Subscription."""
    if not is_refused(text):
        assert matches(text, text) in (True, False)


@settings(max_examples=100, deadline=None)
@given(patterns, st.lists(topics, min_size=1, max_size=8))
def test_what_matched_once_matches_always(pattern: str, some: list[str]) -> None:
    """Mercure 1.0, URL Pattern: whatever else was matched, compiled and forgotten between."""
    try:
        compiled = compile_pattern(pattern, HUB)
    except ValueError:
        return
    answers = list(map(compiled.matches, some))

    assert list(map(compiled.matches, reversed(some))) == answers[::-1]
    url_pattern._known.cache_clear()
    del compiled
    assert list(map(compile_pattern(pattern, HUB).matches, some)) == answers


# What it costs

FRIENDLY = [
    "/books/:id",
    r"/books/:id(\d+)",
    r"/:year(\d{4})-:month(\d{2})",
    "{/:lang(en|fr|de)}?/a/*",
    "https://*.example.com/*",
    "/a/:path+",
    "/users/:user/posts/:post/comments/:comment",
    "/*/*/*/*",
    "/*/organisations/*/projects/*/documents/*",
    "/:path+/comments/:id/replies/:reply",
    r"/:slug([a-z0-9-]+)-:id(\d+)",
    r"/rooms/:room/:id([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
    "/*/:id([0-9a-f-]{36})",
    r"/:file([^/]+\.(?:png|jpg|gif|webp))",
    "/(en|fr|de|es|it|pt|nl|sv|da|fi|no|pl|cs|sk|hu|ro|bg|el|tr|uk)/:page",
    r"/:slug([\w-]{1,100})",
    "https://:tenant.example.com::port(80|8080)?/:section?/:page?",
    "/" + "long-literal/" * 100 + ":id",
    "/" + "a" * 4000,
]

# Each costs milliseconds or megabytes when the library compiles it, or when it matches.
TOO_EXPENSIVE = {
    "a large set many times": r"/(\w{1,1000})",
    "a property many times": r"/(\p{L}{1,500})",
    "repeated in repeated": "/((?:(?:a{1,100}){1,100}){1,100})",
    "repeated in repeated, nothing": "/((?:(?:(?:){1000}){1000}){1000})",
    "a long expression": "/(" + "a" * 4000 + ")",
    "many sets": "/(" + "[^a]" * 400 + ")",
    "many words": "/(" + "|".join(f"word{number}" for number in range(500)) + ")",
    "nested": "/(" + "(?:" * 1000 + "a" + ")+" * 1000 + ")",
    "never closed": "/(" + "(?:" * 1000,
    "many wildcards": "/" + "*" * 4000,
    "many wildcards with text between": "/" + "*a" * 2000,
    "many names": "/" + "".join(f"/:n{number}" for number in range(700)),
    "many optional names": "/" + "".join(f"{{/:n{number}}}?" for number in range(400)),
    "many optional texts": "/" + "{a}?" * 1000,
    "many repeated texts": "/" + "{ab}+" * 800,
    "wildcards in the scheme": "*" * 2000 + "://x/",
    "names in the host": "https://" + ".".join(f":n{number}" for number in range(600)) + "/",
    "text that is encoded": "/" + "\U0001f600" * 4000,
    "international host": "https://" + "".join(map(chr, range(0x4E00, 0x4E00 + 1000))) + "/",
    "many open groups": "/" + "{" * 4000,
    "long text": "/" + "a" * 1_000_000,
    "states without end": "/(.*[0-9].{20})",
    "states without end, spelled out": "/(.*[0-9]" + "." * 20 + ")",
    "states without end, in the query": "/?(.*[ab]a[ab]{30})",
    "states without end, in words": "/(.*(?:ab|ba)(?:a|b){20}!)",
    "states without end, of a group's text": "/{" + "ab" * 200 + "*}*",
    "places without end": "/((?:" + "a*" * 200 + "!)|.*)",
    "optional places without end": "/((?:.*" + "a?" * 200 + "!)|.*)",
}

# These pass, and would not if they had only a little more of what they have.
EXPENSIVE = {
    "known for its backtracking": "/((?:a+)+)",
    "known for its backtracking, ambiguous": "/((?:a|a)*b)",
    "known for its backtracking, nested": "/((?:(?:a*)*)*b)",
    "known for its backtracking, overlapping": r"/((?:a|aa|\w)+!)",
    "tried in vain": "/((?:" + ".*a" * 10 + "!)|.*)",
    "tried in vain, repeated": "/((?:.*[0-9a-z]{40}!)|.*)",
    "tried in vain, large sets": r"/((?:.*[^b.?+#]{20}!)|.*)",
    "wide": "/((?:" + "a*" * 12 + "!)|.*)",
    "many wildcards": "/*" * 9,
    "many names": "/" + "-".join(f":n{number}" for number in range(10)),
    "many segments": "".join(f"/:n{number}" for number in range(25)),
    "many words": "/(" + "|".join(f"w{number:02}" for number in range(30)) + ")*",
    "repeated segments": "/:a+/:b*/:c+/:d*",
    "optional segments": "{/:a}*{/:b}?{/:c}*{/:d}?/x",
    "in each part": r"https://((?:.*a.*a!)|.*)/((?:.*a.*a!)|.*)\?((?:.*a.*a!)|.*)#((?:.*a.*a!)|.*)",
}


@pytest.mark.parametrize("text", FRIENDLY)
def test_ordinary_pattern_is_taken(text: str) -> None:
    """Mercure 1.0, URL-Pattern Denial of Service."""
    assert not is_refused(text)


@pytest.mark.parametrize("name", TOO_EXPENSIVE)
def test_pattern_that_costs_too_much_is_refused(name: str) -> None:
    """Mercure 1.0, URL-Pattern Denial of Service."""
    assert is_refused(TOO_EXPENSIVE[name])


@pytest.mark.parametrize("name", EXPENSIVE)
def test_pattern_at_the_limits_is_taken(name: str) -> None:
    """Mercure 1.0, URL-Pattern Denial of Service: so that the tests of costs below are worth something."""
    assert not is_refused(EXPENSIVE[name])


class Compilations:
    """Counts what the library compiles."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str, base: str) -> Any:
        self.texts.append(text)
        return urlpattern.URLPattern(text, base)


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> Compilations:
    compilations = Compilations()
    monkeypatch.setattr(url_pattern, "_library", lambda: compilations)
    return compilations


@pytest.mark.parametrize("name", [name for name in TOO_EXPENSIVE if "without end" not in name])
def test_pattern_that_takes_long_to_compile_is_refused_before(name: str, compilations: Compilations) -> None:
    """Mercure 1.0, URL-Pattern Denial of Service."""
    assert is_refused(TOO_EXPENSIVE[name])
    assert compilations.texts == []


@pytest.mark.parametrize("expression", [r"\w+", r"[\w-]+", r"\d{4}", r"\S*", r"[^\s/]+", ".+?x", r"\W"])
def test_sets_are_compiled_without_the_rest_of_unicode(expression: str, compilations: Compilations) -> None:
    """Mercure 1.0, URL-Pattern Denial of Service: the parts of a URL are ASCII."""
    compile_pattern(f"/:x({expression})", HUB)

    [text] = compilations.texts
    assert "\\w" not in text.lower()
    assert "\\d" not in text.lower()
    assert "\\s" not in text.lower()
    assert "." not in text
    assert "^" not in text


@pytest.mark.parametrize("text", ["/a/:x(.*)", "/a/(.*)", "/a/:x([^/]+?)"])
def test_wildcard_that_the_library_knows_is_left_to_it(text: str, compilations: Compilations) -> None:
    compile_pattern(text, HUB)

    assert compilations.texts == [text]


def seconds(action: Callable[[], object], times: int = 3) -> float:
    """The least of some runs, so that what else the machine does counts less."""
    taken = []
    for _ in range(times):
        start = process_time()
        action()
        taken.append(process_time() - start)
    return min(taken)


def test_many_hostile_patterns_take_no_longer_than_some_times_as_many_friendly_ones() -> None:
    """Mercure 1.0, URL-Pattern Denial of Service."""
    hostile = [
        f"{text}{number}" for text in [*TOO_EXPENSIVE.values(), *EXPENSIVE.values()] for number in range(3)
    ]
    friendly = [f"/:a/{number}/:b" for number in range(len(hostile))]

    def compile_all(texts: list[str]) -> None:
        url_pattern._known.cache_clear()
        list(map(is_refused, texts))

    assert seconds(lambda: compile_all(hostile)) < 20 * seconds(lambda: compile_all(friendly))


@pytest.mark.parametrize("name", EXPENSIVE)
def test_time_for_a_topic_is_comparable_whatever_the_pattern(name: str) -> None:
    """Mercure 1.0, URL-Pattern Denial of Service: the longest topic of each pattern, or the longest of all."""
    pattern, friendly = compile_pattern(EXPENSIVE[name], HUB), compile_pattern("/:a/b", HUB)
    for part in ["a", "/", "a/", "0", "ab", "w01", "-", "a-", "az09"]:
        longest = "/" + (part * url_pattern.MAX_TOPIC)[: url_pattern.MAX_TOPIC - 1]
        comparable = 100 * seconds(lambda topic=longest: friendly.matches(topic))  # type: ignore[misc]
        its_longest = longest[: pattern._longest]
        for topic in (longest, its_longest, f"{its_longest[:-1]}!"):
            assert seconds(lambda topic=topic: pattern.matches(topic)) < comparable, topic[:20]  # type: ignore[misc]


def test_time_for_an_everyday_topic_is_comparable_whatever_the_pattern() -> None:
    """Mercure 1.0, URL-Pattern Denial of Service: subscribers choose the pattern, and seldom the topics."""
    topic = "/rooms/67e55044-10b1-426f-9247-bb680e5fe0c8/messages/1234567890"
    friendly = compile_pattern(r"/rooms/:room/*/:id(\d+)", HUB)

    def match_often(pattern: UrlPattern) -> None:
        for _ in range(100):
            pattern.matches(topic)

    for text in EXPENSIVE.values():
        pattern = compile_pattern(text, HUB)
        assert seconds(lambda pattern=pattern: match_often(pattern)) < 50 * seconds(  # type: ignore[misc]
            lambda: match_often(friendly)
        ), text


@pytest.mark.parametrize("character", ["a", "-", "é", "\U0001f600", " ", '"'])
def test_longest_topic_is_counted_as_it_is_percent_encoded(character: str) -> None:
    """Mercure 1.0, URL-Pattern Denial of Service: past the limit, nothing matches."""
    pattern = compile_pattern("/*", HUB)
    encoded = len(character.encode()) * (1 if character in "a-" else 3)
    longest = "/" + character * ((url_pattern.MAX_TOPIC - 1) // encoded)

    assert pattern.matches(longest)
    assert not pattern.matches(longest + character)


def test_more_places_in_a_pattern_make_its_longest_topic_shorter() -> None:
    """Mercure 1.0, URL-Pattern Denial of Service."""
    lengths = [compile_pattern("/*" * number, HUB)._longest for number in (1, 4, 8)]

    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] == url_pattern.MAX_TOPIC > lengths[-1] > 500


paths = st.lists(st.sampled_from([*"ab0-/_~Zc", "aa", "/a"]), max_size=8).map(
    lambda parts: "/" + "".join(parts).lstrip("/")
)


@settings(max_examples=300, deadline=None)
@given(patterns, st.lists(paths, min_size=1, max_size=8))
def test_survey_of_the_costs_is_one_of_the_very_pattern(text: str, some: list[str]) -> None:
    """Mercure 1.0, URL-Pattern Denial of Service: followed through the survey, a path comes to its end."""
    try:
        pattern = compile_pattern(text, HUB)
    except ValueError:
        return
    library: Any = pattern._library
    survey = pattern_cost.Survey()
    end = survey._place(0, ())
    start = survey._build(pattern_cost.Sequence(pattern_cost.parse_part("pathname", library.pathname)), end)
    for path in some:
        places: set[int] = set(survey._closure(start))
        for character in path:
            read = [place for place in places if survey._reads[place] >> ord(character) & 1]
            places = {reached for place in read for reached in survey._closure(*survey._leads[place])}
        assert (end in places) == library.test(path, HUB), path


# Patterns are shared


def test_same_pattern_is_one_object() -> None:
    first = compile_pattern("/books/:id", HUB)

    assert compile_pattern("/books/:id", HUB) is first
    assert compile_pattern("/books/:id", "https://other.example/hub") is not first


def test_pattern_in_use_is_shared_however_many_others_there_were() -> None:
    first = compile_pattern("/books/:id", HUB)
    for number in range(url_pattern.REMEMBERED + 1):
        compile_pattern(f"/{number}/:id", HUB)

    assert compile_pattern("/books/:id", HUB) is first


def test_pattern_that_nobody_uses_is_forgotten() -> None:
    """Mercure 1.0, URL-Pattern Denial of Service: patterns come from subscribers."""
    pattern = ref(compile_pattern("/books/:id", HUB))
    for number in range(url_pattern.REMEMBERED):
        compile_pattern(f"/{number}/:id", HUB)
    gc.collect()

    assert pattern() is None


@pytest.mark.parametrize("text", ["/:a:a", "/(.*[0-9].{20})"])
def test_refusal_is_remembered(text: str, compilations: Compilations) -> None:
    """Mercure 1.0, URL-Pattern Denial of Service."""
    assert all(is_refused(text) for _ in range(10))
    assert len(compilations.texts) == 1


def test_threads_share_patterns() -> None:
    texts = [f"/{number}/:id" for number in range(20)] * 20

    def match(text: str) -> bool:
        return matches(text, text.replace(":id", "7")) and not matches(text, "/x")

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(match, texts))


# The library may be missing


def test_library_is_found() -> None:
    assert is_available()


def test_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "urlpattern", None)

    assert not is_available()
    with pytest.raises(ImportError):
        compile_pattern("/books/:id", HUB)


# URI templates as URL patterns


@pytest.mark.parametrize(
    ("template", "pattern"),
    [
        ("/books/{id}", "/books/:id"),
        ("https://example.com/books/{id}", "https://example.com/books/:id"),
        ("/users/{user}/posts/{post}", "/users/:user/posts/:post"),
        ("/{year}-{month}", "/:year-:month"),
        ("/books/{id}.json", "/books/:id.json"),
        # The name ends where it should
        ("/books/{id}s", "/books/{:id}s"),
        ("/{a}é", "/{:a}é"),
        ("/{a}_{b}$", "/{:a}_{:b}$"),
        ("/{a}{b}", "/:a:b"),
        # Several variables are one text with commas
        ("/{a,b}", "/:a"),
        ("/{list*}", "/:list"),
        ("/{name:3}", "/:name"),
        # Several segments
        ("/files/{+path}", "/files/:path(.*)"),
        ("/files/{+path,name}/raw", "/files/:path(.*)/raw"),
        # Optional segments
        ("/d{/a}", "/d{/:a}?"),
        ("/d{/a}{/b}", "/d{/:a}?{/:b}?"),
        ("/d{/a,b}", "/d{/:a}?{/:b}?"),
        ("/d{/list*}", "/d{/:list}*"),
        ("https://example.com{/a}", "https://example.com/{:a}?"),
        ("https://example.com{/a,b}", "https://example.com/{:a}?{/:b}?"),
        ("https://example.com{/list*}", "https://example.com/:list(.*)"),
        ("/f{.ext}", "/f{.:ext}?"),
        ("/f{.list*}", "/f{.:list}*"),
        # Names that a URL pattern does not allow
        ("/{a.b}/{%41}/{1}/{_x}", "/:a_b/:_41/:_1/:_x"),
        ("/{a}/{a}/{a}", "/:a/:a_2/:a_3"),
        ("/{a_2}/{a}/{a}", "/:a_2/:a/:a_3"),
        # What is no syntax in a template is none in the pattern
        ("/a*b(c)+d/{x}", r"/a\*b\(c\)\+d/:x"),
        ("/a:b/{x}", r"/a{\:}b/:x"),
        ("https://example.com/:a/{x}", r"https://example.com/\:a/:x"),
        # Other parts of a URL
        ("https://example.com:8080/{x}", r"https://example.com\:8080/:x"),
        ("http://[::1]:8080/{x}", r"http://[\:\:1]\:8080/:x"),
        ("https://{tenant}.example.com/{x}", "https://:tenant(.+).example.com/:x"),
        ("/s?q={q}&r={r}", r"/s\?q=:q([^&]+)&r=:r([^&]+)"),
        ("/p#{section}", "/p#:section"),
    ],
)
def test_pattern_of_a_template(template: str, pattern: str) -> None:
    """RFC 6570, Expression Expansion."""
    assert pattern_of_template(template) == pattern
    assert not is_refused(pattern)


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("/s{?q}", r"\{\?q\} has no equivalent in a URL pattern: write a URL pattern instead"),
        ("/s?a=b{&q}", r"\{&q\} has no equivalent"),
        ("/s{#section}", r"\{#section\} has no equivalent"),
        ("/m{;x}", r"\{;x\} has no equivalent"),
        ("/s?q={q}{/a}", r"\{/a\} has no equivalent"),
        ("/s?q={q}{.a}", r"\{.a\} has no equivalent"),
        ("https://{+host}/", r"\{\+host\} has no equivalent"),
        ("{+url}", r"\{\+url\} may be a URL of any host"),
        ("urn:x:{id}", "neither an absolute URL nor a path: write a URL pattern instead"),
        ("mailto:{user}", "neither an absolute URL nor a path"),
        ("//example.com/{id}", "neither an absolute URL nor a path"),
        ("/./{id}", "segment of dots"),
        ("/.{id}", "segment of dots"),
        ("https://example.com/{id}/../x", "segment of dots"),
        ("/a/%2E%2e/{id}", "segment of dots"),
        ("/books/1", "no URI template with an expression"),
        ("/books/{}", "no URI template with an expression"),
        ("/books/{id", "no URI template with an expression"),
        ("", "no URI template with an expression"),
    ],
)
def test_template_without_an_equal_pattern_is_refused(template: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        pattern_of_template(template)


unreserved = string.ascii_letters + string.digits + "-._~"
values = st.text(st.sampled_from(unreserved), min_size=1, max_size=6).filter(
    lambda value: value.strip(".")  # a segment of dots is no segment
)
literals = st.text(st.sampled_from(f"{unreserved}!$&()*+,;=:@[]é"), min_size=1, max_size=5).filter(
    lambda literal: literal.strip(".")
)


@st.composite
def templates(draw: st.DrawFn) -> tuple[list[tuple[str, str, str]], dict[str, str]]:
    """Segments, each a text, an expression and a text; and the values of the variables."""
    number = draw(st.integers(1, 4))
    segments = [
        (
            draw(literals | st.just("")),
            f"{{{draw(st.sampled_from(['a', 'b.c', '1', '%41']))}}}",
            draw(literals | st.just("")),
        )
        for _ in range(number)
    ]
    names = {expression.strip("{}") for _, expression, _ in segments}
    return segments, {name: draw(values) for name in sorted(names)}


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["", "https://example.com", "http://localhost:3000"]), templates())
def test_what_a_template_expands_to_matches_its_pattern(
    origin: str, case: tuple[list[tuple[str, str, str]], dict[str, str]]
) -> None:
    """RFC 6570, Simple String Expansion: with as many segments, and with no others."""
    segments, some = case
    template = origin + "".join(f"/{before}{expression}{after}" for before, expression, after in segments)
    topic = uritemplate.expand(template, some)
    pattern = compile_pattern(pattern_of_template(template), HUB)

    assert pattern.matches(topic)
    assert not pattern.matches(f"{topic}/x")
    assert not pattern.matches(f"{topic}/")
    assert not pattern.matches(f"{origin}/x{topic.removeprefix(origin)}")
    assert not pattern.matches(topic.rpartition("/")[0])


@settings(max_examples=100, deadline=None)
@given(st.lists(values, max_size=3), st.lists(values, min_size=1, max_size=3))
def test_what_optional_segments_expand_to_matches(optional: list[str], path: list[str]) -> None:
    """RFC 6570, Path Segment Expansion, Reserved Expansion."""
    some = {**dict(zip("abc", optional, strict=False)), "path": "/".join(path), "list": optional}
    for template in (
        "/d{/a,b,c}",
        "/d{/a}{/b}{/c}",
        "https://example.com{/a,b,c}",
        "/d{/list*}",
        "/x/{+path}",
        "/f{.list*}",
    ):
        topic = uritemplate.expand(template, some)
        assert matches(pattern_of_template(template), topic), template


@given(st.text(st.characters()) | st.text(st.sampled_from("/{}ab:.?#+*()\\")))
def test_any_text_is_converted_or_refused(text: str) -> None:
    try:
        pattern = pattern_of_template(text)
    except ValueError:
        return
    assert isinstance(pattern, str)
