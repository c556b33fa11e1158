"""Mercure 1.0: where a token is found, who made it and for whom, and what it grants."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from flask_mercure_sse.protocol.credentials import Credentials
from flask_mercure_sse.protocol.errors import (
    ConfigurationError,
    ContentTooLarge,
    Forbidden,
    InvalidCredentials,
    InvalidRequest,
    InvalidToken,
    MethodNotAllowed,
    NotFound,
    Refusal,
    Unauthorized,
    UnsupportedMediaType,
)
from flask_mercure_sse.protocol.forms import Fields
from flask_mercure_sse.protocol.keys import Unverified
from flask_mercure_sse.protocol.limits import MAX_SELECTOR_LENGTH
from flask_mercure_sse.protocol.rights import Rights
from flask_mercure_sse.protocol.selectors import Selector, match_exact, match_urlpattern
from flask_mercure_sse.protocol.v1 import DEFAULT_LIFETIME, MAX_DETAILS, Mercure1

from .strategies import clean_texts

URL = "https://hub.example.com/.well-known/mercure"
METADATA_URL = "https://hub.example.com/.well-known/oauth-protected-resource/.well-known/mercure"
DETAIL = "https://mercure.rocks/authorization-detail"
MERCURE_1 = Mercure1(URL)
PLAIN = Mercure1("http://localhost:5500/.well-known/mercure")
UNKNOWN = Mercure1(URL, is_known=False)
NOW = 1_800_000_000.0


def detail(**members: Any) -> dict[str, Any]:
    return {"type": DETAIL, "actions": ["subscribe"], "topics": [{"match": "/a"}], **members}


def rights_of(*details: object, **claims: Any) -> Rights:
    given = {"aud": URL, "authorization_details": list(details), **claims}
    return MERCURE_1.rights(given, expires_at=NOW)


def granted(rights: Rights) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    return keys(rights.publish), keys(rights.subscribe)


def keys(selectors: tuple[Selector, ...]) -> list[tuple[str, str]]:
    return [selector.key for selector in selectors]


# Presenting a token

COOKIES = {
    "__Secure-mercure_access_token": "of the secure cookie",
    "mercure_access_token": "of the plain cookie",
    "mercureAuthorization": "of another version",
    "other": "of another cookie",
}
PLAIN_COOKIE = {"mercure_access_token": "of the plain cookie"}
TOKEN = ".".join(["of-the-header"] * 3)


def presented(
    authorization: str | None, cookies: dict[str, str], query: Fields | None = None, hub: Mercure1 = MERCURE_1
) -> str | None:
    credentials = hub.credentials(authorization, query or [], cookies)
    return credentials and credentials.token


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_scheme_of_the_header_is_written_in_any_case(scheme: str) -> None:
    """Mercure 1.0, Authorization HTTP Header."""
    assert MERCURE_1.credentials(f"{scheme} {TOKEN}", [], COOKIES) == Credentials(TOKEN)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        "Basic dTpw",
        f"DPoP {TOKEN}",
        f"Bearer{TOKEN}",
        f"Bearer {TOKEN} {TOKEN}",
        f"Bearer {TOKEN}, Bearer {TOKEN}",
        "Bearer a.b.c",
    ],
)
def test_bad_header_is_a_bad_request_whatever_the_cookie_holds(authorization: str) -> None:
    """Mercure 1.0, Authorization HTTP Header."""
    with pytest.raises(InvalidCredentials):
        presented(authorization, COOKIES)


@pytest.mark.parametrize("name", ["authorization", "access_token", "Authorization"])
def test_query_is_never_read(name: str) -> None:
    """Mercure 1.0, Presenting the Access Token: the request is anonymous."""
    assert presented(None, {}, [(name, TOKEN)]) is None
    assert presented(None, COOKIES, [(name, TOKEN)]) == "of the secure cookie"


def test_cookie_of_a_hub_with_tls_has_the_prefix() -> None:
    """Mercure 1.0, Cookie: without it another host of the domain could set it."""
    assert presented(None, COOKIES) == "of the secure cookie"
    assert presented(None, PLAIN_COOKIE) is None


@pytest.mark.parametrize("hub", [PLAIN, UNKNOWN])
def test_cookie_of_a_hub_that_may_be_plain_http_needs_no_prefix(hub: Mercure1) -> None:
    """Mercure 1.0, Cookie: one with the prefix comes first."""
    assert presented(None, COOKIES, hub=hub) == "of the secure cookie"
    assert presented(None, PLAIN_COOKIE, hub=hub) == "of the plain cookie"


def test_cookies_of_other_names_are_none() -> None:
    """Mercure 1.0, Cookie."""
    assert presented(None, {"mercureAuthorization": TOKEN, "other": TOKEN}) is None
    assert presented(None, {}) is None


def test_cookie_may_have_another_name() -> None:
    """Mercure 1.0, Cookie: open pages may have the usual one still."""
    hub = Mercure1(URL, cookie_name="other")
    assert hub.credentials(None, [], COOKIES) == Credentials("of another cookie", True)
    assert presented(None, {"__Secure-mercure_access_token": TOKEN}, hub=hub) == TOKEN
    assert presented(None, PLAIN_COOKIE, hub=hub) is None
    assert hub.cookie_name(secure=True) == hub.cookie_name(secure=False) == "other"


def test_browsers_send_the_cookie_by_themselves() -> None:
    """Mercure 1.0, Security Considerations: another site's page may be behind such a request."""
    credentials = MERCURE_1.credentials(None, [], COOKIES)
    assert credentials is not None
    assert credentials.from_cookie


