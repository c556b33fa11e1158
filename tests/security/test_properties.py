"""What holds for whatever is sent: updates arrive as they are, selectors and rights stay what they are."""

from __future__ import annotations

import gc
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from httpx_sse import EventSource
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sseclient import SSEClient

from flask_mercure_sse.protocol import uri_template
from flask_mercure_sse.protocol.errors import InvalidRequest
from flask_mercure_sse.protocol.selectors import Selector
from flask_mercure_sse.protocol.v0 import Mercure0
from flask_mercure_sse.protocol.v1 import Mercure1
from tests.conformance.versions import AUTHORIZATION_DETAIL
from tests.protocol.strategies import any_text, clean_texts, event_ids, texts_with_line_breaks

from .target import API, SPOKEN, URL, Target

VERSIONS = pytest.mark.parametrize("spoken", SPOKEN, ids="-".join)

# Updates

loose = clean_texts | any_text | texts_with_line_breaks
forms = st.fixed_dictionaries(
    {"topic": clean_texts | loose},
    optional={
        "data": loose,
        "id": event_ids | loose,
        "type": loose,
        "retry": st.integers(0, 2**65).map(str) | loose,
        "private": loose,
    },
)

Event = tuple[str, str, int | None, str]


def by_sseclient(stream: bytes) -> list[Event]:
    events = SSEClient(iter([stream])).events()
    return [(one.event, one.id, one.retry and int(one.retry), one.data) for one in events]


def by_httpx_sse(stream: bytes) -> list[Event]:
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=stream)
    return [(one.event, one.id, one.retry, one.data) for one in EventSource(response).iter_sse()]


@VERSIONS
@settings(max_examples=40, deadline=None)
@given(form=forms)
@example(form={"topic": "/a", "data": "\r\r\n\n\ufeff", "id": " \u2028", "type": ":", "retry": "007"})
@example(form={"topic": "/a", "data": "\0", "id": "id", "type": "data"})
@example(form={"topic": "/a", "id": "", "type": "", "retry": ""})
def test_any_update_that_is_accepted_is_read_as_it_was_sent(
    spoken: tuple[str, str], form: dict[str, str]
) -> None:
    """Mercure 1.0, Publication; HTML, Parsing an event stream: by clients that others wrote."""
    target = Target(*spoken)
    reader = target.follow("*", token=target.subscriber_token("*"))
    reader.bytes()  # what it is told of itself
    answer = target.post(form)
    assert answer.status_code in (200, 400, 403)
    sent: list[Event] = []
    if answer.status_code == 200:
        data = re.sub("\r\n|\r", "\n", form.get("data", ""))
        retry = int(form.get("retry") or 0) or None
        sent = [(form.get("type") or "message", form.get("id") or answer.text, retry, data)]
        assert answer.text == sent[0][1]
    stream = reader.bytes()
    assert (by_sseclient(stream), by_httpx_sse(stream)) == (sent, sent)
    target.close()


# Selectors

PIECES = [
    *(
        "{a}",
        "{+a}",
        "{#a}",
        "{.a,b}",
        "{/a*}",
        "{;a}",
        "{?a,b}",
        "{&a}",
        "{",
        "}",
        ":a",
        ":b*",
        "*",
        "(a|b)",
        "(.*)",
    ),
    *(
        "[",
        "]",
        "(",
        ")",
        "{a}?",
        "+",
        "?",
        "#",
        "\\",
        "/",
        "//",
        "..",
        ".",
        "%41",
        "%2f",
        "%",
        "a",
        "b",
        "aa",
        "A",
    ),
    *(
        "https://",
        "http:",
        "hub.example",
        "books",
        "é",
        " ",
        ":",
        "@",
        "&",
        "=",
        ",",
        "~",
        "é",
        "|",
        "^",
        "1",
    ),
]
pieces = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)
plain = st.lists(
    st.sampled_from([piece for piece in PIECES if not set(piece) & set("{}()*[]")]), min_size=1, max_size=6
).map("".join)
topics_of = st.lists(
    pieces | plain | st.text("ab/.,%41?&=;#:@", max_size=12), min_size=1, max_size=6, unique=True
)

