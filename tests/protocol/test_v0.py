"""Mercure 0.x: what a subscribe request asks for, and what a publish request publishes."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given, settings

from flask_mercure_sse.protocol.errors import ContentTooLarge, Forbidden, InvalidRequest, InvalidUpdate
from flask_mercure_sse.protocol.forms import Fields, parse_form
from flask_mercure_sse.protocol.limits import MAX_SELECTOR_LENGTH, MAX_TOPIC_LENGTH, Limits
from flask_mercure_sse.protocol.publishing import write_update
from flask_mercure_sse.protocol.reserved import is_reserved
from flask_mercure_sse.protocol.update import MAX_RETRY, Update
from flask_mercure_sse.protocol.v0 import MAX_SELECTORS, MERCURE_0, Mercure0
from flask_mercure_sse.protocol.version import HUB_PATH

from .strategies import clean_texts, updates

BOOK: Fields = [("topic", "/books/1")]


def asked(query: Fields) -> list[str]:
    return [selector.text for selector in MERCURE_0.subscribe_request(query, None).selectors]


def published(*fields: tuple[str, str]) -> Update:
    return MERCURE_0.update([*BOOK, *fields])


# Subscribing


def test_each_topic_parameter_is_a_selector() -> None:
    """Mercure 0.x, Subscription."""
    assert asked([("topic", "/books/{id}"), ("topic", "*"), ("topic", "/a")]) == ["/books/{id}", "*", "/a"]


def test_the_same_topic_twice_is_one_selector() -> None:
    """Mercure 0.x, Subscription."""
    assert asked([("topic", "/b"), ("topic", "/a"), ("topic", "/b")]) == ["/b", "/a"]


@pytest.mark.parametrize("query", [[], [("Topic", "/a")], [("topics", "/a")], [("lastEventID", "7")]])
def test_subscribing_to_nothing_is_refused(query: Fields) -> None:
    """Mercure 0.x, Subscription."""
    with pytest.raises(InvalidRequest, match='"topic" is missing'):
        asked(query)


def test_parameters_of_other_versions_are_ignored() -> None:
    """Mercure 0.x, Subscription."""
    assert asked([("match", "/b"), ("topic", "/a"), ("unknown", "x")]) == ["/a"]


def test_selectors_have_a_largest_number() -> None:
    """Mercure 0.x, Subscription."""
    most = [("topic", f"/{number}") for number in range(MAX_SELECTORS)]
    assert len(asked(most)) == MAX_SELECTORS
    with pytest.raises(InvalidRequest, match=str(MAX_SELECTORS)):
        asked([*most, ("topic", "/more")])
    few = Mercure0(Limits(selectors=1))
    with pytest.raises(InvalidRequest, match="1"):
        few.subscribe_request([("topic", "/a"), ("topic", "/b")], None)


def test_selectors_have_a_greatest_length() -> None:
    """Mercure 0.x, Subscription."""
    assert len(asked([("topic", "x" * MAX_SELECTOR_LENGTH)])) == 1
    with pytest.raises(InvalidRequest, match=str(MAX_SELECTOR_LENGTH)):
        asked([("topic", "x" * (MAX_SELECTOR_LENGTH + 1))])


@pytest.mark.parametrize("topic", ["a\nb", "a\0", "\x7f", "\x85", "zero\u200bwidth", "\ufeff", "\udc80"])
def test_selector_is_clean_text(topic: str) -> None:
    """Mercure 1.0, Matcher Types."""
    with pytest.raises(InvalidRequest):
        asked([("topic", "/a"), ("topic", topic)])


@pytest.mark.parametrize(
    ("header", "parameters", "last_event_id"),
    [
        (None, [], None),
        ("1", [], "1"),
        (None, ["2"], "2"),
        ("1", ["2"], "1"),
        ("", ["2"], "2"),
        ("1", [""], "1"),
        ("", [], None),
        (None, [""], None),
        ("", [""], None),
        (None, ["2", "3"], "2"),
        (None, ["earliest"], "earliest"),
        (None, ["#7"], "#7"),
    ],
)
def test_cursor_is_the_header_before_the_parameter(
    header: str | None, parameters: list[str], last_event_id: str | None
) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing: empty counts as absent."""
    query = [*BOOK, *[("lastEventID", value) for value in parameters]]
    assert MERCURE_0.subscribe_request(query, header).last_event_id == last_event_id


@pytest.mark.parametrize("name", ["last_event_id", "Last-Event-ID", "lasteventid"])
def test_cursor_has_no_other_name(name: str) -> None:
    """Mercure 0.x, Reconnection, State Reconciliation and Event Sourcing."""
    assert MERCURE_0.subscribe_request([*BOOK, (name, "7")], None).last_event_id is None


def test_url_that_the_app_makes_asks_for_its_topics() -> None:
    """Mercure 0.x, Subscription and URI Query Parameter."""
    query = MERCURE_0.url_query(["/books/{id}", "*"], token="a.b.c")
    assert query == [("topic", "/books/{id}"), ("topic", "*"), ("authorization", "a.b.c")]
    assert asked(query) == ["/books/{id}", "*"]
    assert MERCURE_0.url_query(["/a"]) == [("topic", "/a")]


# Publishing