def test_name_of_the_cookie_says_whether_it_is_for_tls() -> None:
    """Mercure 1.0, Cookie; RFC 6265bis, Cookie Name Prefixes."""
    for hub in (MERCURE_1, PLAIN):
        assert hub.cookie_name(secure=True) == "__Secure-mercure_access_token"
        assert hub.cookie_name(secure=False) == "mercure_access_token"


# Who made a token, and for whom


@pytest.mark.parametrize(
    "declared", ["at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "Application/AT+JWT"]
)
def test_access_token_names_its_issuer(declared: str) -> None:
    """Mercure 1.0, Token Validation; RFC 9068, Header."""
    token = Unverified({"alg": "HS256", "typ": declared}, {"iss": "https://issuer.example"})
    assert MERCURE_1.issuer(token) == "https://issuer.example"


@pytest.mark.parametrize(
    "header", [{}, {"typ": "JWT"}, {"typ": None}, {"typ": 7}, {"typ": ["at+jwt"]}, {"typ": "at+jwt "}]
)
def test_token_of_another_type_is_refused(header: dict[str, Any]) -> None:
    """Mercure 1.0, Token Validation: an ID token says nothing here."""
    with pytest.raises(InvalidToken):
        MERCURE_1.issuer(Unverified({"alg": "HS256", **header}, {"iss": "https://issuer.example"}))


@pytest.mark.parametrize("claims", [{}, {"iss": None}, {"iss": 7}, {"iss": ["https://issuer.example"]}])
def test_token_without_an_issuer_is_refused(claims: dict[str, Any]) -> None:
    """Mercure 1.0, Token Validation: nobody's keys are tried for nobody."""
    with pytest.raises(InvalidToken, match="iss"):
        MERCURE_1.issuer(Unverified({"alg": "HS256", "typ": "at+jwt"}, claims))


@pytest.mark.parametrize("audience", [URL, [URL], ["https://other.example", URL], [7, None, URL]])
def test_token_may_be_for_several_hubs(audience: object) -> None:
    """Mercure 1.0, Token Validation."""
    assert granted(rights_of(detail(), aud=audience))[1] == [("exact", "/a")]


@pytest.mark.parametrize(
    "audience",
    [
        None,
        "",
        7,
        [],
        {},
        {URL: URL},
        [[URL]],
        "https://hub.example.com",
        f"{URL}/",
        URL.upper(),
        f"{URL} ",
        "https://other.example/.well-known/mercure",
        ["https://other.example"],
    ],
)
def test_token_for_somebody_else_is_refused(audience: object) -> None:
    """Mercure 1.0, Token Validation."""
    with pytest.raises(InvalidToken, match="aud"):
        rights_of(detail(), aud=audience)


def test_token_for_nobody_is_refused() -> None:
    """Mercure 1.0, Token Validation."""
    with pytest.raises(InvalidToken, match="aud"):
        MERCURE_1.rights({"authorization_details": [detail()]}, expires_at=NOW)


def test_hub_may_have_several_names() -> None:
    """Mercure 1.0, Token Validation: whatever a client calls this machine, it means this hub."""
    alias = "http://127.0.0.1:5500/.well-known/mercure"
    hub = Mercure1("http://localhost:5500/.well-known/mercure", aliases=[alias])
    assert hub.rights({"aud": alias}, expires_at=NOW)
    with pytest.raises(InvalidToken):
        PLAIN.rights({"aud": alias}, expires_at=NOW)


def test_token_without_an_end_is_refused() -> None:
    """Mercure 1.0, Token Validation."""
    with pytest.raises(InvalidToken, match="exp"):
        MERCURE_1.rights({"aud": URL, "authorization_details": [detail()]}, expires_at=None)


def test_rights_end_with_their_token() -> None:
    """Mercure 1.0, Token Validation."""
    assert rights_of(detail()).expires_at == NOW


# What a token grants


def test_details_grant_matchers_by_action() -> None:
    """Mercure 1.0, Authorization Details and Topic Matcher List."""
    rights = rights_of(
        detail(actions=["publish"], topics=[{"match": "*"}]),
        detail(topics=[{"match": "/a"}, {"match": "/books/:id", "match_type": "urlpattern"}]),
        detail(actions=["subscribe", "publish"], topics=[{"match": "/b", "match_type": "exact"}]),
    )
    assert granted(rights) == (
        [("exact", "*"), ("exact", "/b")],
        [("exact", "/a"), ("urlpattern", "/books/:id"), ("exact", "/b")],
    )


def test_grants_match_as_matchers_do() -> None:
    """Mercure 1.0, Subscribers and Publishers."""
    pattern = {"match": "/books/:id", "match_type": "urlpattern"}
    rights = rights_of(detail(actions=["publish", "subscribe"], topics=[pattern, {"match": "/{x}"}]))
    assert rights.may_read(("https://hub.example.com/books/1",))
    assert rights.may_publish(("/books/1", "/{x}"))
    assert not rights.may_read(("/books/1/pages", "/x"))
    assert not rights.may_publish(("/books/1", "/x"))


@pytest.mark.parametrize("match_type", ["exact", "urlpattern"])
def test_grant_of_star_is_for_every_topic(match_type: str) -> None:
    """Mercure 1.0, Matcher Types."""
    rights = rights_of(detail(topics=[{"match": "*", "match_type": match_type}]))
    assert rights.may_read(("no url [",))


def test_unknown_members_and_actions_do_no_harm() -> None:
    """Mercure 1.0, Authorization Details."""
    rights = rights_of(
        detail(actions=["subscribe", "delete", ""], locations=["x"], topics=[{"match": "/a", "more": 7}]),
        detail(actions=["delete"], topics=[{"match": "/b"}]),
        detail(actions=["Subscribe"], topics=[{"match": "/c"}]),
    )
    assert granted(rights) == ([], [("exact", "/a")])


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"type": "payment", "actions": 7, "topics": "*"},
        {"type": f"{DETAIL}/", "actions": ["publish"], "topics": [{"match": "*"}]},
        {"type": DETAIL.upper(), "actions": ["publish"], "topics": [{"match": "*"}]},
        {"type": [DETAIL], "actions": ["publish"], "topics": [{"match": "*"}]},
        {"actions": ["publish"], "topics": [{"match": "*"}]},
        [],
        None,
        7,
        "subscribe",
        DETAIL,
    ],
    ids=repr,
)
def test_details_of_other_types_are_ignored_whatever_their_shape(other: object) -> None:
    """Mercure 1.0, Authorization Details: types are compared byte for byte."""
    assert granted(rights_of(other, detail(), other)) == ([], [("exact", "/a")])


