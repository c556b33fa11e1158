"""Mercure 1.0: what a subscribe request asks for, and what a publish request publishes."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given, settings

from flask_mercure_sse.protocol import v1
from flask_mercure_sse.protocol.errors import (
    ConfigurationError,
    ContentTooLarge,
    InvalidRequest,
    InvalidUpdate,
)
from flask_mercure_sse.protocol.forms import Fields, parse_form
from flask_mercure_sse.protocol.limits import (
    MAX_SELECTOR_LENGTH,
    MAX_TOPIC_LENGTH,
    Limits,
)
from flask_mercure_sse.protocol.publishing import write_update
from flask_mercure_sse.protocol.reserved import is_reserved
from flask_mercure_sse.protocol.selectors import Selector, match_exact, match_urlpattern
from flask_mercure_sse.protocol.update import Update
from flask_mercure_sse.protocol.v1 import MAX_SELECTORS, Mercure1
from flask_mercure_sse.protocol.version import HUB_PATH

from .strategies import clean_texts, updates

URL = "https://hub.example.com/.well-known/mercure"
MERCURE_1 = Mercure1(URL)
BOOK: Fields = [("match", "/books/1")]


def asked(parameters: Fields) -> list[tuple[str, str]]:
    return [selector.key for selector in MERCURE_1.subscribe_request(parameters, None).selectors]


def selector(name: str, text: str) -> Selector:
    [one] = MERCURE_1.subscribe_request([(name, text)], None).selectors
    return one


def published(*fields: tuple[str, str]) -> Update:
    return MERCURE_1.update([("topic", "/books/1"), *fields])


# Subscribing


def test_each_matcher_parameter_is_a_selector_of_its_type() -> None:
    """Mercure 1.0, Subscription."""
    query = [("match_urlpattern", "/c/:id"), ("match", "/a"), ("match_exact", "/b"), ("match", "*")]
    assert asked(query) == [("urlpattern", "/c/:id"), ("exact", "/a"), ("exact", "/b"), ("exact", "*")]


def test_request_tells_its_version() -> None:
    """Mercure 1.0, Subscription."""
    assert MERCURE_1.subscribe_request(BOOK, None).version is MERCURE_1


@pytest.mark.parametrize(
    ("parameters", "matchers"),
    [
        ([("match", "/a"), ("match", "/b"), ("match", "/a")], [("exact", "/a"), ("exact", "/b")]),
        ([("match", "/a"), ("match_exact", "/a")], [("exact", "/a")]),
        ([("match", "/a"), ("match_urlpattern", "/a")], [("exact", "/a"), ("urlpattern", "/a")]),
        ([("match", "*"), ("match_urlpattern", "*")], [("exact", "*"), ("urlpattern", "*")]),
    ],
)
def test_identical_pairs_of_type_and_text_are_one_subscription(
    parameters: Fields, matchers: list[tuple[str, str]]
) -> None:
    """Mercure 1.0, Subscription."""
    assert asked(parameters) == matchers


@pytest.mark.parametrize(
    "name",
    [
        "Match",
        "MATCH",
        "matches",
        "match_",
        "match_foo",
        "match_URLPattern",
        "match_Exact",
        "match_template",
        "matchexact",
        "match-exact",
        "match ",
        "match[]",
    ],
)
def test_every_other_name_that_begins_with_match_is_refused(name: str) -> None:
    """Mercure 1.0, Subscription: a type that is not supported is never skipped."""
    for parameters in ([(name, "/a")], [*BOOK, (name, "/a")], [(name, ""), *BOOK]):
        with pytest.raises(InvalidRequest, match="match_urlpattern"):
            asked(parameters)


def test_refusal_does_not_repeat_a_long_name() -> None:
    """Mercure 1.0, Subscription."""
    with pytest.raises(InvalidRequest) as refused:
        asked([("match" + "x" * 10_000, "/a")])
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("name", ["rematch", " match", "_match", "", "topic", "lastEventID"])
def test_foreign_names_are_ignored(name: str) -> None:
    """Mercure 1.0, Subscription."""
    assert asked([(name, "/b"), *BOOK]) == [("exact", "/books/1")]


@pytest.mark.parametrize("parameters", [[], [("topic", "/a")], [("last_event_id", "7")], [("rematch", "/a")]])
def test_subscribing_to_nothing_is_refused(parameters: Fields) -> None:
    """Mercure 1.0, Subscription."""
    with pytest.raises(InvalidRequest, match=r"match_exact or match_urlpattern.* is missing"):
        asked(parameters)


def test_empty_matcher_is_an_exact_one() -> None:
    """Mercure 1.0, Subscription: a missing value is an empty one, and no error."""
    assert asked(parse_form(b"match=")) == asked(parse_form(b"match")) == [("exact", "")]


def test_parameters_are_read_as_forms() -> None:
    """Mercure 1.0, Subscription: ``&`` alone separates, and a plus sign is a space."""
    assert asked(parse_form(b"match=/a;match=/b&match_exact=c+d")) == [
        ("exact", "/a;match=/b"),
        ("exact", "c d"),
    ]


def test_encoded_name_is_a_name() -> None:
    """Mercure 1.0, Subscription: names are compared decoded."""
    assert asked(parse_form(b"%6Datch=/a")) == [("exact", "/a")]
    with pytest.raises(InvalidRequest):
        asked(parse_form(b"match=/a&%4Datch=/a"))


@pytest.mark.parametrize("name", ["match", "match_exact", "match_urlpattern"])
@pytest.mark.parametrize("text", ["a\nb", "a\0", "\x7f", "\x85", "zero\u200bwidth", "\ufeff", "\udc80"])
def test_matcher_is_clean_text(name: str, text: str) -> None:
    """Mercure 1.0, Subscription."""
    with pytest.raises(InvalidRequest, match=f'"{name}"'):
        asked([*BOOK, (name, text)])


@pytest.mark.parametrize("text", ["/(", "{", "/:", "/(?:x", "https://[/"])
def test_pattern_that_does_not_compile_is_refused(text: str) -> None:
    """Mercure 1.0, URL Pattern."""
    with pytest.raises(InvalidRequest, match='the parameter "match_urlpattern"') as refused:
        asked([*BOOK, ("match_urlpattern", text)])
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("text", ["/(", "{", "/books/{id}", "https://[/"])
def test_exact_matcher_may_look_like_a_broken_pattern(text: str) -> None:
    """Mercure 1.0, Exact Matching."""
    assert selector("match", text).matches(text)


def test_matchers_have_a_largest_number() -> None:
    """Mercure 1.0, Subscription."""
    most = [("match", f"/{number}") for number in range(MAX_SELECTORS)]
    assert len(asked(most)) == MAX_SELECTORS
    with pytest.raises(InvalidRequest, match=str(MAX_SELECTORS)):
        asked([*most, ("match_exact", "/more")])


@pytest.mark.parametrize("limit", [1, MAX_SELECTORS + 1])
def test_number_of_matchers_can_be_set(limit: int) -> None:
    """Mercure 1.0, Subscription."""
    hub = Mercure1(URL, limits=Limits(selectors=limit))
    most = [("match", f"/{number}") for number in range(limit)]
    assert len(hub.subscribe_request(most, None).selectors) == limit
    with pytest.raises(InvalidRequest, match=str(limit)):
        hub.subscribe_request([*most, ("match", "/more")], None)


def test_patterns_cost_only_so_much_together_whatever_is_set() -> None:
    """Mercure 1.0, URL-Pattern Denial of Service: they are compiled while others wait."""
    hub = Mercure1(URL, limits=Limits(selectors=1000))
    many = [("match_urlpattern", f"/{number}/:id") for number in range(100)]
    assert len(hub.subscribe_request([*BOOK, *many], None).selectors) == 101
    with pytest.raises(InvalidRequest, match="too much together"):
        hub.subscribe_request([("match_urlpattern", f"/{number}/:a/:b/:c/*") for number in range(100)], None)


@pytest.mark.parametrize("name", ["match", "match_urlpattern"])
def test_matchers_have_a_greatest_length(name: str) -> None:
    """Mercure 1.0, Subscription."""
    assert asked([("match", "x" * MAX_SELECTOR_LENGTH)])
    with pytest.raises(InvalidRequest, match=str(MAX_SELECTOR_LENGTH)):
        asked([(name, "x" * (MAX_SELECTOR_LENGTH + 1))])


@pytest.mark.parametrize(
    ("header", "parameters", "last_event_id"),
    [
        (None, [], None),
        ("1", [], "1"),
        (None, ["2"], "2"),
        ("1", ["2"], "1"),
        ("1", [""], "1"),
        ("", ["2"], "2"),
        ("", [], ""),
        (None, [""], ""),
        ("", [""], ""),
        (None, ["of the query", "of the body"], "of the query"),
        (None, ["earliest"], "earliest"),
        (None, ["#7"], "#7"),
    ],
)
def test_cursor_is_the_header_before_the_query_before_the_body(
    header: str | None, parameters: list[str], last_event_id: str | None
) -> None:
    """Mercure 1.0, Reconnection, State Reconciliation, and Event Sourcing: empty is present, too."""
    given = [*BOOK, *[("last_event_id", value) for value in parameters]]
    assert MERCURE_1.subscribe_request(given, header).last_event_id == last_event_id


@pytest.mark.parametrize("name", ["lastEventID", "Last-Event-ID", "Last_Event_Id", "last-event-id"])
def test_cursor_has_no_other_name(name: str) -> None:
    """Mercure 1.0, Reconnection, State Reconciliation, and Event Sourcing."""
    assert MERCURE_1.subscribe_request([*BOOK, (name, "7")], None).last_event_id is None


@pytest.mark.parametrize(
    ("name", "is_spoken"),
    [
        ("match", True),
        ("match_exact", True),
        ("match_urlpattern", True),
        ("Matches", True),
        ("last_event_id", True),
        ("topic", False),
        ("lastEventID", False),
        ("authorization", False),
    ],
)
def test_version_knows_its_own_parameters(name: str, is_spoken: bool) -> None:
    """Mercure 1.0, Subscription."""
    assert MERCURE_1.is_spoken_in([("other", ""), (name, "x")]) is is_spoken


# What matchers match


@pytest.mark.parametrize("name", ["match", "match_exact", "match_urlpattern"])
@pytest.mark.parametrize("topic", ["*", "/books/1", "https://example.com/", "urn:x", "no url [", "é"])
def test_star_matches_every_topic_under_any_type(name: str, topic: str) -> None:
    """Mercure 1.0, Matcher Types."""
    assert selector(name, "*").matches(topic)


@pytest.mark.parametrize(
    "topic",
    [
        "/books/1/",
        "/Books/1",
        "/books/%31",
        f"{URL.removesuffix(HUB_PATH)}/books/1",
        "/books/1?",
        " /books/1",
    ],
)
def test_exact_matcher_matches_only_what_is_spelled_like_it(topic: str) -> None:
    """Mercure 1.0, Exact Matching: no base and no normalisation."""
    assert selector("match", "/books/1").matches("/books/1")
    assert not selector("match", "/books/1").matches(topic)


def test_exact_matcher_does_not_compose_characters() -> None:
    """Mercure 1.0, Exact Matching."""
    assert not selector("match", "\u00e9").matches("e\u0301")


@pytest.mark.parametrize(
    ("pattern", "topic", "matches"),
    [
        ("/books/:id", "/books/1", True),
        ("/books/:id", "/books/1/pages", False),
        ("/books/:id", "https://hub.example.com/books/1", True),
        ("https://hub.example.com/books/:id", "/books/1", True),
        ("/books/:id", "https://other.example/books/1", False),
        ("https://example.com/books/:id", "https://EXAMPLE.com/books/1", True),
        ("https://example.com/books/:id", "https://example.com/Books/1", False),
        ("/books/:id", "urn:x:books", False),
        ("/books/:id", "https://[", False),
        ("/books/:id(\\d+)", "/books/12", True),
        ("/books/:id(\\d+)", "/books/ab", False),
    ],
)
def test_pattern_and_topic_are_read_against_the_hubs_url(pattern: str, topic: str, matches: bool) -> None:
    """Mercure 1.0, URL Pattern: what is no URL matches none, and is no error."""
    assert selector("match_urlpattern", pattern).matches(topic) is matches


def test_pattern_does_not_match_what_is_only_spelled_like_it() -> None:
    """Mercure 1.0, URL Pattern."""
    pattern = "https://example.com/:id(\\d+)"
    assert not selector("match_urlpattern", pattern).matches(pattern)


# What an app calls topics


@pytest.mark.parametrize(
    ("topic", "parameter"),
    [
        ("/books/1", ("match", "/books/1")),
        ("*", ("match", "*")),
        ("/books/:id", ("match", "/books/:id")),
        ("/not a {template", ("match", "/not a {template")),
        ("/books/{id}", ("match_urlpattern", "/books/:id")),
        ("https://example.com/books/{id}", ("match_urlpattern", "https://example.com/books/:id")),
        (match_exact("/sets/{1}"), ("match", "/sets/{1}")),
        (match_exact("*"), ("match", "*")),
        (match_urlpattern("/books/:id(\\d+)"), ("match_urlpattern", "/books/:id(\\d+)")),
        (match_urlpattern("*"), ("match_urlpattern", "*")),
    ],
)
def test_topic_of_an_app_is_written_as_a_matcher(topic: str, parameter: tuple[str, str]) -> None:
    """Mercure 1.0, Matcher Types."""
    query = MERCURE_1.url_query([topic])
    assert query == [parameter]
    assert [type(text) for _name, text in query] == [str]


def test_url_that_the_app_makes_asks_for_its_topics() -> None:
    """Mercure 1.0, Subscription."""
    query = MERCURE_1.url_query(["/a", "/books/{id}", match_exact("/{b}")])
    assert asked(parse_form(urlencode(query).encode())) == [
        ("exact", "/a"),
        ("urlpattern", "/books/:id"),
        ("exact", "/{b}"),
    ]


def test_urls_carry_no_token() -> None:
    """Mercure 1.0, Presenting the Access Token."""
    with pytest.raises(ConfigurationError, match="set_authz_cookie"):
        MERCURE_1.url_query(["/a"], token="a.b.c")
    assert MERCURE_1.url_query(["/a"], token=None) == [("match", "/a")]


def test_template_that_no_pattern_can_say_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 1.0, URL Pattern."""

    def cannot(template: str) -> str:
        raise ValueError("cannot be said")

    monkeypatch.setattr(v1, "pattern_of_template", cannot)
    with pytest.raises(ConfigurationError, match=r"'/books/\{id\}' cannot be said"):
        MERCURE_1.url_query(["/a", "/books/{id}"])


