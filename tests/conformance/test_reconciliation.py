"""Coming back (`Mercure, Reconnection, State Reconciliation, and Event Sourcing`)."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

import pytest

from .client import Headers, Stream
from .hub import Hub

pytestmark = pytest.mark.needs("history")


def _resume(hub: Hub, id: str) -> Headers:
    return [("Last-Event-ID", id.encode())]


def test_the_header_asks_for_what_came_after_an_event(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`."""
    ids = [publish(topic, data=str(number)) for number in range(4)]
    stream = open_stream(topic, headers=_resume(hub, ids[1]))
    assert [stream.next().id, stream.next().id] == ids[2:]


def test_the_parameter_asks_for_what_came_after_an_event(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`."""
    ids = [publish(topic, data=str(number)) for number in range(4)]
    stream = open_stream(topic, query=[hub.cursor(ids[1])])
    assert [stream.next().id, stream.next().id] == ids[2:]


def test_the_header_goes_before_the_parameter(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`."""
    ids = [publish(topic) for _ in range(4)]
    stream = open_stream(topic, query=[hub.cursor(ids[0])], headers=_resume(hub, ids[2]))
    assert stream.next().id == ids[3]
    assert stream.headers[hub.version.cursor_answer] == ids[2]


def test_what_is_sent_again_is_what_was_sent_first(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`."""
    live = open_stream(topic)
    before = publish(topic)
    publish(topic, data="one\r\n two\u2028", type="t", retry="7", id=f"{topic}#é")
    again = open_stream(topic, headers=_resume(hub, before)).next()
    live.next()
    assert live.next() == again


def test_after_the_replay_the_stream_goes_on(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`."""
    ids = [publish(topic), publish(topic)]
    stream = open_stream(topic, headers=_resume(hub, ids[0]))
    ids.append(publish(topic))
    assert [stream.next().id, stream.next().id] == ids[1:]


def test_an_id_may_be_any_text_that_was_published(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Publication`: browsers send the header in UTF-8 (`HTML, Last-Event-ID`)."""
    ids = [publish(topic, id=f"{topic}/é+% &😀"), publish(topic)]
    for options in ({"headers": _resume(hub, ids[0])}, {"query": [hub.cursor(ids[0])]}):
        assert open_stream(topic, **options).next().id == ids[1]


def test_earliest_asks_for_all(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`: a hub may ignore it."""
    ids = [publish(topic), publish(topic)]
    stream = open_stream(topic, query=[hub.cursor("earliest")])
    ids.append(publish(topic))
    received = [event.id for event in stream.until(ids[-1])]
    assert received in (ids[:-1], [])


@pytest.mark.choice("a hub may ignore it")
def test_earliest_gets_all_that_is_kept(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`."""
    ids = [publish(topic), publish(topic)]
    stream = open_stream(topic, headers=_resume(hub, "earliest"))
    assert [stream.next().id, stream.next().id] == ids


def test_only_what_matches_is_sent_again(
    hub: Hub, topic: str, other_topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Authorization on Event Replay`."""
    before = publish(topic)
    publish(other_topic)
    after = publish(topic, other_topic)
    stream = open_stream(topic, headers=_resume(hub, before))
    assert stream.next().id == after


def test_the_cursor_may_be_an_event_of_another_topic(
    hub: Hub, topic: str, other_topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`: one sequence for the hub."""
    publish(topic)
    cursor = publish(other_topic)
    after = publish(topic)
    stream = open_stream(topic, headers=_resume(hub, cursor))
    assert stream.next().id == after


def test_a_replay_grants_nothing_that_the_token_does_not(
    hub: Hub, topic: str, other_topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Authorization on Event Replay`: the token of today counts, not the one that was there then."""
    before = publish(topic)
    lost = publish(topic, private="on")
    kept = publish(topic, other_topic, private="on")
    public = publish(topic)
    wide = open_stream(topic, token=hub.subscriber_token("*"), headers=_resume(hub, before))
    assert [wide.next().id for _ in range(3)] == [lost, kept, public]
    narrow = open_stream(topic, token=hub.subscriber_token(other_topic), headers=_resume(hub, before))
    assert [narrow.next().id, narrow.next().id] == [kept, public]


@pytest.mark.needs("anonymous")
def test_a_replay_without_a_token_is_public(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Authorization on Event Replay`."""
    before = publish(topic)
    private = publish(topic, private="on")
    public = publish(topic)
    assert open_stream(topic, headers=_resume(hub, before)).until(public) == []
    received = open_stream("*", headers=_resume(hub, before)).until(publish(topic))
    assert private not in [event.id for event in received]


@pytest.mark.needs("anonymous")
def test_the_cursor_may_be_a_private_event(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Authorization on Event Replay`."""
    cursor = publish(topic, private="on")
    public = publish(topic)
    assert open_stream(topic, headers=_resume(hub, cursor)).next().id == public


def test_the_answer_names_the_event_before_the_first_one_sent(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`."""
    ids = [publish(topic), publish(topic)]
    for id in ids:
        stream = open_stream(topic, headers=_resume(hub, id))
        assert stream.headers[hub.version.cursor_answer] == id


def test_the_answer_to_earliest_is_earliest(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`."""
    publish(topic)
    stream = open_stream(topic, headers=_resume(hub, "earliest"))
    assert stream.headers[hub.version.cursor_answer] == "earliest"


def test_who_does_not_ask_gets_no_answer(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`."""
    publish(topic)
    assert hub.version.cursor_answer not in open_stream(topic).headers


def test_an_unknown_id_loses_nothing_that_comes(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`."""
    stream = open_stream(topic, headers=_resume(hub, f"urn:uuid:{uuid.uuid4()}"))
    id = publish(topic)
    assert stream.wait_for(lambda event: event.id == id)


def test_an_unknown_id_gets_all_that_is_kept_or_nothing(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`."""
    ids = [publish(topic), publish(topic)]
    stream = open_stream(topic, headers=_resume(hub, f"urn:uuid:{uuid.uuid4()}"))
    assert [event.id for event in stream.until(publish(topic))] in (ids, [])


def test_a_reused_id_means_its_earliest_event(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`: later ones are sent again."""
    twice = f"{topic}#twice"
    ids = [
        publish(topic, id=twice, data="1"),
        publish(topic),
        publish(topic, id=twice, data="2"),
        publish(topic),
    ]
    stream = open_stream(topic, headers=_resume(hub, twice))
    assert [stream.next().id for _ in range(3)] == ids[1:]


def test_coming_back_amid_updates_misses_none_and_repeats_none(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`."""
    before = publish(topic)
    ids: list[str] = []
    publisher = threading.Thread(target=lambda: ids.extend(publish(topic, data=str(n)) for n in range(150)))
    publisher.start()
    try:
        streams = [open_stream(topic, headers=_resume(hub, before)) for _ in range(12)]
    finally:
        publisher.join()
    last = publish(topic)
    for stream in streams:
        assert [event.id for event in stream.until(last)] == ids


def test_going_from_event_to_event_misses_none_and_repeats_none(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`."""
    ids = [publish(topic) for _ in range(6)]
    cursor, received = ids[0], []
    while cursor != ids[-1]:
        stream = open_stream(topic, headers=_resume(hub, cursor))
        cursor = stream.next().id
        received.append(cursor)
        stream.close()
    assert received == ids[1:]