@pytest.mark.parametrize("claims", [{}, {"authorization_details": []}, {"mercure": {"publish": ["*"]}}])
def test_token_that_does_not_speak_of_mercure_is_valid_and_grants_nothing(claims: dict[str, Any]) -> None:
    """Mercure 1.0, Authorization Details."""
    assert granted(MERCURE_1.rights({"aud": URL, **claims}, expires_at=NOW)) == ([], [])


@pytest.mark.parametrize("details", [None, {}, detail(), "*", 7, True])
def test_claim_that_is_no_array_refuses_the_token(details: object) -> None:
    """Mercure 1.0, Authorization Details."""
    with pytest.raises(InvalidToken):
        rights_of(authorization_details=details)


NOT_LISTS_WITH_ENTRIES: list[object] = [None, [], {}, "subscribe", 7, True, {"subscribe": True}]

BAD_DETAILS: list[dict[str, Any]] = [
    {"type": DETAIL},
    {"type": DETAIL, "actions": ["subscribe"]},
    {"type": DETAIL, "topics": [{"match": "/a"}]},
    *(detail(actions=actions) for actions in NOT_LISTS_WITH_ENTRIES),
    *(detail(topics=topics) for topics in NOT_LISTS_WITH_ENTRIES),
    *(detail(actions=["subscribe", action]) for action in (None, 7, True, ["publish"], {})),
    *(detail(topics=[{"match": "/a"}, topic]) for topic in (None, 7, "/b", "*", ["/b"], {}, [{}])),
    *(detail(topics=[{"match": text}]) for text in (None, 7, True, ["/b"], {}, "")),
    *(detail(topics=[{"match": text}]) for text in ("a\nb", "a\0", "zero\u200bwidth", "\udc80")),
    *(
        detail(topics=[{"match": "/a", "match_type": match_type}])
        for match_type in (None, 7, True, "", "Exact", "URLPattern", "template", "exact ")
    ),
    detail(topics=[{"match": "*", "match_type": "template"}]),
    detail(topics=[{"Match": "/a"}]),
    *(detail(topics=[{"match": text, "match_type": "urlpattern"}]) for text in ("/(", "{", "/:")),
    *(detail(payload=payload) for payload in (None, 7, True, "Ada", [], [{}])),
]