# Publishing


def test_fields_of_a_publish_request_make_an_update() -> None:
    """Mercure 1.0, Publication."""
    form = [
        ("topic", "/books/1"),
        ("topic", "/books"),
        ("data", "a\nb"),
        ("private", "off"),
        ("id", "7"),
        ("type", "book"),
        ("retry", "3000"),
        ("unknown", "x"),
    ]
    assert MERCURE_1.update(form) == Update(
        ("/books/1", "/books"), data="a\nb", private=True, id="7", type="book", retry=3000
    )


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ([], "topic"),
        ([("data", "x")], "topic"),
        ([("topic", "")], "topic"),
        ([("topic", "/a\nb")], "topic"),
        ([("topic", "/a"), ("topic", "/zero\u200bwidth")], "topic"),
        ([("topic", "*")], "topic"),
        ([("topic", "/a"), ("topic", "*")], "topic"),
        ([("topic", "/a"), ("id", "a\nevent: evil")], "id"),
        ([("topic", "/a"), ("id", "#7")], "id"),
        ([("topic", "/a"), ("id", "earliest")], "id"),
        ([("topic", "/a"), ("type", "a\0b")], "type"),
        ([("topic", "/a"), ("type", "mercure")], "type"),
        ([("topic", "/a"), ("retry", "+1")], "retry"),
        ([("topic", "/a"), ("retry", "1.5")], "retry"),
        ([("topic", "/a"), ("retry", "\u0663")], "retry"),
    ],
)
def test_field_that_breaks_a_rule_is_named(fields: Fields, at_fault: str) -> None:
    """Mercure 1.0, Publication."""
    with pytest.raises(InvalidUpdate) as refused:
        MERCURE_1.update(fields)
    assert refused.value.field == at_fault


