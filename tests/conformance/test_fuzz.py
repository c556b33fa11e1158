"""Nothing that a stranger sends is an error of the hub's own (`Mercure, Security Considerations`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from . import tokens
from .client import FORM, Stream
from .hub import Hub, bearer

bounded = settings(
    max_examples=60,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

NAMES = [
    "topic",
    "data",
    "private",
    "id",
    "type",
    "retry",
    "match",
    "match_exact",
    "match_urlpattern",
    "match_x",
]
NAMES += ["last_event_id", "lastEventID", "authorization", "access_token", ""]

PIECES = [
    "{",
    "}",
    "{x}",
    "{+x*}",
    ":id",
    "*",
    "(",
    ")",
    "[",
    "]",
    "?",
    "+",
    "\\",
    "/",
    "..",
    "%",
    "%2",
    "%zz",
    "//",
]
PIECES += [
    "http://",
    "https://example.com",
    "urn:",
    "@",
    "#",
    "é",
    "\u2028",
    "\0",
    "\n",
    "😀",
    "a",
    "1",
    "-",
    "^",
    "$",
    "|",
]

patterns = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
raw = st.binary(max_size=40)
values = st.one_of(
    patterns.map(lambda text: quote(text, safe="")), raw.map(lambda text: quote(text, safe=""))
)
forms = st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=5).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
)
targets = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=60)
headers = st.binary(max_size=60).map(
    lambda text: bytes(byte for byte in text if byte >= 0x20 and byte != 0x7F)
)
documents = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), patterns),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(patterns, inner, max_size=4)),
    max_leaves=12,
)


@pytest.fixture(autouse=True)
def _hub_works_afterwards(
    topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> object:
    yield
    stream = open_stream(topic)
    assert publish(topic) == stream.next().id


@bounded
@given(
    body=st.one_of(
        st.binary(max_size=200), forms.map(str.encode), forms.map(lambda text: f"topic=x&{text}".encode())
    )
)
def test_any_bytes_as_an_update(hub: Hub, body: bytes) -> None:
    """`Mercure, Publication`."""
    headers = [("Content-Type", FORM), *bearer(hub.publisher_token())]
    assert hub.request("POST", headers=headers, body=body).status < 500


@bounded
@given(type=headers, body=st.binary(max_size=40))
def test_any_type_of_body(hub: Hub, type: bytes, body: bytes) -> None:
    """`Mercure, Publication`."""
    headers = [("Content-Type", type), *bearer(hub.publisher_token())]
    assert hub.request("POST", headers=headers, body=body).status < 500


@bounded
@given(query=st.one_of(targets, forms))
def test_any_query_as_a_subscription(hub: Hub, query: str) -> None:
    """`Mercure, Subscription`."""
    assert hub.subscribe(query).status < 500


@bounded
@given(body=st.one_of(st.binary(max_size=200), forms.map(str.encode)))
def test_any_bytes_as_the_body_of_a_subscription(hub: Hub, body: bytes) -> None:
    """`Mercure, Subscription`."""
    assert hub.subscribe("", method="QUERY", headers=[("Content-Type", FORM)], body=body).status < 500


@bounded
@given(name=patterns, text=patterns)
def test_any_matcher_and_any_topic(hub: Hub, name: str, text: str) -> None:
    """`Mercure, Matcher Types` and `Topic Selectors`: open while a topic comes that may not be a URL."""
    parameters = ["topic"] if hub.protocol == "0.x" else ["match", "match_urlpattern"]
    stream = hub.stream([(parameter, name) for parameter in parameters])
    try:
        assert stream.status < 500
        assert hub.post([("topic", text)]).status < 500
    finally:
        stream.close()


@bounded
@given(header=st.one_of(headers, headers.map(lambda text: b"Bearer " + text)))
def test_any_authorization_header(hub: Hub, topic: str, header: bytes) -> None:
    """`Mercure, Authorization HTTP Header`."""
    assert hub.subscribe(hub.exactly(topic), headers=[("Authorization", header)]).status in (200, 400, 401)
    answer = hub.post_as([("Authorization", header)], [("topic", topic)])
    assert answer.status in (400, 401)


@bounded
@given(cookie=headers)
def test_any_cookie(hub: Hub, topic: str, cookie: bytes) -> None:
    """`Mercure, Cookie`."""
    for value in (cookie, hub.cookie_name.encode() + b"=" + cookie):
        assert hub.subscribe(hub.exactly(topic), headers=[("Cookie", value)]).status in (200, 400, 401)


@bounded
@given(header=headers)
def test_any_last_event_id(hub: Hub, topic: str, header: bytes) -> None:
    """`Mercure, Reconnection, State Reconciliation, and Event Sourcing`."""
    assert hub.subscribe(hub.exactly(topic), headers=[("Last-Event-ID", header)]).status in (200, 400)


@bounded
@given(origin=headers, referer=headers)
def test_any_origin(hub: Hub, topic: str, origin: bytes, referer: bytes) -> None:
    """`Mercure, Security Considerations`."""
    cookie = ("Cookie", f"{hub.cookie_name}={hub.publisher_token()}")
    for headers in ([("Origin", origin)], [("Referer", referer)], [("Referer", b"https://" + referer)]):
        assert 400 <= hub.post_as([cookie, *headers], [("topic", topic)]).status < 500


@pytest.mark.needs("subscriptions")
@bounded
@given(path=targets)
def test_any_path_of_the_api(hub: Hub, path: str) -> None:
    """`Mercure, Subscription API`."""
    assert hub.ask(f"{hub.api}/{path}", token=hub.subscriber_token("*")).status < 500


@bounded
@given(claim=documents, whole=documents)
def test_any_claims_that_an_issuer_signs(hub: Hub, topic: str, claim: object, whole: object) -> None:
    """`Mercure, Authorization`: a token may be good and its content rubbish."""
    name = "mercure" if hub.protocol == "0.x" else "authorization_details"
    for claims in ({**hub.claims(), name: claim}, {**hub.claims(), name: [claim]}, whole):
        token = _signed(hub, claims)
        assert hub.post([("topic", topic)], token=token).status in (400, 401, 403)


def _signed(hub: Hub, claims: object) -> str:
    if hub.algorithm.startswith("HS"):
        return hub.sign_anything(json.dumps(claims), hub.publisher_key)
    return hub.sign_anything(claims if isinstance(claims, dict) else {"whole": claims}, hub.publisher_key)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 2500 + "]" * 2500,
        '{"a":' * 1000 + "1" + "}" * 1000,
        "1e999",
        "-Infinity",
        "NaN",
        "9" * 5000,
        '"\\ud800"',
        "{",
    ],
    ids=[
        "deep arrays",
        "deep objects",
        "an infinity",
        "minus infinity",
        "NaN",
        "digits",
        "a surrogate",
        "half",
    ],
)
def test_claims_that_parsers_choke_on(hub: Hub, topic: str, text: str) -> None:
    """`Mercure, Authorization`."""
    if not hub.algorithm.startswith("HS"):
        return
    names = ("mercure", "authorization_details", "exp", "payload", "sub")
    for claims in (text, *(json.dumps({**hub.claims(), name: "?"}).replace('"?"', text) for name in names)):
        token = hub.sign_anything(claims, hub.publisher_key)
        assert hub.post([("topic", topic)], token=token).status in (400, 401, 403, 431)


def test_a_header_of_a_token_that_parsers_choke_on(hub: Hub, topic: str) -> None:
    """`Mercure, Authorization`."""
    for deep in (
        "[" * 2500,
        '{"alg":' * 800,
        '{"alg":"HS256","alg":"none"}',
        '{"alg":1e999}',
        "null",
        "[]",
        '"x"',
    ):
        part = tokens.encoded_part(deep)
        answer = hub.post([("topic", topic)], token=f"{part}.{part}.{part}")
        assert answer.status in (400, 401, 431)