@pytest.mark.parametrize("bad", BAD_DETAILS, ids=lambda bad: repr(bad).partition(", ")[2] or "empty")
def test_one_malformed_detail_refuses_the_token(bad: dict[str, Any]) -> None:
    """Mercure 1.0, Authorization Details and Topic Matcher List: a token is never believed in part."""
    with pytest.raises(InvalidToken):
        rights_of(detail(actions=["publish", "subscribe"], topics=[{"match": "*"}]), bad)


@pytest.mark.parametrize("match_type", [[], ["exact"], {}])
def test_match_type_that_is_no_text_refuses_the_token(match_type: object) -> None:
    """Mercure 1.0, Topic Matcher List."""
    with pytest.raises(InvalidToken):
        rights_of(detail(topics=[{"match": "/a", "match_type": match_type}]))


@pytest.mark.parametrize("payload", [None, 7, "Ada", []])
def test_malformed_payload_refuses_the_token_whatever_the_action(payload: object) -> None:
    """Mercure 1.0, Authorization Details."""
    with pytest.raises(InvalidToken):
        rights_of(detail(actions=["publish"], payload=payload))


def test_refusal_tells_strangers_nothing() -> None:
    """Mercure 1.0, Error Responses: each fault of a token has the same answer."""
    with pytest.raises(InvalidToken) as refused:
        rights_of(detail(topics=["/secret"]))
    assert refused.value.public_answer == "Unauthorized"


def test_details_of_a_token_have_a_largest_number() -> None:
    """Mercure 1.0, Authorization Details."""
    others = [{"type": "payment"}] * (MAX_DETAILS - 1)
    assert granted(rights_of(*others, detail()))[1] == [("exact", "/a")]
    with pytest.raises(InvalidToken, match=str(MAX_DETAILS)):
        rights_of(*others, detail(), {"type": "payment"})


def test_topics_of_all_details_together_have_a_largest_number() -> None:
    """Mercure 1.0, Topic Matcher List."""
    topics = [{"match": f"/{number}"} for number in range(MAX_DETAILS)]
    assert len(granted(rights_of(detail(topics=topics)))[1]) == MAX_DETAILS
    with pytest.raises(InvalidToken, match=str(MAX_DETAILS)):
        rights_of(detail(topics=topics), detail())


