"""Whose keys check a token: those of the issuer that it names, and no others."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import jwt
import pytest

from flask_mercure_sse.hub import authority
from flask_mercure_sse.hub.authority import Authority
from flask_mercure_sse.protocol.errors import InvalidToken
from flask_mercure_sse.protocol.keys import Key, read_key, sign
from flask_mercure_sse.protocol.rights import Rights
from flask_mercure_sse.protocol.v0 import Mercure0
from flask_mercure_sse.protocol.v1 import Mercure1

URL = "https://hub.example.com/.well-known/mercure"
OLD, NEW = Mercure0(), Mercure1(URL)
ADA, BOB = "https://ada.example", "https://bob.example"
OWN = read_key("the hub's own secret, long enough for it")
OF_ADA = read_key("Ada's secret, which is long enough for HS256")
OF_BOB = read_key("Bob's secret, which is long enough for HS256")
NOW = 1_800_000_000.0


class Source:
    """Keys that somebody else may change."""

    def __init__(self, *keys: Key) -> None:
        self.keys = keys
        self.refreshed = 0

    def __call__(self) -> tuple[Key, ...]:
        return self.keys

    def refresh_soon(self) -> None:
        self.refreshed += 1


@pytest.fixture
def ada() -> Source:
    return Source(OF_ADA)


@pytest.fixture
def known(ada: Source) -> Authority:
    """Who believes the hub itself, Ada and Bob."""
    return Authority({None: lambda: (OWN,), URL: lambda: (OWN,), ADA: ada, BOB: lambda: (OF_BOB,)})


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every token whose signature is checked."""
    seen: list[str] = []
    verify = authority.verify
    monkeypatch.setattr(authority, "verify", lambda text, keys: (seen.append(text), verify(text, keys))[1])
    return seen


def token(issuer: str, key: Key, **claims: Any) -> str:
    made = {**NEW.claims(now=NOW, subscribe=["/books/1"]), "iss": issuer, **claims}
    return sign(made, key, type="at+jwt")


def rights_of(known: Authority, text: str, now: float = NOW) -> Rights:
    return known.rights(NEW, text, now)


@pytest.mark.parametrize(("issuer", "key"), [(URL, OWN), (ADA, OF_ADA), (BOB, OF_BOB)])
def test_token_is_checked_with_the_keys_of_its_issuer(known: Authority, issuer: str, key: Key) -> None:
    """Mercure 1.0, Token Validation."""
    assert rights_of(known, token(issuer, key)).may_read(("/books/1",))


@pytest.mark.parametrize(
    ("issuer", "key"), [(URL, OF_ADA), (ADA, OWN), (ADA, OF_BOB), (BOB, OF_ADA), (BOB, OWN)]
)
def test_keys_of_another_issuer_are_not_tried(known: Authority, issuer: str, key: Key) -> None:
    """Mercure 1.0, Token Validation."""
    with pytest.raises(InvalidToken):
        rights_of(known, token(issuer, key))


@pytest.mark.parametrize(
    "issuer", ["https://stranger.example", "", f"{ADA}/", ADA.upper(), f" {ADA}", "None", "null", URL + "/"]
)
def test_issuer_is_exactly_one_that_is_known(known: Authority, issuer: str) -> None:
    """Mercure 1.0, Token Validation."""
    for key in (OWN, OF_ADA, OF_BOB):
        with pytest.raises(InvalidToken):
            rights_of(known, token(issuer, key))


@pytest.mark.parametrize("issuer", [None, 7, True, [ADA], {}])
def test_issuer_is_a_text(known: Authority, issuer: Any) -> None:
    """Mercure 1.0, Token Validation: no issuer is not the hub itself."""
    claims = json.dumps({**NEW.claims(now=NOW, subscribe=["/books/1"]), "iss": issuer})
    for key in (OWN, OF_ADA):
        text = jwt.PyJWS().encode(claims.encode(), key.signer, "HS256", {"typ": "at+jwt"})
        with pytest.raises(InvalidToken):
            rights_of(known, text)


def test_tokens_of_versions_without_issuers_are_checked_with_the_hubs_own_keys(known: Authority) -> None:
    """Mercure 0.x, Authorization: whatever they say of an issuer."""
    claims = {**OLD.claims(now=0, subscribe=["/books/1"]), "iss": ADA}
    assert known.rights(OLD, sign(claims, OWN), NOW).may_read(("/books/1",))
    with pytest.raises(InvalidToken):
        known.rights(OLD, sign(claims, OF_ADA), NOW)


def test_hub_that_knows_no_keys_of_its_own_believes_no_token_without_an_issuer() -> None:
    """Mercure 0.x, Authorization."""
    with pytest.raises(InvalidToken):
        Authority({ADA: lambda: (OF_ADA,)}).rights(OLD, sign(OLD.claims(now=0), OF_ADA), NOW)


def test_keys_of_publishers_are_none_of_subscribers() -> None:
    """Mercure 1.0, Token Validation: each role has an authority, and an issuer may be in one alone."""
    publishers = Authority({ADA: lambda: (OF_ADA,), BOB: lambda: (OF_BOB,)})
    subscribers = Authority({BOB: lambda: (OWN,)})
    assert rights_of(publishers, token(ADA, OF_ADA))
    with pytest.raises(InvalidToken):
        rights_of(subscribers, token(ADA, OF_ADA))
    with pytest.raises(InvalidToken):
        rights_of(subscribers, token(BOB, OF_BOB))
    assert rights_of(subscribers, token(BOB, OWN))


