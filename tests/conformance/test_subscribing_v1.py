"""Subscribing in Mercure 1.0 (`Mercure 1.0, Subscription`)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .client import FORM, Stream, encoded
from .hub import Hub

Open = Callable[..., Stream]

FORM_HEADER = [("Content-Type", FORM)]


@pytest.mark.parametrize("name", ["match", "match_exact", "match_urlpattern"])
def test_each_kind_of_matcher_subscribes(
    topic: str, name: str, publish: Callable[..., str], open_stream: Open
) -> None:
    """`Mercure 1.0, Subscription`."""
    stream = open_stream(query=[(name, topic)])
    id = publish(topic)
    assert stream.next().id == id


def test_matchers_may_be_mixed_and_repeated(
    topic: str, publish: Callable[..., str], open_stream: Open
) -> None:
    """`Mercure 1.0, Subscription`."""
    query = [
        ("match", f"{topic}/a"),
        ("match", f"{topic}/b"),
        ("match_exact", f"{topic}/c"),
        ("match_urlpattern", f"{topic}/d/:id"),
        ("match_urlpattern", f"{topic}/e/:id"),
    ]
    stream = open_stream(query=query)
    ids = [publish(f"{topic}/{path}") for path in ("a", "b", "c", "d/1", "e/1")]
    assert [stream.next().id for _ in ids] == ids


def test_an_update_that_several_matchers_match_arrives_once(
    topic: str, publish: Callable[..., str], open_stream: Open
) -> None:
    """`Mercure 1.0, Subscription`."""
    names = ("match", "match_exact", "match_urlpattern")
    stream = open_stream("*", query=[(name, topic) for name in names])
    ids = [publish(topic), publish(topic)]
    assert [stream.next().id, stream.next().id] == ids


RESERVED_NAMES = [
    "Match",
    "MATCH",
    "matches",
    "match_",
    "match_foo",
    "match_URLPattern",
    "match_Exact",
    "Match_exact",
    "match-exact",
    "match_exact ",
    "match[]",
    "match.exact",
    "matchexact",
    "mAtCh_urlpattern",
    "match_regexp",
    "match\u00e9",
]


@pytest.mark.parametrize("name", RESERVED_NAMES)
def test_other_names_that_begin_with_match_are_refused(hub: Hub, topic: str, name: str) -> None:
    """`Mercure 1.0, Subscription`: in any case, also beside a good one."""
    assert hub.subscribe([(name, topic)]).status == 400
    assert hub.subscribe([("match", topic), (name, topic)]).status == 400
    assert hub.subscribe([(name, ""), ("match", topic)]).status == 400


@pytest.mark.parametrize("raw", ["match%5Ffoo=x", "%6Datches=x", "m%61tch_foo", "match_foo", "%4Datch=x"])
def test_reserved_names_are_known_once_they_are_decoded(hub: Hub, topic: str, raw: str) -> None:
    """`Mercure 1.0, Subscription`."""
    assert hub.subscribe(f"match={topic}&{raw}").status == 400


@pytest.mark.parametrize(
    "name", ["foo", "mat", "matc", "xmatch", " match", "_match", "last_event_ids", "lastEventID"]
)
def test_names_that_mean_nothing_are_ignored(hub: Hub, topic: str, name: str) -> None:
    """`Mercure 1.0, Subscription`."""
    assert hub.subscribe([("match", topic), (name, "x")]).status == 200


@pytest.mark.choice("by the specification it means nothing, so that nothing is left to match")
def test_a_client_of_0_x_is_told_what_is_missing(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Subscription`."""
    answer = hub.subscribe([("topic", topic)])
    assert (answer.status, "match" in answer.text) == (400, True)


@pytest.mark.choice("the specification does not say what an empty one is")
def test_an_empty_matcher_is_a_matcher(hub: Hub) -> None:
    """`Mercure 1.0, Subscription`."""
    assert hub.subscribe("match=").status == 200
    assert hub.subscribe("match").status == 200


UNCLEAN = [
    "a%00",
    "a%0A",
    "%0Da",
    "a%09",
    "%1F",
    "%7F",
    "%C2%80",
    "%C2%85",
    "%C2%9F",
    "%E2%80%8B",
    "%E2%80%AE",
]
UNCLEAN += ["%EF%BB%BFa", "%C2%AD", "%F3%A0%80%81"]
NOT_UTF_8 = ["%FF", "a%C3", "%C0%AF", "%ED%A0%80", "%F5%80%80%80", "%80"]


