"""Issuers and keys as settings give them."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from flask_mercure_sse.protocol.errors import ConfigurationError, InvalidToken
from flask_mercure_sse.protocol.keys import read_key, sign
from flask_mercure_sse.protocol.v1 import Mercure1
from flask_mercure_sse.server.issuers import (
    authority,
    authorization_servers,
    is_key_set_url,
    key_source,
    read_issuers,
)
from flask_mercure_sse.server.key_sets import RemoteKeySet

ADA, BOB = "https://ada.example", "https://bob.example"
SECRET = "s3cret-of-somebody-long-enough-for-HS256"
KEY_SET = "https://ada.example/.well-known/jwks.json"
MERCURE_1 = Mercure1("https://hub.example.com/.well-known/mercure")

PRIVATE = ed25519.Ed25519PrivateKey.generate()
PRIVATE_PEM = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

# Issuers


@pytest.mark.parametrize(
    "issuers",
    [
        {},
        {ADA: {"publisher": SECRET}},
        {ADA: {"subscriber": SECRET}, BOB: {"publisher": PUBLIC_PEM, "subscriber": KEY_SET}},
    ],
    ids=["none", "one", "two"],
)
def test_issuers_are_a_dictionary_or_its_json(issuers: dict[str, dict[str, str]]) -> None:
    """Mercure 1.0, Token Validation."""
    assert read_issuers(issuers) == issuers
    assert read_issuers(OrderedDict(issuers)) == issuers
    assert read_issuers(json.dumps(issuers)) == issuers


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "is not JSON"),
        (SECRET, "is not JSON"),
        ("{'https://ada.example': {}}", "is not JSON"),
        ("[]", "is not a dictionary"),
        (f'"{SECRET}"', "is not a dictionary"),
        (None, "is not a dictionary"),
        (7, "is not a dictionary"),
        ([ADA], "is not a dictionary"),
        (SECRET.encode(), "is not a dictionary"),
        ({ADA: SECRET}, f"has the entry '{ADA}' without a dictionary of keys"),
        ({ADA: None}, f"has the entry '{ADA}' without a dictionary of keys"),
        ({ADA: {}}, f"has the entry '{ADA}' without a dictionary of keys"),
        ({ADA: [SECRET]}, f"has the entry '{ADA}' without a dictionary of keys"),
        ({7: {"publisher": SECRET}}, "has the entry 7 without a dictionary of keys"),
        ({ADA: {"reader": SECRET}}, f"has another role than publisher and subscriber for '{ADA}'"),
        ({ADA: {"Publisher": SECRET}}, f"has another role than publisher and subscriber for '{ADA}'"),
        ({ADA: {"publisher": ""}}, f"has no key for the publisher of '{ADA}'"),
        ({ADA: {"publisher": None}}, f"has no key for the publisher of '{ADA}'"),
        ({ADA: {"publisher": [SECRET]}}, f"has no key for the publisher of '{ADA}'"),
        ({ADA: {"publisher": SECRET.encode()}}, f"has no key for the publisher of '{ADA}'"),
        (
            {BOB: {"publisher": SECRET}, ADA: {7: SECRET}},
            f"has another role than publisher and subscriber for '{ADA}'",
        ),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_what_is_no_dictionary_of_keys_is_refused_with_the_right_shape(value: Any, problem: str) -> None:
    """Mercure 1.0, Token Validation: the value is a secret, and is never repeated."""
    with pytest.raises(ValueError) as refused:
        read_issuers(value)
    message = str(refused.value)
    assert message.startswith(problem)
    assert message.endswith('give {"https://issuer.example": {"publisher": "a key", "subscriber": "a key"}}')
    assert SECRET not in message


def test_secret_in_the_place_of_its_role_is_not_repeated_either() -> None:
    """Mercure 1.0, Token Validation."""
    with pytest.raises(ValueError) as refused:
        read_issuers({ADA: {SECRET: "publisher"}})
    assert SECRET not in str(refused.value)


def test_only_issuers_with_a_url_make_tokens_for_others() -> None:
    """RFC 9728, Protected Resource Metadata."""
    issuers: Any = {ADA: {"publisher": SECRET}, "my-app": {"publisher": SECRET}, BOB: {"subscriber": SECRET}}
    assert authorization_servers(issuers) == [ADA, BOB]
    assert authorization_servers({}) == authorization_servers(None) == []


# Keys


@pytest.mark.parametrize(
    ("key", "is_url"),
    [
        (KEY_SET, True),
        ("http://localhost/keys", True),
        (SECRET, False),
        (PUBLIC_PEM, False),
        (KEY_SET.encode(), False),
        ("HTTPS://ada.example/", False),
        ("", False),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_key_may_be_the_url_of_a_key_set(key: str | bytes, is_url: bool) -> None:
    """Mercure 1.0, Token Validation."""
    assert is_key_set_url(key) is is_url


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (SECRET, ("HS256",)),
        (SECRET.encode(), ("HS256",)),
        (PRIVATE_PEM, ("EdDSA",)),
        (PUBLIC_PEM, ("EdDSA",)),
    ],
    ids=["text", "bytes", "private", "public"],
)
def test_key_is_a_secret_or_a_pem(key: str | bytes, algorithms: tuple[str, ...]) -> None:
    """Mercure 1.0, Token Validation."""
    source = key_source("SETTING", key, None)
    [one] = source()
    assert one.algorithms == algorithms
    assert source() == source()


def test_key_set_is_not_fetched_before_it_is_needed() -> None:
    """Mercure 1.0, Token Validation."""
    source = key_source("SETTING", KEY_SET, None)
    assert isinstance(source, RemoteKeySet)
    assert repr(source) == f"<RemoteKeySet {KEY_SET}: 0 keys>"


@pytest.mark.parametrize(
    ("key", "algorithms", "fitting"),
    [
        (SECRET, ["RS256", "HS512", "EdDSA", "HS256"], ("HS512", "HS256")),
        (PUBLIC_PEM, ["HS256", "EdDSA", "ES256"], ("EdDSA",)),
    ],
    ids=["secret", "PEM"],
)
def test_one_list_of_algorithms_is_for_keys_of_all_kinds(
    key: str, algorithms: list[str], fitting: tuple[str, ...]
) -> None:
    """Mercure 1.0, Token Validation."""
    [one] = key_source("SETTING", key, algorithms)()
    assert one.algorithms == fitting


def test_key_set_takes_a_list_with_algorithms_of_secrets() -> None:
    """Mercure 1.0, Token Validation."""
    assert key_source("SETTING", KEY_SET, ["HS256", "ES256"])


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (SECRET, ["RS256"]),
        (SECRET, ["none"]),
        (SECRET, ["HS257"]),
        (PUBLIC_PEM, ["HS256"]),
        (PUBLIC_PEM, ["ES256"]),
        (KEY_SET, ["HS256"]),
        (f"-----BEGIN PUBLIC KEY-----\n{SECRET}\n-----END PUBLIC KEY-----", None),
        ("-----BEGIN PUBLIC KEY-----", None),
        (f'{{"kty": "oct", "k": "{SECRET}"}}', None),
        (f"ssh-rsa {SECRET}", None),
        (f"http://ada.example/{SECRET}", None),
        (f"https://ada:{SECRET}@ada.example/", None),
        (f"https://ada.example/#{SECRET}", None),
        (f"https://ada.example/ {SECRET}", None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_key_that_cannot_be_used_is_an_error_that_names_the_setting_and_not_the_value(
    key: str, algorithms: list[str] | None
) -> None:
    """Mercure 1.0, Token Validation."""
    with pytest.raises(ConfigurationError) as refused:
        key_source("MERCURE_PUBLISHER_SECRET_KEY", key, algorithms)
    message = str(refused.value)
    assert message.startswith("MERCURE_PUBLISHER_SECRET_KEY: the value ")
    assert SECRET not in message
    assert "\n" not in message


# Authorities


def test_authority_believes_the_hub_and_the_issuers_that_have_a_key_for_the_role() -> None:
    """Mercure 1.0, Token Validation."""
    own, of_ada, of_bob = (read_key(f"{name} {SECRET}") for name in ("own", "ada", "bob"))
    known = authority(
        "subscriber",
        lambda: (own,),
        own_names=["https://hub.example.com"],
        issuers={ADA: {"subscriber": f"ada {SECRET}"}, BOB: {"publisher": f"bob {SECRET}"}},
    )

    def is_believed(issuer: str, key: Any) -> bool:
        claims = {**MERCURE_1.claims(now=0, subscribe=["/a"]), "iss": issuer}
        try:
            return known.rights(MERCURE_1, sign(claims, key, type="at+jwt"), 1).may_read(("/a",))
        except InvalidToken:
            return False

    assert is_believed("https://hub.example.com", own)
    assert is_believed(ADA, of_ada)
    assert not is_believed(BOB, of_bob)
    assert not is_believed(ADA, own)
    assert not is_believed("https://hub.example.com", of_ada)


def test_key_of_an_issuer_that_cannot_be_used_is_named() -> None:
    """Mercure 1.0, Token Validation."""
    with pytest.raises(ConfigurationError) as refused:
        authority("publisher", lambda: (), own_names=["x"], issuers={ADA: {"publisher": f"ssh-rsa {SECRET}"}})
    message = str(refused.value)
    assert message.startswith(f"MERCURE_ISSUERS: {ADA}: publisher: the value ")
    assert SECRET not in message
