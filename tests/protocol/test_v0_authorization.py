"""Mercure 0.x: where a token is found, and what its claims grant."""

from __future__ import annotations

from typing import Any

import pytest

from flask_mercure_sse.protocol.credentials import Credentials
from flask_mercure_sse.protocol.errors import InvalidToken, Unauthorized
from flask_mercure_sse.protocol.forms import Fields
from flask_mercure_sse.protocol.keys import Unverified
from flask_mercure_sse.protocol.rights import Rights
from flask_mercure_sse.protocol.v0 import MAX_SELECTORS, MERCURE_0, Mercure0

NAMESPACED = "https://mercure.rocks/"


def granted(rights: Rights) -> tuple[list[str], list[str]]:
    publish, subscribe = rights.publish, rights.subscribe
    return [selector.text for selector in publish], [selector.text for selector in subscribe]


# Presenting a token

QUERY: Fields = [("topic", "/a"), ("authorization", "of the query")]
COOKIES = {"mercureAuthorization": "of the cookie", "other": "of another cookie"}
TOKEN = ".".join(["of-the-header"] * 3)


def presented(authorization: str | None, query: Fields, cookies: dict[str, str]) -> str | None:
    credentials = MERCURE_0.credentials(authorization, query, cookies)
    return credentials and credentials.token


@pytest.mark.parametrize(
    ("authorization", "query", "cookies", "token"),
    [
        (None, [], {}, None),
        (f"Bearer {TOKEN}", QUERY, COOKIES, TOKEN),
        (None, QUERY, COOKIES, "of the query"),
        (None, [], COOKIES, "of the cookie"),
        (None, [], {"other": "of another cookie"}, None),
        (None, [("authorization", "first"), ("authorization", "second")], {}, "first"),
        (None, [("Authorization", "x")], {}, None),
    ],
)
def test_header_comes_before_query_before_cookie(
    authorization: str | None, query: Fields, cookies: dict[str, str], token: str | None
) -> None:
    """Mercure 0.x, Authorization."""
    assert presented(authorization, query, cookies) == token


def test_empty_parameter_does_not_let_the_cookie_count() -> None:
    """Mercure 0.x, Authorization: what is lower is ignored, even if the higher is bad."""
    assert presented(None, [("authorization", "")], COOKIES) == ""


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_scheme_is_written_in_any_case(scheme: str) -> None:
    """Mercure 1.0, Authorization HTTP Header; RFC 9110, Authentication Scheme."""
    assert presented(f"{scheme} {TOKEN}", [], {}) == TOKEN


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Bearer   ",
        TOKEN,
        "Basic dTpw",
        f"Bearer:{TOKEN}",
        f"Bearer{TOKEN}",
        f"Bearer {TOKEN} {TOKEN}",
        f"Bearer {TOKEN},Bearer {TOKEN}",
        "Bearer a.b.c",
    ],
)
def test_bad_header_is_refused_whatever_the_query_and_cookie_hold(authorization: str) -> None:
    """Mercure 0.x, Authorization."""
    with pytest.raises(Unauthorized):
        presented(authorization, QUERY, COOKIES)


def test_cookie_may_have_another_name() -> None:
    """Mercure 0.x, Cookie."""
    assert Mercure0(cookie_name="other").credentials(None, [], COOKIES) == Credentials(
        "of another cookie", True
    )


def test_browsers_send_the_cookie_by_themselves_and_nothing_else() -> None:
    """Mercure 0.x, Cookie: where another site's page may be behind a request."""
    for authorization, query, from_cookie in [
        (f"Bearer {TOKEN}", [], False),
        (None, QUERY, False),
        (None, [], True),
    ]:
        credentials = MERCURE_0.credentials(authorization, query, COOKIES)
        assert credentials is not None
        assert credentials.from_cookie == from_cookie


def test_access_token_of_the_next_version_says_nothing() -> None:
    """Mercure 0.x, Authorization: a token of one version never gives rights in the other's way."""
    for declared in ("at+jwt", "AT+JWT", "application/at+jwt"):
        with pytest.raises(InvalidToken):
            MERCURE_0.issuer(Unverified({"alg": "HS256", "typ": declared}, {"mercure": {"publish": ["*"]}}))
    for header in ({}, {"typ": "JWT"}, {"typ": None}, {"typ": 7}, {"typ": "anything"}):
        assert MERCURE_0.issuer(Unverified({"alg": "HS256", **header}, {})) is None


# Rights


def test_claims_grant_selectors_and_carry_a_payload() -> None:
    """Mercure 0.x, Authorization and Payload."""
    claims = {"mercure": {"publish": ["*"], "subscribe": ["/books/{id}", "/a"], "payload": {"name": "Ada"}}}
    rights = MERCURE_0.rights(claims, expires_at=7.0)
    assert granted(rights) == (["*"], ["/books/{id}", "/a"])
    assert (rights.payload_for("/any"), rights.expires_at) == ({"name": "Ada"}, 7.0)


