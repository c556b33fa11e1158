"""Refusals: what a stranger reads, and what only the log reads."""

from __future__ import annotations

import pytest

from flask_mercure_sse.protocol.errors import (
    ContentTooLarge,
    Forbidden,
    InvalidRequest,
    InvalidUpdate,
    MethodNotAllowed,
    NotFound,
    Refusal,
    Unauthorized,
)


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (InvalidRequest, 400),
        (Unauthorized, 401),
        (Forbidden, 403),
        (NotFound, 404),
        (MethodNotAllowed, 405),
        (ContentTooLarge, 413),
    ],
)
def test_each_refusal_has_its_status(refusal: type[Refusal], status: int) -> None:
    """Mercure 0.x, Authorization and Publication."""
    assert refusal("reason").status == status


@pytest.mark.parametrize(
    ("refusal", "answer"),
    [
        (Unauthorized, "Unauthorized"),
        (Forbidden, "Forbidden"),
        (NotFound, "Not Found"),
        (InvalidRequest, "the exact reason"),
    ],
)
def test_reason_of_a_refused_token_is_for_the_log(refusal: type[Refusal], answer: str) -> None:
    """Mercure 1.0, Error Responses: every failure of a token looks the same."""
    error = refusal("the exact reason")
    assert error.public_answer == answer
    assert str(error) == "the exact reason"


def test_invalid_update_names_the_field_and_the_problem() -> None:
    """Mercure 0.x, Publication."""
    error = InvalidUpdate("retry", "is negative")
    assert (error.field, error.problem, str(error)) == ("retry", "is negative", "retry: is negative")
