"""When streams end."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from flask_mercure_sse.server.schedule import TICK, Schedule

NOW = 1_000_000.0


@dataclass(eq=False)
class Thing:
    ends_at: float
    ends_in_tick: int | None = None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(-100, 1000), max_size=30), st.lists(st.floats(-50, 400), max_size=20), st.data())
def test_each_ends_once_within_two_ticks_of_its_time(
    ends: list[float], steps: list[float], data: st.DataObject
) -> None:
    """Mercure 1.0, Authorization: whatever the clock does, also if it is set."""
    schedule: Schedule[Thing] = Schedule(NOW)
    things = [Thing(NOW + end) for end in ends]
    for thing in things:
        schedule.add(thing, thing.ends_at, NOW)
    removed = [thing for thing in things if data.draw(st.booleans())]
    for thing in removed:
        schedule.remove(thing)
    now, ended = NOW, list[Thing]()
    for step in steps:
        now += step
        due = schedule.take_due(now)
        assert all(thing.ends_at <= now + TICK for thing in due)
        ended += due
        waiting = [thing for thing in things if thing not in ended and thing not in removed]
        assert all(max(thing.ends_at, NOW) > now - 2 * TICK for thing in waiting)
    assert len(set(map(id, ended))) == len(ended)
    assert not set(map(id, ended)) & set(map(id, removed))


def test_removing_what_was_not_to_end_changes_nothing() -> None:
    Schedule[Thing](NOW).remove(Thing(NOW))
