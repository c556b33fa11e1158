"""Characters that end lines, hide or break text: they make no new field, header or log line."""

from __future__ import annotations

import logging
import re
from urllib.parse import quote, quote_from_bytes, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.http import unquote_etag
from werkzeug.test import TestResponse

from flask_mercure_sse.protocol.sse import COMMENT
from tests.protocol.strategies import event_ids

from .conftest import IN_1
from .target import API, FORM, HUB, METADATA, PAGE, SPOKEN, Target

UNCLEAN = {
    "line feed": "\n",
    "carriage return": "\r",
    "both": "\r\n",
    "null": "\0",
    "tab": "\t",
    "vertical tab": "\v",
    "form feed": "\f",
    "escape": "\x1b[31m",
    "delete": "\x7f",
    "next line": "\x85",
    "control sequence introducer": "\x9b31m",
    "soft hyphen": "\xad",
    "zero-width space": "\u200b",
    "zero-width joiner": "\u200d",
    "right-to-left override": "\u202e",
    "isolate": "\u2066",
    "word joiner": "\u2060",
    "byte order mark": "\ufeff",
    "interlinear annotation": "\ufff9",
    "tag": "\U000e0041",
}
NOT_UTF_8 = {
    "a lone byte": b"\xff",
    "half a character": b"\xc3",
    "a lone surrogate": b"\xed\xa0\x80",
    "two surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
    "a line feed written too long": b"\xc0\x8a",
    "a null written too long": b"\xe0\x80\x80",
    "beyond Unicode": b"\xf4\x90\x80\x80",
}
CLEAN = "\u2028\u2029\u3000\xa0\ufffd\ufffe\u0300\"'\\<>;,%&=+#\U0001f388"
"""What looks dangerous and is allowed."""

spelled = {name: quote(text) for name, text in UNCLEAN.items()} | {
    name: quote_from_bytes(text) for name, text in NOT_UTF_8.items()
}
"""Each as a form has it."""


def post_form(target: Target, form: str) -> TestResponse:
    return target.request("POST", HUB, token=target.publisher_token(), data=form, content_type=FORM)


# Publishing


@pytest.mark.parametrize(
    "form", ["topic={}", "topic=/a{}", "topic=/a&topic={}/b", "topic=/a&id=x{}y", "topic=/a&type={}x"]
)
def test_an_update_with_an_unclean_name_is_refused(target: Target, form: str) -> None:
    """Mercure 1.0, Publication: and nothing of it is sent or kept."""
    reader = target.follow("*", token=target.subscriber_token("*"))
    reader.bytes()  # what it is told of itself
    answers = {name: post_form(target, form.format(text)).status_code for name, text in spelled.items()}
    assert answers == dict.fromkeys(spelled, 400)
    assert reader.bytes() == b""


NO_NUMBERS = [
    *("1\n2", "1\r", "\n1", "1\0", " 1", "1 ", "+1", "-1", "1.5", "1e3", "0x1", "1_0", "null", "\ufeff1"),
    *("١", "１", "²", "9" * 20, "9" * 5000, "9223372036854775808", "1\u2028data: x", ""),
]


@pytest.mark.parametrize("retry", NO_NUMBERS, ids=lambda retry: repr(retry)[:20])
def test_a_retry_that_is_no_number_is_never_sent(target: Target, retry: str) -> None:
    """Mercure 1.0, Publication: an empty one is none."""
    reader = target.follow("/a")
    answer = post_form(target, f"topic=/a&id=x&data=y&retry={quote(retry)}")
    assert answer.status_code == (200 if retry == "" else 400)
    assert b"retry" not in reader.bytes()


