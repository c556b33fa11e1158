"""The last updates, kept for subscribers that come back."""

from __future__ import annotations

from collections import deque
from heapq import merge
from itertools import dropwhile

from hypothesis import given, settings
from hypothesis import strategies as st

from flask_mercure_sse.hub.frame import Frame, SubscriptionFrame
from flask_mercure_sse.hub.history import History, Row
from flask_mercure_sse.protocol.selectors import Selector
from flask_mercure_sse.protocol.subscriptions import Subscription
from flask_mercure_sse.protocol.update import EARLIEST, Update
from flask_mercure_sse.protocol.v0 import MERCURE_0


def history_of(*ids: str, length: int = 10) -> History:
    """Make a history; ids in brackets are subscription events."""
    history = History(length)
    for event_id in ids:
        history.append(frame_of(event_id))
    return history


def frame_of(event_id: str) -> Frame:
    if not event_id.startswith("("):
        return Frame(Update(("/books/1",), id=event_id))
    event = SubscriptionFrame(MERCURE_0, Subscription(Selector("/books/1"), "s"), active=True)
    event.id = event_id.strip("()=") if "=" in event_id else event_id
    return event


def after(history: History, event_id: str) -> tuple[str, list[str]]:
    cursor, position = history.find(event_id)
    rows = [row.between(position, row.newest) for row in (history.updates, history.subscription_events)]
    return cursor, [frame.id for frame in merge(*rows, key=lambda frame: frame.position)]


def test_what_came_after_an_event_is_returned_in_order() -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    history = history_of("a", "b", "c")
    assert after(history, "a") == ("a", ["b", "c"])
    assert after(history, "c") == ("c", [])


def test_earliest_asks_for_everything() -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    assert after(history_of("a", "b"), EARLIEST) == (EARLIEST, ["a", "b"])
    assert after(history_of(), EARLIEST) == (EARLIEST, [])


