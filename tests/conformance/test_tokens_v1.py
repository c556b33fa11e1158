"""Which tokens Mercure 1.0 believes (`Mercure 1.0, Token Validation`; `RFC 9068`)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from . import tokens
from .hub import Hub
from .test_tokens import FAR_AHEAD, LONG_AGO

ABSENT = object()


def _status(hub: Hub, topic: str, header: dict[str, object] | None = None, **changes: Any) -> int:
    """Publish with a good token that was changed; the token of a subscriber must fare the same."""
    statuses = []
    for action, key in (("publish", hub.publisher_key), ("subscribe", hub.subscriber_key)):
        claims = {**hub.claims(**{action: ["*"]}), **changes}
        claims = {name: value for name, value in claims.items() if value is not ABSENT}
        token = hub.sign(claims, key, **(header or {}))
        if action == "publish":
            statuses.append(hub.post([("topic", topic)], token=token).status)
        else:
            statuses.append(hub.subscribe(hub.exactly(topic), token=token).status)
    assert len(set(statuses)) == 1, statuses
    return statuses[0]


def test_a_good_token_is_believed(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Token Validation`."""
    assert _status(hub, topic) == 200


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "APPLICATION/AT+JWT"])
def test_the_type_is_that_of_an_access_token(hub: Hub, topic: str, typ: str) -> None:
    """`Mercure 1.0, Token Validation`: in any case."""
    assert _status(hub, topic, {"typ": typ}) == 200


@pytest.mark.parametrize(
    "typ", ["JWT", "id+jwt", "", None, "at+jwt ", "at", "application/jwt", "text/at+jwt", "at+jwt+x"]
)
def test_a_token_of_another_type_is_refused(hub: Hub, topic: str, typ: str | None) -> None:
    """`Mercure 1.0, Token Validation`: above all an ID token."""
    assert _status(hub, topic, {"typ": typ}) == 401


ISSUERS = {
    "none": ABSENT,
    "another": "https://evil.example",
    "a slash more": "{issuer}/",
    "another case": "{ISSUER}",
    "nothing": "",
    "a list": ["{issuer}"],
    "null": None,
    "a number": 1,
}


@pytest.mark.parametrize("issuer", ISSUERS.values(), ids=ISSUERS)
def test_the_issuer_is_exactly_one_that_is_trusted(hub: Hub, topic: str, issuer: Any) -> None:
    """`Mercure 1.0, Token Validation`."""
    if isinstance(issuer, str):
        issuer = issuer.format(issuer=hub.issuer, ISSUER=hub.issuer.upper())
    if issuer == ["{issuer}"]:
        issuer = [hub.issuer]
    claims = {**hub.claims(publish=["*"]), "iss": issuer}
    if issuer is ABSENT:
        del claims["iss"]
    assert hub.post([("topic", topic)], token=hub.sign_anything(claims, hub.publisher_key)).status == 401


AUDIENCES = {
    "none": ABSENT,
    "another": "https://other.example/.well-known/mercure",
    "the host alone": "{origin}",
    "a slash more": "{audience}/",
    "a query": "{audience}?x",
    "nothing": "",
    "an empty list": [],
    "a list of others": ["https://other.example", "{origin}"],
    "a list with a number": [1],
    "null": None,
    "an object": {"{audience}": True},
}


@pytest.mark.parametrize("audience", AUDIENCES.values(), ids=AUDIENCES)
def test_a_token_for_somebody_else_is_refused(hub: Hub, topic: str, audience: Any) -> None:
    """`Mercure 1.0, Token Validation`."""
    known = {"origin": hub.origin, "audience": hub.audience or hub.url}
    if isinstance(audience, str):
        audience = audience.format(**known)
    elif isinstance(audience, list):
        audience = [one.format(**known) if isinstance(one, str) else one for one in audience]
    elif isinstance(audience, dict):
        audience = {known["audience"]: True}
    claims = {**hub.claims(publish=["*"]), "aud": audience}
    if audience is ABSENT:
        del claims["aud"]
    assert hub.post([("topic", topic)], token=hub.sign_anything(claims, hub.publisher_key)).status == 401