def test_fields_of_a_publish_request_make_an_update() -> None:
    """Mercure 0.x, Publication."""
    form = [
        ("topic", "/books/1"),
        ("topic", "/books"),
        ("data", "a\nb"),
        ("private", "on"),
        ("id", "7"),
        ("type", "book"),
        ("retry", "3000"),
    ]
    assert MERCURE_0.update(form) == Update(
        ("/books/1", "/books"), data="a\nb", private=True, id="7", type="book", retry=3000
    )


def test_topic_alone_is_enough() -> None:
    """Mercure 0.x, Publication."""
    update = published()
    assert (update.data, update.private, update.type, update.retry) == ("", False, None, None)
    assert update.id.startswith("urn:uuid:")


@pytest.mark.parametrize("value", ["", "on", "off", "0", "false", "no"])
def test_private_is_private_whatever_its_value(value: str) -> None:
    """Mercure 0.x, Publication: the presence of the field counts."""
    assert published(("private", value)).private


def test_unknown_fields_are_ignored() -> None:
    """Mercure 0.x, Publication."""
    update = published(("Private", "on"), ("Data", "x"), ("event", "x"), ("", ""))
    assert (update.private, update.data, update.type) == (False, "", None)


def test_first_of_a_repeated_single_field_counts() -> None:
    """Mercure 0.x, Publication."""
    update = published(
        *[(name, value) for name in ("data", "id", "type") for value in ("first", "second")],
        *[("retry", value) for value in ("1", "2")],
    )
    assert (update.data, update.id, update.type, update.retry) == ("first", "first", "first", 1)


@pytest.mark.parametrize("name", ["id", "type", "retry"])
def test_empty_field_is_as_good_as_none(name: str) -> None:
    """Mercure 0.x, Publication."""
    update = published((name, ""))
    assert update.id.startswith("urn:uuid:")
    assert (update.type, update.retry) == (None, None)


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ([], "topic"),
        ([("data", "x")], "topic"),
        ([("topic", "")], "topic"),
        ([("topic", "/a\nb")], "topic"),
        ([("topic", "/a"), ("topic", "/zero\u200bwidth")], "topic"),
        ([("topic", "/a"), ("id", "a\nevent: evil")], "id"),
        ([("topic", "/a"), ("id", "#7")], "id"),
        ([("topic", "/a"), ("id", "earliest")], "id"),
        ([("topic", "/a"), ("type", "a\0b")], "type"),
    ],
)
def test_field_that_breaks_a_rule_is_named(fields: Fields, at_fault: str) -> None:
    """Mercure 0.x, Publication."""
    with pytest.raises(InvalidUpdate) as refused:
        MERCURE_0.update(fields)
    assert refused.value.field == at_fault


def test_topics_have_a_largest_number() -> None:
    """Mercure 1.0, Publication."""
    small = Mercure0(Limits(topics=3))
    topics: Fields = [("topic", f"/{number}") for number in range(3)]
    assert len(small.update(topics).topics) == 3
    with pytest.raises(ContentTooLarge, match="3"):
        small.update([*topics, ("topic", "/more")])


def test_topics_have_a_greatest_length() -> None:
    """Mercure 1.0, Publication."""
    assert MERCURE_0.update([("topic", "x" * MAX_TOPIC_LENGTH)])
    with pytest.raises(ContentTooLarge, match=str(MAX_TOPIC_LENGTH)):
        MERCURE_0.update([("topic", "x" * (MAX_TOPIC_LENGTH + 1))])


@pytest.mark.parametrize(
    ("text", "retry"), [("0", 0), ("007", 7), ("3000", 3000), (str(MAX_RETRY), MAX_RETRY)]
)
def test_retry_is_digits(text: str, retry: int) -> None:
    """Mercure 0.x, Publication."""
    assert published(("retry", text)).retry == retry


@pytest.mark.parametrize(
    "text",
    [
        "+1",
        "-1",
        "1.5",
        "1e3",
        " 1",
        "1 ",
        "1_000",
        "0x1",
        "\u0663",
        "\u00b2",
        "1\n",
        "x",
        "9" * 19,
        "9" * 10_000,
    ],
)
def test_retry_that_is_not_digits_is_refused(text: str) -> None:
    """Mercure 0.x, Publication."""
    with pytest.raises(InvalidUpdate) as refused:
        published(("retry", text))
    assert refused.value.field == "retry"
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    "topic",
    [
        HUB_PATH,
        f"{HUB_PATH}/subscriptions/%2Fbooks%2F1/urn%3Auuid%3A1",
        f"https://e.com{HUB_PATH}/subscriptions/a/b",
        "/.well-known/%6Dercure/subscriptions/a/b",
        "mercure",
    ],
)
def test_topic_that_belongs_to_the_hub_is_forbidden(topic: str) -> None:
    """Mercure 1.0, Reserved Hub Namespace: nobody forges subscription events."""
    with pytest.raises(Forbidden):
        MERCURE_0.update([("topic", topic)])
    with pytest.raises(Forbidden):
        published(("topic", topic))


@settings(max_examples=80, deadline=None)
@given(updates(clean_texts.filter(lambda topic: not is_reserved(topic, HUB_PATH))))
def test_form_of_an_update_makes_the_same_update(update: Update) -> None:
    """Mercure 0.x, Publication."""
    encoded = urlencode(write_update(update)).encode()
    assert MERCURE_0.update(parse_form(encoded)) == update
