"""Tokens that are made anew before they end."""

from __future__ import annotations

import time

import pytest

from flask_mercure_sse.publishers.renewal import RenewedToken


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


@pytest.fixture
def token() -> RenewedToken:
    return RenewedToken(lambda lifetime: f"until {time.time() + lifetime}", 60.0)


def test_a_token_serves_for_half_of_its_life(clock: list[float], token: RenewedToken) -> None:
    assert token() == "until 1060.0"
    clock[0] += 29
    assert token() == "until 1060.0"
    clock[0] += 1
    assert token() == "until 1090.0"


def test_a_clock_that_was_set_back_makes_a_new_one(clock: list[float], token: RenewedToken) -> None:
    token()
    clock[0] = 500.0
    assert token() == "until 560.0"
