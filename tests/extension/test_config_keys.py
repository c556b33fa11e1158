"""Every key of the configuration: what it takes from code and from the environment, and what it refuses."""

from __future__ import annotations

import json
import math
from typing import Any

import certifi
import pytest
from flask import Flask

from flask_mercure_sse import ConfigurationError, MercureConfig
from flask_mercure_sse.config import KEYS
from flask_mercure_sse.named_hubs import NamedHub

URL = "https://hub.example.com/.well-known/mercure"
ISSUERS = {"https://issuer.example": {"subscriber": "a key"}}
CA_FILE = certifi.where()

NO_FLAG, NO_NUMBER, NO_COUNT = (
    "is neither true nor false; use",
    "is not a number; give",
    "is not a whole number",
)
NO_LIST, NO_CHOICE, NO_TOKEN = (
    "is not a list of texts; give",
    "is not known; use",
    "is not a JSON Web Token; make",
)
NO_KEY, NO_ORIGIN = "is not a text or bytes; make a key", "which is no origin; give"

WRONG: list[tuple[str, Any, str]] = [
    ("MERCURE_HUB_URL", "not a url", "is not a valid hub URL; give an absolute http or https URL"),
    ("MERCURE_HUB_URL", "ftp://example.com", "is not a valid hub URL"),
    ("MERCURE_HUB_URL", "https://", "is not a valid hub URL"),
    ("MERCURE_HUB_URL", "https://example.com:port/", "is not a valid URL"),
    ("MERCURE_HUB_URL", "https://exa mple.com", "has a space"),
    ("MERCURE_HUB_URL", f"{URL}?topic=a", "has a query or fragment"),
    ("MERCURE_HUB_URL", "https://me:pass@example.com", "has a user name or password"),
    ("MERCURE_HUB_URL", 5500, "is not a URL"),
    ("MERCURE_PUBLIC_HUB_URL", "/relative", "is not a valid hub URL"),
    ("MERCURE_PUBLIC_HUB_URL", [URL], "is not a URL"),
    ("MERCURE_HUB", "maybe", NO_FLAG),
    ("MERCURE_HUB", 2, NO_FLAG),
    ("MERCURE_PUBLISHER_JWT", "two words", NO_TOKEN),
    ("MERCURE_PUBLISHER_JWT", b"a.b.c", NO_TOKEN),
    ("MERCURE_PUBLISHER_JWT", "False", NO_TOKEN),
    ("MERCURE_PROTOCOL", "2.0", "is no version of the protocol; use"),
    ("MERCURE_PROTOCOL", 2, "is no version of the protocol; use"),
    ("MERCURE_PUBLISHER_SECRET_KEY", "", NO_KEY),
    ("MERCURE_PUBLISHER_SECRET_KEY", 12345, NO_KEY),
    ("MERCURE_SUBSCRIBER_SECRET_KEY", "", NO_KEY),
    ("MERCURE_SUBSCRIBER_SECRET_KEY", ["a key"], NO_KEY),
    ("MERCURE_ALGORITHMS", "HS257", "has 'HS257', which is no algorithm; known are HS256"),
    ("MERCURE_ALGORITHMS", "", "has no entry; leave it out"),
    ("MERCURE_ALGORITHMS", 256, NO_LIST),
    ("MERCURE_ISSUER", "", "is not a text; give"),
    ("MERCURE_ISSUER", 5, "is not a text; give"),
    ("MERCURE_ISSUERS", "{https", "is not JSON; give"),
    ("MERCURE_ISSUERS", ["https://issuer.example"], "is not a dictionary; give"),
    ("MERCURE_ISSUERS", {"https://issuer.example": "a key"}, "without a dictionary of keys; give"),
    ("MERCURE_ISSUERS", {"https://issuer.example": {"reader": "a key"}}, "has another role than publisher"),
    ("MERCURE_ISSUERS", {"https://issuer.example": {"subscriber": 5}}, "has no key for the subscriber of"),
    ("MERCURE_TOKEN_LIFETIME", "a day", NO_NUMBER),
    ("MERCURE_TOKEN_LIFETIME", 0, "leaves no time; give"),
    ("MERCURE_TOKEN_LIFETIME", [60], NO_NUMBER),
    ("MERCURE_AUTHZ_COOKIE_NAME", "my cookie", "is not a cookie name"),
    ("MERCURE_AUTHZ_COOKIE_NAME", True, "is not a text; give"),
    ("MERCURE_COOKIE_RENEW", "daily", NO_FLAG),
    ("MERCURE_COOKIE_RENEW", [], NO_FLAG),
    ("MERCURE_CORS_ORIGINS", "https://example.com/", NO_ORIGIN),
    ("MERCURE_CORS_ORIGINS", True, NO_LIST),
    ("MERCURE_CORS_ORIGINS", [5], NO_LIST),
    ("MERCURE_PUBLISH_ORIGINS", "*", NO_ORIGIN),
    ("MERCURE_PUBLISH_ORIGINS", {"https://example.com": True}, NO_LIST),
    ("MERCURE_TYPE_IS_TOPIC", "topic", NO_FLAG),
    ("MERCURE_TYPE_IS_TOPIC", 2, NO_FLAG),
    ("MERCURE_MODEL_PRIVATE", "private", NO_FLAG),
    ("MERCURE_MODEL_PRIVATE", {}, NO_FLAG),
    ("MERCURE_BULK_MAX", "all", NO_COUNT),
    ("MERCURE_BULK_MAX", -1, "is negative; give"),
    ("MERCURE_BULK_MAX", True, NO_COUNT),
    ("MERCURE_OUTBOX", "outbox", NO_FLAG),
    ("MERCURE_OUTBOX", 1.5, NO_FLAG),
    ("MERCURE_OUTBOX_RELAY", "thread", NO_FLAG),
    ("MERCURE_OUTBOX_RELAY", [True], NO_FLAG),
    ("MERCURE_HUB_ALLOW_PUBLISH", "post", NO_FLAG),
    ("MERCURE_HUB_ALLOW_PUBLISH", -1, NO_FLAG),
    ("MERCURE_HUB_ALLOW_ANONYMOUS", "", NO_FLAG),
    ("MERCURE_HUB_ALLOW_ANONYMOUS", b"true", NO_FLAG),
    ("MERCURE_HUB_SUBSCRIPTIONS", "some", NO_FLAG),
    ("MERCURE_HUB_SUBSCRIPTIONS", object(), NO_FLAG),
    ("MERCURE_HUB_KEEPALIVE_INTERVAL", "soon", NO_NUMBER),
    ("MERCURE_HUB_KEEPALIVE_INTERVAL", -1, "is out of range"),
    ("MERCURE_HUB_KEEPALIVE_INTERVAL", "nan", "is out of range"),
    ("MERCURE_HUB_KEEPALIVE_INTERVAL", True, NO_NUMBER),
    ("MERCURE_HUB_MAX_STREAMS", "0", "leaves nothing to take; give"),
    ("MERCURE_HUB_MAX_STREAMS", True, NO_COUNT),
    ("MERCURE_HUB_RECONCILIATION_LENGTH", "1.5", NO_COUNT),
    ("MERCURE_HUB_RECONCILIATION_LENGTH", 1.5, NO_COUNT),
    ("MERCURE_HUB_RECONCILIATION_LENGTH", 10**30, "is more than any machine has room for; give"),
    ("MERCURE_MAX_BODY_SIZE", "1 MB", NO_COUNT),
    ("MERCURE_MAX_BODY_SIZE", 0, "leaves nothing to take; give"),
    ("MERCURE_MAX_TOPICS", "many", NO_COUNT),
    ("MERCURE_MAX_TOPICS", [7], NO_COUNT),
    ("MERCURE_MAX_SELECTORS", "-5", "is negative; give"),
    ("MERCURE_MAX_SELECTORS", 7.0, NO_COUNT),
    ("MERCURE_PUBLISH", "later", f"{NO_CHOICE} sync, background or outbox"),
    ("MERCURE_PUBLISH", True, f"{NO_CHOICE} sync, background or outbox"),
    ("MERCURE_QUEUE_SIZE", 0, "leaves nothing to take"),
    ("MERCURE_QUEUE_SIZE", "16 MB", NO_COUNT),
    ("MERCURE_QUEUE_FULL", "drop", f"{NO_CHOICE} error or drop-oldest"),
    ("MERCURE_QUEUE_FULL", ["error"], f"{NO_CHOICE} error or drop-oldest"),
    ("MERCURE_RETRY_FOR", "ten minutes", NO_NUMBER),
    ("MERCURE_RETRY_FOR", math.inf, "is out of range; give"),
    ("MERCURE_FLUSH_TIMEOUT", "-1", "is out of range"),
    ("MERCURE_FLUSH_TIMEOUT", (5,), NO_NUMBER),
    ("MERCURE_HUBS", "{eu", "is not JSON; give"),
    ("MERCURE_HUBS", ["eu"], "is not a dictionary; give"),
    ("MERCURE_HUBS", {"e u": URL}, "has the name 'e u'; use letters, digits and '_'"),
    ("MERCURE_HUBS", {7: URL}, "has the name 7"),
    ("MERCURE_HUBS", {"eu": 5500}, "has no url for 'eu'; give"),
    ("MERCURE_HUBS", {"eu": {"publisher_jwt": "a.b.c"}}, "has no url for 'eu'; give"),
    ("MERCURE_HUBS", {"eu": {"url": URL, "secret": "x"}}, "has another key for 'eu' than url, public_url"),
    ("MERCURE_HUBS", {"eu": "nowhere"}, "has a url for 'eu' that is not a valid hub URL"),
    ("MERCURE_SUBSCRIPTIONS_CACHE", "short", NO_NUMBER),
    ("MERCURE_SUBSCRIPTIONS_CACHE", -1, "is out of range"),
    ("MERCURE_CA_FILE", "/no/such/file.pem", "cannot be used (No such file or directory); give the path"),
    ("MERCURE_CA_FILE", __file__, "give the path of a PEM file"),
    ("MERCURE_CA_FILE", "\0", "cannot be used (embedded null byte); give the path"),
    ("MERCURE_CA_FILE", 5, "is not a path"),
    ("MERCURE_CONNECT_TIMEOUT", "0", "leaves no time"),
    ("MERCURE_CONNECT_TIMEOUT", 0, "leaves no time"),
    ("MERCURE_READ_TIMEOUT", "5s", NO_NUMBER),
    ("MERCURE_READ_TIMEOUT", [], NO_NUMBER),
]
"""A key, a value that it does not take, and what the error says of that."""

