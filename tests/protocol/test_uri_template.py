"""Which topics come from a URI template."""

from __future__ import annotations

import re
import string
from time import perf_counter
from typing import Any

import pytest
import uritemplate
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_mercure_sse.protocol import uri_template
from flask_mercure_sse.protocol.uri_template import UriTemplate, parse

from .strategies import any_text


def matches(template: str, topic: str) -> bool:
    parsed = parse(template)
    assert parsed is not None, f"{template} is not a template"
    return parsed.matches(topic)


@pytest.mark.parametrize(
    ("template", "topics"),
    [
        # Level 1
        (
            "/books/{id}",
            ["/books/1", "/books/", "/books/a-b._~", "/books/a,b", "/books/%C3%A9", "/books/%41%2f"],
        ),
        ("{x}", ["", "a", "a,b", "%20"]),
        ("/a/{x}/b/{y}/c", ["/a/1/b/2/c", "/a//b//c", "/a/b/b/b/c"]),
        # Level 2
        ("{+x}", ["", "/", "https://e.com/a?b=c#d", "a,b;c=d", "[!$&'()*+]@", "%20"]),
        ("/go{+path}", ["/go", "/go/a/b", "/go:443/"]),
        ("{#x}", ["", "#", "#a/b?c", "##"]),
        ("/page{#section}", ["/page", "/page#", "/page#top", "/page#a=b/c"]),
        # Level 3
        ("/map?{x,y}", ["/map?1024,768", "/map?1024", "/map?"]),
        ("{+x,y}", ["", "a/b,c/d"]),
        ("{#x,y}", ["", "#a/b,c/d"]),
        ("/file{.ext}", ["/file", "/file.", "/file.txt", "/file.tar.gz"]),
        ("/file{.a,b}", ["/file", "/file.x", "/file.x.y"]),
        ("/dir{/x}", ["/dir", "/dir/", "/dir/a", "/dir/a,b"]),
        ("/dir{/x,y}", ["/dir", "/dir/a", "/dir/a/b", "/dir//", "/dir//b"]),
        ("/m{;x}", ["/m", "/m;", "/m;x", "/m;x=1"]),
        ("/m{;x,y}", ["/m", "/m;x=1", "/m;x=1;y=2", "/m;x;y"]),
        ("/s{?q}", ["/s", "/s?", "/s?q", "/s?q=", "/s?q=a%20b", "/s?q=a,b"]),
        ("/s{?q,r}", ["/s", "/s?q=1", "/s?r=2", "/s?q=1&r=2", "/s?&"]),
        ("/s?fixed=1{&q}", ["/s?fixed=1", "/s?fixed=1&q=2"]),
        ("/s?fixed=1{&q,r}", ["/s?fixed=1", "/s?fixed=1&q=2", "/s?fixed=1&q=2&r=3"]),
        # Level 4
        ("/books/{id:3}", ["/books/123"]),
        ("{+x:9999}", ["/books/1"]),
        ("{list*}", ["", "a", "a,b,c"]),
        ("{+list*}", ["", "a/b,c"]),
        ("{#list*}", ["", "#a,b"]),
        ("/dir{/list*}", ["/dir", "/dir/a", "/dir/a/b/c/d", "/dir/"]),
        ("/file{.list*}", ["/file", "/file.a.b.c"]),
        ("/m{;list*}", ["/m", "/m;l=1;l=2;l=3"]),
        ("/s{?list*}", ["/s", "/s?l=1&l=2&l=3"]),
        ("/s?a=b{&list*}", ["/s?a=b", "/s?a=b&l=1&l=2&l=3"]),
        ("/dir{/x,list*}", ["/dir", "/dir/a", "/dir/a/b/c/d"]),
        # Expressions side by side
        ("{a}{b}", ["", "ab", "a,b"]),
        ("{a}{+b}", ["a/b", "/b"]),
        ("{+a}{b}", ["a/b"]),
        ("{/a}{/b}", ["", "/a", "/a/b"]),
        ("/x{/a}{?q}{#f}", ["/x", "/x/a", "/x?q=1", "/x#f", "/x/a?q=1#f"]),
        ("{a}{/b}", ["a", "a/b", "/b", ""]),
        ("{/b}{a}", ["/b", "a", ""]),
        ("{a}x{b}", ["x", "axb", "xxx"]),
        # Names and literals
        ("/{a.b}/{%41}/{_1}", ["/1/2/3"]),
        ("/{a}/{a}", ["/1/2"]),
        ("/%41/{x}", ["/%41/1"]),
        ("{x}41", ["41", "%4141", "4141"]),
        ("/é/{x}", ["/é/1"]),
        ("a.b+c(d)*[$]/{x}", ["a.b+c(d)*[$]/1"]),
    ],
)
def test_expansions_of_a_template_match(template: str, topics: list[str]) -> None:
    """Mercure 0.x, Topic Selectors; RFC 6570, Expression Expansion."""
    assert [topic for topic in topics if not matches(template, topic)] == []