RULES = {"topic": Mercure0(), "match": Mercure1(URL), "match_urlpattern": Mercure1(URL)}


def selector_of(parameter: str, text: str) -> Selector | None:
    """Return a selector that a client may ask for."""
    try:
        return RULES[parameter].subscribe_request([(parameter, text)], None).selectors[0]
    except InvalidRequest:
        return None


def flood(parameter: str) -> None:
    """Fill what remembers selectors with others."""
    for number in range(150):
        selector_of(parameter, f"/{number}/:a{{a}}")
    gc.collect(1)  # of what was just made; all that tests have loaded would take long


@pytest.mark.parametrize("parameter", RULES)
@settings(max_examples=20, deadline=None)
@given(text=pieces, topics=topics_of)
@example(text="{a}b{a}b{a}", topics=["ab" * 50, "ba" * 50, "b" * 99])
@example(text="{+a}.{+a}/{.a*}", topics=["a./" * 40, "..", "a." * 60])
def test_a_selector_that_matched_a_topic_once_matches_it_always(
    parameter: str, text: str, topics: list[str]
) -> None:
    """Mercure 1.0, Matcher Types: whatever was matched and compiled meanwhile, in any thread."""
    selector = selector_of(parameter, text)
    if selector is None:
        return
    first = [selector.matches(topic) for topic in topics]
    for number in range(30):
        selector.matches(f"https://hub.example/{number:b}/{number}")
    flood(parameter)
    assert [selector.matches(topic) for topic in topics] == first
    again = selector_of(parameter, text)
    assert again is not None
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(again.matches, topics * 4)) == first * 4


