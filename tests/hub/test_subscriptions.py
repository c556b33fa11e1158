"""Who follows what, as the hub tells it: by events and by documents."""

from __future__ import annotations

from typing import Any

import pytest

from flask_mercure_sse.hub.hub import Hub
from flask_mercure_sse.protocol.errors import Forbidden, NotFound, Unauthorized
from flask_mercure_sse.protocol.rights import ANONYMOUS, Rights
from flask_mercure_sse.protocol.update import Update
from flask_mercure_sse.protocol.uri_template import UriTemplate
from flask_mercure_sse.protocol.v0 import MERCURE_0
from flask_mercure_sse.protocol.versions import Versions

from .conftest import Join

EVERY_SUBSCRIPTION = "/.well-known/mercure/subscriptions{/topic}{/subscriber}"
COLLECTION = "/.well-known/mercure/subscriptions"


def reader(*selectors: str) -> Rights:
    return MERCURE_0.rights({"mercure": {"subscribe": list(selectors)}})


# Events


def test_coming_and_leaving_are_told(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Subscription Events."""
    watcher = join(EVERY_SUBSCRIPTION, grants=[EVERY_SUBSCRIPTION])
    ada = join("/books/1", grants=["/books/1"], payload={"name": "Ada"})
    ada.close()
    subscriber = ada.joined.subscriber.id
    topic = f"{COLLECTION}/%2Fbooks%2F1/{subscriber.replace(':', '%3A')}"
    event = {
        "@context": "https://mercure.rocks/",
        "id": topic,
        "type": "Subscription",
        "topic": "/books/1",
        "subscriber": subscriber,
        "payload": {"name": "Ada"},
    }
    assert watcher.json == [event | {"active": True}, event | {"active": False}]
    assert [update.topics for update in watcher.updates] == [(topic,)] * 2


def test_each_selector_is_a_subscription(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Subscription Events: they share the subscriber's id."""
    watcher = join(EVERY_SUBSCRIPTION, grants=["*"])
    ada = join("/books/{id}", "*")
    assert [event["topic"] for event in watcher.json] == ["/books/{id}", "*"]
    assert {event["subscriber"] for event in watcher.json} == {ada.joined.subscriber.id}


def test_nobody_is_told_of_itself(join: Join) -> None:
    """Mercure 0.x, Subscription Events."""
    first = join(EVERY_SUBSCRIPTION, "*", grants=["*"])
    second = join(EVERY_SUBSCRIPTION, "*", grants=["*"])
    assert {event["subscriber"] for event in first.json} == {second.joined.subscriber.id}
    assert second.updates == []
    second.close()
    assert second.updates == []
    assert [event["active"] for event in first.json] == [True, True, False, False]


def test_events_are_private(join: Join) -> None:
    """Mercure 0.x, Subscription Events."""
    anonymous = join(EVERY_SUBSCRIPTION, "*")
    of_books = join(EVERY_SUBSCRIPTION, "*", grants=["/books/{id}"])
    of_one_topic = join("*", grants=[f"{COLLECTION}/%2Fbooks%2F1/{{subscriber}}"])
    join("/books/1")
    join("/books/2")
    assert anonymous.updates == of_books.updates == []
    assert [event["topic"] for event in of_one_topic.json] == ["/books/1"]


def test_events_of_one_topic_can_be_followed_by_the_topic_that_the_version_names(join: Join) -> None:
    """Mercure 0.x, Subscription Events."""
    selector = MERCURE_0.subscription_topic("/books/{id}")
    watcher = join(selector, grants=[selector])
    join("/books/{id}")
    join("/books/1")
    assert [event["topic"] for event in watcher.json] == ["/books/{id}"]


def test_events_are_kept_for_who_comes_back(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing; Subscription Events."""
    hub.publish(Update(("/books/1",), id="1"))
    join("/books/1").close()
    back = join(EVERY_SUBSCRIPTION, grants=["*"], after="1")
    assert [event["active"] for event in back.json] == [True, False]
    assert join(EVERY_SUBSCRIPTION, after="1").updates == []


def test_hub_that_does_not_tell_subscriptions_is_silent(join: Join) -> None:
    """Mercure 0.x, Active Subscriptions."""
    silent = Hub(Versions(MERCURE_0), subscriptions=False)
    watcher = join(EVERY_SUBSCRIPTION, "*", grants=["*"], hub=silent)
    join("/books/1", hub=silent).close()
    assert watcher.updates == []


def test_refused_subscriber_is_not_told(join: Join) -> None:
    """Mercure 0.x, Subscription Events."""
    closed = Hub(Versions(MERCURE_0), allow_anonymous=False)
    watcher = join("*", grants=["*"], hub=closed)
    with pytest.raises(Unauthorized):
        join("/books/1", hub=closed)
    assert watcher.updates == []


def test_templates_of_strangers_are_not_tried_for_events(join: Join, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 0.x, Subscription Events: they are private, so who may read nothing costs nothing.

    Else a stranger with a thousand templates holds up the hub for whoever joins with a thousand topics.
    """
    tried: list[str] = []
    join(*(f"/{number}{{/page}}" for number in range(100)))
    monkeypatch.setattr(UriTemplate, "matches", lambda template, topic: tried.append(topic))
    join(*(f"/{number}" for number in range(100)))
    assert tried == []


# Documents


def read(hub: Hub, topic: str | None = None, subscriber: str | None = None) -> dict[str, Any]:
    return hub.subscriptions(MERCURE_0, MERCURE_0.filter_for(topic, subscriber))[0]


def read_with(
    hub: Hub, rights: Rights | None, topic: str | None = None, subscriber: str | None = None
) -> dict[str, Any]:
    return hub.subscriptions_with(rights, MERCURE_0, MERCURE_0.filter_for(topic, subscriber))[0]


def test_collection_lists_every_subscription(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Subscription API."""
    ada = join("/books/1", "/books/2", grants=["/books/1"], payload={"name": "Ada"}).joined.subscriber
    bob = join("/books/1").joined.subscriber
    document = read(hub)
    listed = [(one["topic"], one["subscriber"], one.get("payload")) for one in document["subscriptions"]]
    assert listed == [
        ("/books/1", ada.id, {"name": "Ada"}),
        ("/books/2", ada.id, {"name": "Ada"}),
        ("/books/1", bob.id, None),
    ]
    assert (document["id"], document["type"]) == (COLLECTION, "Subscriptions")


def test_collection_of_a_topic_lists_the_subscriptions_of_just_this_selector(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Subscription API."""
    ada = join("/books/{id}", "/books/1").joined.subscriber
    document = read(hub, "/books/{id}")
    assert [(one["topic"], one["subscriber"]) for one in document["subscriptions"]] == [
        ("/books/{id}", ada.id)
    ]
    assert document["id"] == f"{COLLECTION}/%2Fbooks%2F%7Bid%7D"


def test_topic_that_nobody_follows_is_an_empty_collection(hub: Hub) -> None:
    """Mercure 0.x, Subscription API."""
    assert read(hub, "/books/1")["subscriptions"] == []


def test_document_of_one_subscription(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Subscription API."""
    ada = join("/books/1", "/books/2").joined.subscriber
    document = read(hub, "/books/2", ada.id)
    assert (document["topic"], document["subscriber"], document["active"]) == ("/books/2", ada.id, True)
    assert (document["type"], document["@context"]) == ("Subscription", "https://mercure.rocks/")


def test_subscription_that_is_not_there_is_not_found(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Subscription API."""
    ada = join("/books/1")
    subscriber = ada.joined.subscriber.id
    for selector, one in (("/books/2", subscriber), ("/books/1", "urn:uuid:unknown")):
        with pytest.raises(NotFound):
            read(hub, selector, one)
    ada.close()
    with pytest.raises(NotFound):
        read(hub, "/books/1", subscriber)


def test_documents_carry_the_newest_id(hub: Hub, join: Join) -> None:
    """Mercure 0.x, Subscription API: from there on the events tell what changed."""
    assert read(hub)["lastEventID"] == "earliest"
    ada = join("/books/1")
    cursor = read(hub)["lastEventID"]
    assert read(hub, "/books/1", ada.joined.subscriber.id)["lastEventID"] == cursor
    ada.close()
    back = join(EVERY_SUBSCRIPTION, grants=["*"], after=cursor)
    assert [event["active"] for event in back.json] == [False]


@pytest.mark.parametrize(
    "grant",
    ["*", EVERY_SUBSCRIPTION, "/.well-known/mercure/{+anything}", f"{COLLECTION}/%2Fbooks%2F1"],
)
def test_url_of_the_document_must_be_granted(hub: Hub, join: Join, grant: str) -> None:
    """Mercure 0.x, Subscription API."""
    join("/books/1")
    assert len(read_with(hub, reader(grant), "/books/1")["subscriptions"]) == 1


@pytest.mark.parametrize(
    "grant", ["/books/1", COLLECTION, f"{COLLECTION}/%2Fbooks%2F2", f"{COLLECTION}/{{topic}}/{{subscriber}}"]
)
def test_grant_of_something_else_is_not_enough(hub: Hub, join: Join, grant: str) -> None:
    """Mercure 0.x, Subscription API."""
    join("/books/1")
    with pytest.raises(Forbidden):
        read_with(hub, reader(grant), "/books/1")


def test_documents_are_never_open_to_all(hub: Hub) -> None:
    """Mercure 0.x, Subscription API."""
    with pytest.raises(Unauthorized):
        read_with(hub, None)
    with pytest.raises(Forbidden):
        read_with(hub, ANONYMOUS)


def test_right_is_judged_before_the_subscription_is_looked_for(hub: Hub) -> None:
    """Mercure 0.x, Subscription API: who may not read it does not learn whether it exists."""
    with pytest.raises(Forbidden):
        read_with(hub, reader("/books/1"), "/books/1", "urn:uuid:unknown")
    with pytest.raises(NotFound):
        read_with(hub, reader("*"), "/books/1", "urn:uuid:unknown")


def test_right_to_publish_is_no_right_to_read(hub: Hub) -> None:
    """Mercure 0.x, Subscription API."""
    with pytest.raises(Forbidden):
        read_with(hub, MERCURE_0.rights({"mercure": {"publish": ["*"]}}))


@pytest.mark.parametrize("rights", [None, reader("*")], ids=["nobody", "somebody"])
def test_nothing_is_found_where_subscriptions_are_off(rights: Rights | None) -> None:
    """Mercure 0.x, Active Subscriptions."""
    silent = Hub(Versions(MERCURE_0), subscriptions=False)
    with pytest.raises(NotFound):
        read_with(silent, rights)
    with pytest.raises(NotFound):
        read(silent)