def test_topics_of_a_token_have_a_greatest_length() -> None:
    """Mercure 1.0, Topic Matcher List."""
    assert rights_of(detail(topics=[{"match": "x" * MAX_SELECTOR_LENGTH}]))
    with pytest.raises(InvalidToken, match=str(MAX_SELECTOR_LENGTH)):
        rights_of(detail(topics=[{"match": "x" * (MAX_SELECTOR_LENGTH + 1)}]))


# Payloads


def test_payload_is_that_of_the_first_grant_that_matches_the_matcher_as_a_topic() -> None:
    """Mercure 1.0, Payloads: first match wins, even if it has none."""
    rights = rights_of(
        detail(topics=[{"match": "/books/1"}]),
        detail(topics=[{"match": "/books/:id", "match_type": "urlpattern"}], payload={"shelf": 7}),
        detail(topics=[{"match": "*"}], payload={"all": True}),
    )
    assert rights.payload_for("/books/1") is None
    assert rights.payload_for("/books/2") == {"shelf": 7}
    assert rights.payload_for("/books/:id") == {"shelf": 7}
    assert rights.payload_for("/movies/1") == {"all": True}
    assert rights.payload_for("*") == {"all": True}


def test_payload_of_a_grant_to_publish_is_none_of_a_subscription() -> None:
    """Mercure 1.0, Payloads."""
    rights = rights_of(
        detail(actions=["publish"], topics=[{"match": "*"}], payload={"publisher": True}),
        detail(actions=["publish", "subscribe"], payload={"both": True}),
    )
    assert rights.payload_for("/a") == {"both": True}
    assert rights.payload_for("/b") is None


@pytest.mark.parametrize("payload", [{}, {"a": [1, None, {"b": "é"}]}])
def test_payload_is_an_object(payload: dict[str, Any]) -> None:
    """Mercure 1.0, Authorization Details."""
    assert rights_of(detail(payload=payload)).payload_for("/a") == payload


# What the app's own tokens claim


def test_claims_of_the_app_are_those_of_an_access_token() -> None:
    """Mercure 1.0, Authorization; RFC 9068, Data Structure."""
    claims = MERCURE_1.claims(now=NOW + 0.9, publish=["*"], subscribe=["/a"], payload={"name": "Ada"})
    assert claims.pop("jti").startswith("urn:uuid:")
    assert claims == {
        "iss": URL,
        "aud": URL,
        "sub": URL,
        "client_id": URL,
        "iat": int(NOW),
        "exp": int(NOW + DEFAULT_LIFETIME),
        "authorization_details": [
            {"type": DETAIL, "actions": ["publish"], "topics": [{"match": "*"}]},
            {
                "type": DETAIL,
                "actions": ["subscribe"],
                "topics": [{"match": "/a"}],
                "payload": {"name": "Ada"},
            },
        ],
    }


def test_issuer_may_be_another_than_the_hub() -> None:
    """Mercure 1.0, Token Validation."""
    claims = Mercure1(URL, issuer="https://app.example").claims(now=NOW)
    assert (claims["iss"], claims["sub"], claims["client_id"]) == ("https://app.example",) * 3
    assert claims["aud"] == URL


def test_claims_are_good_as_long_as_is_asked_for() -> None:
    """Mercure 1.0, Token Validation."""
    assert MERCURE_1.claims(now=NOW, lifetime=60)["exp"] == NOW + 60


def test_no_two_tokens_are_the_same() -> None:
    """RFC 9068, Data Structure."""
    assert len({MERCURE_1.claims(now=NOW)["jti"] for _ in range(10)}) == 10


@pytest.mark.parametrize(
    ("topic", "matcher"),
    [
        ("/books/1", {"match": "/books/1"}),
        ("*", {"match": "*"}),
        ("/books/{id}", {"match": "/books/:id", "match_type": "urlpattern"}),
        (match_exact("/books/{id}"), {"match": "/books/{id}"}),
        (match_urlpattern("/books/:id"), {"match": "/books/:id", "match_type": "urlpattern"}),
    ],
)
def test_topic_of_an_app_is_claimed_as_a_matcher(topic: str, matcher: dict[str, str]) -> None:
    """Mercure 1.0, Topic Matcher List."""
    for action in ("publish", "subscribe"):
        [made] = MERCURE_1.claims(now=NOW, **{action: [topic]})["authorization_details"]  # type: ignore[arg-type]
        assert made == {"type": DETAIL, "actions": [action], "topics": [matcher]}