@pytest.mark.parametrize("character", UNCLEAN)
def test_data_stays_data(target: Target, character: str) -> None:
    """Mercure 1.0, Server-Sent Events Field Injection."""
    text = UNCLEAN[character]
    data = text.join(
        ["", "id: forged", "event: forged", "retry: 1", "data: forged", ": x", "", "", "data: y", ""]
    )
    reader = target.follow("/a")
    target.publish("/a", id="true", type="kind", data=data)
    fields = [line.partition(b": ") for line in re.split(b"\r\n|\r|\n", reader.bytes())]
    assert [(name, value) for name, _, value in fields if name not in (b"data", b"")] == [
        (b"event", b"kind"),
        (b"id", b"true"),
    ]
    lines = [value.decode() for name, _, value in fields if name == b"data"]
    assert "\n".join(lines) == re.sub("\r\n|\r", "\n", data)


@pytest.mark.parametrize("character", NOT_UTF_8)
def test_data_that_is_no_text_is_refused(target: Target, character: str) -> None:
    """Mercure 1.0, Publication."""
    assert post_form(target, f"topic=/a&data={spelled[character]}").status_code == 400
    assert post_form(target, f"topic=/a&x={spelled[character]}").status_code == 400


def test_raw_bytes_of_a_form_are_read_as_utf_8(target: Target) -> None:
    """Mercure 1.0, Publication: with or without percent-encoding."""
    reader = target.follow("/a")
    body = "topic=/a&id=é\u2028&data=ü".encode()
    answer = target.request("POST", HUB, token=target.publisher_token(), data=body, content_type=FORM)
    assert answer.text == "é\u2028"
    assert [(event.id, event.data) for event in reader.events()] == [("é\u2028", "ü")]
    for raw in NOT_UTF_8.values():
        answer = target.request(
            "POST", HUB, token=target.publisher_token(), data=b"topic=/a&id=" + raw, content_type=FORM
        )
        assert answer.status_code == 400


def test_a_form_is_decoded_once(target: Target) -> None:
    """Mercure 1.0, Publication."""
    reader = target.follow("/a%0A")
    target.publish("/a%0A", id="x%0Aevent: forged", data="%0A%0Adata: forged")
    assert reader.bytes() == b"id: x%0Aevent: forged\ndata: %0A%0Adata: forged\n\n"


@pytest.mark.parametrize("wanted", ["#x", "#", "earliest"])
def test_an_id_that_means_something_else_is_refused(target: Target, wanted: str) -> None:
    """Mercure 1.0, Publication."""
    assert target.post({"topic": "/a", "id": wanted}).status_code == 400


# Subscribing


@pytest.mark.parametrize("query", ["{name}={text}", "{name}=/a&{name}=/a{text}b"])
def test_a_selector_with_an_unclean_character_is_refused(target: Target, query: str) -> None:
    """Mercure 1.0, Matcher Types."""
    of_version = {"0.x": ["topic"], "1.0": ["match", "match_exact", "match_urlpattern"]}
    for name in of_version[target.version.protocol]:
        queries = {unclean: query.format(name=name, text=text) for unclean, text in spelled.items()}
        answers = {unclean: target.open(one).status_code for unclean, one in queries.items()}
        assert answers == dict.fromkeys(spelled, 400)


@IN_1
def test_a_selector_of_a_body_with_an_unclean_character_is_refused(target: Target) -> None:
    """Mercure 1.0, Subscription."""
    for text in spelled.values():
        answer = target.request("QUERY", HUB, data=f"match=/a{text}", content_type=FORM)
        assert answer.status_code == 400


def test_a_cursor_of_unclean_characters_finds_nothing(target: Target) -> None:
    """Mercure 1.0, Reconciliation: and is not given back."""
    target.publish("/a", id="x")
    for text in spelled.values():
        answer = target.open(f"{target.query('/a')}&{target.version.cursor_parameter}=x{text}")
        answer.close()
        assert answer.status_code == 400 or answer.headers[target.version.cursor_answer] == "earliest"


def test_a_parameter_s_name_is_not_told_as_it_is(target: Target) -> None:
    """Mercure 1.0, Subscription: the refusal of an unknown one holds no raw line break or the like."""
    for text in spelled.values():
        answer = target.open(f"match{text}=/a")
        assert answer.status_code == 400
        assert answer.text.rstrip("\n").isprintable()


