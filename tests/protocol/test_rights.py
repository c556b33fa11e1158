"""What a token's rights allow, and until when."""

from __future__ import annotations

import math
from typing import Any

import pytest

from flask_mercure_sse.protocol.errors import InvalidToken
from flask_mercure_sse.protocol.rights import ANONYMOUS, Rights, expiry
from flask_mercure_sse.protocol.selectors import Selector, template_selector

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("claims", "expires_at"),
    [
        ({}, None),
        ({"exp": NOW + 1}, NOW + 1),
        ({"exp": int(NOW) + 1, "nbf": int(NOW)}, NOW + 1),
        ({"exp": NOW + 0.25, "nbf": NOW - 1}, NOW + 0.25),
        ({"nbf": -1}, None),
    ],
)
def test_claims_are_good_between_their_times(claims: dict[str, Any], expires_at: float | None) -> None:
    """Mercure 0.x, Authorization; RFC 7519, Registered Claim Names."""
    assert expiry(claims, NOW) == expires_at


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW},
        {"exp": NOW - 1},
        {"exp": 0},
        {"exp": -1},
        {"nbf": NOW + 1},
        {"exp": NOW + 1, "nbf": NOW + 1},
    ],
)
def test_claims_are_refused_outside_of_their_times(claims: dict[str, Any]) -> None:
    """Mercure 0.x, Authorization; RFC 7519, Registered Claim Names."""
    with pytest.raises(InvalidToken):
        expiry(claims, NOW)


@pytest.mark.parametrize("name", ["exp", "nbf"])
@pytest.mark.parametrize(
    "time",
    [None, "", "1900000000", True, False, [], {}, 10**400, -(10**400), math.nan, math.inf, -math.inf],
    ids=lambda time: repr(time)[:10],
)
def test_time_that_is_no_finite_number_refuses_the_token(name: str, time: object) -> None:
    """RFC 7519, Registered Claim Names: a time that cannot be compared must not mean "for ever"."""
    with pytest.raises(InvalidToken):
        expiry({name: time}, NOW)


def test_every_topic_of_an_update_must_be_granted_to_its_publisher() -> None:
    """Mercure 0.x, Publishers."""
    rights = Rights(publish=(template_selector("/books/{id}"), template_selector("/authors/7")))
    assert rights.may_publish(("/books/1", "/authors/7"))
    assert not rights.may_publish(("/books/1", "/authors/8"))
    assert not rights.may_read(("/books/1",))


def test_one_topic_of_an_update_must_be_granted_to_its_reader() -> None:
    """Mercure 0.x, Subscribers."""
    rights = Rights(subscribe=(template_selector("/books/{id}"),))
    assert rights.may_read(("/authors/7", "/books/1"))
    assert not rights.may_read(("/authors/7",))
    assert not rights.may_publish(("/books/1",))


def test_nobody_has_no_rights() -> None:
    """Mercure 0.x, Authorization."""
    assert not ANONYMOUS.may_read(("/books/1",))
    assert not ANONYMOUS.may_publish(("/books/1",))


def test_payload_of_a_subscription_is_that_of_the_first_grant_that_fits() -> None:
    """Mercure 1.0, Payloads: even if it has none."""
    book, books = Selector("/books/1"), template_selector("/books/{id}")
    rights = Rights(payloads=(((book,), None), ((books,), {"shelf": 7}), ((Selector("*"),), {"all": True})))
    assert rights.payload_for("/books/1") is None
    assert rights.payload_for("/books/2") == {"shelf": 7}
    assert rights.payload_for("/books/{id}") == {"shelf": 7}
    assert rights.payload_for("/authors/7") == {"all": True}
    assert rights.payload_for("*") == {"all": True}
    assert ANONYMOUS.payload_for("/books/1") is None