WRONG_OF_HUBS: list[tuple[str, Any, str]] = [
    ("url", "nowhere", "is not a valid hub URL; give"),
    ("url", 5500, "is not a text; give a URL"),
    ("public_url", "/relative", "is not a valid hub URL; give"),
    ("public_url", True, "is not a text; give a URL"),
    ("publisher_jwt", "two words", NO_TOKEN),
    ("publisher_jwt", 5, NO_TOKEN),
    ("publisher_secret_key", "", NO_KEY),
    ("publisher_secret_key", 5, NO_KEY),
    ("subscriber_secret_key", "", NO_KEY),
    ("subscriber_secret_key", [], NO_KEY),
    ("authz_cookie_name", "my cookie", "is not a cookie name; use"),
    ("authz_cookie_name", True, "is not a text; give"),
]
"""The same for the keys of one hub in ``MERCURE_HUBS``."""

TEXTS: list[tuple[str, str, Any]] = [
    ("MERCURE_HUB_URL", "https://hub.example.com", URL),
    ("MERCURE_HUB_URL", "true", True),
    ("MERCURE_HUB_URL", "False", None),
    ("MERCURE_HUB_URL", "", None),
    ("MERCURE_PUBLIC_HUB_URL", URL, URL),
    ("MERCURE_HUB", "false", False),
    ("MERCURE_PUBLISHER_JWT", " a.b.c\n", "a.b.c"),
    ("MERCURE_PROTOCOL", "1.0", "1.0"),
    ("MERCURE_PROTOCOL", "both", "both"),
    ("MERCURE_PUBLISHER_SECRET_KEY", "a key", "a key"),
    ("MERCURE_SUBSCRIBER_SECRET_KEY", "another", "another"),
    ("MERCURE_ALGORITHMS", "HS256, HS512", ("HS256", "HS512")),
    ("MERCURE_ISSUER", "https://issuer.example", "https://issuer.example"),
    ("MERCURE_ISSUERS", json.dumps(ISSUERS), ISSUERS),
    ("MERCURE_TOKEN_LIFETIME", "3600", 3600),
    ("MERCURE_AUTHZ_COOKIE_NAME", "token", "token"),
    ("MERCURE_COOKIE_RENEW", "yes", True),
    (
        "MERCURE_CORS_ORIGINS",
        "https://a.example https://b.example",
        ("https://a.example", "https://b.example"),
    ),
    ("MERCURE_CORS_ORIGINS", "", ()),
    ("MERCURE_PUBLISH_ORIGINS", "https://a.example", ("https://a.example",)),
    ("MERCURE_TYPE_IS_TOPIC", "on", True),
    ("MERCURE_MODEL_PRIVATE", "True", True),
    ("MERCURE_BULK_MAX", "7", 7),
    ("MERCURE_OUTBOX", "1", True),
    ("MERCURE_OUTBOX_RELAY", "0", False),
    ("MERCURE_HUB_ALLOW_PUBLISH", "TRUE", True),
    ("MERCURE_HUB_ALLOW_ANONYMOUS", "False", False),
    ("MERCURE_HUB_ALLOW_ANONYMOUS", "no", False),
    ("MERCURE_HUB_SUBSCRIPTIONS", "off", False),
    ("MERCURE_HUB_KEEPALIVE_INTERVAL", "2.5", 2.5),
    ("MERCURE_HUB_MAX_STREAMS", "50", 50),
    ("MERCURE_HUB_RECONCILIATION_LENGTH", "0", 0),
    ("MERCURE_MAX_BODY_SIZE", "1000", 1000),
    ("MERCURE_MAX_TOPICS", "10", 10),
    ("MERCURE_MAX_SELECTORS", "10", 10),
    ("MERCURE_PUBLISH", "sync", "sync"),
    ("MERCURE_QUEUE_SIZE", "1000", 1000),
    ("MERCURE_QUEUE_FULL", "drop-oldest", "drop-oldest"),
    ("MERCURE_RETRY_FOR", "1.5", 1.5),
    ("MERCURE_FLUSH_TIMEOUT", "0", 0),
    ("MERCURE_HUBS", '{"eu": "https://hub.example.com"}', {"eu": NamedHub(URL)}),
    ("MERCURE_HUBS", '{"eu": {"url": "https://hub.example.com"}}', {"eu": NamedHub(URL)}),
    ("MERCURE_SUBSCRIPTIONS_CACHE", "2", 2),
    ("MERCURE_CA_FILE", CA_FILE, CA_FILE),
    ("MERCURE_CONNECT_TIMEOUT", "0.5", 0.5),
    ("MERCURE_READ_TIMEOUT", "10", 10),
]
"""A key, a text as the environment gives it, and the value that it stands for."""


