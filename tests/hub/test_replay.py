"""What was missed is found once for all who ask for the same, and it is what each would find alone."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_mercure_sse.hub import frame as frames
from flask_mercure_sse.hub import replay
from flask_mercure_sse.hub.frame import Frame
from flask_mercure_sse.hub.hub import Hub
from flask_mercure_sse.hub.subscriber import Subscriber
from flask_mercure_sse.protocol import sse
from flask_mercure_sse.protocol.rights import Rights
from flask_mercure_sse.protocol.selectors import template_selector
from flask_mercure_sse.protocol.update import EARLIEST, Update
from flask_mercure_sse.protocol.uri_template import UriTemplate
from flask_mercure_sse.protocol.v0 import MERCURE_0
from flask_mercure_sse.protocol.versions import Versions

from .conftest import Join

EVERY_SUBSCRIPTION = "/.well-known/mercure/subscriptions{/topic}{/subscriber}"


def publish(hub: Hub, *numbers: int, private: bool = False) -> None:
    for number in numbers:
        hub.publish(Update((f"/books/{number}",), id=str(number), data=str(number), private=private))


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The topics against which a template was tried, each time."""
    topics: list[str] = []
    matches = UriTemplate.matches

    def counted(template: UriTemplate, topic: str) -> bool:
        topics.append(topic)
        return matches(template, topic)

    monkeypatch.setattr(UriTemplate, "matches", counted)
    return topics


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the updates that were encoded, each time."""
    ids: list[str] = []

    def counted(update: Update) -> bytes:
        ids.append(update.id)
        return sse.encode(update)

    monkeypatch.setattr(frames, "encode", counted)
    return ids


# Cost


def test_topics_are_matched_once_for_all_who_come_back_with_the_same_selectors(
    hub: Hub, join: Join, tried: list[str]
) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing: whatever each is granted."""
    publish(hub, *range(100))
    for number in range(50):
        back = join("/books/{id}", after="49", grants=[f"/users/{number}"])
        assert back.data == list(map(str, range(50, 100)))
    assert len(tried) == 50


@pytest.mark.parametrize("cursors", [range(90, 0, -10), range(0, 91, 10), [50, 10, 90, 0, 70]])
def test_an_update_is_matched_once_whatever_the_cursors(
    hub: Hub, join: Join, tried: list[str], cursors: list[int]
) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    publish(hub, *range(100))
    for cursor in cursors:
        assert join("/books/{id}", after=str(cursor)).data == list(map(str, range(cursor + 1, 100)))
    assert len(tried) == 99 - min(cursors)


def test_what_is_published_meanwhile_is_all_that_is_matched_anew(
    hub: Hub, join: Join, tried: list[str]
) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    publish(hub, *range(100))
    join("/books/{id}", after="0").close()
    tried.clear()
    publish(hub, 100, 101)
    assert join("/books/{id}", after="0").data == list(map(str, range(1, 102)))
    assert tried == ["/books/100", "/books/101"]


