"""The bearer token of an ``Authorization`` header."""

from __future__ import annotations

import pytest

from flask_mercure_sse.protocol.credentials import MIN_TOKEN, Credentials, bearer_token

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJtZXJjdXJlIjp7fX0.AAAAAAAAAA_-AAAAAAAAAA"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEARER"])
@pytest.mark.parametrize("space", [" ", "   "])
def test_scheme_is_in_any_case_and_spaces_are_any_number(scheme: str, space: str) -> None:
    """RFC 6750, Authorization Request Header Field; RFC 9110, Authentication Scheme."""
    assert bearer_token(f"{scheme}{space}{TOKEN}") == TOKEN
    assert bearer_token(f" {scheme}{space}{TOKEN} ") == TOKEN


@pytest.mark.parametrize("token", ["x" * MIN_TOKEN, "a-b._~+/" * 6, "x" * MIN_TOKEN + "==", "x" * 100_000])
def test_token_is_made_of_the_letters_of_its_grammar(token: str) -> None:
    """RFC 6750, Authorization Request Header Field: ``b64token``."""
    assert bearer_token(f"Bearer {token}") == token


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * (MIN_TOKEN - 1)])
def test_token_that_is_too_short_to_be_signed_is_none(token: str) -> None:
    """Mercure 1.0, Authorization HTTP Header."""
    assert bearer_token(f"Bearer {token}") is None


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        " ",
        "Bearer",
        TOKEN,
        f"Basic {TOKEN}",
        f"Token {TOKEN}",
        f"Bearer{TOKEN}",
        f"Bearer:{TOKEN}",
        f"Bearer: {TOKEN}",
        f"Bearer\t{TOKEN}",
        f"Bearer {TOKEN} {TOKEN}",
        f"Bearer {TOKEN}, Bearer {TOKEN}",
        f"Bearer {TOKEN},Bearer {TOKEN}",
        f'Bearer "{TOKEN}"',
        f"Bearer token={TOKEN}",
        f"Bearer =={TOKEN}",
        f"Bearer {TOKEN}\u00e9",
        f"Bearer {TOKEN}\x00",
        f"Bearer Bearer {TOKEN}",
    ],
)
def test_header_of_another_form_holds_no_token(authorization: str) -> None:
    """RFC 6750, Authorization Request Header Field: nor does one that was sent twice."""
    assert bearer_token(authorization) is None


def test_browsers_send_no_token_by_themselves_unless_it_is_said() -> None:
    """Mercure 1.0, Security Considerations."""
    assert not Credentials(TOKEN).from_cookie
