"""Refusals: what a stranger reads, and what only the log reads."""

from __future__ import annotations

import pytest

from flask_mercure_sse.protocol.errors import (
    ContentTooLarge,
    Forbidden,
    InvalidCredentials,
    InvalidRequest,
    InvalidToken,
    InvalidUpdate,
    MethodNotAllowed,
    NotFound,
    Refusal,
    Unauthorized,
    UnsupportedMediaType,
)


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (InvalidRequest, 400),
        (Unauthorized, 401),
        (Forbidden, 403),
        (NotFound, 404),
        (InvalidCredentials, 400),
        (InvalidToken, 401),
        (ContentTooLarge, 413),
        (UnsupportedMediaType, 415),
    ],
)
def test_each_refusal_has_its_status(refusal: type[Refusal], status: int) -> None:
    """Mercure 0.x, Authorization and Publication."""
    assert refusal("reason").status == status


@pytest.mark.parametrize(
    ("refusal", "answer"),
    [
        (Unauthorized, "Unauthorized"),
        (InvalidToken, "Unauthorized"),
        (InvalidCredentials, "Bad Request"),
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


def test_method_that_is_not_allowed_names_those_that_are() -> None:
    """RFC 9110, 405 Method Not Allowed."""
    error = MethodNotAllowed("PUT", ["GET", "POST"])
    assert (error.status, error.allowed, str(error)) == (
        405,
        "GET, POST",
        "PUT is not for this URL; use GET, POST",
    )


def test_invalid_update_names_the_field_and_the_problem() -> None:
    """Mercure 0.x, Publication."""
    error = InvalidUpdate("retry", "is negative")
    assert (error.field, error.problem, str(error)) == ("retry", "is negative", "retry: is negative")