@pytest.mark.parametrize(
    ("template", "topics"),
    [
        (
            "/books/{id}",
            ["/books", "/books/1/2", "/book/1", "x/books/1", "/books/1?q", "/books/a=b", "/books/1\n"],
        ),
        (
            "{x}",
            ["/", ":", "@", " ", "a b", "é", "?", "#", "=", "&", ";", "+", "%", "%4", "%4g", "*", "\u0661"],
        ),
        ("{+x}", [" ", "a b", "é", '"', "<", ">", "\\", "^", "`", "{", "|", "}", "%", "%zz"]),
        ("{#x}", ["a", "a#b", "#é"]),
        ("/a/{+x}", ["/b/a/1", "a/1", "/a"]),
        ("/a/{x}/b", ["/a/1", "/a/b", "/a/1/b/", "/a/1/2/b"]),
        ("/dir{/x}", ["/dira", "/dir/a/b", "dir/a", "/dir/a?b", "/dir/a=b"]),
        ("/dir{/x,y}", ["/dir/a/b/c"]),
        ("/dir{/list*}", ["/dira", "/dir/a:b", "/dir/a b"]),
        ("/file{.ext}", ["/filetxt", "/file.a/b", "/file/txt"]),
        ("/m{;x}", ["/mx", "/m;x;y", "/m;x/y"]),
        ("/m{;x,y}", ["/m;x;y;z"]),
        ("/s{?q}", ["/sq", "/s?q=1&r=2", "/s?q=a/b", "/s&q=1", "/s?q?r"]),
        ("/s{?q,r}", ["/s?q=1&r=2&t=3", "/s&r=2", "/s?q?r"]),
        ("/s?a=b{&q}", ["/s?a=b?q=1", "/s?a=bq"]),
        ("/map?{x}", ["/map", "/map?x=1"]),
        ("{a}x{b}", ["", "a", "a/xb"]),
        ("/%41/{x}", ["/A/1", "/%42/1"]),
        ("{x}41", ["%41", "4", "%414"]),
        ("a.b/{x}", ["aXb/1"]),
        ("{/a}{/b}", ["/a/b/c", "a"]),
    ],
)
def test_other_topics_do_not_match(template: str, topics: list[str]) -> None:
    """Mercure 0.x, Topic Selectors; RFC 6570, Expression Expansion."""
    assert [topic for topic in topics if matches(template, topic)] == []


def test_names_are_not_compared() -> None:
    """Mercure 0.x, Topic Selectors: as deployed hubs do."""
    assert matches("/search{?topic}", "/search?other=1")