@pytest.mark.parametrize("name", ["match", "match_exact", "match_urlpattern"])
@pytest.mark.parametrize("raw", [*UNCLEAN, *NOT_UTF_8])
def test_a_matcher_that_is_not_clean_text_is_refused(hub: Hub, topic: str, name: str, raw: str) -> None:
    """`Mercure 1.0, Terminology`: the bytes are looked at, not what a lenient decoder makes of them."""
    assert hub.subscribe(f"match={topic}&{name}={raw}").status == 400


@pytest.mark.parametrize("text", ["é", "二", "😀", "a b", "\u00a0", "\u2028", "\ufffd", "'\"<>", "\\"])
def test_any_clean_text_is_a_matcher(hub: Hub, text: str) -> None:
    """`Mercure 1.0, Terminology`."""
    assert hub.subscribe([("match", text), ("match_exact", text)]).status == 200


@pytest.mark.parametrize(
    "pattern",
    [
        "https://example.com/(",
        "https://example.com/{",
        "/:",
        "https://example.com/([)",
        "/(?<a>x)(",
        "/a**{b",
    ],
)
def test_a_pattern_that_does_not_compile_is_refused(hub: Hub, topic: str, pattern: str) -> None:
    """`Mercure 1.0, URL Pattern`."""
    assert hub.subscribe([("match_urlpattern", pattern)]).status == 400
    assert hub.subscribe([("match", topic), ("match_urlpattern", pattern)]).status == 400
    assert hub.subscribe([("match", pattern)]).status == 200


def test_the_refusal_of_a_pattern_tells_nothing_of_the_machinery(hub: Hub) -> None:
    """`Mercure 1.0, Security Considerations`."""
    answer = hub.subscribe([("match_urlpattern", "https://example.com/(")])
    text = answer.text.lower()
    assert not any(word in text for word in ("traceback", 'file "', "line ", "regex", "parser", "token"))


