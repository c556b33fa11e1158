"""How Mercure 1.0 says no (`Mercure 1.0, Error Responses`; `RFC 6750`)."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from . import tokens
from .client import Answer, Stream
from .hub import Hub, bearer
from .test_tokens import FAR_AHEAD, LONG_AGO

METADATA = "/.well-known/oauth-protected-resource"


def _posted(hub: Hub, topic: str, *headers: tuple[str, str]) -> Answer:
    return hub.post_as(headers, [("topic", topic)])


def test_without_a_token_the_challenge_names_no_error(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Error Responses`."""
    answer = _posted(hub, topic)
    assert answer.status == 401
    assert answer.challenge
    assert answer.challenge.scheme == "Bearer"
    assert "error" not in answer.challenge.parameters


@pytest.mark.needs("subscriptions")
def test_without_a_token_the_api_challenges_too(hub: Hub) -> None:
    """`Mercure 1.0, Error Responses`."""
    answer = hub.ask(hub.api)
    assert answer.status == 401
    assert answer.challenge
    assert "error" not in answer.challenge.parameters


def test_a_bad_token_is_an_invalid_token(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Error Responses`."""
    for answer in (
        hub.post([("topic", topic)], token="rubbish." * 10),
        hub.subscribe(hub.exactly(topic), token="rubbish." * 10),
    ):
        assert answer.status == 401
        assert answer.challenge
        assert answer.challenge.parameters["error"] == "invalid_token"


def test_a_bad_cookie_is_an_invalid_token(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Error Responses`."""
    cookie = ("Cookie", f"{hub.cookie_name}={'rubbish.' * 10}")
    answer = hub.subscribe(hub.exactly(topic), headers=[cookie])
    assert answer.status == 401
    assert answer.challenge
    assert answer.challenge.parameters["error"] == "invalid_token"


def test_too_few_rights_are_insufficient_scope(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Error Responses`."""
    for token in (hub.publisher_token(f"{topic}/x"), hub.sign(hub.claims(), hub.publisher_key)):
        answer = hub.post([("topic", topic)], token=token)
        assert answer.status == 403
        assert answer.challenge
        assert answer.challenge.parameters["error"] == "insufficient_scope"


@pytest.mark.needs("subscriptions")
def test_the_api_says_insufficient_scope(hub: Hub) -> None:
    """`Mercure 1.0, Error Responses`."""
    answer = hub.ask(hub.api, token=hub.subscriber_token("x"))
    assert answer.status == 403
    assert answer.challenge
    assert answer.challenge.parameters["error"] == "insufficient_scope"


BADLY_PRESENTED = {
    "another scheme": ["Basic dXNlcjpwYXNzd29yZA=="],
    "an unknown scheme": ["Foo {token}"],
    "a scheme alone": ["Bearer"],
    "a scheme and a space": ["Bearer "],
    "a token alone": ["{token}"],
    "nothing": [""],
    "two headers": ["Bearer {token}", "Bearer {token}"],
    "two schemes": ["Bearer {token}", "Basic dXNlcjpwYXNz"],
}


@pytest.mark.parametrize("headers", BADLY_PRESENTED.values(), ids=BADLY_PRESENTED)
def test_a_token_that_is_badly_presented_is_an_invalid_request(
    hub: Hub, topic: str, headers: list[str]
) -> None:
    """`Mercure 1.0, Authorization HTTP Header`; `RFC 6750, Error Codes`."""
    token = hub.publisher_token()
    answer = _posted(hub, topic, *(("Authorization", header.format(token=token)) for header in headers))
    assert answer.status == 400
    assert answer.challenge
    assert answer.challenge.parameters["error"] == "invalid_request"


@pytest.mark.needs("anonymous")
@pytest.mark.parametrize("headers", BADLY_PRESENTED.values(), ids=BADLY_PRESENTED)
def test_who_presents_a_token_badly_is_not_taken_for_nobody(hub: Hub, topic: str, headers: list[str]) -> None:
    """`Mercure 1.0, Authorization HTTP Header`."""
    token = hub.subscriber_token("*")
    sent = [("Authorization", header.format(token=token)) for header in headers]
    answer = hub.subscribe(hub.exactly(topic), headers=sent)
    assert answer.status == 400
    assert answer.challenge
    assert answer.challenge.parameters["error"] == "invalid_request"


@pytest.mark.parametrize(
    "header", ["Bearer {token}, Bearer {token}", "Bearer {token} {token}", "Bearer {token} x"]
)
def test_more_than_a_token_is_no_token(hub: Hub, topic: str, header: str) -> None:
    """`RFC 6750, Authorization Request Header Field`: badly presented or bad, that is open."""
    answer = _posted(hub, topic, ("Authorization", header.format(token=hub.publisher_token())))
    assert answer.challenge
    error = answer.challenge.parameters["error"]
    assert (answer.status, error) in [(400, "invalid_request"), (401, "invalid_token")]


def test_a_cookie_from_a_strangers_page_is_an_invalid_request(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Security Considerations`; `RFC 6750, Error Codes`."""
    cookie = ("Cookie", f"{hub.cookie_name}={hub.publisher_token()}")
    answer = _posted(hub, topic, cookie, ("Origin", "https://evil.example"))
    assert answer.status == 400
    assert answer.challenge
    assert answer.challenge.parameters["error"] == "invalid_request"


@pytest.mark.should
@pytest.mark.needs("metadata")
def test_every_challenge_leads_to_the_metadata(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Error Responses`: by an absolute URL."""
    answers = [
        _posted(hub, topic),
        hub.post([("topic", topic)], token="rubbish." * 10),
        hub.post([("topic", topic)], token=hub.publisher_token(f"{topic}/x")),
        _posted(hub, topic, ("Authorization", "Basic x")),
        hub.subscribe(hub.exactly(topic), token="rubbish." * 10),
    ]
    for answer in answers:
        assert answer.challenge
        assert answer.challenge.parameters["resource_metadata"] == hub.origin + METADATA + hub.path


@pytest.mark.should
@pytest.mark.needs("metadata")
def test_a_challenge_is_written_as_in_the_specification(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Error Responses`."""
    metadata = f'resource_metadata="{hub.origin}{METADATA}{hub.path}"'
    answers = {
        f"Bearer {metadata}": _posted(hub, topic),
        f'Bearer error="invalid_token", {metadata}': hub.post([("topic", topic)], token="rubbish." * 10),
        f'Bearer error="insufficient_scope", {metadata}': hub.post(
            [("topic", topic)], token=hub.publisher_token(f"{topic}/x")
        ),
        f'Bearer error="invalid_request", {metadata}': _posted(hub, topic, ("Authorization", "Basic x")),
    }
    for expected, answer in answers.items():
        assert answer.headers.get_all("WWW-Authenticate") == [expected]


REASONS: dict[str, Callable[[Hub], str]] = {
    "rubbish": lambda hub: "rubbish." * 10,
    "another key": lambda hub: hub.sign(hub.claims(publish=["*"]), tokens.strangers_key(hub.algorithm)),
    "expired": lambda hub: hub.sign({**hub.claims(publish=["*"]), "exp": LONG_AGO}, hub.publisher_key),
    "not yet": lambda hub: hub.sign({**hub.claims(publish=["*"]), "nbf": FAR_AHEAD}, hub.publisher_key),
    "another issuer": lambda hub: hub.sign(
        {**hub.claims(publish=["*"]), "iss": "https://x.example"}, hub.publisher_key
    ),
    "another audience": lambda hub: hub.sign({**hub.claims(publish=["*"]), "aud": "x"}, hub.publisher_key),
    "another type": lambda hub: hub.sign(hub.claims(publish=["*"]), hub.publisher_key, typ="JWT"),
    "a bad detail": lambda hub: hub.sign(
        {**hub.claims(), "authorization_details": [{"type": "https://mercure.rocks/authorization-detail"}]},
        hub.publisher_key,
    ),
}


def test_why_a_token_is_bad_is_told_to_nobody(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Token Validation`: every failure is the same."""
    answers = [hub.post([("topic", topic)], token=make(hub)) for make in REASONS.values()]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.headers["WWW-Authenticate"] for answer in answers}) == 1
    assert len({answer.body for answer in answers}) == 1


def test_what_is_wrong_with_the_request_is_no_challenge(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Error Responses`."""
    for answer in (
        hub.post("data=x"),
        hub.subscribe("match_foo=x"),
        hub.post([("topic", topic), ("retry", "x")]),
    ):
        assert answer.status == 400
        assert "invalid_request" not in (answer.headers["WWW-Authenticate"] or "")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_read_in_any_case(hub: Hub, topic: str, scheme: str) -> None:
    """`Mercure 1.0, Authorization HTTP Header`."""
    assert _posted(hub, topic, ("Authorization", f"{scheme} {hub.publisher_token()}")).status == 200


@pytest.mark.parametrize("name", ["access_token", "authorization", "Authorization", "bearer"])
def test_a_token_in_the_query_is_never_read(hub: Hub, topic: str, name: str) -> None:
    """`Mercure 1.0, Presenting the Access Token`: neither a good one nor a bad one."""
    target = f"{hub.path}?{name}={hub.publisher_token()}"
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    assert hub.request("POST", target, form, f"topic={topic}".encode()).status == 401
    both = [*form, *bearer(hub.publisher_token())]
    assert hub.request("POST", f"{hub.path}?{name}=x", both, f"topic={topic}".encode()).status == 200


@pytest.mark.needs("anonymous")
@pytest.mark.parametrize("name", ["access_token", "authorization"])
def test_a_subscriber_with_a_token_in_the_query_is_nobody(
    hub: Hub, topic: str, name: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 1.0, Presenting the Access Token`."""
    for token in (hub.subscriber_token("*"), "rubbish." * 10):
        stream = open_stream(topic, query=[(name, token)])
        publish(topic, private="on")
        assert stream.until(publish(topic)) == []


@pytest.mark.parametrize("name", ["access_token", "authorization"])
def test_a_token_in_the_body_is_never_read(hub: Hub, topic: str, name: str) -> None:
    """`Mercure 1.0, Presenting the Access Token`."""
    assert hub.post_as([], [("topic", topic), (name, hub.publisher_token())]).status == 401


def test_the_cookie_of_0_x_is_not_read(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 1.0, Cookie`."""
    stream = open_stream(topic, headers=[("Cookie", f"mercureAuthorization={hub.subscriber_token('*')}")])
    publish(topic, private="on")
    assert stream.until(publish(topic)) == []


@pytest.mark.choice("a browser keeps no __Secure- cookie from plain HTTP, so that a developer needs another")
def test_over_plain_http_a_cookie_without_the_prefix_is_read(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 1.0, Cookie`."""
    if hub.origin.startswith("http:"):
        name = re.sub("^__(Secure|Host)-", "", hub.cookie_name)
        stream = open_stream(topic, headers=[("Cookie", f"{name}={hub.subscriber_token('*')}")])
        id = publish(topic, private="on")
        assert [event.id for event in stream.until(publish(topic))] == [id]
