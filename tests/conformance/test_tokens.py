"""Tokens as both versions have them: where they are read, and which are refused (`Mercure, Authorization`)."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from . import tokens
from .client import PATIENCE, Stream
from .hub import Hub, bearer

NOW = time.time()
LONG_AGO = int(NOW) - 86_400
FAR_AHEAD = int(NOW) + 86_400

Maker = Callable[[Hub, dict[str, object], str], str]

FORGED: dict[str, Maker] = {
    "a stranger's key": lambda hub, claims, key: hub.sign(claims, tokens.strangers_key(hub.algorithm)),
    "claims changed afterwards": lambda hub, claims, key: tokens.tampered(hub.sign(claims, key), sub="root"),
    "alg none": lambda hub, claims, key: _unsigned(hub, claims, alg="none"),
    "alg None": lambda hub, claims, key: _unsigned(hub, claims, alg="None"),
    "alg nOnE": lambda hub, claims, key: _unsigned(hub, claims, alg="nOnE"),
    "no alg": lambda hub, claims, key: _unsigned(hub, claims),
    "an alg that nobody knows": lambda hub, claims, key: _unsigned(hub, claims, alg="HS1"),
    "an alg that is no text": lambda hub, claims, key: _unsigned(hub, claims, alg=["HS256"]),
    "an empty signature": lambda hub, claims, key: hub.sign(claims, key).rpartition(".")[0] + ".",
    "no signature at all": lambda hub, claims, key: hub.sign(claims, key).rpartition(".")[0],
    "an empty secret": lambda hub, claims, key: tokens.signed_by_hand(
        claims, b"", **{**hub.version.token_header, "alg": "HS256"}
    ),
    "a key of its own in the header": lambda hub, claims, key: _with_its_own_key(hub, claims),
    "expired": lambda hub, claims, key: hub.sign({**claims, "exp": LONG_AGO}, key),
    "not valid yet": lambda hub, claims, key: hub.sign({**claims, "nbf": FAR_AHEAD}, key),
    "an expiry that is a text": lambda hub, claims, key: hub.sign({**claims, "exp": "tomorrow"}, key),
    "rubbish": lambda hub, claims, key: "rubbish." * 10,
    "rubbish without dots": lambda hub, claims, key: "x" * 100,
    "rubbish parts": lambda hub, claims, key: f"{'~' * 40}.{'~' * 40}.{'~' * 40}",
    "parts that are no JSON": lambda hub, claims, key: f"{'AAAA' * 10}.{'AAAA' * 10}.{'AAAA' * 10}",
}
"""Tokens that would open everything were they believed."""

forged_tokens = pytest.mark.parametrize(
    "forged",
    [
        *(pytest.param(maker, id=name) for name, maker in FORGED.items()),
        pytest.param(
            lambda hub, claims, key: hub.sign(claims, key, crit=["x"], x=True),
            id="an unknown critical header",
            marks=pytest.mark.choice("RFC 7515 asks for it; the reference hub does not read crit"),
        ),
    ],
)


def _unsigned(hub: Hub, claims: dict[str, object], **header: object) -> str:
    return tokens.unsigned(claims, **{**hub.version.token_header, **header})


def _with_its_own_key(hub: Hub, claims: dict[str, object]) -> str:
    key = tokens.strangers_key("RS256")
    header = {**hub.version.token_header, "jwk": tokens.public_jwk(key)}
    return tokens.signed(claims, key, "RS256", **header)


@forged_tokens
def test_a_forged_token_does_not_publish(hub: Hub, topic: str, forged: Maker) -> None:
    """`Mercure, Authorization`."""
    token = forged(hub, hub.claims(publish=["*"]), hub.publisher_key)
    assert hub.post([("topic", topic)], token=token).status == 401


@forged_tokens
def test_a_forged_token_does_not_subscribe_not_even_as_nobody(hub: Hub, topic: str, forged: Maker) -> None:
    """`Mercure, Authorization`: a bad token is refused even where none is needed."""
    token = forged(hub, hub.claims(subscribe=["*"]), hub.subscriber_key)
    assert hub.subscribe(hub.exactly(topic), token=token).status == 401


@pytest.mark.needs("subscriptions")
@forged_tokens
def test_a_forged_token_does_not_read_the_subscription_api(hub: Hub, forged: Maker) -> None:
    """`Mercure, Subscription API`."""
    assert hub.ask(hub.api, token=forged(hub, hub.claims(subscribe=["*"]), hub.subscriber_key)).status == 401


def test_publishing_needs_a_token(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Publishers`."""
    stream = open_stream(topic)
    assert hub.post_as([], [("topic", topic)]).status == 401
    assert stream.until(publish(topic)) == []


