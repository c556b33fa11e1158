"""Joining, publishing, leaving and coming back."""

from __future__ import annotations

import re

import pytest

from flask_mercure_sse.hub.hub import Hub
from flask_mercure_sse.protocol.errors import Forbidden, Unauthorized
from flask_mercure_sse.protocol.rights import ANONYMOUS
from flask_mercure_sse.protocol.update import Update
from flask_mercure_sse.protocol.v0 import MERCURE_0
from flask_mercure_sse.protocol.versions import Versions

from .conftest import Join


def book(number: int, **fields: object) -> Update:
    """Make the update of a book whose id and data are its number."""
    return Update((f"/books/{number}",), data=str(number), id=str(number), **fields)  # type: ignore[arg-type]


def test_update_reaches_who_follows_its_topic(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Publication."""
    follower, other = join("/books/{id}"), join("/movies/{id}")
    update = Update(("/books/1",), data="hi", type="greeting", retry=3000)
    assert hub.publish(update) == update.id
    assert follower.updates == [update]
    assert other.updates == []


def test_update_that_several_selectors_match_arrives_once(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Subscription."""
    follower = join("/books/1", "/books/{id}", "*")
    hub.publish(Update(("/books/1", "/books/2"), data="hi"))
    assert follower.data == ["hi"]


def test_updates_arrive_in_the_order_in_which_they_were_published(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Publication."""
    followers = [join("*") for _ in range(3)]
    for number in range(20):
        hub.publish(book(number))
    for follower in followers:
        assert follower.data == list(map(str, range(20)))


def test_publisher_needs_a_grant_of_every_topic(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Publishers."""
    follower = join("*")
    rights = MERCURE_0.rights({"mercure": {"publish": ["/books/{id}"], "subscribe": ["*"]}})
    hub.publish_with(rights, Update(("/books/1", "/books/2"), data="granted"))
    for topics in (("/movies/1",), ("/books/1", "/movies/1")):
        with pytest.raises(Forbidden):
            hub.publish_with(rights, Update(topics, data="not granted"))
    assert follower.data == ["granted"]


def test_refused_update_is_not_kept(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Publishers: nothing is sent, later neither."""
    with pytest.raises(Forbidden):
        hub.publish_with(ANONYMOUS, book(1))
    assert join("*", after="earliest").data == []


def test_private_update_reaches_only_who_may_read_it(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Subscribers."""
    granted = join("/books/{id}", grants=["/books/1"])
    by_alternate = join("/books/{id}", grants=["/users/7"])
    of_another_book = join("/books/{id}", grants=["/books/2"])
    anonymous = join("/books/{id}", "*")
    hub.publish(Update(("/books/1", "/users/7"), data="secret", private=True))
    assert granted.data == by_alternate.data == ["secret"]
    assert of_another_book.data == anonymous.data == []


def test_grant_alone_does_not_subscribe(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Subscribers."""
    subscriber = join("/movies/1", grants=["*"])
    hub.publish(book(1))
    hub.publish(book(1, private=True))
    assert subscriber.data == []


def test_anonymous_subscribers_are_let_in_or_not(join: Join) -> None:
    """Mercure 0.x, Authorization."""
    closed = Hub(Versions(MERCURE_0), allow_anonymous=False)
    with pytest.raises(Unauthorized):
        join("/books/1", hub=closed)
    known = join("/books/1", grants=["/nothing"], hub=closed)
    closed.publish(book(1))
    assert known.data == ["1"]
    assert repr(closed) == "<Hub 0.x: 1 subscribers>"


def test_who_left_gets_nothing_more(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Subscription."""
    leaving, staying = join("*"), join("*")
    hub.publish(book(1))
    leaving.close()
    hub.publish(book(2))
    assert leaving.data == ["1"]
    assert staying.data == ["1", "2"]


def test_leaving_twice_is_leaving(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Subscription Events: the end of a subscription is told once."""
    watcher = join("/.well-known/mercure/subscriptions{/topic}{/subscriber}", grants=["*"])
    subscriber = join("/books/1")
    for _ in range(3):
        subscriber.close()
    assert [event["active"] for event in watcher.json] == [True, False]


def test_subscriber_has_a_fresh_id_that_the_hub_made(join: Join) -> None:
    """Mercure 0.x, Subscription Events."""
    first, second = (join("/books/1").joined.subscriber.id for _ in range(2))
    assert first != second
    assert re.fullmatch(
        r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", first
    )


# Coming back


def test_who_comes_back_gets_what_it_missed_and_then_what_comes(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    for number in (1, 2, 3):
        hub.publish(book(number))
    back = join("/books/{id}", after="1")
    hub.publish(book(4))
    assert back.data == ["2", "3", "4"]
    assert back.joined.last_event_id == "1"


def test_who_does_not_ask_gets_no_history_and_no_cursor(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    hub.publish(book(1))
    fresh = join("/books/{id}")
    assert fresh.data == []
    assert fresh.joined.last_event_id is None


@pytest.mark.parametrize("after", ["earliest", "never was", "#1"])
def test_unknown_cursor_gets_everything_behind_earliest(hub: Hub, join: Join, after: str) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    for number in (1, 2):
        hub.publish(book(number))
    back = join("/books/{id}", after=after)
    assert back.data == ["1", "2"]
    assert back.joined.last_event_id == "earliest"


def test_replay_holds_only_what_was_asked_for(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    for topic in ("/books/1", "/movies/1", "/books/2"):
        hub.publish(Update((topic,), data=topic))
    assert join("/books/{id}", after="earliest").data == ["/books/1", "/books/2"]
    assert join("/movies/{id}", "/books/2", after="earliest").data == ["/movies/1", "/books/2"]


def test_replay_is_judged_by_the_rights_of_today(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing; Subscribers."""
    hub.publish(Update(("/books/1", "/users/7"), data="secret", id="1", private=True))
    hub.publish(book(2, private=True))
    hub.publish(book(3))
    assert join("/books/{id}", after="earliest", grants=["*"]).data == ["secret", "2", "3"]
    assert join("/books/{id}", after="1", grants=["*"]).data == ["2", "3"]
    assert join("/books/{id}", after="earliest", grants=["/users/7"]).data == ["secret", "3"]
    assert join("/books/{id}", after="1", grants=["/books/1"]).data == ["3"]
    assert join("/books/{id}", after="earliest").data == ["3"]


def test_cursor_may_be_an_event_that_the_subscriber_may_not_read(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing: it was, before rights shrank."""
    hub.publish(book(1, private=True))
    hub.publish(book(2))
    back = join("/books/{id}", after="1")
    assert back.data == ["2"]
    assert back.joined.last_event_id == "1"


def test_hub_keeps_as_many_updates_as_it_is_told(join: Join) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    for length, kept in ((0, []), (1, ["3"]), (2, ["2", "3"])):
        short = Hub(Versions(MERCURE_0), history_length=length)
        for number in (1, 2, 3):
            short.publish(book(number))
        assert join("/books/{id}", after="earliest", hub=short).data == kept


def test_clients_that_come_and_go_push_no_update_out(join: Join) -> None:
    """Mercure 0.x, Subscription Events; Reconnection, State Reconciliation and Event Sourcing."""
    short = Hub(Versions(MERCURE_0), history_length=3)
    for number in (1, 2, 3):
        short.publish(book(number))
    for _ in range(20):
        join("/books/1", "/books/2", hub=short).close()
    assert join("/books/{id}", after="1", hub=short).data == ["2", "3"]