def test_a_template_that_forgets_its_states_still_matches_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mercure 0.x, Topic Selectors: in several threads at once."""
    texts = ["{a}b{a}b{a}", "{+a}.{+a}/{.a*}", "/a{/b}{?c,d}", "{a}%41{b}", "{a}" * 10 + "x"]
    topics = [
        "ab" * 20,
        "ba" * 20,
        "a./" * 9,
        "..",
        "/a/b?c=1&d=2",
        "/a?x=1",
        "A%41B",
        "%41%41",
        "x",
        "aaax",
        "",
    ]
    remembering = [[selector_of("topic", text).matches(topic) for topic in topics] for text in texts]  # type: ignore[union-attr]
    monkeypatch.setattr(uri_template, "MAX_REMEMBERED", 3)
    with ThreadPoolExecutor(8) as threads:
        for text, expected in zip(texts, remembering, strict=True):
            selector = selector_of("topic", text)
            assert selector is not None
            assert list(threads.map(selector.matches, topics * 50)) == expected * 50


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(st.tuples(st.sampled_from(list(RULES)), pieces | plain), min_size=1, max_size=6),
    topics=topics_of,
)
def test_what_comes_live_is_what_is_replayed_and_what_each_selector_matches(
    texts: list[tuple[str, str]], topics: list[str]
) -> None:
    """Mercure 1.0, Matcher Types: however the hub finds those who follow a topic."""
    hub = Target("both", "1.0", subscriptions=False)
    selectors = [
        (parameter, selector) for parameter, text in texts if (selector := selector_of(parameter, text))
    ]
    live = [hub.read(urlencode([(parameter, selector.text)])) for parameter, selector in selectors]
    published = [topic for topic in topics if hub.post({"topic": topic, "data": topic}).status_code == 200]
    # In between somebody leaves, and others who asked for the same stay.
    hub.read(
        urlencode([(parameter, selector.text) for parameter, selector in selectors[:1]] or [("match", "x")])
    ).close()
    published += [topic for topic in topics if hub.post({"topic": topic, "data": topic}).status_code == 200]
    for (parameter, selector), reader in zip(selectors, live, strict=True):
        cursor = "lastEventID" if parameter == "topic" else "last_event_id"
        later = hub.read(urlencode([(parameter, selector.text), (cursor, "earliest")]))
        expected = [topic for topic in published if selector.matches(topic)]
        assert (reader.data, later.data) == (expected, expected)
    hub.close()


# Rights

PROBES = ["/a", "/b", "https://example.com/a", "/c/d"]
good_0 = st.sampled_from(["/a", "/b", "/c/{x}", "https://example.com/{x}"])
bad_0 = st.sampled_from(
    [None, True, 0, [], {}, ["*"], {"*": "*"}, [["*"]], {"match": "*"}, "", "{", "{+", "*/", "**", " *"]
)
good_1 = st.sampled_from(
    [{"match": "/a"}, {"match": "/b", "match_type": "exact"}, {"match": "/c/:x", "match_type": "urlpattern"}]
)
bad_1 = st.sampled_from(
    [
        *(
            None,
            True,
            0,
            [],
            {},
            "*",
            ["*"],
            {"match": None},
            {"match": ["*"]},
            {"match": ""},
            {"match": "**"},
        ),
        *({"match": "*", "match_type": wrong} for wrong in (None, [], {}, 0, "EXACT", "template", "")),
        *({"match": wrong, "match_type": "urlpattern"} for wrong in ("(", "(?=a)", "{", "/:")),
        *({"Match": "*"}, {"match ": "*"}, {"topic": "*"}),
    ]
)


def claims_of(version: str, entries: list[Any]) -> dict[str, Any]:
    if version == "0.x":
        return {"mercure": {"publish": entries}}
    details = [{"type": AUTHORIZATION_DETAIL, "actions": ["publish"], "topics": [entry]} for entry in entries]
    return {"authorization_details": details}


@VERSIONS
@settings(max_examples=25, deadline=None)
@given(choose=st.data())
def test_malformed_entries_never_add_a_right(spoken: tuple[str, str], choose: st.DataObject) -> None:
    """Mercure 1.0, Authorization Details; Mercure 0.x, Authorization."""
    target = Target(*spoken)
    good, bad = (good_0, bad_0) if spoken[1] == "0.x" else (good_1, bad_1)
    granted = choose.draw(st.lists(good, max_size=2))
    mixed = list(granted)
    for entry in choose.draw(st.lists(bad, min_size=1, max_size=2)):
        mixed.insert(choose.draw(st.integers(0, len(mixed))), entry)

    def published(entries: list[Any]) -> set[str]:
        token = target.sign({**target.claims(), **claims_of(spoken[1], entries)}, "publisher")
        return {topic for topic in PROBES if target.post({"topic": topic}, token=token).status_code == 200}

    assert published(mixed) <= published(granted)


# Subscriptions


@VERSIONS
@settings(max_examples=30, deadline=None)
@given(selector=clean_texts | st.text("/%?#+ ;&=.~*", min_size=1, max_size=8) | pieces)
@example(selector="/a/")
@example(selector="/a//b")
@example(selector="a%2Fb")
@example(selector="a+b c")
@example(selector="..")
@example(selector=".")
@example(selector="é?x#y")
@example(selector="/")
@example(selector="x/urn:uuid:1")
@example(selector="\u3000\ufffe")
def test_the_url_of_a_subscription_leads_to_it(spoken: tuple[str, str], selector: str) -> None:
    """Mercure 1.0, Subscription Events: percent-encoded exactly once, whatever is followed."""
    target = Target(*spoken)
    member = target.version.topic_parameter if spoken[1] == "0.x" else "match"
    target.follow(selector)
    token = target.subscriber_token("*")
    [listed] = target.ask(API, token=token).get_json(force=True)["subscriptions"]
    assert listed[member] == selector
    path = target.version.subscriptions_path(API, selector)
    assert listed["id"].rpartition("/")[0] == path == f"{path.rpartition('/')[0]}/{quote(selector, safe='')}"
    [of_selector] = target.ask(path, token=token).get_json(force=True)["subscriptions"]
    single = target.ask(listed["id"], token=token).get_json(force=True)
    assert of_selector == listed
    assert single["id"] == listed["id"]
    target.close()
