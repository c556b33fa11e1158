"""The settings that came with Mercure 1.0: right and wrong values, and what they do to requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from flask import Flask

from flask_mercure_sse import (
    ConfigurationError,
    MercureConfig,
    MercureSSE,
)
from flask_mercure_sse.protocol.versions import PROTOCOLS
from tests.conftest import SECRET

from .protocols import API, FORM, HUB, bearer, in_1_0, make, mercure_of, read


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


ADA = "https://ada.example"
ADAS_SECRET = "Ada's s3cret, which is long enough for HS256"

RIGHT: list[tuple[str, Any, str, Any]] = [
    *(("MERCURE_PROTOCOL", protocol, "protocol", protocol) for protocol in PROTOCOLS),
    ("MERCURE_ALGORITHMS", "HS256", "algorithms", ("HS256",)),
    ("MERCURE_ALGORITHMS", "HS512, RS256 EdDSA", "algorithms", ("HS512", "RS256", "EdDSA")),
    ("MERCURE_ALGORITHMS", ["HS512", "RS256"], "algorithms", ("HS512", "RS256")),
    ("MERCURE_ISSUER", "https://app.example", "issuer", "https://app.example"),
    ("MERCURE_ISSUERS", {ADA: {"publisher": "key"}}, "issuers", {ADA: {"publisher": "key"}}),
    ("MERCURE_ISSUERS", f'{{"{ADA}": {{"subscriber": "key"}}}}', "issuers", {ADA: {"subscriber": "key"}}),
    ("MERCURE_ISSUERS", {}, "issuers", {}),
    ("MERCURE_TOKEN_LIFETIME", 60, "token_lifetime", 60.0),
    ("MERCURE_TOKEN_LIFETIME", "0.5", "token_lifetime", 0.5),
    (
        "MERCURE_CORS_ORIGINS",
        "https://a.example, http://b",
        "cors_origins",
        ("https://a.example", "http://b"),
    ),
    ("MERCURE_CORS_ORIGINS", ["*"], "cors_origins", ("*",)),
    ("MERCURE_CORS_ORIGINS", "", "cors_origins", ()),
    ("MERCURE_PUBLISH_ORIGINS", "https://a.example", "publish_origins", ("https://a.example",)),
    ("MERCURE_PUBLISH_ORIGINS", ("http://a:5000",), "publish_origins", ("http://a:5000",)),
    ("MERCURE_MAX_BODY_SIZE", 1, "max_body_size", 1),
    ("MERCURE_MAX_BODY_SIZE", "4096", "max_body_size", 4096),
    ("MERCURE_MAX_TOPICS", "7", "max_topics", 7),
    ("MERCURE_MAX_SELECTORS", 7, "max_selectors", 7),
    ("MERCURE_AUTHZ_COOKIE_NAME", "__Host-push", "authz_cookie_name", "__Host-push"),
]


def configured(mapping: Mapping[str, Any]) -> MercureConfig:
    return MercureConfig.from_mapping(mapping, {}, {})


@pytest.mark.parametrize(("key", "value", "field", "result"), RIGHT)
def test_a_right_value_is_read(key: str, value: Any, field: str, result: Any) -> None:
    assert getattr(configured({key: value}), field) == result


def test_the_defaults_are_those_of_the_documentation() -> None:
    config = configured({})
    assert (config.protocol, config.algorithms, config.issuer, config.issuers) == ("0.x", None, None, None)
    assert (config.token_lifetime, config.cors_origins, config.publish_origins) == (None, (), ())
    assert (config.max_body_size, config.max_topics, config.max_selectors) == (1024 * 1024, 1000, None)


PROTOCOL_FIX = "is no version of the protocol; use one of '0.x', '1.0', 'both'"
ORIGIN_FIX = "which is no origin; give scheme, host and port as browsers do: https://example.com"
SHAPE = 'give {"https://issuer.example": {"publisher": "a key", "subscriber": "a key"}}'

WRONG: list[tuple[str, Any, str]] = [
    *(("MERCURE_PROTOCOL", value, f"{value!r} {PROTOCOL_FIX}") for value in ("2.0", "", "BOTH", 1, True, [])),
    ("MERCURE_ALGORITHMS", "", "'' has no entry; leave it out, or name the algorithms that tokens may have"),
    ("MERCURE_ALGORITHMS", [], "[] has no entry; leave it out, or name the algorithms that tokens may have"),
    ("MERCURE_ALGORITHMS", 7, "7 is not a list of texts; give a list, or one text with commas"),
    ("MERCURE_ALGORITHMS", [7], "[7] is not a list of texts; give a list, or one text with commas"),
    ("MERCURE_ISSUER", "", "'' is not a text; give a text that is not empty"),
    ("MERCURE_ISSUER", 7, "7 is not a text; give a text that is not empty"),
    ("MERCURE_ISSUERS", "nothing", f"the value is not JSON; {SHAPE}"),
    ("MERCURE_ISSUERS", [ADA], f"the value is not a dictionary; {SHAPE}"),
    (
        "MERCURE_ISSUERS",
        {ADA: ADAS_SECRET},
        f"the value has the entry '{ADA}' without a dictionary of keys; {SHAPE}",
    ),
    (
        "MERCURE_ISSUERS",
        {ADA: {"reader": ADAS_SECRET}},
        f"the value has another role than publisher and subscriber for '{ADA}'; {SHAPE}",
    ),
    ("MERCURE_TOKEN_LIFETIME", 0, "0 leaves no time; give a number of seconds above zero"),
    ("MERCURE_TOKEN_LIFETIME", -1, "-1 is out of range; give a number of seconds, zero or more"),
    ("MERCURE_TOKEN_LIFETIME", "soon", "'soon' is not a number; give a number of seconds"),
    ("MERCURE_TOKEN_LIFETIME", "inf", "'inf' is out of range; give a number of seconds, zero or more"),
    ("MERCURE_CORS_ORIGINS", "app.example", f"'app.example' has 'app.example', {ORIGIN_FIX}"),
    (
        "MERCURE_CORS_ORIGINS",
        "https://a.example/",
        f"'https://a.example/' has 'https://a.example/', {ORIGIN_FIX}",
    ),
    ("MERCURE_CORS_ORIGINS", 7, "7 is not a list of texts; give a list, or one text with commas"),
    ("MERCURE_PUBLISH_ORIGINS", "*", f"'*' has '*', {ORIGIN_FIX}"),
    ("MERCURE_PUBLISH_ORIGINS", ["null"], f"['null'] has 'null', {ORIGIN_FIX}"),
    *(
        (f"MERCURE_MAX_{name}", value, f"{value!r} {problem}")
        for name in ("BODY_SIZE", "TOPICS", "SELECTORS")
        for value, problem in (
            (0, "leaves nothing to take; give a number above zero"),
            (-1, "is negative; give how many, 0 for none"),
            (1.5, "is not a whole number; give how many"),
            ("many", "is not a whole number; give how many"),
            (True, "is not a whole number; give how many"),
        )
    ),
]


@pytest.mark.parametrize(("key", "value", "problem"), WRONG)
def test_a_wrong_value_is_an_error_that_names_key_problem_and_fix(key: str, value: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        configured({key: value})
    assert str(raised.value) == f"{key}: {problem}"
    assert ADAS_SECRET not in str(raised.value)


def test_a_version_may_come_from_flasks_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As FLASK_MERCURE_PROTOCOL=1.0, which Flask reads as JSON."""
    monkeypatch.setenv("FLASK_MERCURE_PROTOCOL", "1.0")
    app = Flask("environment")
    app.config.from_prefixed_env()
    assert configured(app.config).protocol == "1.0"


