"""How a part of a subscription's URL is written."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given, settings

from flask_mercure_sse.protocol.subscriptions import encode_part

from .strategies import clean_texts


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("*", "%2A"),
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("/", "%2F"),
        ("%2F", "%252F"),
        ("https://example.com/{selector}", "https%3A%2F%2Fexample.com%2F%7Bselector%7D"),
        ("urn:uuid:bb3de268", "urn%3Auuid%3Abb3de268"),
        ("é", "%C3%A9"),
        ("-._~", "-._~"),
    ],
)
def test_every_character_that_is_not_unreserved_is_encoded_once(text: str, encoded: str) -> None:
    """Mercure 0.x, Subscription Events."""
    assert encode_part(text) == encoded


@settings(max_examples=50, deadline=None)
@given(clean_texts)
def test_an_encoded_part_can_be_read_back(text: str) -> None:
    """Mercure 0.x, Subscription API."""
    assert unquote(encode_part(text)) == text
    assert "/" not in encode_part(text)