@pytest.mark.parametrize("payload", [{}, {"a": [1]}, [], ["a"], "text", 0, False, None])
def test_payload_is_any_json(payload: object) -> None:
    """Mercure 0.x, Payload."""
    assert MERCURE_0.rights({"mercure": {"payload": payload}}).payload_for("*") == payload


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"sub": "u1", "publish": ["*"], "subscribe": ["*"]},
        {"mercure": {}},
        {"mercure": {"publish": [], "subscribe": []}},
        {"mercure": {"publish": None, "subscribe": None}},
        {"mercure": {"Publish": ["*"]}},
        {"Mercure": {"publish": ["*"]}},
    ],
)
def test_what_is_not_claimed_is_not_granted(claims: dict[str, Any]) -> None:
    """Mercure 0.x, Publishers and Subscribers."""
    assert granted(MERCURE_0.rights(claims)) == ([], [])


def test_one_action_does_not_grant_the_other() -> None:
    """Mercure 0.x, Publishers and Subscribers."""
    assert granted(MERCURE_0.rights({"mercure": {"publish": ["*"]}})) == (["*"], [])
    assert granted(MERCURE_0.rights({"mercure": {"subscribe": ["*"]}})) == ([], ["*"])


def test_namespaced_claim_replaces_the_short_one() -> None:
    """Mercure 0.x, Authorization: as deployed hubs do."""
    claims = {NAMESPACED: {"subscribe": ["/a"]}, "mercure": {"subscribe": ["*"], "publish": ["*"]}}
    assert granted(MERCURE_0.rights(claims)) == ([], ["/a"])
    assert granted(MERCURE_0.rights({NAMESPACED: {}, "mercure": {"publish": ["*"]}})) == ([], [])


@pytest.mark.parametrize("claim", ["mercure", NAMESPACED])
@pytest.mark.parametrize("content", [None, 7, True, "publish", ["publish"], [{"publish": ["*"]}]])
def test_claim_that_is_no_object_refuses_the_token(claim: str, content: object) -> None:
    """Mercure 0.x, Authorization."""
    with pytest.raises(Unauthorized):
        MERCURE_0.rights({claim: content})


@pytest.mark.parametrize("action", ["publish", "subscribe"])
@pytest.mark.parametrize(
    "selectors",
    ["*", "", 7, 0, True, False, {}, {"*": "*"}, [7], [None], [["*"]], [{"match": "*"}], ["/a", "/b", None]],
)
def test_one_bad_selector_refuses_the_token(action: str, selectors: object) -> None:
    """Mercure 0.x, Authorization: a token is never believed in part."""
    with pytest.raises(Unauthorized):
        MERCURE_0.rights({"mercure": {"publish": ["*"], "subscribe": ["*"], action: selectors}})


@pytest.mark.parametrize("action", ["publish", "subscribe"])
def test_selectors_of_a_token_have_a_largest_number(action: str) -> None:
    """Mercure 0.x, Authorization: as deployed hubs limit them."""
    most = [f"/{number}" for number in range(MAX_SELECTORS)]
    MERCURE_0.rights({"mercure": {action: most}})
    with pytest.raises(Unauthorized, match=str(MAX_SELECTORS)):
        MERCURE_0.rights({"mercure": {action: [*most, "/more"]}})


def test_grant_of_a_template_covers_the_template_itself() -> None:
    """Mercure 0.x, Topic Selectors."""
    rights = MERCURE_0.rights({"mercure": {"subscribe": ["/books/{id}"]}})
    assert rights.may_read(("/books/{id}",))
    assert not rights.may_read(("/books/{other}",))


@pytest.mark.parametrize(
    ("arguments", "claims"),
    [
        ({}, {}),
        ({"publish": ["*"]}, {"publish": ["*"]}),
        ({"subscribe": ["/a"], "payload": 0}, {"subscribe": ["/a"], "payload": 0}),
        (
            {"publish": ("/a",), "subscribe": ("/b",), "payload": {"name": "Ada"}},
            {"publish": ["/a"], "subscribe": ["/b"], "payload": {"name": "Ada"}},
        ),
    ],
)
def test_claims_that_the_app_makes_grant_what_it_meant(
    arguments: dict[str, Any], claims: dict[str, Any]
) -> None:
    """Mercure 0.x, Authorization."""
    made = MERCURE_0.claims(now=0, **arguments)
    assert made == {"mercure": claims}
    rights = MERCURE_0.rights(made)
    assert granted(rights) == (claims.get("publish", []), claims.get("subscribe", []))
    assert rights.payload_for("/any") == claims.get("payload")
