"""Which versions of the protocol a hub speaks, and which of them a request is in."""

from __future__ import annotations

from typing import Any

import pytest

from flask_mercure_sse.protocol import url_pattern, versions
from flask_mercure_sse.protocol.errors import ConfigurationError, InvalidRequest
from flask_mercure_sse.protocol.forms import Fields
from flask_mercure_sse.protocol.keys import read_key, sign
from flask_mercure_sse.protocol.limits import Limits
from flask_mercure_sse.protocol.v0 import Mercure0
from flask_mercure_sse.protocol.v1 import Mercure1
from flask_mercure_sse.protocol.version import ProtocolVersion
from flask_mercure_sse.protocol.versions import PROTOCOLS, Versions, has_fixed_path, speak

URL = "https://hub.example.com/.well-known/mercure"
OLD, NEW = Mercure0(), Mercure1(URL)
BOTH = Versions(OLD, NEW)

KEY = read_key("a secret that is long enough for HS256")
OLD_TOKEN = sign(OLD.claims(now=0, subscribe=["*"]), KEY)
NEW_TOKEN = sign(NEW.claims(now=0, subscribe=["*"]), KEY, type="at+jwt")

OLD_COOKIE = "mercureAuthorization"
NEW_COOKIE = "__Secure-mercure_access_token"


def names(spoken: Versions) -> list[str]:
    return [version.name for version in spoken]


# What a hub speaks


@pytest.mark.parametrize(
    ("protocol", "spoken"), [("0.x", ["0.x"]), ("1.0", ["1.0"]), ("both", ["0.x", "1.0"])]
)
def test_hub_speaks_what_it_is_set_to(protocol: str, spoken: list[str]) -> None:
    """Mercure 1.0 and 0.x: one of them, or both for the time of a move."""
    made = speak(protocol, URL)
    assert names(made) == spoken
    assert (made.oldest.name, made.newest.name) == (spoken[0], spoken[-1])


def test_every_protocol_can_be_spoken() -> None:
    """Mercure 1.0 and 0.x."""
    assert PROTOCOLS == ("0.x", "1.0", "both")
    assert all(names(speak(protocol, URL)) for protocol in PROTOCOLS)


def test_hub_that_speaks_old_alone_needs_no_url() -> None:
    """Mercure 0.x, Discovery."""
    assert names(speak("0.x", None)) == ["0.x"]


@pytest.mark.parametrize("protocol", ["1.0", "both"])
def test_hub_that_speaks_new_needs_a_url(protocol: str) -> None:
    """Mercure 1.0, Token Validation: tokens name the hub by it."""
    with pytest.raises(ConfigurationError, match=r"MERCURE_PUBLIC_HUB_URL is missing: .*; set it to"):
        speak(protocol, None)


