"""JSON Web Tokens: which are believed, until when, and what the rights they give allow."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import warnings
from typing import Any

import pytest

from flask_mercure_sse.protocol.errors import Unauthorized
from flask_mercure_sse.protocol.selectors import Selector
from flask_mercure_sse.protocol.tokens import ANONYMOUS, Rights, decode_token, encode_token, expiry

KEY = b"a secret that is long enough for HS256"
CLAIMS = {"mercure": {"subscribe": ["/books/{id}"]}}
NOW = 1_800_000_000.0

PUBLIC_KEY = b"""-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf
9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==
-----END PUBLIC KEY-----
"""


def part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def forge(
    claims: object = CLAIMS,
    *,
    header: dict[str, Any] | None = None,
    key: bytes = KEY,
    body: bytes | None = None,
) -> str:
    """Make a token by hand, so that it may be as wrong as we like."""
    header = {"alg": "HS256", "typ": "JWT"} | (header or {})
    body = json.dumps(claims).encode() if body is None else body
    signed = f"{part(json.dumps(header).encode())}.{part(body)}"
    return f"{signed}.{part(hmac.digest(key, signed.encode(), hashlib.sha256))}"


def test_token_gives_its_claims_back() -> None:
    """Mercure 0.x, Authorization."""
    assert decode_token(encode_token(CLAIMS, KEY), KEY) == CLAIMS


def test_key_may_be_a_text() -> None:
    """Mercure 0.x, Authorization."""
    assert decode_token(encode_token(CLAIMS, KEY.decode()), KEY) == CLAIMS


@pytest.mark.parametrize("key", [b"short", b"x", b"!ChangeMe!", b"a" * 31, b"a" * 32, b"a" * 65, "clé"])
def test_short_key_makes_the_token_that_any_other_library_makes(key: str | bytes) -> None:
    """RFC 2104: a key shorter than a block is padded with zeros; whoever owns the key was warned elsewhere."""
    raw = key.encode() if isinstance(key, str) else key
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        signature = encode_token(CLAIMS, key).rpartition(".")[2]
        assert decode_token(forge(key=raw), key) == CLAIMS
    signed = encode_token(CLAIMS, key).rpartition(".")[0]
    assert signature == part(hmac.digest(raw, signed.encode(), hashlib.sha256))


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "nOnE", "NONE", "", "hs256", "HS384", "RS256", "ES256", None, 7]
)
def test_only_one_algorithm_is_believed(algorithm: object) -> None:
    """Mercure 1.0, Token Validation; RFC 8725, Perform Algorithm Verification."""
    token = forge(header={"alg": algorithm})
    for forged in (token, token.rpartition(".")[0] + "."):
        with pytest.raises(Unauthorized):
            decode_token(forged, KEY)


def test_token_without_an_algorithm_is_refused() -> None:
    """RFC 7515, JOSE Header."""
    token = f"{part(b'{}')}.{part(json.dumps(CLAIMS).encode())}."
    with pytest.raises(Unauthorized):
        decode_token(token, KEY)


@pytest.mark.parametrize("algorithm", ["HS256", "RS256"])
def test_public_key_is_no_secret(algorithm: str) -> None:
    """RFC 8725, Perform Algorithm Verification: everybody has it, so everybody could sign with it."""
    with pytest.raises(Unauthorized):
        decode_token(forge(key=PUBLIC_KEY, header={"alg": algorithm}), PUBLIC_KEY)


def test_token_of_another_key_is_refused() -> None:
    """Mercure 0.x, Authorization."""
    with pytest.raises(Unauthorized):
        decode_token(forge(key=b"another secret that is long enough, too"), KEY)


def test_changed_claims_are_refused() -> None:
    """Mercure 0.x, Authorization."""
    header, _claims, signature = forge().split(".")
    more = part(json.dumps({"mercure": {"publish": ["*"]}}).encode())
    with pytest.raises(Unauthorized):
        decode_token(f"{header}.{more}.{signature}", KEY)


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": {"kty": "oct", "k": part(b"the key of a stranger, long enough for it")}},
        {"jku": "https://stranger.example/keys.json"},
        {"kid": "../../dev/null"},
        {"x5u": "https://stranger.example/certificate.pem"},
    ],
    ids=lambda header: next(iter(header)),
)
def test_key_that_the_token_brings_along_is_ignored(header: dict[str, Any]) -> None:
    """Mercure 1.0, Token Validation."""
    with pytest.raises(Unauthorized):
        decode_token(forge(header=header, key=b"the key of a stranger, long enough for it"), KEY)
    assert decode_token(forge(header=header), KEY) == CLAIMS


@pytest.mark.parametrize("header", [{"crit": ["unknown"], "unknown": 1}, {"crit": ["b64"], "b64": False}])
def test_extension_that_must_be_understood_and_is_not_refuses_the_token(header: dict[str, Any]) -> None:
    """RFC 7515, "crit" (Critical) Header Parameter."""
    with pytest.raises(Unauthorized):
        decode_token(forge(header=header), KEY)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a",
        "a.b",
        "a.b.c",
        "é.é.é",
        "\udc80",
        "null",
        "{}",
        " ",
        "Bearer x",
        "a" * 100_000,
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    """Mercure 0.x, Authorization."""
    with pytest.raises(Unauthorized):
        decode_token(token, KEY)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"7",
        b'"text"',
        b"[]",
        b"\xff",
        b"{",
        b'{"mercure":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"mercure":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        b'{"exp":' + b"9" * 10_000 + b"}",
    ],
    ids=lambda body: body[:12].decode(errors="replace") or "empty",
)
def test_signed_body_that_is_no_object_is_refused(body: bytes) -> None:
    """Mercure 0.x, Authorization: a refusal and no error of the hub, however deep or long it is."""
    with pytest.raises(Unauthorized):
        decode_token(forge(body=body), KEY)


def test_times_are_not_judged_when_the_signature_is() -> None:
    """Mercure 0.x, Authorization: the clock is the caller's."""
    claims = {"exp": 1, "nbf": 9_999_999_999, "iat": 9_999_999_999, "aud": "x", "iss": "y", "sub": 7}
    assert decode_token(forge(claims), KEY) == claims


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
    with pytest.raises(Unauthorized):
        expiry(claims, NOW)


