"""Who gets an update."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from flask_mercure_sse.hub.router import Router
from flask_mercure_sse.hub.subscriber import Subscriber
from flask_mercure_sse.protocol.rights import ANONYMOUS, Rights
from flask_mercure_sse.protocol.selectors import template_selector
from flask_mercure_sse.protocol.update import Update
from flask_mercure_sse.protocol.v0 import MERCURE_0
from flask_mercure_sse.protocol.version import SubscribeRequest


def subscriber(*selectors: str, grants: Iterable[str] = (), name: str = "s") -> Subscriber:
    rights = Rights(subscribe=tuple(map(template_selector, grants))) if grants else ANONYMOUS
    request = SubscribeRequest(MERCURE_0, tuple(map(template_selector, selectors)))
    return Subscriber(request, rights, lambda frame: None, name)


def router_of(*subscribers: Subscriber) -> Router:
    router = Router()
    for one in subscribers:
        router.add(one)
    return router


def routed(router: Router, *topics: str, private: bool = False) -> list[Subscriber]:
    return list(router.route(Update(topics, private=private)))


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
    one = subscriber(*selectors)
    assert routed(router_of(one), *topics) == ([one] if gets_it else [])


def test_update_goes_to_a_subscriber_once_however_many_selectors_match() -> None:
    """Mercure 0.x, Subscription."""
    one = subscriber("/books/1", "/books/{id}", "{+anything}", "*", "/all")
    assert routed(router_of(one), "/books/1", "/all", "/books/2") == [one]


def test_subscribers_of_one_topic_come_in_the_order_in_which_they_joined() -> None:
    """Mercure 0.x, Publication."""
    subscribers = [subscriber("/books/1", name=str(number)) for number in range(50)]
    router = router_of(*subscribers)
    router.remove(subscribers[0])
    router.add(subscribers[0])
    assert routed(router, "/books/1") == [*subscribers[1:], subscribers[0]]


def test_two_connections_are_two_subscribers() -> None:
    """Mercure 0.x, Subscription: even if they ask for the same with the same rights."""
    first, second = subscriber("/books/1"), subscriber("/books/1")
    router = router_of(first, second)
    assert len(router) == 2
    router.remove(first)
    assert routed(router, "/books/1") == [second]
    assert second in router
    assert first not in router


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
    assert routed(router_of(one, neighbour), *topics, private=True) == ([one] if gets_it else [])


def test_public_update_needs_no_grant() -> None:
    """Mercure 0.x, Subscribers."""
    one, other = subscriber("/books/1"), subscriber("/books/1", grants=["/movies/1"])
    assert routed(router_of(one, other), "/books/1") == [one, other]


def test_who_left_gets_nothing_and_its_neighbour_still_does() -> None:
    """Mercure 0.x, Subscription."""
    leaving, staying = (subscriber("/books/1", "/books/{id}", "*") for _ in range(2))
    router = router_of(leaving, staying)
    router.remove(leaving)
    assert routed(router, "/books/1") == [staying]
    assert list(router) == [staying]


def test_nothing_is_left_when_everybody_has_left() -> None:
    """Mercure 0.x, Subscription: memory must not grow with the topics that were ever followed."""
    router = Router()
    for number in range(200):
        grants = ["*"] if number % 2 else []
        one = subscriber(f"/books/{number}", f"/books/{number}/{{page}}", "*", "/all", grants=grants)
        router.add(one)
        routed(router, f"/books/{number}", f"/never followed/{number}")
        router.remove(one)
    assert len(router) == 0
    assert tables(router) == [{}, {}, {}, {}, {}]


def test_publishing_to_new_topics_leaves_nothing_behind() -> None:
    """Mercure 0.x, Publication: memory must not grow with the topics that were ever published."""
    router = router_of(subscriber("/books/1", "*"))
    before = [len(table) for table in tables(router)]
    for number in range(200):
        routed(router, f"/movies/{number}")
    assert [len(table) for table in tables(router)] == before


def tables(router: Router) -> list[dict[object, object]]:
    parts = [router, *(part for part in vars(router).values() if not isinstance(part, dict))]
    return [value for part in parts for value in vars(part).values() if isinstance(value, dict)]