class Odd:
    """A value that has nothing to do in a configuration."""

    def __repr__(self) -> str:
        return "two\nlines"


ODD: list[Any] = [
    *(Odd(), [], {}, [[]], [1], {1: 2}, {"a": []}, ("a",), b"\xff", True, False, math.nan, math.inf, 1.5),
    *(-1, 10**30, "", " ", "\0", "\ud800", "x" * 5000, "1" * 5000, "null", "[]", "http://[", "http://a\nb"),
    *({"eu": {"url": ["x"]}}, {"eu": {1: 2, "url": URL}}, {"eu": {}}, {"": {}}),
]


def read(mapping: dict[str, Any], environment: dict[str, str] | None = None) -> MercureConfig:
    return MercureConfig.from_mapping(mapping, None, environment or {})


def refused(mapping: dict[str, Any], environment: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as raised:
        read(mapping, environment)
    return str(raised.value)


@pytest.mark.parametrize(("key", "value", "problem"), WRONG)
def test_a_wrong_value_is_an_error_that_names_key_value_and_fix(key: str, value: Any, problem: str) -> None:
    message = refused({key: value})
    assert message.startswith(f"{key}: ")
    assert problem in message
    assert ";" in message, "it has no fix"
    assert "\n" not in message


@pytest.mark.parametrize(("key", "value", "problem"), WRONG_OF_HUBS)
def test_a_wrong_value_of_a_named_hub_is_an_error_that_names_hub_and_key(
    key: str, value: Any, problem: str
) -> None:
    message = refused({"MERCURE_HUBS": {"eu": {"url": URL, key: value}}})
    assert message.startswith(f"MERCURE_HUBS: the value has a {key} for 'eu' that {problem}")


def test_every_key_is_tried_with_a_wrong_type_and_a_wrong_text_and_one_of_the_environment() -> None:
    assert {key for key, value, _ in WRONG if isinstance(value, str)} == set(KEYS)
    assert {key for key, value, _ in WRONG if not isinstance(value, str)} == set(KEYS)
    assert {key for key, _, _ in TEXTS} == set(KEYS)
    fields = set(NamedHub.__dataclass_fields__)
    assert {key for key, value, _ in WRONG_OF_HUBS if isinstance(value, str)} == fields
    assert {key for key, value, _ in WRONG_OF_HUBS if not isinstance(value, str)} == fields


def test_each_field_of_the_configuration_has_a_key() -> None:
    assert {field for field, _ in KEYS.values()} == set(MercureConfig.__dataclass_fields__)


@pytest.mark.parametrize("key", KEYS)
def test_whatever_a_key_is_given_it_is_taken_or_refused_in_one_short_line(key: str) -> None:
    for value in ODD:
        try:
            read({key: value})
        except ConfigurationError as error:
            message = str(error)
            assert message.startswith(f"{key}: ")
            assert "\n" not in message
            assert len(message) < 500
            assert ";" in message, "it has no fix"


@pytest.mark.parametrize(("key", "text", "value"), TEXTS)
def test_a_text_of_the_environment_is_read_as_what_it_stands_for(key: str, text: str, value: Any) -> None:
    assert getattr(read({key: text}), KEYS[key][0]) == value


@pytest.mark.parametrize(("key", "text", "value"), TEXTS)
def test_a_variable_that_flask_reads_is_the_same(
    key: str, text: str, value: Any, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"FLASK_{key}", text)
    app.config.from_prefixed_env()
    assert getattr(read(app.config), KEYS[key][0]) == value


def test_each_named_hub_may_have_a_variable_of_its_own(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_MERCURE_HUBS__eu__url", URL)
    monkeypatch.setenv("FLASK_MERCURE_HUBS__us", URL)
    app.config.from_prefixed_env()
    assert read(app.config).hubs == {"eu": NamedHub(URL), "us": NamedHub(URL)}


@pytest.mark.parametrize("key", KEYS)
def test_a_key_with_a_slip_is_an_error_that_names_the_right_one(
    key: str, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    slip = key + key[-1]
    monkeypatch.setenv(f"FLASK_{slip}", "x")
    app.config.from_prefixed_env()
    assert refused(app.config) == f"{slip}: is not a key of this extension; did you mean {key}?"


def test_a_key_that_is_like_no_other_is_an_error_that_lists_all() -> None:
    message = refused({"MERCURE_XQZJWVYYXQZJW": "x"})
    assert message.startswith("MERCURE_XQZJWVYYXQZJW: is not a key of this extension; known keys are ")
    assert all(key in message for key in KEYS)


def test_a_wrong_value_of_another_name_is_told_by_that_name() -> None:
    assert refused({"MERCURE_PUBLISHER_JWT_KEY": 5}).startswith("MERCURE_PUBLISHER_JWT_KEY: the value is not")


SECRET = "5ecret"


@pytest.mark.parametrize(
    "mapping",
    [
        {"MERCURE_PUBLISHER_JWT": f"{SECRET} token"},
        {"MERCURE_PUBLISHER_SECRET_KEY": [SECRET]},
        {"MERCURE_SUBSCRIBER_SECRET_KEY": {SECRET: SECRET}},
        {"MERCURE_SUBSCRIBER_JWT_KEY": [SECRET]},
        {"MERCURE_PUBLISHER_SECRET": SECRET},
        {"MERCURE_HUB_URL": f"https://me:{SECRET}@hub.example.com"},
        {"MERCURE_PUBLIC_HUB_URL": f"https://{SECRET}@hub.example.com"},
        {"MERCURE_ISSUERS": {"https://issuer.example": SECRET}},
        {"MERCURE_ISSUERS": {"https://issuer.example": {SECRET: "subscriber"}}},
        {"MERCURE_ISSUERS": f"{{{SECRET}"},
        {"MERCURE_HUBS": f"{{{SECRET}"},
        {"MERCURE_HUBS": {"eu": f"https://me:{SECRET}@hub.example.com"}},
        {"MERCURE_HUBS": {"eu": {"url": URL, SECRET: "x"}}},
        {"MERCURE_HUBS": {"eu": {"url": URL, "publisher_jwt": f"{SECRET} token"}}},
        {"MERCURE_HUBS": {"eu": {"url": URL, "publisher_secret_key": [SECRET]}}},
    ],
)
def test_an_error_about_a_secret_does_not_tell_it(mapping: dict[str, Any]) -> None:
    assert SECRET not in refused(mapping)