def test_what_was_published_before_a_cursor_is_not_matched(hub: Hub, join: Join, tried: list[str]) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing: though it is remembered up to there."""
    publish(hub, *range(100))
    join("/books/{id}", after="90").close()
    publish(hub, *range(100, 200))
    tried.clear()
    assert join("/books/{id}", after="195").data == ["196", "197", "198", "199"]
    assert tried == [f"/books/{number}" for number in range(196, 200)]


def test_who_missed_nothing_has_nothing_matched(hub: Hub, join: Join, tried: list[str]) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    publish(hub, *range(100))
    assert join("/books/{id}", after="99").data == []
    assert tried == []


def test_a_kept_update_is_encoded_once_for_who_is_there_and_for_who_comes_back(
    hub: Hub, encoded: list[str]
) -> None:
    """Mercure 0.x, Publication."""
    sent: list[bytes] = []
    asked = MERCURE_0.subscribe_request([("topic", "/books/1")], EARLIEST)
    hub.subscribe(asked, None, lambda frame: sent.append(frame.encoded))
    publish(hub, 1)
    for _ in range(10):
        sent += [frame.encoded for frame in hub.subscribe(asked, None).replay]
    assert encoded == ["1"]
    assert len(sent) == 11
    assert all(one is sent[0] for one in sent)


def test_update_that_nobody_follows_is_not_encoded(hub: Hub, join: Join, encoded: list[str]) -> None:
    """Mercure 0.x, Publication: a publication without subscribers costs no encoding."""
    join("/movies/1")
    publish(hub, *range(10))
    join("/movies/{id}", after=EARLIEST)
    assert encoded == []


# Memory


def test_updates_that_are_no_longer_kept_are_soon_forgotten(join: Join) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    hub = Hub(Versions(MERCURE_0), history_length=10)
    for turn in range(20):
        publish(hub, *range(turn * 5, turn * 5 + 5))
        join("/books/{id}", "/books/1", after=EARLIEST, hub=hub).close()
        join("/books/{id}", after=str(turn * 5), hub=hub).close()
    gc.collect()
    alive = [one for one in gc.get_objects() if isinstance(one, Frame) and one.update.topic[:7] == "/books/"]
    assert len(alive) <= 2 * 10


def test_what_is_remembered_has_a_bound(join: Join, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    monkeypatch.setattr(replay, "MAX_REMEMBERED", 1000)
    hub = Hub(Versions(MERCURE_0))
    publish(hub, *range(100))
    for number in range(50):
        for cursor in ("98", EARLIEST):
            assert join(f"/books/{{id{number}}}", after=cursor, hub=hub).data[-1] == "99"
    remembered = hub._missed_updates._selected.values()
    assert 1 <= len(remembered) <= 1000 // (replay.WEIGHT + 100)
    assert hub._missed_updates._weight == sum(replay.WEIGHT + len(one.frames) for one in remembered)


# Exactness

SELECTORS = st.lists(
    st.sampled_from(["/a", "/b", "/{x}", "/c/{x}", "*", EVERY_SUBSCRIPTION]), min_size=1, max_size=3
)
STEPS = st.one_of(
    st.tuples(st.just("publish"), st.sampled_from(["/a", "/b", "/c/1", "/c/2"]), st.booleans()),
    st.tuples(
        st.just("come"), SELECTORS, st.sampled_from([None, [], ["*"], ["/a"], ["/c/{x}", EVERY_SUBSCRIPTION]])
    ),
    st.tuples(st.just("leave"), st.integers(0, 20)),
)


def walked(hub: Hub, selectors: list[str], rights: Rights | None, cursor: str) -> list[str]:
    """Return the ids that a subscriber is to get, found by looking at each frame that is kept."""
    compiled = [template_selector(text) for text in selectors]
    position = hub._history.find(cursor)[1]
    rows = (hub._history.updates, hub._history.subscription_events)
    kept = sorted((frame for row in rows for frame in row), key=lambda frame: frame.position)
    return [
        frame.id
        for frame in kept
        if frame.position > position
        and any(one.matches(topic) for one in compiled for topic in frame.update.topics)
        and (not frame.update.private or (rights is not None and rights.may_read(frame.update.topics)))
    ]


@settings(max_examples=300, deadline=None)
@given(st.data(), st.lists(STEPS, min_size=20, max_size=60), st.integers(0, 8), st.booleans())
def test_what_is_replayed_is_what_looking_at_each_update_finds(
    data: st.DataObject, steps: list[tuple[object, ...]], length: int, subscriptions: bool
) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    hub = Hub(Versions(MERCURE_0), history_length=length, subscriptions=subscriptions)
    ids = [EARLIEST]
    present: list[Subscriber] = []
    for step in steps:
        match step:
            case ("publish", str(topic), bool(private)):
                hub.publish(Update((topic, "/d"), private=private))
            case ("leave", int(number)) if present:
                hub.unsubscribe(present.pop(number % len(present)))
            case ("come", list(selectors), grants):
                rights = None if grants is None else Rights(subscribe=tuple(map(template_selector, grants)))
                cursor = data.draw(st.sampled_from([EARLIEST, *ids[-length - 1 :]]))
                expected = walked(hub, selectors, rights, cursor)
                asked = MERCURE_0.subscribe_request([("topic", text) for text in selectors], cursor)
                joined = hub.subscribe(asked, rights)
                present.append(joined.subscriber)
                assert [frame.id for frame in joined.replay] == expected
        if hub.last_event_id != ids[-1]:
            ids.append(hub.last_event_id)