@pytest.mark.parametrize("name", ["Mercure", "mercure2", "message"])
def test_only_the_hubs_own_type_is_taken(name: str) -> None:
    """Mercure 1.0, Publication."""
    assert published(("type", name)).type == name


@pytest.mark.parametrize(
    "topic",
    [
        HUB_PATH,
        f"{HUB_PATH}/subscriptions/exact/a/b",
        f"{HUB_PATH}?x",
        f"{HUB_PATH}#x",
        "?x",
        "#x",
        "mercure",
        "./mercure/x",
        "/.well-known/%6Dercure/x",
        "/x/%2e%2e/.well-known/mercure",
        f"http://other{HUB_PATH}",
        f"foo:{HUB_PATH}",
        "https:mercure",
        "https://e.com\\.well-known\\mercure",
        " mercure ",
    ],
)
def test_topic_that_belongs_to_the_hub_is_refused(topic: str) -> None:
    """Mercure 1.0, Reserved Hub Namespace: nobody forges subscription events."""
    for form in ([("topic", topic)], [("topic", "/a"), ("topic", topic)]):
        with pytest.raises(InvalidUpdate) as refused:
            MERCURE_1.update(form)
        assert refused.value.field == "topic"


@pytest.mark.parametrize(
    "topic",
    [
        f"{HUB_PATH}X",
        f"https://e.com/a{HUB_PATH}",
        "../mercure/x",
        "subscriptions/x",
        "urn:x:mercure",
        "/.well-known%2Fmercure",
        "/.well-known/%256Dercure",
        "http://[",
    ],
)
def test_topic_that_only_resembles_the_hubs_is_taken(topic: str) -> None:
    """Mercure 1.0, Reserved Hub Namespace."""
    assert MERCURE_1.update([("topic", topic)]).topic == topic