def test_the_hub_may_be_one_of_several_that_a_token_is_for(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Token Validation`."""
    own = hub.audience or hub.url
    for audience in ([own], ["https://other.example", own], [own, "https://other.example"]):
        assert _status(hub, topic, aud=audience) == 200


EXPIRIES = {
    "none": ABSENT,
    "null": None,
    "past": LONG_AGO,
    "zero": 0,
    "negative": -1,
    "a text": "tomorrow",
    "true": True,
    "a list": [FAR_AHEAD],
    "an object": {},
}


@pytest.mark.parametrize("exp", EXPIRIES.values(), ids=EXPIRIES)
def test_a_token_has_an_expiry_and_it_is_ahead(hub: Hub, topic: str, exp: Any) -> None:
    """`Mercure 1.0, Token Validation`."""
    claims = {**hub.claims(publish=["*"]), "exp": exp}
    if exp is ABSENT:
        del claims["exp"]
    assert hub.post([("topic", topic)], token=hub.sign_anything(claims, hub.publisher_key)).status == 401


def test_an_expiry_may_have_fractions(hub: Hub, topic: str) -> None:
    """`RFC 7519, NumericDate`."""
    assert _status(hub, topic, exp=time.time() + 600.5) == 200


@pytest.mark.choice("RFC 7519 asks for it; the reference hub reads a number in a text")
def test_a_moment_is_a_number_and_no_text(hub: Hub, topic: str) -> None:
    """`RFC 7519, NumericDate`."""
    for changes in ({"exp": str(FAR_AHEAD)}, {"nbf": str(LONG_AGO)}):
        token = hub.sign_anything({**hub.claims(publish=["*"]), **changes}, hub.publisher_key)
        assert hub.post([("topic", topic)], token=token).status == 401


@pytest.mark.parametrize("nbf", [FAR_AHEAD, "x"])
def test_a_token_that_is_not_valid_yet_is_refused(hub: Hub, topic: str, nbf: Any) -> None:
    """`Mercure 1.0, Token Validation`."""
    claims = {**hub.claims(publish=["*"]), "nbf": nbf}
    assert hub.post([("topic", topic)], token=hub.sign_anything(claims, hub.publisher_key)).status == 401


def test_a_token_that_is_valid_already_is_believed(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Token Validation`."""
    assert _status(hub, topic, nbf=LONG_AGO) == 200


@pytest.mark.parametrize("claim", ["sub", "client_id", "iat", "jti"])
def test_what_issuers_should_set_hubs_need_not_check(hub: Hub, topic: str, claim: str) -> None:
    """`Mercure 1.0, Token Validation`."""
    assert _status(hub, topic, **{claim: ABSENT}) == 200


def test_a_hint_at_a_key_chooses_and_does_not_open(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Token Validation`: whatever `kid`, `jku` and `x5u` say."""
    for hint in (
        {"kid": "../../../dev/null"},
        {"kid": "' OR 1=1 --"},
        {"jku": f"{hub.origin}/keys"},
        {"x5u": hub.origin},
    ):
        claims = hub.claims(publish=["*"])
        token = hub.sign(claims, tokens.strangers_key(hub.algorithm), **hint)
        assert hub.post([("topic", topic)], token=token).status == 401


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_an_algorithm_that_is_not_allowed_is_refused(hub: Hub, topic: str, algorithm: str) -> None:
    """`Mercure 1.0, Token Validation`: even with the right secret; with a public key it is a known attack."""
    if algorithm == hub.algorithm:
        return
    secret = hub.publisher_key if hub.algorithm.startswith("HS") else tokens.public_pem(hub.publisher_key)
    claims = hub.claims(publish=["*"])
    token = tokens.signed_by_hand(claims, secret.encode(), f"sha{algorithm[2:]}", alg=algorithm, typ="at+jwt")
    assert hub.post([("topic", topic)], token=token).status == 401


def test_the_claims_of_0_x_grant_nothing(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Authorization Details`."""
    old = {"publish": ["*"], "subscribe": ["*"]}
    claims = {**hub.claims(), "mercure": old, "https://mercure.rocks/": old}
    assert hub.post([("topic", topic)], token=hub.sign(claims, hub.publisher_key)).status == 403


def test_a_token_of_0_x_is_refused(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Token Validation`."""
    claims = {"mercure": {"publish": ["*"]}, "exp": int(time.time()) + 600}
    token = tokens.signed(claims, hub.publisher_key, hub.algorithm)
    assert hub.post([("topic", topic)], token=token).status == 401
