"""Selectors of Mercure 0.x: URI templates (`Mercure 0.x, Topic Selectors`; `RFC 6570`)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .client import Stream
from .hub import Hub

Matches = Callable[..., bool]

MATCHING = [
    ("/books/{id}", "/books/1"),
    ("/books/{id}", "/books/"),
    ("/books/{id}", "/books/a-b.c_d~e"),
    ("/books/{id}", "/books/a%20b%2Fc"),
    ("/books/{id}", "/books/red,green"),
    ("/books/{id}/edit", "/books/1/edit"),
    ("/{type}/{id}", "/books/1"),
    ("/{a}.{b}", "/index.html"),
    ("/{a}{b}", "/12"),
    ("/{x,y}", "/1024,768"),
    ("/{list*}", "/red,green,blue"),
    ("/{var:3}", "/val"),
    ("/{under_score}", "/1"),
    ("/{dotted.name}", "/1"),
    ("/{%41}", "/1"),
    # reserved expansion
    ("/{+path}", "/a/b/c"),
    ("/{+path}", "/"),
    ("/{+path}/here", "/foo/bar/here"),
    ("/here?ref={+path}", "/here?ref=/foo/bar"),
    ("/{+x}", "/a:b@c?d=e&f#g[h]!$'()*+,;="),
    # fragment
    ("/x{#part}", "/x#top"),
    ("/x{#part}", "/x"),
    ("/x{#part}", "/x#/a?b"),
    ("/x{#a,b}", "/x#1,2"),
    # label
    ("/x{.ext}", "/x.json"),
    ("/x{.ext}", "/x"),
    ("/x{.a,b}", "/x.1.2"),
    ("/x{.list*}", "/x.red.green.blue"),
    # path segments
    ("/x{/segment}", "/x/1"),
    ("/x{/segment}", "/x"),
    ("/x{/a,b}", "/x/1/2"),
    ("/x{/list*}", "/x/red/green/blue"),
    ("/x{/list*}", "/x"),
    # parameters
    ("/x{;p}", "/x;p=1"),
    ("/x{;p}", "/x;p"),
    ("/x{;p}", "/x"),
    ("/x{;p,q}", "/x;p=1;q=2"),
    ("/x{;list*}", "/x;a=1;b=2;c=3"),
    # form query
    ("/x{?q}", "/x?q=1"),
    ("/x{?q}", "/x?q="),
    ("/x{?q}", "/x"),
    ("/x{?q,r}", "/x?q=1&r=2"),
    ("/x{?list*}", "/x?a=1&b=2&c=3"),
    # form continuation
    ("/x?fixed=1{&q}", "/x?fixed=1&q=2"),
    ("/x?fixed=1{&q}", "/x?fixed=1"),
    ("/x?fixed=1{&q,r}", "/x?fixed=1&q=2&r=3"),
    # literals
    ("/a.b/{id}", "/a.b/1"),
    ("/a+b(c)*$/{id}", "/a+b(c)*$/1"),
    ("/a%20b/{id}", "/a%20b/1"),
    # equal comes before any template
    ("/books/{id}", "/books/{id}"),
    ("/x{?q,r}", "/x{?q,r}"),
    ("/{", "/{"),
    ("/{!x}", "/{!x}"),
]

NOT_MATCHING = [
    ("/books/{id}", "/books"),
    ("/books/{id}", "/books/1/2"),
    ("/books/{id}", "/books/a:b"),
    ("/books/{id}", "/books/a@b"),
    ("/books/{id}", "/books/a b"),
    ("/books/{id}", "/books/1?x"),
    ("/books/{id}", "/books/1#x"),
    ("/books/{id}", "/books/é"),
    ("/books/{id}", "/books/%2"),
    ("/books/{id}", "/Books/1"),
    ("/books/{id}", "/other/1"),
    ("/books/{id}/edit", "/books/1/2/edit"),
    ("/books/{id}/edit", "/books/1/edit/more"),
    ("/{+path}", "/a b"),
    ("/x{#part}", "/xtop"),
    ("/x{.ext}", "/xjson"),
    ("/x{.ext}", "/x/json"),
    ("/x{/segment}", "/x1"),
    ("/x{/segment}", "/x/1/2"),
    ("/x{/a,b}", "/x/1/2/3"),
    ("/x{;p}", "/x?p=1"),
    ("/x{?q}", "/x&q=1"),
    ("/x{?q}", "/x?q=1&r=2"),
    ("/x{?q}", "/xq=1"),
    ("/x?fixed=1{&q}", "/x?fixed=1?q=2"),
    ("/x?fixed=1{&q}", "/x&q=2"),
    ("/a.b/{id}", "/axb/1"),
    ("/a+b/{id}", "/aab/1"),
    ("/a|b/{id}", "/a"),
    ("/{id", "/1"),
    ("/{}", "/1"),
    ("/{!x}", "/1"),
    ("/{x y}", "/1"),
    ("/{x}}", "/1"),
]

LENIENT = {
    "names are not compared": ("/x{?topic}", "/x?other=1"),
    "names of parameters are not compared": ("/x{;p}", "/x;q=1"),
    "the length of a prefix is ignored": ("/{var:3}", "/value"),
}


@pytest.mark.parametrize(("template", "text"), MATCHING)
def test_a_template_matches_its_expansions(topic: str, template: str, text: str, matches: Matches) -> None:
    """`Mercure 0.x, Topic Selectors`."""
    assert matches([("topic", topic + template)], topic + text)


@pytest.mark.parametrize(("template", "text"), NOT_MATCHING)
def test_a_template_matches_nothing_else(topic: str, template: str, text: str, matches: Matches) -> None:
    """`Mercure 0.x, Topic Selectors`."""
    assert not matches([("topic", topic + template)], topic + text)


@pytest.mark.choice("RFC 6570 does not say how to match; the reference hub does so")
@pytest.mark.parametrize(("template", "text"), LENIENT.values(), ids=LENIENT)
def test_a_template_is_matched_with_leniency(topic: str, template: str, text: str, matches: Matches) -> None:
    """`Mercure 0.x, Topic Selectors`."""
    assert matches([("topic", topic + template)], topic + text)


def test_a_template_matches_from_the_beginning(topic: str, matches: Matches) -> None:
    """`Mercure 0.x, Topic Selectors`."""
    assert not matches([("topic", f"/{topic[-32:]}/{{id}}")], f"https://example.com/{topic[-32:]}/1")


def test_an_alternate_topic_may_match_a_template(topic: str, other_topic: str, matches: Matches) -> None:
    """`Mercure 0.x, Topic Selectors`."""
    assert matches([("topic", f"{topic}/{{id}}")], other_topic, f"{topic}/1")


@pytest.mark.parametrize(
    ("selector", "text", "granted"),
    [
        ("/books/{id}", "/books/1", True),
        ("/books/{id}", "/books/{id}", True),
        ("/books/{id}", "/books/1/2", False),
        ("/books/1", "/books/1", True),
        ("/books/1", "/books/2", False),
        ("/{", "/{", True),
        ("/{", "/1", False),
    ],
)
def test_grants_of_publishers_are_selectors_too(
    hub: Hub, topic: str, selector: str, text: str, granted: bool
) -> None:
    """`Mercure 0.x, Publishers`."""
    answer = hub.post([("topic", topic + text)], token=hub.publisher_token(topic + selector))
    assert (answer.status == 200) == granted
    assert answer.status in (200, 401, 403)


@pytest.mark.parametrize(
    ("selector", "text", "granted"),
    [
        ("/books/{id}", "/books/1", True),
        ("/books/{id}", "/books/{id}", True),
        ("/books/{id}", "/books/1/2", False),
        ("/books/1", "/books/1", True),
        ("/books/1", "/books/2", False),
    ],
)
def test_grants_of_subscribers_are_selectors_too(
    hub: Hub,
    topic: str,
    selector: str,
    text: str,
    granted: bool,
    publish: Callable[..., str],
    open_stream: Callable[..., Stream],
) -> None:
    """`Mercure 0.x, Subscribers`."""
    stream = open_stream(topic + text, token=hub.subscriber_token(topic + selector))
    private = publish(topic + text, private="on")
    received = [event.id for event in stream.until(publish(topic + text))]
    assert received == ([private] if granted else [])
