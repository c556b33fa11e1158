"""A hub that speaks both versions, for the time of a move from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from flask_mercure_sse.hub.hub import Hub
from flask_mercure_sse.protocol.errors import Forbidden, NotFound
from flask_mercure_sse.protocol.update import Update
from flask_mercure_sse.protocol.v0 import Mercure0
from flask_mercure_sse.protocol.v1 import Mercure1
from flask_mercure_sse.protocol.version import ProtocolVersion
from flask_mercure_sse.protocol.versions import Versions
from tests.subscriber import Subscriber

OLD, NEW = Mercure0(), Mercure1("https://hub.example.com/.well-known/mercure")
API = "/.well-known/mercure/subscriptions"

OLD_EVENTS = f"{API}{{/topic}}{{/subscriber}}"
NEW_EVENTS = f"{API}/:match_type/:match/:subscriber"

Join = Callable[..., Subscriber]


@pytest.fixture
def hub() -> Hub:
    return Hub(Versions(OLD, NEW))


@pytest.fixture
def join_old(hub: Hub) -> Join:
    """Join in Mercure 0.x: ``join_old("/books/{id}", grants=["/books/1"], payload=..., after="7")``."""

    def join(*topics: str, after: str | None = None, **claims: Any) -> Subscriber:
        return joined(hub, OLD, [("topic", topic) for topic in topics], after, claims)

    return join


@pytest.fixture
def join_new(hub: Hub) -> Join:
    """Join in Mercure 1.0: ``join_new("/books/1", patterns=["/books/:id"], grants=["/books/1"])``."""

    def join(
        *topics: str, patterns: Sequence[str] = (), after: str | None = None, **claims: Any
    ) -> Subscriber:
        query = [*(("match", topic) for topic in topics), *(("match_urlpattern", text) for text in patterns)]
        return joined(hub, NEW, query, after, claims)

    return join


def joined(
    hub: Hub,
    version: ProtocolVersion,
    query: list[tuple[str, str]],
    after: str | None,
    claims: dict[str, Any],
) -> Subscriber:
    rights = None
    if claims:
        made = version.claims(now=0, subscribe=claims["grants"], payload=claims.get("payload"))
        rights = version.rights(made, expires_at=1.0)
    return Subscriber(hub, version.subscribe_request(query, after), rights)


@pytest.fixture
def old_watcher(join_old: Join) -> Subscriber:
    return join_old(OLD_EVENTS, "*", grants=["*"])


@pytest.fixture
def new_watcher(join_new: Join, old_watcher: Subscriber) -> Subscriber:
    """Who follows all events in 1.0; `old_watcher` is there before and told of it, and forgets it."""
    watcher = join_new("*", patterns=[NEW_EVENTS], grants=["*"])
    old_watcher.updates.clear()
    return watcher


# Updates


def test_update_reaches_subscribers_of_each_version_once(hub: Hub, join_old: Join, join_new: Join) -> None:
    """Mercure 1.0 and 0.x, Publication."""
    followers = [
        join_old("/books/1", "/books/{id}", "*"),
        join_new("/books/1", "*", patterns=["/books/:id", "*"]),
        join_new(patterns=["https://hub.example.com/books/*"]),
    ]
    hub.publish(Update(("/books/1",), data="hi"))
    assert [follower.data for follower in followers] == [["hi"]] * 3


def test_selectors_are_read_by_the_version_of_their_request(hub: Hub, join_old: Join, join_new: Join) -> None:
    """Mercure 0.x, Topic Selectors; Mercure 1.0, Matcher Types."""
    template, text = join_old("/books/{id}"), join_new("/books/{id}")
    pattern, topic = join_new(patterns=["/books/:id"]), join_old("/books/:id")
    hub.publish(Update(("/books/1",), data="1"))
    hub.publish(Update(("/books/{id}",), data="{id}"))
    hub.publish(Update(("/books/:id",), data=":id"))
    assert template.data == ["1", "{id}"]
    assert text.data == ["{id}"]
    assert "1" in pattern.data
    assert topic.data == [":id"]


def test_private_update_reaches_those_whose_token_grants_it_in_its_own_version(
    hub: Hub, join_old: Join, join_new: Join
) -> None:
    """Mercure 1.0 and 0.x, Subscribers."""
    old, new = join_old("/books/{id}", grants=["/books/{id}"]), join_new("/books/1", grants=["/books/{id}"])
    old_other, new_other = join_old("*", grants=["/books/2"]), join_new("*", grants=["/books/2"])
    strangers = [join_old("/books/1"), join_new("/books/1", patterns=["/books/:id"])]
    hub.publish(Update(("/books/1",), data="secret", private=True))
    assert old.data == new.data == ["secret"]
    assert old_other.data == new_other.data == []
    assert [stranger.data for stranger in strangers] == [[], []]


def test_alternate_topic_lets_subscribers_of_each_version_read(
    hub: Hub, join_old: Join, join_new: Join
) -> None:
    """Mercure 1.0 and 0.x, Subscribers: it selected one topic, and may read another."""
    old, new = join_old("/books/1", grants=["/users/7"]), join_new("/books/1", grants=["/users/7"])
    hub.publish(Update(("/books/1", "/users/7"), data="secret", private=True))
    assert old.data == new.data == ["secret"]


def test_publisher_of_each_version_needs_a_grant_of_every_topic(hub: Hub, join_old: Join) -> None:
    """Mercure 1.0 and 0.x, Publishers."""
    follower = join_old("*")
    for version in (OLD, NEW):
        rights = version.rights(version.claims(now=0, publish=["/books/{id}"]), expires_at=1.0)
        hub.publish_with(rights, Update(("/books/1",), data=version.name))
        with pytest.raises(Forbidden):
            hub.publish_with(rights, Update(("/books/1", "/movies/1")))
    assert follower.data == ["0.x", "1.0"]


def test_who_comes_back_in_either_version_gets_what_it_missed(
    hub: Hub, join_old: Join, join_new: Join
) -> None:
    """Mercure 1.0 and 0.x, Reconnection: also somebody who moved from one to the other meanwhile."""
    for number in ("1", "2", "3"):
        hub.publish(Update((f"/books/{number}",), data=number, id=number, private=number == "3"))
    old, new = join_old("/books/{id}", after="1", grants=["*"]), join_new(patterns=["/books/:id"], after="1")
    assert (old.joined.last_event_id, old.data) == ("1", ["2", "3"])
    assert (new.joined.last_event_id, new.data) == ("1", ["2"])


# Subscription events


def test_subscription_is_told_in_each_versions_form_to_its_own_subscribers(
    old_watcher: Subscriber, new_watcher: Subscriber, join_old: Join
) -> None:
    """Mercure 1.0 and 0.x, Subscription Events."""
    ada = join_old("/books/1", grants=["/books/1"], payload={"name": "Ada"})
    subscriber = ada.joined.subscriber.id
    encoded = subscriber.replace(":", "%3A")
    assert old_watcher.json == [
        {
            "@context": "https://mercure.rocks/",
            "id": f"{API}/%2Fbooks%2F1/{encoded}",
            "type": "Subscription",
            "topic": "/books/1",
            "subscriber": subscriber,
            "active": True,
            "payload": {"name": "Ada"},
        }
    ]
    assert new_watcher.json == [
        {
            "id": f"{API}/exact/%2Fbooks%2F1/{encoded}",
            "type": "subscription",
            "match_type": "exact",
            "match": "/books/1",
            "subscriber": subscriber,
            "active": True,
            "payload": {"name": "Ada"},
        }
    ]
    assert [update.type for update in (*old_watcher.updates, *new_watcher.updates)] == [None, "mercure"]


@pytest.mark.parametrize("version", ["0.x", "1.0"])
@pytest.mark.parametrize("topic", ["/books/1", "*"])
def test_exact_topic_is_told_in_both_versions_whoever_follows_it(
    version: str,
    topic: str,
    old_watcher: Subscriber,
    new_watcher: Subscriber,
    join_old: Join,
    join_new: Join,
) -> None:
    """Mercure 1.0 and 0.x, Subscription Events: both know it."""
    (join_old if version == "0.x" else join_new)(topic).close()
    told = [(topic, True), (topic, False)]
    assert [(event["topic"], event["active"]) for event in old_watcher.json] == told
    assert [(event["match"], event["active"]) for event in new_watcher.json] == told
    assert {event["match_type"] for event in new_watcher.json} == {"exact"}


def test_template_is_told_in_the_old_version_alone(
    old_watcher: Subscriber, new_watcher: Subscriber, join_old: Join
) -> None:
    """Mercure 1.0, Subscription Events: it has no match type for it."""
    join_old("/books/{id}").close()
    assert [event["topic"] for event in old_watcher.json] == ["/books/{id}"] * 2
    assert new_watcher.updates == []


@pytest.mark.parametrize("pattern", ["/books/:id", "*"])
def test_pattern_is_told_in_the_new_version_alone(
    pattern: str, old_watcher: Subscriber, new_watcher: Subscriber, join_new: Join
) -> None:
    """Mercure 0.x, Subscription Events: it has no such selector."""
    join_new(patterns=[pattern]).close()
    assert old_watcher.updates == []
    assert [(event["match_type"], event["match"]) for event in new_watcher.json] == [
        ("urlpattern", pattern)
    ] * 2


def test_only_selectors_that_a_version_knows_are_told_of_a_subscriber_with_several(
    old_watcher: Subscriber, new_watcher: Subscriber, join_old: Join, join_new: Join
) -> None:
    """Mercure 1.0 and 0.x, Subscription Events."""
    join_old("/books/{id}", "/a")
    join_new("/b", patterns=["/books/:id"])
    assert [event["topic"] for event in old_watcher.json] == ["/books/{id}", "/a", "/b"]
    assert [event["match"] for event in new_watcher.json] == ["/a", "/b", "/books/:id"]


def test_events_of_the_other_version_are_not_replayed_either(
    hub: Hub, join_old: Join, join_new: Join
) -> None:
    """Mercure 1.0 and 0.x, Reconnection; Subscription Events."""
    hub.publish(Update(("/books/1",), data='"first"', id="1"))
    join_old("/a").close()
    join_old("/{old}").close()
    join_new(patterns=["/:new"]).close()
    old = join_old("*", after="1", grants=["*"])
    assert [event.get("topic") for event in old.json] == ["/a", "/a", "/{old}", "/{old}"]
    new = join_new("*", after="1", grants=["*"])
    # The one that came back in the old version just now is there, too.
    assert [event.get("match") for event in new.json] == ["/a", "/a", "/:new", "/:new", "*"]


def test_event_of_the_other_version_is_a_cursor_all_the_same(
    hub: Hub, join_old: Join, join_new: Join
) -> None:
    """Mercure 1.0 and 0.x, Reconnection: documents name the newest id, whoever was told of it."""
    join_new(patterns=["/:new"])
    cursor = hub.last_event_id
    hub.publish(Update(("/books/1",), data="next"))
    back = join_old("*", after=cursor)
    assert (back.joined.last_event_id, back.data) == (cursor, ["next"])


def test_events_stay_private_in_both_versions(join_old: Join, join_new: Join) -> None:
    """Mercure 1.0 and 0.x, Subscription Events."""
    strangers = [
        join_old(OLD_EVENTS, "*"),
        join_new("*", patterns=[NEW_EVENTS]),
        join_old(OLD_EVENTS, grants=["/books/{id}"]),
        join_new("*", patterns=[NEW_EVENTS], grants=["/books/{id}"]),
    ]
    join_old("/books/1").close()
    join_new("/books/1", patterns=["/books/:id"]).close()
    assert [stranger.updates for stranger in strangers] == [[]] * 4


def test_grant_of_one_versions_events_is_none_of_the_others(
    old_watcher: Subscriber, join_old: Join, join_new: Join
) -> None:
    """Mercure 1.0 and 0.x, Subscription Events: their topics differ."""
    of_old = join_new("*", grants=[OLD.subscription_topic("/a")])
    of_new = join_new("*", grants=[NEW.subscription_topic("/a")])
    join_old("/a")
    assert of_old.updates == []
    assert [event["match"] for event in of_new.json] == ["/a"]


# Documents


def listed(hub: Hub, version: ProtocolVersion, topic: str | None = None) -> list[str]:
    document, _last_event_id = hub.subscriptions(version, version.filter_for(topic))
    return [one["topic"] for one in version.listed(document)]


def test_exact_topics_are_listed_in_both_versions_and_patterns_in_their_own(
    hub: Hub, join_old: Join, join_new: Join
) -> None:
    """Mercure 1.0 and 0.x, Subscription API."""
    join_old("/a", "/{old}", "*")
    join_new("/b", patterns=["/:new", "*"])
    assert listed(hub, OLD) == ["/a", "/{old}", "*", "/b"]
    assert listed(hub, NEW) == ["/a", "*", "/b", "/:new", "*"]


def test_subscriptions_to_a_topic_are_listed_whichever_version_they_are_in(
    hub: Hub, join_old: Join, join_new: Join
) -> None:
    """Mercure 1.0 and 0.x, Subscription API."""
    subscribers = [join("/a", "/b").joined.subscriber.id for join in (join_old, join_new)]
    for version in (OLD, NEW):
        document, _ = hub.subscriptions(version, version.filter_for("/a"))
        assert [one["subscriber"] for one in document["subscriptions"]] == subscribers


def test_document_of_one_subscription_is_in_the_version_that_asks(
    hub: Hub, join_old: Join, join_new: Join
) -> None:
    """Mercure 1.0 and 0.x, Subscription API."""
    for join in (join_old, join_new):
        subscriber = join("/a").joined.subscriber.id
        old, _ = hub.subscriptions(OLD, OLD.filter_for("/a", subscriber))
        new, _ = hub.subscriptions(NEW, NEW.filter_for("/a", subscriber))
        assert (old["type"], old["topic"], new["type"], new["match"]) == (
            "Subscription",
            "/a",
            "subscription",
            "/a",
        )


def test_pattern_of_the_other_version_is_not_found(hub: Hub, join_old: Join, join_new: Join) -> None:
    """Mercure 1.0 and 0.x, Subscription API."""
    of_old = join_old("/{old}").joined.subscriber.id
    of_new = join_new(patterns=["/:new"]).joined.subscriber.id
    for version, topic, subscriber in ((NEW, "/{old}", of_old), (OLD, "/:new", of_new)):
        with pytest.raises(NotFound):
            hub.subscriptions(version, version.filter_for(topic, subscriber))
        assert listed(hub, version, topic) == []


@pytest.mark.parametrize(("version", "topic"), [(OLD, OLD_EVENTS), (NEW, f"{API}/{{match_type}}/{{match}}")])
def test_documents_need_a_grant_of_their_url_in_each_version(
    hub: Hub, version: ProtocolVersion, topic: str
) -> None:
    """Mercure 1.0 and 0.x, Subscription API."""
    rights = version.rights(version.claims(now=0, subscribe=[topic]), expires_at=1.0)
    document, _ = hub.subscriptions_with(rights, version, version.filter_for("/a"))
    assert document["subscriptions"] == []
    with pytest.raises(Forbidden):
        hub.subscriptions_with(
            version.rights(version.claims(now=0, subscribe=["/a"]), expires_at=1.0),
            version,
            version.filter_for("/a"),
        )


def test_hub_says_what_it_speaks(hub: Hub, join_old: Join, join_new: Join) -> None:
    """Mercure 1.0 and 0.x."""
    join_old("/a")
    join_new("/a")
    assert repr(hub) == "<Hub 0.x and 1.0: 2 subscribers>"