@pytest.mark.parametrize("payload", [None, {}, {"name": "Ada"}])
def test_claims_that_the_app_makes_grant_what_it_meant(payload: dict[str, Any] | None) -> None:
    """Mercure 1.0, Authorization."""
    topics = ["/a", "/books/{id}", match_exact("/{b}"), match_urlpattern("/c/:id"), "*"]
    claims = MERCURE_1.claims(now=NOW, publish=topics, subscribe=topics, payload=payload)
    rights = MERCURE_1.rights(claims, expires_at=float(claims["exp"]))
    meant = [
        ("exact", "/a"),
        ("urlpattern", "/books/:id"),
        ("exact", "/{b}"),
        ("urlpattern", "/c/:id"),
        ("exact", "*"),
    ]
    # A payload is looked up by a matcher's text, so that of a pattern is granted as well.
    texts = [] if payload is None else [("exact", "/books/:id"), ("exact", "/c/:id")]
    assert granted(rights) == (meant, [*meant, *texts])
    assert rights.payload_for("/anything") == payload


@pytest.mark.parametrize("topic", ["/books{/id}", match_urlpattern("/books/:id(\\d+)"), "/books/{id}", "/a"])
def test_payload_belongs_to_the_subscription_to_just_what_was_granted(topic: str) -> None:
    """Mercure 1.0, Payloads: even where a pattern does not match its own text."""
    claims = MERCURE_1.claims(now=NOW, subscribe=[topic], payload={"name": "Ada"})
    rights = MERCURE_1.rights(claims, expires_at=float(claims["exp"]))
    [(_name, text)] = MERCURE_1.url_query([topic])
    assert rights.payload_for(text) == {"name": "Ada"}


@settings(max_examples=50, deadline=None)
@given(clean_texts)
def test_exact_topic_that_the_app_grants_is_granted(text: str) -> None:
    """Mercure 1.0, Authorization."""
    claims = MERCURE_1.claims(now=NOW, publish=[match_exact(text)], subscribe=[match_exact(text)])
    rights = MERCURE_1.rights(claims, expires_at=float(claims["exp"]))
    assert granted(rights) == ([("exact", text)], [("exact", text)])


def test_claims_without_topics_grant_nothing() -> None:
    """Mercure 1.0, Authorization Details."""
    claims = MERCURE_1.claims(now=NOW)
    assert claims["authorization_details"] == []
    assert granted(MERCURE_1.rights(claims, expires_at=NOW)) == ([], [])


@pytest.mark.parametrize("payload", ["Ada", 7, 0, [], ["Ada"], True])
def test_payload_that_is_no_dictionary_is_an_error_of_the_app(payload: object) -> None:
    """Mercure 1.0, Authorization Details."""
    with pytest.raises(ConfigurationError, match=r"payload: .* dictionary"):
        MERCURE_1.claims(now=NOW, subscribe=["/a"], payload=payload)


def test_grants_of_another_version_are_an_error_of_the_app() -> None:
    """Mercure 1.0, Authorization Details."""
    with pytest.raises(ConfigurationError, match="publish_targets"):
        MERCURE_1.claims(now=NOW, subscribe=["/a"], others={"publish_targets": []})


@pytest.mark.parametrize(
    "topics",
    [
        [f"/{number}" for number in range(MAX_DETAILS + 1)],
        ["x" * (MAX_SELECTOR_LENGTH + 1)],
        ["zero\u200bwidth"],
        [""],
        [match_urlpattern("/(")],
    ],
    ids=["many", "long", "unclean", "empty", "broken"],
)
def test_topics_that_no_token_can_grant_are_an_error_of_the_app(topics: list[str]) -> None:
    """Mercure 1.0, Topic Matcher List: a token that the hub refuses is no use."""
    with pytest.raises(ConfigurationError):
        MERCURE_1.claims(now=NOW, subscribe=topics)