@pytest.mark.needs("anonymous")
def test_subscribing_to_public_updates_needs_none(
    topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Authorization`."""
    stream = open_stream(topic)
    assert publish(topic) == stream.next().id


@pytest.mark.choice("a hub may have one key for both roles")
def test_the_subscribers_key_does_not_publish(hub: Hub, topic: str) -> None:
    """`Mercure, Authorization`."""
    assert hub.post([("topic", topic)], token=hub.sign(hub.claims(publish=["*"]))).status == 401


@pytest.mark.choice("a hub may have one key for both roles")
def test_the_publishers_key_does_not_subscribe(hub: Hub, topic: str) -> None:
    """`Mercure, Authorization`."""
    token = hub.sign(hub.claims(subscribe=["*"]), hub.publisher_key)
    assert hub.subscribe(hub.exactly(topic), token=token).status == 401


def test_one_token_may_grant_both_actions(hub: Hub, topic: str) -> None:
    """`Mercure, Authorization`."""
    claims = hub.claims(publish=[topic], subscribe=[topic])
    assert hub.post([("topic", topic)], token=hub.sign(claims, hub.publisher_key)).status == 200
    assert hub.subscribe(hub.exactly(topic), token=hub.sign(claims)).status == 200


def test_an_expired_token_is_refused_also_after_it_was_believed(hub: Hub, topic: str) -> None:
    """`Mercure, Authorization`: a hub that remembers tokens forgets them in time."""
    token = hub.sign({**hub.claims(publish=["*"]), "exp": int(time.time()) + 1}, hub.publisher_key)
    deadline = time.monotonic() + PATIENCE
    while (status := hub.post([("topic", topic)], token=token).status) == 200:
        assert time.monotonic() < deadline, "the token still works"
        time.sleep(0.1)
    assert status == 401


def test_a_stream_ends_when_its_token_expires(
    hub: Hub, topic: str, open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Subscribers`."""
    expires = int(time.time()) + 2
    stream = open_stream(topic, token=hub.sign({**hub.claims(subscribe=[topic]), "exp": expires}))
    stream.wait_for_end()
    assert time.time() < expires + 2


@pytest.mark.parametrize("exp", [1e300, 10**40, 2**63, 253402300800])
def test_an_expiry_beyond_all_calendars_breaks_nothing(hub: Hub, topic: str, exp: float) -> None:
    """`RFC 7519, exp`."""
    token = hub.sign({**hub.claims(subscribe=[topic]), "exp": exp})
    assert hub.subscribe(hub.exactly(topic), token=token).status in (200, 401)


def test_a_cookie_presents_a_subscribers_token(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Cookie`."""
    cookie = ("Cookie", f"a=b; {hub.cookie_name}={hub.subscriber_token(topic)}; c=d")
    stream = open_stream(topic, headers=[cookie])
    assert publish(topic, private="on") == stream.next().id


@pytest.mark.needs("anonymous")
def test_another_cookie_presents_nothing(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Cookie`."""
    cookie = (
        "Cookie",
        f"other={hub.subscriber_token(topic)}; {hub.cookie_name}x={hub.subscriber_token(topic)}",
    )
    stream = open_stream(topic, headers=[cookie])
    publish(topic, private="on")
    assert stream.until(publish(topic)) == []


@pytest.mark.parametrize("forged", ["rubbish." * 10, "", "x"])
def test_a_bad_cookie_is_refused_and_not_ignored(hub: Hub, topic: str, forged: str) -> None:
    """`Mercure, Cookie`."""
    cookie = ("Cookie", f"{hub.cookie_name}={forged}")
    accepted = (200, 400, 401) if not forged else (400, 401)  # an empty cookie may be as none
    assert hub.subscribe(hub.exactly(topic), headers=[cookie]).status in accepted


def test_the_header_is_read_before_the_cookie(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Presenting the Access Token`."""
    cookie = ("Cookie", f"{hub.cookie_name}={'rubbish.' * 10}")
    stream = open_stream(topic, token=hub.subscriber_token(topic), headers=[cookie])
    assert publish(topic, private="on") == stream.next().id


@pytest.mark.parametrize(
    "header",
    [f"Bearer {'rubbish.' * 10}", "Bearer x", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "rubbish", ""],
)
def test_a_bad_header_is_refused_although_the_cookie_is_good(hub: Hub, topic: str, header: str) -> None:
    """`Mercure, Presenting the Access Token`."""
    cookie = ("Cookie", f"{hub.cookie_name}={hub.subscriber_token(topic)}")
    answer = hub.subscribe(hub.exactly(topic), headers=[("Authorization", header), cookie])
    assert answer.status in (400, 401)


def test_two_headers_are_refused_although_one_is_good(hub: Hub, topic: str) -> None:
    """`Mercure, Authorization HTTP Header`."""
    headers = [*bearer(hub.publisher_token()), *bearer("rubbish." * 10)]
    assert hub.post_as(headers, [("topic", topic)]).status in (400, 401)
    assert hub.post_as(headers[::-1], [("topic", topic)]).status in (400, 401)


def test_two_headers_with_one_token_are_refused(hub: Hub, topic: str) -> None:
    """`Mercure, Authorization HTTP Header`."""
    headers = bearer(hub.publisher_token()) * 2
    assert hub.post_as(headers, [("topic", topic)]).status == hub.version.bad_presentation


def test_an_answer_never_repeats_a_token(hub: Hub, topic: str) -> None:
    """`Mercure, Security Considerations`."""
    for token in ("rubbish." * 10, hub.publisher_token(f"{topic}/other"), hub.subscriber_token()):
        answer = hub.post([("topic", topic)], token=token)
        assert answer.status in (401, 403)
        assert token not in answer.text + str(answer.headers)


def test_a_grant_of_some_topics_does_not_publish_on_others(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure, Publishers`."""
    stream = open_stream(topic)
    answer = hub.post([("topic", topic)], token=hub.publisher_token(f"{topic}/other"))
    assert answer.status in (401, 403)
    assert stream.until(publish(topic)) == []


@pytest.mark.parametrize("private", [[], [("private", "on")]], ids=["public", "private"])
def test_every_topic_of_an_update_must_be_granted(
    hub: Hub,
    topic: str,
    other_topic: str,
    private: list[tuple[str, str]],
    publish: Callable[..., str],
    open_stream: Callable[..., Stream],
) -> None:
    """`Mercure, Publishers`: else nothing at all is sent."""
    stream = open_stream(topic, other_topic, token=hub.subscriber_token("*"))
    token = hub.publisher_token(topic)
    for topics in ([topic, other_topic], [other_topic, topic]):
        answer = hub.post([*(("topic", one) for one in topics), *private], token=token)
        assert answer.status in (401, 403)
    assert hub.post([("topic", topic), *private], token=token).status == 200
    stream.next()
    assert stream.until(publish(topic)) == []


def test_a_token_without_the_right_to_publish_does_not_publish(hub: Hub, topic: str) -> None:
    """`Mercure, Publishers`."""
    for claims in (hub.claims(), hub.claims(subscribe=["*"])):
        assert hub.post([("topic", topic)], token=hub.sign(claims, hub.publisher_key)).status in (401, 403)


@pytest.mark.should
def test_too_few_rights_are_403(hub: Hub, topic: str) -> None:
    """`Mercure, Publishers`."""
    answer = hub.post([("topic", topic)], token=hub.publisher_token(f"{topic}/other"))
    assert answer.status == 403
