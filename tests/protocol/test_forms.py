"""Form-encoded text: query strings and publish bodies."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_mercure_sse.protocol.errors import InvalidRequest
from flask_mercure_sse.protocol.forms import MAX_FIELDS, first, parse_form


@pytest.mark.parametrize(
    ("encoded", "fields"),
    [
        (b"", []),
        (b"topic=%2Fbooks%2F1", [("topic", "/books/1")]),
        (b"topic=a&topic=b&topic=a", [("topic", "a"), ("topic", "b"), ("topic", "a")]),
        (b"data=a+b%2Bc", [("data", "a b+c")]),
        (b"data=a=b", [("data", "a=b")]),
        (b"private", [("private", "")]),
        (b"private=", [("private", "")]),
        (b"&&private&", [("private", "")]),
        (b"data=a;b=c", [("data", "a;b=c")]),
        (b"data=%C3%A9", [("data", "é")]),
        (b"data=\xc3\xa9", [("data", "é")]),
        (b"data=%00%0D%0A", [("data", "\0\r\n")]),
    ],
)
def test_form_is_read_as_pairs_in_their_order(encoded: bytes, fields: list[tuple[str, str]]) -> None:
    """Mercure 0.x, Publication; WHATWG URL, application/x-www-form-urlencoded parsing."""
    assert parse_form(encoded) == fields


@pytest.mark.parametrize("encoded", [b"data=\xff", b"data=%FF", b"d%C3=1", b"data=%ED%A0%80", b"data=%C0%80"])
def test_form_that_is_not_utf8_is_refused(encoded: bytes) -> None:
    """Mercure 0.x, Publication: a replacement character would be another topic."""
    with pytest.raises(InvalidRequest, match="UTF-8"):
        parse_form(encoded)


def test_form_has_a_largest_number_of_fields() -> None:
    """Mercure 1.0, Publication."""
    assert len(parse_form(b"&".join([b"topic=a"] * MAX_FIELDS))) == MAX_FIELDS
    with pytest.raises(InvalidRequest, match=str(MAX_FIELDS)):
        parse_form(b"&".join([b"topic=a"] * (MAX_FIELDS + 1)))


def test_first_of_a_repeated_field_counts() -> None:
    """Mercure 0.x, Publication."""
    fields = [("id", ""), ("id", "7"), ("type", "x")]
    assert first(fields, "id") == ""
    assert first(fields, "type") == "x"
    assert first(fields, "retry") is None


@settings(max_examples=500, deadline=None)
@given(st.text("ab%+&=;é\0 25CF", max_size=40))
def test_form_is_read_as_by_the_standard_library(text: str) -> None:
    """WHATWG URL, application/x-www-form-urlencoded parsing."""
    encoded = text.encode()
    try:
        expected = parse_qsl(text, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        with pytest.raises(InvalidRequest):
            parse_form(encoded)
    else:
        assert parse_form(encoded) == expected