def test_other_settings_may_come_from_flasks_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PROTOCOL": "both",
        "ISSUERS": f'{{"{ADA}": {{"publisher": "key"}}}}',
        "CORS_ORIGINS": '["https://a.example"]',
        "PUBLISH_ORIGINS": "https://a.example",
        "MAX_TOPICS": "7",
        "TOKEN_LIFETIME": "60",
        "ALGORITHMS": "HS256,RS256",
    }.items():
        monkeypatch.setenv(f"FLASK_MERCURE_{name}", value)
    app = Flask("environment")
    app.config.from_prefixed_env()
    config = configured(app.config)
    assert (config.protocol, config.issuers) == ("both", {ADA: {"publisher": "key"}})
    assert config.cors_origins == config.publish_origins == ("https://a.example",)
    assert (config.max_topics, config.token_lifetime, config.algorithms) == (7, 60, ("HS256", "RS256"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("MERCURE_PUBLISHER_SECRET_KEY", f"ssh-rsa {ADAS_SECRET}"),
        ("MERCURE_SUBSCRIBER_SECRET_KEY", f"https://ada:{ADAS_SECRET}@ada.example/jwks.json"),
        ("MERCURE_SUBSCRIBER_SECRET_KEY", f"-----BEGIN PRIVATE KEY-----\n{ADAS_SECRET}"),
        ("MERCURE_ISSUERS", {ADA: {"publisher": f"ssh-rsa {ADAS_SECRET}"}}),
        ("SECRET_KEY", f'{{"kty": "oct", "k": "{ADAS_SECRET}"}}'),
    ],
    ids=["publisher", "subscriber", "PEM", "issuer", "app"],
)
def test_a_key_that_cannot_be_used_is_named_and_not_shown(protocol: str, key: str, value: Any) -> None:
    app = Flask("tests")
    app.config.update({"SECRET_KEY": SECRET, "MERCURE_PROTOCOL": protocol, key: value})
    with pytest.raises(ConfigurationError) as raised:
        MercureSSE(app, hub_allow_publish=True)
    assert str(raised.value).startswith(f"{key}: ")
    assert ADAS_SECRET not in str(raised.value)