def test_unknown_id_gets_everything_behind_earliest() -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing: less would be a silent loss."""
    assert after(history_of("a", "b"), "never was") == (EARLIEST, ["a", "b"])
    assert after(history_of("a", "b", "c", length=2), "a") == (EARLIEST, ["b", "c"])
    assert after(history_of(), "a") == (EARLIEST, [])


def test_id_that_was_used_twice_means_its_first_use() -> None:
    """Mercure 1.0, Reconnection, State Reconciliation, and Event Sourcing."""
    assert after(history_of("a", "b", "a", "c"), "a") == ("a", ["b", "a", "c"])


def test_only_the_last_updates_are_kept() -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    history = history_of(*map(str, range(100)), length=3)
    assert after(history, EARLIEST) == (EARLIEST, ["97", "98", "99"])
    assert after(history, "97") == ("97", ["98", "99"])


def test_history_of_no_length_keeps_nothing() -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    assert after(history_of("a", "b", "(c)", length=0), "a") == (EARLIEST, [])
    assert after(history_of("a", length=0), EARLIEST) == (EARLIEST, [])


def test_subscription_events_stand_between_the_updates_where_they_happened() -> None:
    """Mercure 0.x, Subscription Events: one order for all."""
    history = history_of("(1)", "a", "(2)", "(3)", "b")
    assert after(history, EARLIEST) == (EARLIEST, ["(1)", "a", "(2)", "(3)", "b"])
    assert after(history, "(2)") == ("(2)", ["(3)", "b"])
    assert after(history, "a") == ("a", ["(2)", "(3)", "b"])


def test_subscription_events_push_no_update_out() -> None:
    """Mercure 0.x, Subscription Events: clients come and go as they like."""
    history = history_of("a", "b", *(f"({number})" for number in range(100)), "c", length=3)
    cursor, ids = after(history, "a")
    assert cursor == "a"
    assert [event_id for event_id in ids if not event_id.startswith("(")] == ["b", "c"]
    assert len(ids) == 5


def test_cursor_behind_an_update_that_is_no_longer_kept_is_unknown() -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing.

    The subscription event is still there, the first update after it is not: to answer with the event's id
    would say that nothing was lost.
    """
    history = history_of("(1)", "a", "b", "c", length=2)
    assert after(history, "(1)") == (EARLIEST, ["(1)", "b", "c"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", "d", "(1)", "(2)"])), st.integers(0, 4))
def test_no_update_is_ever_lost_without_saying_so(ids: list[str], length: int) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    history = history_of(*ids, length=length)
    for event_id in {*ids, "never was"}:
        cursor, replayed = after(history, event_id)
        assert cursor in (event_id, EARLIEST)
        if cursor == event_id:
            possible = [ids[place + 1 :] for place, used in enumerate(ids) if used == event_id]
            assert updates_only(replayed) in list(map(updates_only, possible))


def updates_only(ids: list[str]) -> list[str]:
    return [event_id for event_id in ids if not event_id.startswith("(")]


def test_newest_id_is_known() -> None:
    """Mercure 0.x, Subscription API."""
    assert history_of().last_event_id == EARLIEST
    assert history_of("a", "b").last_event_id == "b"
    assert history_of("a", "(1)").last_event_id == "(1)"
    assert history_of("a", length=0).last_event_id == "a"


class PlainHistory:
    """The same, by walking through all that is kept."""

    def __init__(self, length: int) -> None:
        self._updates: deque[tuple[int, str]] = deque(maxlen=length)
        self._events: deque[tuple[int, str]] = deque(maxlen=length)
        self._position = 0
        self._dropped = 0

    def append(self, frame: Frame) -> None:
        row = self._events if isinstance(frame, SubscriptionFrame) else self._updates
        self._position += 1
        if row is self._updates and len(row) == row.maxlen:
            self._dropped = row[0][0] if row else self._position
        row.append((self._position, frame.id))

    def after(self, event_id: str) -> tuple[str, list[str]]:
        kept = list(merge(self._updates, self._events))
        following = list(dropwhile(lambda entry: entry[1] != event_id, kept))
        if event_id != EARLIEST and following and following[0][0] > self._dropped:
            return event_id, [used for _position, used in following[1:]]
        return EARLIEST, [used for _position, used in kept]


IDS = st.sampled_from(["a", "b", "c", "d", "(1)", "(2)", "(3)", "(=a)", "(=b)"])
"""Ids in brackets are those of subscription events; one with a sign is the id of an update as well."""


@settings(max_examples=500, deadline=None)
@given(st.lists(IDS, max_size=60), st.integers(0, 8))
def test_what_is_looked_up_is_what_walking_finds(ids: list[str], length: int) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    history, plain = History(length), PlainHistory(length)
    for event_id in ids:
        frame = frame_of(event_id)
        history.append(frame)
        plain.append(frame)
        for cursor in ("a", "b", "c", "(1)", "(2)", "never was", EARLIEST):
            assert after(history, cursor) == plain.after(cursor)


@given(st.integers(0, 8), st.lists(st.booleans(), max_size=30), st.integers(0, 31), st.integers(0, 31))
def test_part_of_a_row_is_what_lies_behind_one_position_and_up_to_another(
    length: int, kept: list[bool], start: int, end: int
) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    row = Row(length)
    for position, is_kept in enumerate(kept, start=1):
        if is_kept:
            frame = frame_of(str(position))
            frame.position = position
            row.append(frame)
    positions = [position for position, is_kept in enumerate(kept, start=1) if is_kept]
    kept_still = positions[max(0, len(positions) - length) :]
    expected = [position for position in kept_still if start < position <= end]
    assert [frame.position for frame in row.between(start, end)] == expected


def test_ids_that_are_no_longer_kept_leave_nothing_behind() -> None:
    """Mercure 0.x, Publication: memory must not grow with what was ever published."""
    history = history_of(
        *map(str, range(100)), *["again"] * 100, *(f"({one})" for one in range(100)), length=3
    )
    assert len(history._first_uses) == 1 + 3
    assert {event_id: len(uses) for event_id, uses in history._later_uses.items()} == {"again": 2}
    for number in range(3):
        history.append(frame_of(f"last {number}"))
        history.append(frame_of(f"(last {number})"))
    assert len(history._first_uses) == 3 + 3
    assert history._later_uses == {}