HEADERS = ["Last-Event-ID", "Origin", "Referer", "If-None-Match", "Host", "X-Forwarded-Host", "Accept"]


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_of_unclean_characters_comes_back_nowhere(target: Target, header: str) -> None:
    """Mercure 1.0, Subscription: nor does it change what is answered."""
    target.publish("/a", id="x")
    token = target.subscriber_token("*")
    queries = (f"{HUB}?{target.query('/a')}", f"{HUB}?match_x=1", API, METADATA, "/x")
    for path in queries:
        wanted = answered(target, path, token, {header: "https://unknown"})
        for text in spelled.values():
            value = f"x{unquote(text, 'latin-1')}y"
            if not {"\r", "\n"} & set(value):  # no server lets them through
                assert answered(target, path, token, {header: value}) == wanted


def answered(target: Target, path: str, token: str, headers: dict[str, str]) -> list[object]:
    """Return status and headers, without those that follow from an event that is told meanwhile."""
    answer = target.request("HEAD", path, token=token, headers=headers)
    meanwhile = ("ETag", "Link", "Content-Length")
    return [answer.status, *sorted(one for one in answer.headers if one[0] not in meanwhile)]


# Ids in headers


def cursors(target: Target) -> list[str]:
    """Return the last event id as each header tells it."""
    answer = target.ask(API, token=target.subscriber_token(API))
    [attribute] = re.findall(r';\s*last-event-id="((?:[^"\\]|\\.)*)"', answer.headers["Link"])
    tag, weak = unquote_etag(answer.headers["ETag"])
    assert not weak
    # A hub of both versions tells their documents apart.
    return [
        text_of(re.sub(r"\\(.)", r"\1", attribute)),
        unquote(tag or "").removeprefix("0.x ").removeprefix("1.0 "),
    ]


def text_of(header: str) -> str:
    return header.encode("latin-1").decode()


@pytest.mark.parametrize("spoken", SPOKEN, ids="-".join)
@settings(max_examples=25, deadline=None)
@given(event_id=event_ids | st.text(st.sampled_from(CLEAN), min_size=1).filter(lambda one: one[0] != "#"))
def test_an_id_is_told_whole_in_every_header_and_breaks_none(spoken: tuple[str, str], event_id: str) -> None:
    """Mercure 1.0, Subscription API; RFC 9110, Field Values."""
    target = Target(*spoken)
    target.publish("/a", id=event_id)
    assert cursors(target) == [event_id, event_id]
    reader = target.follow("/a", cursor=event_id)
    assert text_of(reader.response.headers[target.version.cursor_answer]) == event_id
    for answer in target.answers:
        for name, value in answer.headers:
            assert re.fullmatch(r"[\x20-\x7e\x80-\xff]*", value), name
    target.close()


def test_a_link_s_target_is_what_the_hub_is_and_not_what_the_request_says(target: Target) -> None:
    """Mercure 1.0, Hub Discovery."""
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    answers = [
        target.ask(API, token=target.subscriber_token("*"), headers=headers),
        target.ask(METADATA, headers=headers),
        target.ask(API, headers=headers),
    ]
    assert "evil" not in "".join(answer.text + str(answer.headers) for answer in answers)


# The log


