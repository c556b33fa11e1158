"""Tokens and rights in Mercure 0.x (`Mercure 0.x, Authorization`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .client import Stream, encoded
from .hub import Hub

NAMESPACED = "https://mercure.rocks/"

MALFORMED: dict[str, Any] = {
    "null": None,
    "a text": "*",
    "an array": ["*"],
    "a number": 1,
    "rights that are a text": {"publish": "*", "subscribe": "*"},
    "rights that are an object": {"publish": {"*": True}, "subscribe": {"*": True}},
    "a right that is a number": {"publish": [1], "subscribe": [1]},
    "a right that is an array": {"publish": [["*"]], "subscribe": [["*"]]},
    "a right that is an object": {"publish": [{"match": "*"}], "subscribe": [{"match": "*"}]},
    "empty rights": {"publish": [], "subscribe": []},
    "rights in capitals": {"Publish ": ["*"], "SUBSCRIBE_": ["*"]},
    "true": True,
}


def test_a_token_needs_no_expiry(hub: Hub, topic: str) -> None:
    """`Mercure 0.x, Authorization`."""
    claims = {"mercure": {"publish": ["*"], "subscribe": ["*"]}}
    assert hub.post([("topic", topic)], token=hub.sign(claims, hub.publisher_key)).status == 200
    assert hub.subscribe(hub.exactly(topic), token=hub.sign(claims)).status == 200


@pytest.mark.parametrize(
    "typ",
    [
        "JWT",
        "jwt",
        "x",
    ],
)
def test_the_type_of_a_token_does_not_matter(hub: Hub, topic: str, typ: str) -> None:
    """`Mercure 0.x, Authorization`."""
    token = hub.sign(hub.claims(publish=["*"]), hub.publisher_key, typ=typ)
    assert hub.post([("topic", topic)], token=token).status == 200


@pytest.mark.choice("the specification says nothing about other claims")
def test_other_claims_do_not_matter(hub: Hub, topic: str) -> None:
    """`Mercure 0.x, Authorization`."""
    more = {"iss": "https://anyone.example", "aud": "https://elsewhere.example", "sub": "x", "jti": "y"}
    token = hub.sign({**hub.claims(publish=["*"]), **more}, hub.publisher_key)
    assert hub.post([("topic", topic)], token=token).status == 200


@pytest.mark.parametrize("claim", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_claim_grants_nothing(
    hub: Hub, topic: str, claim: object, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 0.x, Publishers` and `Subscribers`."""
    token = hub.sign({"mercure": claim}, hub.publisher_key)
    assert hub.post([("topic", topic)], token=token).status in (401, 403)
    token = hub.sign({"mercure": claim})
    if hub.subscribe(hub.exactly(topic), token=token).status != 401:
        stream = open_stream(topic, token=token)
        publish(topic, private="on")
        assert stream.until(publish(topic)) == []