@pytest.mark.should
def test_a_hundred_matchers_are_taken_and_more_refused(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Subscription`: 100 where nothing else is set."""
    matchers = [("match", f"/{number}") for number in range(101)]
    assert hub.subscribe(matchers[:100]).status == 200
    assert hub.subscribe(matchers).status == 400


@pytest.mark.should
def test_a_matcher_of_4096_characters_is_taken_and_a_longer_one_refused(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Subscription`: 4096 where nothing else is set."""
    assert hub.subscribe([("match", f"{topic}/".ljust(4096, "x"))]).status == 200
    assert hub.subscribe([("match", f"{topic}/".ljust(4097, "x"))]).status == 400


@pytest.mark.should
def test_a_pattern_of_some_length_is_taken_and_a_long_one_refused(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, URL-Pattern Denial of Service`: a hub may allow patterns less than plain texts."""
    assert hub.subscribe([("match_urlpattern", f"{topic}/:id/".ljust(1000, "x"))]).status == 200
    assert hub.subscribe([("match_urlpattern", f"{topic}/:id/".ljust(4097, "x"))]).status == 400


# The method QUERY


@pytest.mark.needs("query_method")
def test_query_subscribes_with_a_body(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Open
) -> None:
    """`Mercure 1.0, Subscription`."""
    body = encoded([("match", topic)]).encode()
    stream = open_stream(method="QUERY", headers=FORM_HEADER, body=body)
    id = publish(topic)
    assert stream.next().id == id


@pytest.mark.needs("query_method")
def test_the_body_of_query_and_its_url_are_united(
    hub: Hub, topic: str, other_topic: str, publish: Callable[..., str], open_stream: Open
) -> None:
    """`Mercure 1.0, Subscription`."""
    body = encoded([("match_urlpattern", f"{topic}/:id")]).encode()
    stream = open_stream(other_topic, method="QUERY", headers=FORM_HEADER, body=body)
    ids = [publish(f"{topic}/1"), publish(other_topic)]
    assert [stream.next().id, stream.next().id] == ids


@pytest.mark.needs("query_method")
def test_query_may_have_no_body(hub: Hub, topic: str, publish: Callable[..., str], open_stream: Open) -> None:
    """`Mercure 1.0, Subscription`."""
    stream = open_stream(topic, method="QUERY", headers=FORM_HEADER, body=b"")
    id = publish(topic)
    assert stream.next().id == id


@pytest.mark.needs("query_method")
@pytest.mark.parametrize("body", ["", "foo=bar", "match_foo=x", "Match=x", "match=%00", "match=%FF"])
def test_the_body_of_query_obeys_the_same_rules(hub: Hub, topic: str, body: str) -> None:
    """`Mercure 1.0, Subscription`."""
    assert hub.subscribe("", method="QUERY", headers=FORM_HEADER, body=body.encode()).status == 400


@pytest.mark.needs("query_method", "history")
def test_a_cursor_in_the_body_of_query_counts_least(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Open
) -> None:
    """`Mercure 1.0, Subscription`: the URL goes before the body, the header before both."""
    ids = [publish(topic) for _ in range(4)]
    query = {"method": "QUERY", "body": encoded([("match", topic), hub.cursor(ids[0])]).encode()}
    stream = open_stream(headers=FORM_HEADER, **query)
    assert [stream.next().id for _ in range(3)] == ids[1:]
    stream = open_stream(query=[hub.cursor(ids[1])], headers=FORM_HEADER, **query)
    assert [stream.next().id for _ in range(2)] == ids[2:]
    header = ("Last-Event-ID", ids[2])
    stream = open_stream(query=[hub.cursor(ids[1])], headers=[*FORM_HEADER, header], **query)
    assert stream.next().id == ids[3]


@pytest.mark.needs("query_method")
def test_query_takes_a_token_like_get(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Open
) -> None:
    """`Mercure 1.0, Authorization`."""
    body = encoded([("match", topic)]).encode()
    options = {"method": "QUERY", "headers": FORM_HEADER, "body": body}
    assert hub.subscribe("", token="rubbish." * 10, **options).status == 401
    stream = open_stream(token=hub.subscriber_token(topic), **options)
    id = publish(topic, private="on")
    assert stream.next().id == id


@pytest.mark.needs("query_method")
@pytest.mark.choice("the reference hub does not look at the type")
def test_a_body_of_query_that_is_no_form_is_415(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Subscription`."""
    for type in ("application/json", "text/plain"):
        answer = hub.subscribe("", method="QUERY", headers=[("Content-Type", type)], body=b"match=x")
        assert answer.status == 415


@pytest.mark.should
@pytest.mark.needs("query_method")
def test_a_body_of_query_above_the_limit_is_refused(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Subscription`: above 1 MiB where nothing else is set."""
    body = encoded([("foo", "x" * 1_100_000), ("match", topic)]).encode()
    assert hub.subscribe("", method="QUERY", headers=FORM_HEADER, body=body).status == 413


@pytest.mark.needs("query_method", "cors")
def test_a_page_may_use_query(hub: Hub) -> None:
    """`Mercure 1.0, Subscription`; `Fetch, CORS-preflight request`."""
    asked = [("Access-Control-Request-Method", "QUERY"), ("Origin", hub.cors_origin)]
    answer = hub.request("OPTIONS", headers=asked)
    assert answer.status in (200, 204)
    assert "QUERY" in answer.headers["Access-Control-Allow-Methods"]


# Coming back


@pytest.mark.needs("history")
def test_the_answer_to_an_unknown_id_is_earliest(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Open
) -> None:
    """`Mercure 1.0, Reconnection, State Reconciliation, and Event Sourcing`."""
    publish(topic)
    for options in ({"headers": [("Last-Event-ID", f"{topic}#x")]}, {"query": [hub.cursor(f"{topic}#x")]}):
        assert open_stream(topic, **options).headers["Mercure-Last-Event-ID"] == "earliest"


@pytest.mark.needs("history")
def test_an_empty_cursor_is_one_that_is_unknown(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Open
) -> None:
    """`Mercure 1.0, Reconnection, State Reconciliation, and Event Sourcing`: its presence asks for the answer."""
    publish(topic)
    stream = open_stream(topic, query=[hub.cursor("")])
    assert stream.headers["Mercure-Last-Event-ID"] == "earliest"


@pytest.mark.needs("history")
@pytest.mark.choice("the specification does not say what an empty header is")
def test_an_empty_header_leaves_it_to_the_parameter(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Open
) -> None:
    """`Mercure 1.0, Reconnection, State Reconciliation, and Event Sourcing`."""
    ids = [publish(topic), publish(topic)]
    stream = open_stream(topic, query=[hub.cursor(ids[0])], headers=[("Last-Event-ID", "")])
    assert stream.next().id == ids[1]


def test_the_cursor_of_0_x_is_not_read(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Open
) -> None:
    """`Mercure 1.0, Reconnection, State Reconciliation, and Event Sourcing`."""
    before = publish(topic)
    publish(topic)
    stream = open_stream(topic, query=[("lastEventID", before), ("Last-Event-ID", before)])
    assert "Mercure-Last-Event-ID" not in stream.headers
    assert stream.until(publish(topic)) == []


def test_the_answer_does_not_use_the_name_of_0_x(hub: Hub, topic: str, open_stream: Open) -> None:
    """`Mercure 1.0, Reconnection, State Reconciliation, and Event Sourcing`."""
    assert "Last-Event-ID" not in open_stream(topic, query=[hub.cursor("earliest")]).headers