@pytest.mark.parametrize("protocol", ["1.0", "both"])
def test_library_that_is_missing_is_told_with_the_fix(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 1.0, URL Pattern."""
    monkeypatch.setattr(versions.url_pattern, "is_available", lambda: False)
    with pytest.raises(ConfigurationError, match=f"MERCURE_PROTOCOL: '{protocol}' .*pip install urlpattern"):
        speak(protocol, URL)
    assert names(speak("0.x", URL)) == ["0.x"]


def test_library_of_url_patterns_is_here() -> None:
    """Mercure 1.0, URL Pattern."""
    assert url_pattern.is_available()


def test_settings_reach_each_version() -> None:
    """Mercure 1.0, Token Validation; Mercure 1.0 and 0.x, Subscription."""
    made = speak("both", URL, issuer="https://app.example", limits=Limits(selectors=1))
    assert made.newest.claims(now=0)["iss"] == "https://app.example"
    for version, name in zip(made, ("topic", "match"), strict=True):
        with pytest.raises(InvalidRequest):
            version.subscribe_request([(name, "/a"), (name, "/b")], None)


@pytest.mark.parametrize(("protocol", "is_fixed"), [("0.x", True), ("both", True), ("1.0", False)])
def test_only_hubs_that_speak_new_alone_may_have_another_path(protocol: str, is_fixed: bool) -> None:
    """Mercure 0.x, Discovery; Mercure 1.0, Hub Discovery."""
    assert has_fixed_path(protocol) is is_fixed


# By parameters


@pytest.mark.parametrize(
    ("parameters", "version"),
    [
        ([("topic", "/a")], OLD),
        ([("topic", "/a"), ("lastEventID", "7"), ("authorization", "x")], OLD),
        ([("lastEventID", "7")], OLD),
        ([("match", "/a")], NEW),
        ([("match_exact", "/a"), ("match_urlpattern", "/:a")], NEW),
        ([("match_foo", "/a")], NEW),
        ([("Match", "/a")], NEW),
        ([("last_event_id", "7")], NEW),
        ([("unknown", "x"), ("match", "/a")], NEW),
        ([], OLD),
        ([("unknown", "x")], OLD),
    ],
)
def test_request_is_in_the_version_of_its_parameters(parameters: Fields, version: ProtocolVersion) -> None:
    """Mercure 1.0 and 0.x, Subscription: one that says nothing is in the oldest."""
    assert BOTH.of_parameters(parameters) is version


@pytest.mark.parametrize("old", ["topic", "lastEventID", "authorization"])
@pytest.mark.parametrize("new", ["match", "match_urlpattern", "last_event_id"])
def test_request_is_never_in_two_versions(old: str, new: str) -> None:
    """Mercure 1.0 and 0.x, Subscription: rights of one must not serve selectors of the other."""
    for parameters in ([(old, "x"), (new, "y")], [(new, "y"), (old, "x")]):
        with pytest.raises(InvalidRequest, match="two versions"):
            BOTH.of_parameters(parameters)


@pytest.mark.parametrize("version", [OLD, NEW])
def test_hub_of_one_version_reads_everything_in_it(version: ProtocolVersion) -> None:
    """Mercure 1.0 and 0.x, Subscription."""
    alone = Versions(version)
    assert alone.of_parameters([("topic", "/a"), ("match", "/a")]) is version
    assert alone.of_token(f"Bearer {OLD_TOKEN}", [], {}) is version
    assert alone.of_token(f"Bearer {NEW_TOKEN}", [], {}) is version
    assert alone.oldest is alone.newest is version


# By token


@pytest.mark.parametrize(
    ("authorization", "query", "cookies", "version"),
    [
        (f"Bearer {OLD_TOKEN}", [], {}, OLD),
        (f"Bearer {NEW_TOKEN}", [], {}, NEW),
        (f"bearer {NEW_TOKEN}", [], {}, NEW),
        (None, [("authorization", OLD_TOKEN)], {}, OLD),
        (None, [], {OLD_COOKIE: OLD_TOKEN}, OLD),
        (None, [], {NEW_COOKIE: NEW_TOKEN}, NEW),
        (None, [], {OLD_COOKIE: OLD_TOKEN, NEW_COOKIE: NEW_TOKEN}, NEW),
        (f"Bearer {OLD_TOKEN}", [], {NEW_COOKIE: NEW_TOKEN}, OLD),
        (f"Bearer {NEW_TOKEN}", [], {OLD_COOKIE: OLD_TOKEN}, NEW),
        (None, [("authorization", OLD_TOKEN)], {NEW_COOKIE: NEW_TOKEN}, OLD),
        (None, [], {}, NEW),
    ],
    ids=[
        "old header",
        "new header",
        "new header in lower case",
        "old parameter",
        "old cookie",
        "new cookie",
        "a cookie of each",
        "old header before a new cookie",
        "new header before an old cookie",
        "old parameter before a new cookie",
        "nothing",
    ],
)
def test_request_is_in_the_version_of_its_token(
    authorization: str | None, query: Fields, cookies: dict[str, str], version: ProtocolVersion
) -> None:
    """Mercure 1.0 and 0.x, Authorization."""
    assert BOTH.of_token(authorization, query, cookies) is version


@pytest.mark.parametrize(
    ("authorization", "query", "cookies"),
    [
        ("Basic dTpw", [], {NEW_COOKIE: NEW_TOKEN}),
        ("Bearer not.a.token", [], {}),
        (None, [], {OLD_COOKIE: NEW_TOKEN}),
        (None, [], {NEW_COOKIE: OLD_TOKEN}),
    ],
    ids=[
        "another scheme",
        "a short token",
        "new token in the old cookie",
        "old token in the new cookie",
    ],
)
def test_request_with_a_token_of_no_version_is_in_the_newest(
    authorization: str | None, query: Fields, cookies: dict[str, str]
) -> None:
    """Mercure 1.0 and 0.x, Authorization: a token is never read in the other version's place."""
    assert BOTH.of_token(authorization, query, cookies) is NEW


@pytest.mark.parametrize(
    ("authorization", "cookies"),
    [(f"Bearer {'x' * 50}", {}), (None, {NEW_COOKIE: "garbage", OLD_COOKIE: "garbage"})],
    ids=["header", "cookies"],
)
def test_what_does_not_say_that_it_is_an_access_token_is_read_as_an_old_one(
    authorization: str | None, cookies: dict[str, str]
) -> None:
    """Mercure 0.x, Authorization."""
    assert BOTH.of_token(authorization, [], cookies) is OLD


@pytest.mark.parametrize("token", [NEW_TOKEN, ""])
def test_token_in_a_url_is_in_the_version_that_reads_one_there(token: str) -> None:
    """Mercure 0.x, URI Query Parameter."""
    assert BOTH.of_token(None, [("authorization", token)], {NEW_COOKIE: NEW_TOKEN}) is OLD


def test_two_versions_have_two_cookies_even_if_one_has_another_name() -> None:
    """Mercure 1.0 and 0.x, Cookie: a new page must not overwrite what an open one needs."""
    both = speak("both", URL, cookie_name="push")
    assert both.oldest.cookie_name(secure=True) == "push"
    assert both.newest.cookie_name(secure=True) == NEW_COOKIE
    assert speak("1.0", URL, cookie_name="push").newest.cookie_name(secure=True) == "push"


def test_token_of_one_version_gives_no_rights_in_the_other() -> None:
    """Mercure 1.0 and 0.x, Authorization."""
    old_claims: dict[str, Any] = OLD.claims(now=0, publish=["*"], subscribe=["*"])
    assert NEW.rights({"aud": URL, **old_claims}, expires_at=1.0).subscribe == ()
    assert OLD.rights(NEW.claims(now=0, publish=["*"], subscribe=["*"])).subscribe == ()
