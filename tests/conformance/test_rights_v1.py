"""What a token of Mercure 1.0 grants (`Mercure 1.0, Authorization Details` and `Topic Matcher List`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .client import Answer, Stream
from .hub import Hub
from .versions import AUTHORIZATION_DETAIL, detail

GOOD = detail(["publish", "subscribe"], ["*"])


def _with(hub: Hub, details: Any) -> dict[str, Any]:
    return {**hub.claims(), "authorization_details": details}


def _posted(hub: Hub, topic: str, details: Any) -> Answer:
    return hub.post([("topic", topic)], token=hub.sign(_with(hub, details), hub.publisher_key))


def _subscribed(hub: Hub, topic: str, details: Any) -> Answer:
    return hub.subscribe(hub.exactly(topic), token=hub.sign(_with(hub, details)))


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


MALFORMED: dict[str, Any] = {
    "no actions": _without("actions"),
    "null for actions": {**GOOD, "actions": None},
    "empty actions": {**GOOD, "actions": []},
    "actions that are a text": {**GOOD, "actions": "publish"},
    "actions that are an object": {**GOOD, "actions": {"publish": True}},
    "an action that is a number": {**GOOD, "actions": ["publish", "subscribe", 1]},
    "an action that is an array": {**GOOD, "actions": ["publish", ["subscribe"]]},
    "no topics": _without("topics"),
    "null for topics": {**GOOD, "topics": None},
    "empty topics": {**GOOD, "topics": []},
    "topics that are a text": {**GOOD, "topics": "*"},
    "topics that are an object": {**GOOD, "topics": {"match": "*"}},
    "a topic that is a text": {**GOOD, "topics": ["*"]},
    "a topic that is a text beside a good one": {**GOOD, "topics": [{"match": "*"}, "*"]},
    "a topic that is null": {**GOOD, "topics": [{"match": "*"}, None]},
    "a topic that is a number": {**GOOD, "topics": [{"match": "*"}, 1]},
    "a topic that is an array": {**GOOD, "topics": [["*"]]},
    "a topic without a matcher": {**GOOD, "topics": [{"match": "*"}, {}]},
    "a topic with a type alone": {**GOOD, "topics": [{"match_type": "exact"}]},
    "a matcher that is null": {**GOOD, "topics": [{"match": None}]},
    "a matcher that is a number": {**GOOD, "topics": [{"match": 1}]},
    "a matcher that is an array": {**GOOD, "topics": [{"match": ["*"]}]},
    "an unknown type of matcher": {**GOOD, "topics": [{"match": "x", "match_type": "regexp"}]},
    "an unknown type beside a star": {**GOOD, "topics": [{"match": "*", "match_type": "regexp"}]},
    "the type of 0.x": {**GOOD, "topics": [{"match": "x", "match_type": "uritemplate"}]},
    "a type in another case": {**GOOD, "topics": [{"match": "x", "match_type": "URLPattern"}]},
    "a type with capitals": {**GOOD, "topics": [{"match": "x", "match_type": "Exact"}]},
    "a type that is a number": {**GOOD, "topics": [{"match": "x", "match_type": 1}]},
    "a pattern that does not compile": {
        **GOOD,
        "topics": [{"match": "https://example.com/(", "match_type": "urlpattern"}],
    },
}


@pytest.mark.parametrize("bad", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_detail_refuses_the_token(hub: Hub, topic: str, bad: Any) -> None:
    """`Mercure 1.0, Authorization Details`."""
    assert _posted(hub, topic, [bad]).status == 401
    assert _subscribed(hub, topic, [bad]).status == 401


@pytest.mark.parametrize("bad", MALFORMED.values(), ids=MALFORMED)
def test_one_malformed_detail_among_good_ones_refuses_the_token(hub: Hub, topic: str, bad: Any) -> None:
    """`Mercure 1.0, Authorization Details`: nothing of it is believed."""
    for details in ([GOOD, bad], [bad, GOOD]):
        answer = _posted(hub, topic, details)
        assert answer.status == 401
        assert answer.challenge
        assert answer.challenge.parameters["error"] == "invalid_token"


@pytest.mark.choice("the reference hub's parser takes null for an empty text, and that for the default")
@pytest.mark.parametrize(
    "bad",
    [
        {**GOOD, "actions": ["publish", "subscribe", None]},
        {**GOOD, "topics": [{"match": "x", "match_type": ""}]},
        {**GOOD, "topics": [{"match": "x", "match_type": None}]},
    ],
    ids=["an action that is null", "a type that is empty", "a type that is null"],
)
def test_null_is_no_text_and_an_empty_text_no_type(hub: Hub, topic: str, bad: Any) -> None:
    """`Mercure 1.0, Authorization Details` and `Topic Matcher List`."""
    assert _posted(hub, topic, [GOOD, bad]).status == 401


@pytest.mark.choice("the specification says an object; the reference hub takes any JSON")
@pytest.mark.parametrize("payload", ["x", 1, [], [{}], True, None])
def test_a_payload_is_an_object(hub: Hub, topic: str, payload: Any) -> None:
    """`Mercure 1.0, Authorization Details` and `Payloads`."""
    assert _posted(hub, topic, [{**GOOD, "payload": payload}]).status == 401
    assert _posted(hub, topic, [{**GOOD, "payload": {}}]).status == 200


@pytest.mark.choice("the specification does not say it of grants; the reference hub does so too")
@pytest.mark.parametrize("match", ["", "a\nb", "a\0", "\u200b"])
def test_a_matcher_that_is_not_clean_text_refuses_the_token(hub: Hub, topic: str, match: str) -> None:
    """`Mercure 1.0, Topic Matcher List`."""
    assert _posted(hub, topic, [GOOD, detail(["publish"], [match])]).status == 401


@pytest.mark.parametrize(
    "details", [{}, "x", 1, True, GOOD], ids=["object", "text", "number", "true", "one detail"]
)
def test_details_that_are_no_array_refuse_the_token(hub: Hub, topic: str, details: Any) -> None:
    """`Mercure 1.0, Authorization Details`."""
    assert _posted(hub, topic, details).status == 401
    assert _subscribed(hub, topic, details).status == 401


def test_a_token_without_details_is_valid_and_grants_nothing(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Authorization Details`."""
    assert _posted(hub, topic, []).status == 403
    assert _subscribed(hub, topic, []).status == 200
    claims = hub.claims()
    del claims["authorization_details"]
    assert hub.post([("topic", topic)], token=hub.sign(claims, hub.publisher_key)).status == 403
    assert hub.subscribe(hub.exactly(topic), token=hub.sign(claims)).status == 200