def test_secrets_are_in_no_representation(protocol: str) -> None:
    app = make(protocol, MERCURE_ISSUERS={ADA: {"publisher": ADAS_SECRET}})
    state = app.extensions["mercure_sse"]
    for shown in map(repr, (state, state.config, state.keys, state.hub, state.version)):
        assert ADAS_SECRET not in shown
        assert SECRET not in shown


@pytest.mark.parametrize(
    ("algorithms", "problem"),
    [
        ("RS256", "SECRET_KEY: the value is a secret, for which RS256 are not; add an algorithm that is"),
        ("HS257", "MERCURE_ALGORITHMS: 'HS257' has 'HS257', which is no algorithm; known are "),
        ("HS256,none", "MERCURE_ALGORITHMS: 'HS256,none' has 'none', which is no algorithm; known are "),
    ],
)
def test_an_algorithm_that_does_not_fit_the_key_is_an_error(
    protocol: str, algorithms: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        make(protocol, MERCURE_ALGORITHMS=algorithms)
    assert str(raised.value).startswith(problem)


def test_only_the_algorithms_that_are_set_are_believed(protocol: str) -> None:
    app, other = make(protocol, MERCURE_ALGORITHMS="HS512"), make(protocol)
    client, url = app.test_client(), mercure_of(app).hub_url("/a")
    tokens = [mercure_of(one).create_subscription_jwt("/a") for one in (app, other)]
    assert [jwt.get_unverified_header(token)["alg"] for token in tokens] == ["HS512", "HS256"]
    assert [client.head(url, headers=bearer(token)).status_code for token in tokens] == [200, 401]


# Pages of other origins


PAGE = "https://page.example"


@pytest.mark.parametrize(
    ("headers", "may"),
    [
        ({"Origin": PAGE}, True),
        ({"Referer": f"{PAGE}/form?a=b"}, True),
        ({"Origin": PAGE, "Referer": "https://evil.example/"}, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "null", "Referer": f"{PAGE}/form"}, False),
        ({"Origin": "https://evil.example", "Referer": f"{PAGE}/form"}, False),
        ({"Referer": "https://evil.example/"}, False),
        ({"Origin": "http://localhost"}, False),
        ({}, False),
    ],
    ids=lambda value: " ".join(map("=".join, value.items())) or "nothing" if isinstance(value, dict) else "",
)
def test_a_page_publishes_with_the_cookie_only_from_an_origin_that_may(
    protocol: str, headers: dict[str, str], may: bool
) -> None:
    app = make(protocol, MERCURE_PUBLISH_ORIGINS=PAGE)
    mercure, client = mercure_of(app), app.test_client()
    name = app.extensions["mercure_sse"].version.cookie_name(secure=False)
    client.set_cookie(name, mercure.create_jwt("publisher_secret_key", publish=["*"]), path=HUB)
    stream = client.get(mercure.hub_url("/a"), headers=bearer(mercure.create_subscription_jwt([])))
    posted = client.post(HUB, data={"topic": "/a", "data": "x"}, headers=headers)
    refused = 401 if protocol == "0.x" else 400
    assert posted.status_code == (200 if may else refused)
    assert read(stream) == (["x"] if may else [])