# What each token must say


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW},
        {"exp": NOW - 1},
        {"exp": None},
        {"exp": "never"},
        {"nbf": NOW + 1},
        {"aud": "https://another.example"},
        {"aud": None},
        {"authorization_details": None},
        {"authorization_details": [{"type": "https://mercure.rocks/authorization-detail"}]},
    ],
    ids=lambda claims: " ".join(f"{name} {value}" for name, value in claims.items())[:40],
)
def test_signed_token_is_still_judged_by_its_claims(known: Authority, claims: dict[str, Any]) -> None:
    """Mercure 1.0, Token Validation."""
    with pytest.raises(InvalidToken):
        rights_of(known, token(ADA, OF_ADA, **claims))


def test_signed_token_without_an_end_is_refused(known: Authority) -> None:
    """Mercure 1.0, Token Validation."""
    claims = NEW.claims(now=NOW, subscribe=["/books/1"])
    del claims["exp"]
    with pytest.raises(InvalidToken):
        rights_of(known, sign(claims, OWN, type="at+jwt"))


def test_signed_token_of_another_type_is_refused(known: Authority) -> None:
    """Mercure 1.0, Token Validation: an ID token is no access token."""
    with pytest.raises(InvalidToken):
        rights_of(known, sign(NEW.claims(now=NOW, subscribe=["/books/1"]), OWN))


# What is remembered


def test_token_is_remembered_for_each_version(known: Authority, verified: list[str]) -> None:
    """Mercure 1.0 and 0.x, Authorization: what it is in one says nothing about the other."""
    text = token(URL, OWN)
    for _ in range(2):
        assert rights_of(known, text)
        with pytest.raises(InvalidToken):
            known.rights(OLD, text, NOW)
    old = sign(OLD.claims(now=0, subscribe=["*"]), OWN)
    for _ in range(2):
        assert known.rights(OLD, old, NOW).may_read(("/any",))
        with pytest.raises(InvalidToken):
            rights_of(known, old)
    assert verified == [text, old]


def test_key_that_disappears_takes_its_tokens_along(known: Authority, ada: Source) -> None:
    """Mercure 1.0, Token Validation."""
    other = read_key("another secret of Ada's, long enough for it")
    ada.keys = (OF_ADA, other)
    first, second = token(ADA, OF_ADA), token(ADA, other)
    assert rights_of(known, first)
    assert rights_of(known, second)
    ada.keys = (other,)
    with pytest.raises(InvalidToken):
        rights_of(known, first)
    assert rights_of(known, second)
    ada.keys = ()
    with pytest.raises(InvalidToken):
        rights_of(known, second)


def test_key_that_comes_back_is_believed_again(known: Authority, ada: Source) -> None:
    """Mercure 1.0, Token Validation."""
    text = token(ADA, OF_ADA)
    ada.keys = ()
    with pytest.raises(InvalidToken):
        rights_of(known, text)
    ada.keys = (OF_ADA,)
    assert rights_of(known, text)


def test_change_of_one_issuers_keys_leaves_the_others_tokens(
    known: Authority, ada: Source, verified: list[str]
) -> None:
    """Mercure 1.0, Token Validation."""
    text = token(BOB, OF_BOB)
    rights_of(known, text)
    ada.keys = ()
    rights_of(known, text)
    assert verified == [text]


def test_remembered_token_still_expires(known: Authority) -> None:
    """Mercure 1.0, Token Validation."""
    text = token(ADA, OF_ADA, exp=NOW + 60)
    assert rights_of(known, text, NOW + 59)
    with pytest.raises(InvalidToken):
        rights_of(known, text, NOW + 60)


# Keys that others change


def test_unknown_key_makes_the_hub_look_for_new_ones(known: Authority, ada: Source) -> None:
    """Mercure 1.0, Token Validation: the issuer may have changed it."""
    new = read_key("a new secret of Ada's, long enough for HS256")
    with pytest.raises(InvalidToken):
        rights_of(known, token(ADA, new))
    assert ada.refreshed == 1
    ada.keys = (new,)
    assert rights_of(known, token(ADA, new))
    assert ada.refreshed == 1


@pytest.mark.parametrize(
    "text",
    [
        token(BOB, OF_ADA),
        token("https://stranger.example", OF_ADA),
        token(ADA, OF_ADA),
        token(ADA, OF_ADA, aud="https://another.example"),
        token(ADA, OF_ADA, exp=NOW - 1),
        sign(NEW.claims(now=NOW), OF_ADA),
        "a.b.c",
    ],
    ids=["of Bob", "of a stranger", "good", "for another hub", "expired", "of another type", "garbage"],
)
def test_hub_looks_for_new_keys_for_nothing_else(known: Authority, ada: Source, text: str) -> None:
    """Mercure 1.0, Token Validation: strangers must not make it ask at will."""
    with suppress(InvalidToken):
        rights_of(known, text)
    assert ada.refreshed == 0


def test_keys_that_cannot_change_are_not_looked_for(known: Authority) -> None:
    """Mercure 1.0, Token Validation."""
    with pytest.raises(InvalidToken):
        rights_of(known, token(BOB, OF_ADA))
