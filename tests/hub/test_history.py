"""The last updates, kept for subscribers that come back."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from flask_mercure_sse.hub.history import History
from flask_mercure_sse.protocol.update import EARLIEST, Update
from flask_mercure_sse.protocol.v0 import MERCURE_0


def history_of(*ids: str, length: int = 10) -> History:
    """Make a history; ids in brackets are subscription events."""
    history = History(length)
    for event_id in ids:
        audience = MERCURE_0 if event_id.startswith("(") else None
        history.append(Update(("/books/1",), id=event_id), audience)
    return history


def after(history: History, event_id: str) -> tuple[str, list[str]]:
    cursor, entries = history.after(event_id)
    return cursor, [entry.update.id for entry in entries]


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