@pytest.mark.parametrize("operator", ["", "+", "#", ".", "/", ";", "?", "&"])
def test_expansion_of_a_map_matches(operator: str) -> None:
    """RFC 6570, Value Modifiers: an exploded map is written as pairs with ``=``."""
    template = f"{{{operator}map*}}"
    assert matches(template, uritemplate.expand(template, map={"semi": ";", "dot": "."}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "/books/1",
        "/books/{",
        "/books/}",
        "/books/{}",
        "/books/{id",
        "/books/id}",
        "/books/{{id}}",
        "/books/{id}}",
        "{a}{",
        "{a b}",
        "{a,}",
        "{,a}",
        "{a,,b}",
        "{a-b}",
        "{é}",
        "{.}",
        "{a.}",
        "{a..b}",
        "{=a}",
        "{!a}",
        "{@a}",
        "{|a}",
        "{$a}",
        "{a:0}",
        "{a:}",
        "{a:10000}",
        "{a:x}",
        "{a**}",
        "{a*:3}",
        "{a:3*}",
        "{%4}",
        "{%zz}",
        "a b/{x}",
        "a\n{x}",
        'a"{x}',
        "a<b>{x}",
        "a\\{x}",
        "a^{x}",
        "a`{x}",
        "a|{x}",
        "100%/{x}",
        "{x}%4",
    ],
)
def test_what_is_no_valid_template_is_a_plain_text(text: str) -> None:
    """Mercure 0.x, Topic Selectors; RFC 6570, Syntax."""
    assert parse(text) is None


# Templates at random. The names are distinct, so that each variable can have a value of its own kind.

literals = st.text(st.sampled_from(f"{string.ascii_letters}{string.digits}-._~:/?#[]@!$&()*+,;="), max_size=4)
percent_bytes = st.sampled_from(["%41", "%c3%A9", "%25"])
operators = st.sampled_from(["", "+", "#", ".", "/", ";", "?", "&"])
modifiers = st.sampled_from(["", "*", ":1", ":20"])


@st.composite
def templates_with_values(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A template, and a value for most of its variables."""
    template = draw(literals)
    values: dict[str, Any] = {}
    for number in range(draw(st.integers(1, 4))):
        variables = []
        for name in "abc"[: draw(st.integers(1, 3))]:
            modifier = draw(modifiers)
            variables.append(f"{name}{number}{modifier}")
            kinds = {"": any_text | st.lists(any_text), "*": st.lists(any_text)}
            value = draw(st.none() | kinds.get(modifier, any_text))
            if value is not None:
                values[f"{name}{number}"] = value
        template += f"{{{draw(operators)}{','.join(variables)}}}{draw(literals | percent_bytes)}"
    return template, values


@settings(max_examples=120, deadline=None)
@given(templates_with_values())
def test_whatever_a_template_expands_to_matches_it(case: tuple[str, dict[str, Any]]) -> None:
    """Mercure 0.x, Topic Selectors: the expansion is made by another library."""
    template, values = case
    assert matches(template, uritemplate.expand(template, values))


def reference_pattern(template: str) -> re.Pattern[str]:
    """The regular expression by which the reference hub's library matches a template."""
    pattern = ""
    for literal, operator, variables in re.findall(r"([^{]*)(?:\{([+#./;?&]?)([^}]*)\})?", template):
        pattern += re.escape(literal)
        if not variables:
            continue
        allowed = r"A-Za-z0-9\-._~,"
        if operator in ("+", "#"):
            allowed += r":/?#\[\]@!$&'()*+;="
        if operator in (";", "?", "&"):
            allowed += "="
        value = f"(?:[{allowed}]|%[0-9A-Fa-f]{{2}})*"
        separator = re.escape({"": ",", "+": ",", "#": ",", "?": "&"}.get(operator, operator))
        parts = variables.count(",")
        times = "*" if "*" in variables else f"{{0,{parts}}}"
        first = operator if operator not in ("", "+") else ""
        pattern += f"(?:{re.escape(first)}{value}(?:{separator}{value}){times})?"
    return re.compile(pattern)


topics_of_few_characters = st.lists(st.sampled_from([*"ab/.,?&;#=:%é ", "%41", "\n"]), max_size=8).map(
    "".join
)


@st.composite
def small_templates(draw: st.DrawFn) -> str:
    parts = st.sampled_from(["a", "b", "/", ".", "?", "%41", "&"])
    variables = st.lists(st.sampled_from(["x", "y", "z*", "w:2"]), min_size=1, max_size=3).map(",".join)
    expressions = st.builds("{{{}{}}}".format, operators, variables)
    return "".join(draw(st.lists(parts | expressions, min_size=1, max_size=4).filter(has_an_expression)))


def has_an_expression(parts: list[str]) -> bool:
    return any(part.startswith("{") for part in parts)


@settings(max_examples=150, deadline=None)
@given(small_templates(), st.lists(topics_of_few_characters, min_size=1, max_size=8))
def test_topics_match_as_on_the_reference_hub(template: str, topics: list[str]) -> None:
    """Mercure 0.x, Topic Selectors."""
    parsed = parse(template)
    assert parsed is not None
    expected = reference_pattern(template)
    for topic in topics:
        if "*" in template and "=" in topic:
            continue  # an exploded map, see above
        assert parsed.matches(topic) == (expected.fullmatch(topic) is not None), topic


@settings(max_examples=30, deadline=None)
@given(small_templates(), st.lists(topics_of_few_characters, min_size=1, max_size=8), st.integers(1, 6))
def test_an_answer_stays_the_same_when_steps_were_forgotten(
    template: str, topics: list[str], remembered: int
) -> None:
    """Mercure 0.x, Topic Selectors."""
    parsed = parse(template)
    assert parsed is not None
    answers = list(map(parsed.matches, topics))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uri_template, "MAX_REMEMBERED", remembered)
        forgetful = parse(template)
        assert forgetful is not None
        for _ in range(3):
            assert list(map(forgetful.matches, topics)) == answers
            assert list(map(parsed.matches, topics)) == answers


