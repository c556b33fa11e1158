"""Who gets an update."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pytest

from flask_mercure_sse.hub.router import Router
from flask_mercure_sse.hub.subscriber import Subscriber
from flask_mercure_sse.protocol.rights import ANONYMOUS, Rights
from flask_mercure_sse.protocol.selectors import template_selector
from flask_mercure_sse.protocol.update import Update
from flask_mercure_sse.protocol.uri_template import UriTemplate
from flask_mercure_sse.protocol.v0 import MERCURE_0
from flask_mercure_sse.protocol.version import SubscribeRequest


class Wanted(NamedTuple):
    """What somebody asks for and may read."""

    request: SubscribeRequest
    rights: Rights
    name: str


def subscriber(*selectors: str, grants: Iterable[str] = (), name: str = "s") -> Wanted:
    rights = Rights(subscribe=tuple(map(template_selector, grants))) if grants else ANONYMOUS
    return Wanted(SubscribeRequest(MERCURE_0, tuple(map(template_selector, selectors))), rights, name)


def add(router: Router, wanted: Wanted) -> Subscriber:
    return router.add(wanted.request, wanted.rights, lambda frame: None, wanted.name)


def router_of(*wanted: Wanted) -> Router:
    router = Router()
    for one in wanted:
        add(router, one)
    return router


def routed(router: Router, *topics: str, private: bool = False) -> list[str]:
    """Return the names of those who get an update."""
    groups = router.route(Update(topics, private=private))
    return [member.id for group in groups for member in group.members]


@pytest.mark.parametrize(
    ("selectors", "topics", "gets_it"),
    [
        (["/books/1"], ["/books/1"], True),
        (["/books/1"], ["/books/2"], False),
        (["/books/1"], ["/movies/1", "/books/1"], True),
        (["/books/{id}"], ["/books/1"], True),
        (["/books/{id}"], ["/movies/1", "/books/1"], True),
        (["/books/{id}"], ["/books/1/2"], False),
        (["/books/{id}"], ["/books/{id}"], True),
        (["/movies/{id}", "/books/1"], ["/books/1"], True),
        (["*"], ["/books/1"], True),
        (["*"], ["*"], True),
        (["/books/1"], ["*"], False),
        (["/books/{id"], ["/books/{id"], True),
    ],
)
def test_one_topic_that_one_selector_matches_is_enough(
    selectors: list[str], topics: list[str], gets_it: bool
) -> None:
    """Mercure 0.x, Subscription and Topic Selectors."""
    assert routed(router_of(subscriber(*selectors)), *topics) == (["s"] if gets_it else [])


def test_update_goes_to_a_subscriber_once_however_many_selectors_match() -> None:
    """Mercure 0.x, Subscription."""
    one = subscriber("/books/1", "/books/{id}", "{+anything}", "*", "/all")
    assert routed(router_of(one), "/books/1", "/all", "/books/2") == ["s"]


def test_subscribers_of_one_topic_come_in_the_order_in_which_they_joined() -> None:
    """Mercure 0.x, Publication."""
    wanted = [subscriber("/books/1", name=str(number)) for number in range(50)]
    router = Router()
    first, *others = [add(router, one) for one in wanted]
    router.remove(first)
    add(router, wanted[0])
    assert routed(router, "/books/1") == [*(one.id for one in others), "0"]


def test_two_connections_are_two_subscribers() -> None:
    """Mercure 0.x, Subscription: even if they ask for the same with the same rights."""
    router = Router()
    first = add(router, subscriber("/books/1", name="first"))
    second = add(router, subscriber("/books/1", name="second"))
    assert len(router) == 2
    router.remove(first)
    assert routed(router, "/books/1") == ["second"]
    assert second in router
    assert first not in router


def test_those_who_want_and_may_read_the_same_are_one_group() -> None:
    """Mercure 0.x, Subscription: what they share is looked at once for all of them."""
    router = Router()
    readers = [add(router, subscriber("/books/1", "*", grants=["/books/1"])) for _ in range(3)]
    assert len({reader.group for reader in readers}) == 1
    others = [
        subscriber("/books/1", "*"),
        subscriber("/books/1", grants=["/books/1"]),
        subscriber("*", "/books/1"),
    ]
    assert len({add(router, other).group for other in others} | {readers[0].group}) == 4


@pytest.mark.parametrize(
    ("selectors", "grants", "topics", "gets_it"),
    [
        # It must be asked for, and it must be granted.
        (["/books/1"], ["/books/1"], ["/books/1"], True),
        (["/books/1"], [], ["/books/1"], False),
        (["/books/1"], ["/books/2"], ["/books/1"], False),
        (["/books/2"], ["/books/1"], ["/books/1"], False),
        (["/books/1"], ["*"], ["/books/1"], True),
        (["/books/1"], ["/books/{id}"], ["/books/1"], True),
        (["/books/{id}"], ["/books/1"], ["/books/1"], True),
        (["*"], [], ["/books/1"], False),
        (["*"], ["/books/1"], ["/books/1"], True),
        (["*"], ["/books/1"], ["/books/2"], False),
        # The topic that is granted may be another one than the topic that is asked for.
        (["/books/1"], ["/users/7"], ["/books/1", "/users/7"], True),
        (["/books/1"], ["/users/7"], ["/users/7", "/books/1"], True),
        (["/books/1"], ["/users/8"], ["/books/1", "/users/7"], False),
        (["/books/2"], ["/users/7"], ["/books/1", "/users/7"], False),
    ],
)
def test_private_update_needs_a_selector_and_a_grant(
    selectors: list[str], grants: list[str], topics: list[str], gets_it: bool
) -> None:
    """Mercure 0.x, Subscribers."""
    one = subscriber(*selectors, grants=grants)
    neighbour = subscriber(*selectors, name="anonymous neighbour")
    assert routed(router_of(one, neighbour), *topics, private=True) == (["s"] if gets_it else [])


def test_public_update_needs_no_grant() -> None:
    """Mercure 0.x, Subscribers."""
    one, other = subscriber("/books/1"), subscriber("/books/1", grants=["/movies/1"], name="other")
    assert routed(router_of(one, other), "/books/1") == ["s", "other"]


def test_topics_and_patterns_of_others_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 0.x, Publication: the cost follows those who get the update, not those who get others."""
    router = Router()
    for number in range(2000):
        add(router, subscriber(f"/books/{number}/{{page}}", f"/books/{{id}}-{number}", name=str(number)))
        for other in range(10):
            add(router, subscriber(f"/exact/{number}/{other}", f"/books/{number}/{other}"))
    tried: list[str] = []
    matches = UriTemplate.matches
    monkeypatch.setattr(
        UriTemplate, "matches", lambda template, topic: (tried.append(topic), matches(template, topic))[1]
    )
    assert routed(router, "/books/7/preface") == ["7"]
    assert tried == ["/books/7/preface"]
    tried.clear()
    assert routed(router, "/exact/7/3") == ["s"]
    assert routed(router, "/films/7/preface") == []
    assert tried == []