@pytest.mark.parametrize(
    ("topic", "is_reserved"),
    [
        ("/push", True),
        ("push/x", True),
        ("https://e.com/push/x", True),
        ("/pushed", False),
        (HUB_PATH, False),
    ],
)
def test_reserved_namespace_follows_the_hubs_path(topic: str, is_reserved: bool) -> None:
    """Mercure 1.0, Hub Discovery and Reserved Hub Namespace."""
    elsewhere = Mercure1("https://hub.example.com/push")
    if is_reserved:
        with pytest.raises(InvalidUpdate):
            elsewhere.update([("topic", topic)])
    else:
        assert elsewhere.update([("topic", topic)])


@pytest.mark.parametrize("update", [Update(("*",)), Update((HUB_PATH,)), Update(("/a",), type="mercure")])
def test_updates_of_the_app_keep_to_the_same_rules(update: Update) -> None:
    """Mercure 1.0, Publication."""
    with pytest.raises(InvalidUpdate):
        MERCURE_1.check(update)
    MERCURE_1.check(Update(("/a", "/b"), type="book"))


def test_topics_have_a_largest_number() -> None:
    """Mercure 1.0, Publication."""
    small = Mercure1(URL, limits=Limits(topics=3))
    topics: Fields = [("topic", f"/{number}") for number in range(3)]
    assert len(small.update(topics).topics) == 3
    with pytest.raises(ContentTooLarge, match="3"):
        small.update([*topics, ("topic", "/more")])


def test_topics_have_a_greatest_length() -> None:
    """Mercure 1.0, Publication."""
    assert MERCURE_1.update([("topic", "x" * MAX_TOPIC_LENGTH)])
    with pytest.raises(ContentTooLarge, match=str(MAX_TOPIC_LENGTH)):
        MERCURE_1.update([("topic", "x" * (MAX_TOPIC_LENGTH + 1))])


@settings(max_examples=80, deadline=None)
@given(updates(clean_texts.filter(lambda topic: topic != "*" and not is_reserved(topic, HUB_PATH))))
def test_form_of_an_update_makes_the_same_update(update: Update) -> None:
    """Mercure 1.0, Publication."""
    encoded = urlencode(write_update(update)).encode()
    assert MERCURE_1.update(parse_form(encoded)) == update