# What a refusal tells


@pytest.mark.parametrize(
    ("refusal", "challenge"),
    [
        (Unauthorized("x"), f'Bearer resource_metadata="{METADATA_URL}"'),
        (InvalidToken("x"), f'Bearer error="invalid_token", resource_metadata="{METADATA_URL}"'),
        (Forbidden("x"), f'Bearer error="insufficient_scope", resource_metadata="{METADATA_URL}"'),
        (InvalidCredentials("x"), f'Bearer error="invalid_request", resource_metadata="{METADATA_URL}"'),
        (MERCURE_1.foreign_origin(), f'Bearer error="invalid_request", resource_metadata="{METADATA_URL}"'),
        (InvalidRequest("x"), None),
        (NotFound("x"), None),
        (MethodNotAllowed("GET", ["POST"]), None),
        (ContentTooLarge("x"), None),
        (UnsupportedMediaType("x"), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_challenge_names_the_fault_and_where_the_hub_is_described(
    refusal: Refusal, challenge: str | None
) -> None:
    """Mercure 1.0, Error Responses; RFC 6750, The WWW-Authenticate Response Header Field."""
    assert MERCURE_1.challenge(refusal) == challenge


@pytest.mark.parametrize(
    ("refusal", "challenge"),
    [
        (Unauthorized("x"), "Bearer"),
        (InvalidToken("x"), 'Bearer error="invalid_token"'),
        (Forbidden("x"), 'Bearer error="insufficient_scope"'),
        (NotFound("x"), None),
    ],
)
def test_hub_that_does_not_know_its_url_names_no_description(refusal: Refusal, challenge: str | None) -> None:
    """Mercure 1.0, Protected Resource Metadata: never one from an unchecked host."""
    assert UNKNOWN.challenge(refusal) == challenge


def test_page_that_may_not_publish_is_a_bad_request() -> None:
    """Mercure 1.0, Security Considerations."""
    assert MERCURE_1.foreign_origin().status == 400


# The description of the hub


def test_description_of_the_hub() -> None:
    """Mercure 1.0, Protected Resource Metadata."""
    assert MERCURE_1.metadata(subscriptions=True) == {
        "resource": URL,
        "authorization_details_types_supported": [DETAIL],
        "bearer_methods_supported": ["header"],
        "mercure_cookie": "__Secure-mercure_access_token",
        "mercure_subscriptions": True,
    }


def test_description_leaves_out_what_is_off_and_names_what_is_set() -> None:
    """Mercure 1.0, Protected Resource Metadata."""
    hub = Mercure1(URL, authorization_servers=["https://issuer.example"], cookie_name="push")
    assert hub.metadata(subscriptions=False) == {
        "resource": URL,
        "authorization_servers": ["https://issuer.example"],
        "authorization_details_types_supported": [DETAIL],
        "bearer_methods_supported": ["header"],
        "mercure_cookie": "push",
    }


def test_cookie_of_a_hub_without_tls_is_described_without_the_prefix() -> None:
    """Mercure 1.0, Cookie and Protected Resource Metadata."""
    document = PLAIN.metadata(subscriptions=True)
    assert document is not None
    assert document["mercure_cookie"] == "mercure_access_token"


def test_hub_that_does_not_know_its_url_has_no_description() -> None:
    """Mercure 1.0, Protected Resource Metadata."""
    assert UNKNOWN.metadata(subscriptions=True) is None


@pytest.mark.parametrize(
    ("url", "metadata_url"),
    [
        (URL, METADATA_URL),
        (
            "http://localhost:5500/.well-known/mercure",
            "http://localhost:5500/.well-known/oauth-protected-resource/.well-known/mercure",
        ),
        ("https://e.com/push", "https://e.com/.well-known/oauth-protected-resource/push"),
    ],
)
def test_description_stands_between_the_hubs_host_and_path(url: str, metadata_url: str) -> None:
    """RFC 9728, Obtaining Protected Resource Metadata."""
    assert Mercure1(url).challenge(Unauthorized("x")) == f'Bearer resource_metadata="{metadata_url}"'