def test_a_token_without_the_claim_grants_nothing(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 0.x, Publishers` and `Subscribers`."""
    assert hub.post([("topic", topic)], token=hub.sign({"sub": "x"}, hub.publisher_key)).status in (401, 403)
    stream = open_stream(topic, token=hub.sign({"sub": "x"}))
    publish(topic, private="on")
    assert stream.until(publish(topic)) == []


def test_the_rights_of_the_other_version_grant_nothing(hub: Hub, topic: str) -> None:
    """`Mercure 0.x, Publishers`."""
    details = [
        {
            "type": "https://mercure.rocks/authorization-detail",
            "actions": ["publish"],
            "topics": [{"match": "*"}],
        }
    ]
    token = hub.sign({"authorization_details": details}, hub.publisher_key, typ="at+jwt")
    assert hub.post([("topic", topic)], token=token).status in (401, 403)


@pytest.mark.choice("the reference hub's name for providers that want claims to be URLs")
def test_the_claim_may_be_called_by_a_url(hub: Hub, topic: str) -> None:
    """`Mercure 0.x, Authorization`."""
    token = hub.sign({NAMESPACED: {"publish": [topic]}}, hub.publisher_key)
    assert hub.post([("topic", topic)], token=token).status == 200
    both = {NAMESPACED: {"publish": [f"{topic}/other"]}, "mercure": {"publish": ["*"]}}
    assert hub.post([("topic", topic)], token=hub.sign(both, hub.publisher_key)).status in (401, 403)


@pytest.mark.should
def test_a_token_of_too_many_selectors_is_refused(hub: Hub, topic: str) -> None:
    """`Mercure 0.x, Authorization`: above 1000 where nothing else is set."""
    for action, key in (("publish", hub.publisher_key), ("subscribe", hub.subscriber_key)):
        claims = {"mercure": {action: [topic] * 1001}}
        token = hub.sign(claims, key)
        # A server may also find the header too large.
        if action == "publish":
            assert hub.post([("topic", topic)], token=token).status in (400, 401, 431)
        else:
            assert hub.subscribe(hub.exactly(topic), token=token).status in (400, 401, 431)


@pytest.mark.parametrize("scheme", ["Basic", "Token", "Bearerx", "JWT"])
@pytest.mark.choice("the specification leaves the status to RFC 6750")
def test_another_scheme_is_401(hub: Hub, topic: str, scheme: str) -> None:
    """`Mercure 0.x, Authorization HTTP Header`."""
    header = ("Authorization", f"{scheme} {hub.publisher_token()}")
    assert hub.post_as([header], [("topic", topic)]).status == 401


@pytest.mark.choice("the reference hub knows the scheme as `Bearer` alone")
@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEARER"])
def test_the_scheme_is_read_in_any_case(hub: Hub, topic: str, scheme: str) -> None:
    """`RFC 9110, Authentication Scheme`."""
    header = ("Authorization", f"{scheme} {hub.publisher_token()}")
    assert hub.post_as([header], [("topic", topic)]).status == 200


@pytest.mark.choice("the reference hub answers 401")
def test_a_valid_token_with_too_few_rights_is_403(hub: Hub, topic: str) -> None:
    """`Mercure 0.x, Publishers`; `RFC 6750, Error Codes`."""
    for token in (hub.publisher_token(f"{topic}/x"), hub.sign(hub.claims(), hub.publisher_key)):
        assert hub.post([("topic", topic)], token=token).status == 403


@pytest.mark.needs("query_token")
def test_the_query_presents_a_token(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 0.x, URI Query Parameter`."""
    stream = open_stream(topic, query=[("authorization", hub.subscriber_token(topic))])
    id = publish(topic, private="on")
    assert stream.next().id == id


@pytest.mark.needs("query_token")
def test_the_query_presents_a_publishers_token(hub: Hub, topic: str) -> None:
    """`Mercure 0.x, URI Query Parameter`."""
    target = f"{hub.path}?{encoded([('authorization', hub.publisher_token())])}"
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    assert hub.request("POST", target, form, encoded([("topic", topic)]).encode()).status == 200


@pytest.mark.needs("query_token")
def test_a_bad_token_in_the_query_is_refused(hub: Hub, topic: str) -> None:
    """`Mercure 0.x, URI Query Parameter`."""
    assert hub.subscribe([*hub.exactly(topic), ("authorization", "rubbish." * 10)]).status == 401


@pytest.mark.needs("query_token")
def test_the_header_is_read_before_the_query_even_if_it_is_bad(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 0.x, Authorization`."""
    query = [*hub.exactly(topic), ("authorization", hub.subscriber_token(topic))]
    assert hub.subscribe(query, token="rubbish." * 10).status == 401
    bad = [("authorization", "rubbish." * 10)]
    stream = open_stream(topic, query=bad, token=hub.subscriber_token(topic))
    id = publish(topic, private="on")
    assert stream.next().id == id


@pytest.mark.needs("query_token")
def test_the_query_is_read_before_the_cookie_even_if_it_is_bad(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 0.x, Authorization`."""
    good, bad = hub.subscriber_token(topic), "rubbish." * 10
    cookie = [("Cookie", f"{hub.cookie_name}={good}")]
    assert hub.subscribe([*hub.exactly(topic), ("authorization", bad)], headers=cookie).status == 401
    cookie = [("Cookie", f"{hub.cookie_name}={bad}")]
    stream = open_stream(topic, query=[("authorization", good)], headers=cookie)
    id = publish(topic, private="on")
    assert stream.next().id == id


def test_the_parameter_of_rfc_6750_presents_nothing(hub: Hub, topic: str) -> None:
    """`Mercure 0.x, URI Query Parameter`."""
    target = f"{hub.path}?{encoded([('access_token', hub.publisher_token())])}"
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    assert hub.request("POST", target, form, encoded([("topic", topic)]).encode()).status == 401


def test_a_token_in_the_body_presents_nothing(hub: Hub, topic: str) -> None:
    """`Mercure 0.x, Authorization`."""
    token = hub.publisher_token()
    fields = [("topic", topic), ("authorization", token), ("access_token", token)]
    assert hub.post_as([], fields).status == 401