def test_who_left_gets_nothing_and_its_neighbour_still_does() -> None:
    """Mercure 0.x, Subscription."""
    router = Router()
    leaving, staying = (
        add(router, subscriber("/books/1", "/books/{id}", "*", name=name)) for name in ("leaving", "staying")
    )
    router.remove(leaving)
    assert routed(router, "/books/1") == ["staying"]
    assert list(router) == [staying]


def test_nothing_is_left_when_everybody_has_left() -> None:
    """Mercure 0.x, Subscription: memory must not grow with the topics that were ever followed."""
    router = Router()
    before = list(tables(router))
    for number in range(200):
        grants = ["*"] if number % 2 else []
        one = add(
            router,
            subscriber(f"/books/{number}", f"/books/{number}/{{page}}", "*", "/all", grants=grants),
        )
        routed(router, f"/books/{number}", f"/never followed/{number}")
        router.remove(one)
    assert len(router) == 0
    assert list(tables(router)) == before == [0] * len(before)


def test_publishing_to_new_topics_leaves_nothing_behind() -> None:
    """Mercure 0.x, Publication: memory must not grow with the topics that were ever published."""
    router = router_of(subscriber("/books/1", "*", "/books/{id}"))
    before = list(tables(router))
    for number in range(200):
        routed(router, f"/movies/{number}")
    assert list(tables(router)) == before


def tables(part: object) -> Iterator[int]:
    """Yield how much each dictionary of a router holds."""
    for value in vars(part).values():
        if isinstance(value, dict):
            yield len(value)
        elif hasattr(value, "__dict__") and not isinstance(value, type):
            yield from tables(value)
