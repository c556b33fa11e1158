"""Secrets that others have or can guess."""

from __future__ import annotations

import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from flask_mercure_sse.protocol.keys import read_key
from flask_mercure_sse.protocol.weak_secrets import weakness
from tests.protocol.test_keys import private_pem


@pytest.mark.parametrize(
    "secret",
    [
        "!ChangeThisMercureHubJWTSecretKey!",
        "!ChangeMe!",
        "change me: flask mercure gen-secret-key",
        "please-change-this-key-before-production",
        "your-256-bit-secret",
        "a-string-secret-at-least-256-bits-long",
        "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
        "aVerySecretKey",
    ],
)
def test_secrets_that_examples_show_are_weak_however_long(secret: str) -> None:
    assert weakness(read_key(secret)) == "is a secret that examples show, so everybody has it"


@pytest.mark.parametrize(
    ("algorithms", "length", "told"),
    [
        (["HS256"], 31, "is shorter than the 32 bytes that HS256 needs"),
        (["HS384"], 47, "is shorter than the 48 bytes that HS384 needs"),
        (["HS512"], 63, "is shorter than the 64 bytes that HS512 needs"),
        (["HS256", "HS512"], 63, "is shorter than the 64 bytes that HS512 needs"),
    ],
)
def test_a_secret_is_as_long_as_its_algorithms_ask_for(algorithms: list[str], length: int, told: str) -> None:
    """`RFC 7518, HMAC with SHA-2 Functions`."""
    text = secrets.token_urlsafe(100)
    assert weakness(read_key(text[:length], algorithms)) == told
    assert weakness(read_key(text[: length + 1], algorithms)) is None


def test_a_secret_of_a_few_characters_can_be_guessed() -> None:
    assert weakness(read_key("0123456" * 10)) == "repeats a few characters, so it can be guessed"


@pytest.mark.parametrize("make", [secrets.token_urlsafe, secrets.token_hex, secrets.token_bytes])
def test_random_secrets_are_not_weak(make: object) -> None:
    assert callable(make)
    assert [weakness(read_key(make(48))) for _ in range(100)] == [None] * 100


def test_words_that_only_look_like_those_of_examples_are_not_weak() -> None:
    assert weakness(read_key("an exchange messenger's own secret, 38")) is None


def test_a_key_that_is_no_secret_is_not_weak() -> None:
    assert weakness(read_key(private_pem(Ed25519PrivateKey.generate()))) is None