def test_no_page_publishes_with_a_cookie_by_default(protocol: str) -> None:
    app = make(protocol)
    token = mercure_of(app).create_jwt("publisher_secret_key", publish=["*"])
    client = app.test_client()
    for name in ("mercureAuthorization", "mercure_access_token", "__Secure-mercure_access_token"):
        client.set_cookie(name, token, path=HUB)
    for headers in ({}, {"Origin": "http://localhost"}, {"Origin": "null"}):
        assert client.post(HUB, data={"topic": "/a"}, headers=headers).status_code in (400, 401)


def test_a_token_in_a_header_publishes_from_anywhere(protocol: str) -> None:
    app = make(protocol)
    token = mercure_of(app).create_jwt("publisher_secret_key", publish=["*"])
    headers = {**bearer(token), "Origin": "https://evil.example"}
    assert app.test_client().post(HUB, data={"topic": "/a"}, headers=headers).status_code == 200


def test_pages_of_listed_origins_may_use_the_hub(protocol: str) -> None:
    app = make(protocol, MERCURE_CORS_ORIGINS=f"{PAGE}, http://localhost:5000")
    client, url = app.test_client(), mercure_of(app).hub_url("/a")
    for answer in (
        client.head(url, headers={"Origin": PAGE}),
        client.options(HUB, headers={"Origin": PAGE, "Access-Control-Request-Method": "POST"}),
        client.get(HUB, headers={"Origin": PAGE}),  # a refusal, which the page may read, too
        client.get(API, headers={"Origin": PAGE}),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert "Mercure-Last-Event-ID" in answer.headers["Access-Control-Expose-Headers"]
        assert answer.headers["Vary"] == "Origin"
    for origin in ("https://evil.example", "null", f"{PAGE}.evil.example"):
        answer = client.head(url, headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.headers["Vary"] == "Origin"


def test_all_pages_may_read_what_needs_no_cookie(protocol: str) -> None:
    app = make(protocol, MERCURE_CORS_ORIGINS="*")
    answer = app.test_client().head(mercure_of(app).hub_url("/a"), headers={"Origin": "https://any.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


# Limits


def test_a_request_over_a_limit_is_refused(protocol: str) -> None:
    app = make(protocol, MERCURE_MAX_BODY_SIZE=60, MERCURE_MAX_TOPICS=2, MERCURE_MAX_SELECTORS=2)
    mercure, client = mercure_of(app), app.test_client()
    headers = bearer(mercure.create_jwt("publisher_secret_key", publish=["*"]))
    asked = [
        client.post(HUB, data={"topic": ["/a", "/b"], "data": "x"}, headers=headers),
        client.post(HUB, data={"topic": ["/a", "/b", "/c"]}, headers=headers),
        client.post(HUB, data={"topic": "/a", "data": "x" * 60}, headers=headers),
        client.head(mercure.hub_url(["/a", "/b"])),
        client.head(mercure.hub_url(["/a", "/b", "/c"])),
    ]
    assert [answer.status_code for answer in asked] == [200, 413, 413, 200, 400]


@pytest.mark.parametrize(("protocol", "most"), [("0.x", 1000), ("1.0", 100), ("both", 100)])
def test_selectors_have_the_versions_own_largest_number(protocol: str, most: int) -> None:
    app = make(protocol)
    topics = [f"/{number}" for number in range(most + 1)]
    url = mercure_of(app).hub_url
    assert app.test_client().head(url(topics[:most])).status_code == 200
    assert app.test_client().head(url(topics)).status_code == 400


@in_1_0
def test_the_body_of_a_query_is_limited_too(protocol: str) -> None:
    app = make(protocol, MERCURE_MAX_BODY_SIZE=10)
    asked = [
        app.test_client().open(HUB, method="QUERY", data=body, content_type=FORM)
        for body in ("match=/abc", "match=/abcd")
    ]
    assert [answer.status_code for answer in asked] == [200, 413]
    asked[0].close()
