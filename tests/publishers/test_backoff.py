"""Waits between attempts."""

from __future__ import annotations

import time

import pytest

from flask_mercure_sse.publishers.backoff import FIRST, LONGEST, LONGEST_ASKED, Backoff
from flask_mercure_sse.publishers.retry_after import seconds_of


def test_waits_grow_up_to_a_limit_and_are_of_random_length() -> None:
    waits = [[backoff.next() for _ in range(20)] for backoff in [Backoff() for _ in range(50)]]
    assert all(wait[0] <= FIRST and wait[1] <= 2 * FIRST for wait in waits)
    last = [wait[-1] for wait in waits]
    assert max(last) <= LONGEST
    assert min(last) < LONGEST / 2 < max(last)
    assert len(set(last)) == 50


def test_a_hub_that_asks_for_time_gets_it_and_not_for_ever() -> None:
    assert 7 <= Backoff().next(7.0) <= 7 + FIRST
    assert Backoff().next(86400.0) <= LONGEST_ASKED + FIRST


def test_after_a_success_waits_are_short_again() -> None:
    backoff = Backoff()
    for _ in range(20):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= FIRST


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this platform sets no zone for one process")
@pytest.mark.parametrize(
    "date", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_each_form_of_a_date_means_utc(date: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9110, Date/Time Formats."""
    monkeypatch.setenv("TZ", "EST5EDT")
    time.tzset()
    try:
        assert seconds_of(date, 784111777 - 10) == 10
    finally:
        monkeypatch.undo()
        time.tzset()