LOGGED = {
    "path": ("GET", "/x%0Aforged%1B[31m%E2%80%A8%00%C2%85", {}),
    "path of the API": ("GET", f"{API}/%0Aforged%1B[31m", {}),
    "parameter": ("GET", f"{HUB}?match%0Aforged%1B=x&topic=%0A", {}),
    "selector": ("GET", f"{HUB}?topic=%0Aforged%1B[31m", {}),
    "matcher": ("GET", f"{HUB}?match=%0Aforged%1B[31m", {}),
    "pattern": ("GET", f"{HUB}?match_urlpattern=(%5Cforged%E2%80%A8", {}),
    "authorization": ("GET", f"{HUB}?topic=a&match=a", {"Authorization": "Bearer \x1b[31m\x85forged"}),
    "topic": ("POST", "topic=%0Aforged%1B[31m", {}),
    "id": ("POST", "topic=/a&id=%0Aforged%1B[31m", {}),
    "type": ("POST", "topic=/a&type=%0Aforged%1B[31m", {}),
    "retry": ("POST", "topic=/a&retry=%0Aforged%1B[31m", {}),
    "reserved topic": ("POST", f"topic={HUB}/%E2%80%A8forged", {}),
}


@pytest.mark.parametrize("place", LOGGED)
def test_nothing_of_a_request_makes_a_log_line_of_its_own(
    target: Target, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    """CWE-117: nor colours the terminal of who reads it."""
    method, text, headers = LOGGED[place]
    if method == "POST":
        answer = post_form(target, text)
    else:
        answer = target.request(method, text, headers=headers)
        answer.close()
    assert answer.status_code >= 400
    assert all(line.isprintable() for line in lines_of(caplog))


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    ours = [record for record in caplog.records if record.name.startswith("flask_mercure_sse")]
    assert ours
    return [record.getMessage() for record in ours]


@pytest.mark.parametrize("method", ["G\x1b[31mT", "GET\nforged", "GET\x9b31m", "G\0T"])
def test_a_method_that_is_none_makes_no_log_line_of_its_own(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """CWE-117: servers pass on what stands before the first space."""
    caplog.set_level(logging.DEBUG)
    for path in (HUB, API, METADATA, "/x"):
        answer = Target("0.x", "0.x").request(method, path)
        assert answer.status_code in (404, 405)
        assert answer.text.rstrip("\n").isprintable()
    assert all(line.isprintable() for line in lines_of(caplog))


@pytest.mark.parametrize("spoken", SPOKEN, ids="-".join)
def test_an_answer_with_a_text_of_the_client_is_never_taken_for_a_page(spoken: tuple[str, str]) -> None:
    """CWE-79: a browser that guesses types would run what it finds there."""
    target = Target(*spoken)
    answers = [
        target.open("match<script>alert(1)</script>=x"),
        target.post({"topic": "/a", "id": "<script>alert(1)</script>"}),
        target.post({"topic": "/a", "id": "\n<script>alert(1)</script>"}),
        target.ask(API, token=target.subscriber_token("*")),
    ]
    assert [answer.headers.get("X-Content-Type-Options") for answer in answers] == ["nosniff"] * 4


# The stream as a whole


@pytest.mark.parametrize("place", ["first", "after an update"])
def test_a_byte_order_mark_is_never_swallowed(target: Target, place: str) -> None:
    """HTML, Parsing an event stream: only one at the very start is, where a comment stands."""
    answer = target.open(target.query("/a"))
    if place != "first":
        target.publish("/a", id="0")
    target.publish("/a", id="1", data="\ufeffx")
    stream = b"".join(chunk for chunk, _ in zip(answer.response, range(2), strict=False))
    answer.close()
    assert stream.startswith(COMMENT)
    assert "data: \ufeffx\n".encode() in stream


def test_no_cookie_is_ever_set_or_given_back(target: Target) -> None:
    """Mercure 1.0, Cookie."""
    cookie = f"{target.version.cookie_name}=\x1bforged; a=b\x0bc; ;=;{'x' * 3000}"
    answers = [
        target.open(target.query("/a"), headers={"Cookie": cookie, "Origin": PAGE}),
        target.ask(API, headers={"Cookie": cookie}),
        target.post({"topic": "/a"}, headers={"Cookie": cookie, "Origin": PAGE}),
    ]
    for answer in answers:
        answer.close()
    assert not any("Set-Cookie" in answer.headers or "forged" in str(answer.headers) for answer in answers)