FOREIGN: list[dict[str, Any]] = [
    {"type": "https://other.example/detail"},
    {"type": "https://other.example/detail", "actions": 1, "topics": None},
    {"type": "https://other.example/detail", "actions": ["publish"], "topics": [{"match": "*"}]},
    {**GOOD, "type": "https://mercure.rocks/authorization-detail/"},
    {**GOOD, "type": "https://mercure.rocks/Authorization-Detail"},
    {**GOOD, "type": "http://mercure.rocks/authorization-detail"},
    {**GOOD, "type": "https://MERCURE.rocks/authorization-detail"},
    {**GOOD, "type": "https://mercure.rocks/authorization%2Ddetail"},
    {**GOOD, "type": f" {AUTHORIZATION_DETAIL}"},
    {**GOOD, "type": "https://mercure.rocks/"},
]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_detail_of_another_type_is_ignored_whatever_its_shape(hub: Hub, topic: str, foreign: Any) -> None:
    """`Mercure 1.0, Authorization Details`: the type is compared byte for byte."""
    assert _posted(hub, topic, [foreign]).status == 403
    assert _posted(hub, topic, [foreign, GOOD]).status == 200
    assert _posted(hub, topic, [GOOD, foreign]).status == 200


@pytest.mark.parametrize("action", ["", "read", "Publish", "PUBLISH", "publish ", "*", "subscribe/publish"])
def test_an_unknown_action_grants_nothing_and_does_no_harm(hub: Hub, topic: str, action: str) -> None:
    """`Mercure 1.0, Authorization Details`."""
    assert _posted(hub, topic, [detail([action], ["*"])]).status == 403
    assert _posted(hub, topic, [detail([action, "publish"], ["*"])]).status == 200
    assert _posted(hub, topic, [detail(["publish", action], ["*"])]).status == 200


def test_unknown_members_do_no_harm(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Authorization Details`."""
    more = {**detail(["publish"], [{"match": topic, "foo": 1}]), "locations": [hub.url], "foo": None}
    assert _posted(hub, topic, [more]).status == 200


def test_actions_grant_each_their_own(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Authorization Details`."""
    assert _posted(hub, topic, [detail(["subscribe"], ["*"])]).status == 403
    assert _posted(hub, topic, [detail(["publish"], ["*"])]).status == 200


def test_the_grants_of_all_details_add_up(hub: Hub, topic: str, other_topic: str) -> None:
    """`Mercure 1.0, Authorization Details`."""
    details = [detail(["publish"], [topic]), detail(["subscribe"], ["*"]), detail(["publish"], [other_topic])]
    token = hub.sign(_with(hub, details), hub.publisher_key)
    assert hub.post([("topic", topic), ("topic", other_topic)], token=token).status == 200


def test_a_detail_may_grant_several_topics(hub: Hub, topic: str, other_topic: str) -> None:
    """`Mercure 1.0, Topic Matcher List`."""
    token = hub.publisher_token(other_topic, {"match": f"{topic}/:id", "match_type": "urlpattern"})
    assert hub.post([("topic", other_topic), ("topic", f"{topic}/1")], token=token).status == 200
    assert hub.post([("topic", other_topic), ("topic", topic)], token=token).status == 403


def test_without_a_type_a_matcher_is_exact(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Topic Matcher List`."""
    assert _posted(hub, f"{topic}/1", [detail(["publish"], [f"{topic}/:id"])]).status == 403
    assert _posted(hub, f"{topic}/:id", [detail(["publish"], [f"{topic}/:id"])]).status == 200


@pytest.mark.should
def test_too_many_details_refuse_the_token(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Authorization Details`: above 100 where nothing else is set."""
    assert _posted(hub, topic, [detail(["publish"], [topic])] * 101).status in (400, 401, 431)


@pytest.mark.should
def test_too_many_topics_refuse_the_token(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Topic Matcher List`: above 100 in all where nothing else is set."""
    few = [{"match": f"/{number}"} for number in range(51)]
    answer = _posted(hub, topic, [detail(["publish"], few), detail(["publish"], few)])
    assert answer.status == 401


@pytest.mark.should
def test_too_long_a_matcher_refuses_the_token(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Topic Matcher List`: above 4096 characters where nothing else is set."""
    answer = _posted(hub, topic, [detail(["publish"], [f"{topic}/".ljust(4097, "x")])])
    assert answer.status in (400, 401, 431)


def test_a_private_update_needs_a_grant_to_subscribe(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 1.0, Subscribers`."""
    for details in ([detail(["publish"], ["*"])], [detail(["read"], ["*"])], [FOREIGN[2]]):
        stream = open_stream(topic, token=hub.sign(_with(hub, details)))
        publish(topic, private="on")
        assert stream.until(publish(topic)) == []