@pytest.mark.parametrize("name", ["exp", "nbf"])
@pytest.mark.parametrize(
    "time",
    [None, "", "1900000000", True, False, [], {}, 10**400, -(10**400), math.nan, math.inf, -math.inf],
    ids=lambda time: repr(time)[:10],
)
def test_time_that_is_no_finite_number_refuses_the_token(name: str, time: object) -> None:
    """RFC 7519, Registered Claim Names: a time that cannot be compared must not mean "for ever"."""
    with pytest.raises(Unauthorized):
        expiry({name: time}, NOW)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_number_that_json_does_not_have_is_no_time(text: str) -> None:
    """RFC 7519, Registered Claim Names."""
    with pytest.raises(Unauthorized):
        expiry(decode_token(forge(body=f'{{"exp": {text}}}'.encode()), KEY), NOW)


def test_every_topic_of_an_update_must_be_granted_to_its_publisher() -> None:
    """Mercure 0.x, Publishers."""
    rights = Rights(publish=(Selector("/books/{id}"), Selector("/authors/7")))
    assert rights.may_publish(("/books/1", "/authors/7"))
    assert not rights.may_publish(("/books/1", "/authors/8"))
    assert not rights.may_read(("/books/1",))


def test_one_topic_of_an_update_must_be_granted_to_its_reader() -> None:
    """Mercure 0.x, Subscribers."""
    rights = Rights(subscribe=(Selector("/books/{id}"),))
    assert rights.may_read(("/authors/7", "/books/1"))
    assert not rights.may_read(("/authors/7",))
    assert not rights.may_publish(("/books/1",))


def test_nobody_has_no_rights() -> None:
    """Mercure 0.x, Authorization."""
    assert not ANONYMOUS.may_read(("/books/1",))
    assert not ANONYMOUS.may_publish(("/books/1",))
