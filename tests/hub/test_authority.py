"""Whose tokens the hub believes."""

from __future__ import annotations

import pytest

from flask_mercure_sse.hub import authority
from flask_mercure_sse.hub.authority import Authority
from flask_mercure_sse.protocol.errors import MissingKeyError, Unauthorized
from flask_mercure_sse.protocol.keys import Key, read_key
from flask_mercure_sse.protocol.rights import Rights
from flask_mercure_sse.protocol.v0 import MERCURE_0
from tests.tokens import encode_token

KEY = "a secret that is long enough for HS256"
NOW = 1_800_000_000.0


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every token whose signature is checked."""
    seen: list[str] = []
    verify = authority.verify
    monkeypatch.setattr(authority, "verify", lambda text, keys: (seen.append(text), verify(text, keys))[1])
    return seen


@pytest.fixture
def known(verified: list[str]) -> Authority:
    return Authority({None: lambda: (read_key(KEY),)})


def rights_of(known: Authority, text: str, now: float) -> Rights:
    return known.rights(MERCURE_0, text, now)


def token(selector: str = "/books/1", **times: float) -> str:
    return encode_token({**MERCURE_0.claims(now=0, subscribe=[selector]), **times}, KEY)


def test_rights_are_those_of_the_token(known: Authority) -> None:
    """Mercure 0.x, Authorization."""
    rights = rights_of(known, token(exp=NOW + 60), NOW)
    assert rights.may_read(("/books/1",))
    assert not rights.may_read(("/books/2",))
    assert rights.expires_at == NOW + 60


def test_verified_token_is_remembered(known: Authority, verified: list[str]) -> None:
    """Mercure 0.x, Authorization: the second request with it costs a look-up."""
    assert rights_of(known, token(), NOW) is rights_of(known, token(), NOW + 1000)
    assert len(verified) == 1


def test_remembered_token_still_expires(known: Authority) -> None:
    """Mercure 0.x, Authorization."""
    short = token(exp=NOW + 60)
    rights_of(known, short, NOW + 59)
    with pytest.raises(Unauthorized):
        rights_of(known, short, NOW + 60)


def test_only_so_many_tokens_are_remembered(
    known: Authority, verified: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mercure 0.x, Authorization: the one that was verified first is forgotten first."""
    monkeypatch.setattr(authority, "REMEMBERED_TOKENS", 3)
    tokens = [token(f"/books/{number}") for number in range(4)]
    for one in tokens:
        rights_of(known, one, NOW)
    for one in tokens[1:]:
        rights_of(known, one, NOW)
    assert len(verified) == 4
    rights_of(known, tokens[0], NOW)
    assert len(verified) == 5


def test_refused_token_is_not_remembered(known: Authority, verified: list[str]) -> None:
    """Mercure 0.x, Authorization: it may become valid, and strangers must not fill the memory."""
    early = token(nbf=NOW + 60)
    for _ in range(2):
        with pytest.raises(Unauthorized):
            rights_of(known, early, NOW)
    assert len(verified) == 2
    assert rights_of(known, early, NOW + 60).may_read(("/books/1",))


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "a.b.c",
        token(exp=NOW - 1),
        encode_token(MERCURE_0.claims(now=0, subscribe=["*"]), "the key of the publishers, not of this role"),
        encode_token({"mercure": {"subscribe": "*"}}, KEY),
        encode_token({"mercure": [], "exp": NOW + 60}, KEY),
        encode_token({"exp": None}, KEY),
    ],
    ids=["empty", "garbage", "expired", "of another key", "bad selectors", "bad claim", "bad time"],
)
def test_bad_token_is_refused(bad: str, known: Authority) -> None:
    """Mercure 0.x, Authorization."""
    with pytest.raises(Unauthorized):
        rights_of(known, bad, NOW)


def test_change_of_key_forgets_what_the_old_one_signed() -> None:
    """Mercure 0.x, Authorization."""
    keys = [KEY]
    changing = Authority({None: lambda: (read_key(keys[0]),)})
    rights_of(changing, token(), NOW)
    keys[0] = "another secret that is long enough for HS256"
    with pytest.raises(Unauthorized):
        rights_of(changing, token(), NOW)


def test_missing_key_is_no_fault_of_the_token() -> None:
    """Mercure 0.x, Authorization."""

    def missing() -> tuple[Key, ...]:
        raise MissingKeyError("there is no key")

    with pytest.raises(MissingKeyError):
        rights_of(Authority({None: missing}), token(), NOW)