def test_only_so_many_steps_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 1.0, URL-Pattern Denial of Service: publishers choose the topics."""
    monkeypatch.setattr(uri_template, "MAX_REMEMBERED", 50)
    template = parse("{a}x{+b}y{c}")
    assert template is not None
    for number in range(500):
        template.matches(f"x/{number}/y{chr(0x4E00 + number)}")
    assert remembered_steps(template) <= 50


def remembered_steps(template: UriTemplate) -> int:
    waiting = [template._start]
    seen = []
    while waiting:
        state = waiting.pop()
        if state is not None and state not in seen:
            seen.append(state)
            waiting.extend(state.steps.values())
    return sum(len(state.steps) for state in seen)


HOSTILE = {
    "many expressions": ("{a}b{c}b{d}b" * 17, "b"),
    "many expressions that never meet": ("{a}b{c}b{d}b" * 17 + "!", "b"),
    "the same expression again and again": ("{a}" * 50 + "!", "a"),
    "lists in lists": ("{/a*}" * 50 + "!", "/a"),
    "reserved in reserved": ("{+a}/" * 50 + "!", "/a"),
    "every operator": ("{a}{+b}{#c}{.d}{/e}{;f}{?g}{&h}" * 6 + "!", "a/b"),
    "percent-encoded bytes": ("{a}%41" * 50 + "!", "%41"),
}
SHORT, LONG = 1024, 16 * 1024


def seconds(template: str, topic: str) -> float:
    """The least of some runs, each of a template that remembers nothing yet."""
    times = []
    for _ in range(3):
        parsed = parse(template)
        assert parsed is not None
        start = perf_counter()
        parsed.matches(topic)
        times.append(perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("name", HOSTILE)
def test_time_grows_with_the_topic_and_not_faster(name: str) -> None:
    """Mercure 1.0, URL-Pattern Denial of Service."""
    template, part = HOSTILE[name]
    long_topic = (part * LONG)[:LONG]
    taken = seconds(template, long_topic)
    assert taken < 4 * LONG / SHORT * seconds(template, long_topic[:SHORT])
    assert taken < 40 * seconds("{+friendly}", long_topic)
