"""The standalone hub, attacked with bytes that no HTTP library sends."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote

import pytest

from tests.conformance import tokens
from tests.server.processes import Server, free_port, serving

from .target import API, FORM, HUB, ISSUER, SECRETS, URL, Target

SILENCE = 0.15
"""Seconds without a byte after which an answer is taken for whole."""

PUBLISHER, SUBSCRIBER = SECRETS[ISSUER, "publisher"], SECRETS[ISSUER, "subscriber"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    port = free_port()
    options = ["--port", str(port), "--protocol", "both", "--public-url", URL, "--issuer", ISSUER, "--debug"]
    options += ["--publisher-secret", PUBLISHER, "--subscriber-secret", SUBSCRIBER]
    with serving("flask_mercure_sse.server", *options, port=port) as server:
        yield server


@pytest.fixture
def speaker() -> Target:
    """Whoever makes tokens and queries for the server."""
    return Target("both", "0.x")


EACH_VERSION = pytest.mark.parametrize(
    "speaker", [Target("both", "0.x"), Target("both", "1.0")], ids=["0.x", "1.0"]
)


def exchange(server: Server, sent: bytes) -> bytes:
    """Send bytes on a connection of their own, and return what comes back until it is silent or closed."""
    port = int(server.url.rpartition(":")[2])
    received = b""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as connection:
        connection.sendall(sent)
        connection.settimeout(SILENCE)
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except TimeoutError:
            received += b"(open)"
        except ConnectionResetError:
            pass
    return received


def request_of(method: str, target: str, *lines: str, body: bytes = b"") -> bytes:
    head = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: hub.example", *lines, "", ""])
    return head.encode() + body


def last_request_of(method: str, target: str, *lines: str) -> bytes:
    return request_of(method, target, "Connection: close", *lines)


def publication(speaker: Target, body: str, *lines: str) -> bytes:
    lines = lines or (f"Content-Length: {len(body)}", "Connection: close")
    bearer = f"Authorization: Bearer {speaker.publisher_token()}"
    return request_of("POST", HUB, bearer, f"Content-Type: {FORM}", *lines, body=body.encode())


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


def is_well(server: Server, speaker: Target) -> bool:
    return statuses(exchange(server, last_request_of("HEAD", f"{HUB}?{speaker.query('/a')}"))) == [200]


# Answers


@EACH_VERSION
@pytest.mark.parametrize(
    "event_id",
    ['"', "\\", '\\\\"', "a;b=c", "a, b", "é", "\u2028", "\u0100", "\u0a0d", "嘊嘍", "%0D%0A", "🎈"],
)
def test_an_id_splits_no_answer(server: Server, speaker: Target, event_id: str) -> None:
    """CWE-113: nor does one whose characters are CR and LF once their upper half is cut off."""
    assert statuses(exchange(server, publication(speaker, f"topic=/a&id={quote(event_id)}"))) == [200]
    bearer = f"Authorization: Bearer {speaker.subscriber_token('*')}"
    for sent in (
        last_request_of("GET", API, bearer),
        last_request_of("HEAD", f"{HUB}?{speaker.query('/a', cursor=event_id)}"),
    ):
        head, _, body = exchange(server, sent).partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        assert not re.search(rb"[\x00-\x1f\x7f]", b"".join(lines))
        names = [line.partition(b":")[0].lower() for line in lines[1:]]
        assert len(names) == len(set(names))
        assert not re.search(rb"HTTP/1\.1|Set-Cookie", body)


JUNK = [
    b"\r\n\r\n",
    b"\0" * 100,
    bytes(range(256)),
    b"GET\r\n\r\n",
    b"GET  HTTP/1.1\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /%00 HTTP/1.1\r\nHost: \xff\r\n\r\n",
    b"GET " + HUB.encode() + b"?topic=\xff&match=\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET " + HUB.encode() + b"?topic=%ED%A0%80&match=%ED%A0%80 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET " + API.encode() + b"/\xff\xfe%FF HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://evil.example" + HUB.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nCookie: \xff\xfe=\x01; ;;;=\r\n\r\n",
    b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
]


def test_junk_harms_nobody(server: Server, speaker: Target) -> None:
    """Mercure 1.0, Security Considerations: it is answered with a refusal or not at all."""
    before = len(server.log)
    answers = {junk[:60]: statuses(exchange(server, junk)) for junk in JUNK}
    assert {
        junk: answer for junk, answer in answers.items() if any(one in (200, 500) for one in answer)
    } == {}
    assert is_well(server, speaker)
    assert "Traceback" not in server.log[before:]


@pytest.mark.parametrize("target", ["http://[", "http://]/", f"http://a:b[{HUB}"])
def test_a_target_that_is_no_url_is_refused(server: Server, speaker: Target, target: str) -> None:
    """Mercure 1.0, Security Considerations: a stranger makes no error of the hub's own, nor a traceback."""
    before = len(server.log)
    assert statuses(exchange(server, last_request_of("GET", target))) in ([400], [404])
    assert is_well(server, speaker)
    assert "Traceback" not in server.log[before:]


def test_too_many_headers_are_refused_without_a_word(server: Server, speaker: Target) -> None:
    """Mercure 1.0, Security Considerations: a stranger does not fill the disk."""
    before = len(server.log)
    sent = last_request_of("GET", HUB, *(f"X-{number}: x" for number in range(200)))
    assert statuses(exchange(server, sent))[0] in (400, 431)
    assert is_well(server, speaker)
    assert "Traceback" not in server.log[before:]


# Framing: what a proxy reads in another way, it passes on to another user

SMUGGLED = f"GET {HUB}/smuggled HTTP/1.1\r\nHost: hub.example\r\n\r\n"
FORM_BODY = "topic=/a"

FRAMES = {
    "a length and chunks": (("Content-Length: 8", "Transfer-Encoding: chunked"), f"0\r\n\r\n{SMUGGLED}"),
    "two lengths": (("Content-Length: 8", "Content-Length: 9"), FORM_BODY + SMUGGLED),
    "a length with a sign": (("Content-Length: +8",), FORM_BODY),
    "a length with an underscore": (("Content-Length: 0_8",), FORM_BODY),
    "a coding that is none": (("Content-Length: 8", "Transfer-Encoding: xchunked"), FORM_BODY),
    "a coding besides": (("Transfer-Encoding: gzip, chunked",), "8\r\ntopic=/a\r\n0\r\n\r\n"),
    "a chunk without a size": (("Transfer-Encoding: chunked",), f"zz\r\n{SMUGGLED}"),
    "a space before the colon": (("Content-Length : 8", "Content-Length: 8"), FORM_BODY),
    "a folded line": (("X: a\r\n Content-Length: 0", "Content-Length: 8"), FORM_BODY),
}


@pytest.mark.parametrize("frame", FRAMES)
def test_a_request_that_can_be_read_in_two_ways_is_refused_and_ends_the_connection(
    server: Server, speaker: Target, frame: str
) -> None:
    """RFC 9112, Request Smuggling."""
    lines, body = FRAMES[frame]
    received = exchange(server, publication(speaker, body, *lines))
    assert statuses(received) == [400]
    assert not received.endswith(b"(open)")


def test_a_request_of_http_0_9_is_refused(server: Server, speaker: Target) -> None:
    """RFC 9112, HTTP Version: pages of other sites could send it to any port."""
    received = exchange(server, f"GET {HUB}?{speaker.query('/a')}\r\n\r\n".encode())
    assert statuses(received) in ([400], [505])


@EACH_VERSION
def test_two_tokens_in_two_headers_are_none(server: Server, speaker: Target) -> None:
    """Mercure 1.0, Authorization HTTP Header."""
    bearer = f"Authorization: Bearer {speaker.subscriber_token('*')}"
    received = exchange(server, last_request_of("GET", f"{HUB}?{speaker.query('/a')}", bearer, bearer))
    assert statuses(received)[0] in (400, 401)


@pytest.mark.parametrize(
    "name", ["Authorization ", "Authorization\t", "Authorization_", "HTTP_AUTHORIZATION"]
)
def test_a_header_of_another_name_presents_no_token(server: Server, speaker: Target, name: str) -> None:
    """RFC 9112, Field Line Parsing."""
    bearer = f"{name}: Bearer {speaker.subscriber_token('*')}"
    assert statuses(exchange(server, last_request_of("GET", API, bearer)))[0] in (400, 401)


# Cursors


@EACH_VERSION
@pytest.mark.parametrize(
    "event_id", ["a", "é🎈", "a,b", "a;b", '"a"', "\\", "a  b", "#a"[1:], "\u2028", "嘊"]
)
def test_an_id_comes_back_as_browsers_send_it(server: Server, speaker: Target, event_id: str) -> None:
    """Mercure 1.0, Reconciliation."""
    assert found_again(server, speaker, event_id)


def found_again(server: Server, speaker: Target, event_id: str) -> bool:
    exchange(server, publication(speaker, f"topic=/a&id={quote(event_id)}"))
    received = exchange(
        server, last_request_of("HEAD", f"{HUB}?{speaker.query('/a')}", f"Last-Event-ID: {event_id}")
    )
    return f"{speaker.version.cursor_answer}: {event_id}\r\n".encode() in received


@EACH_VERSION
@pytest.mark.parametrize("event_id", ["Å", "à", "ڠ", "prix à"])
def test_an_id_that_ends_in_a_byte_like_a_space_comes_back_as_browsers_send_it(
    server: Server, speaker: Target, event_id: str
) -> None:
    """Mercure 1.0, Reconciliation: else its followers get all of the past with each reconnection."""
    assert found_again(server, speaker, event_id)


def test_whoever_follows_a_topic_can_come_back_whatever_its_publisher_called_the_last_update(
    server: Server, speaker: Target
) -> None:
    """Mercure 1.0, Reconciliation: browsers never try again after an answer that is an error."""
    event_id = "x" * 70_000
    published = statuses(exchange(server, publication(speaker, f"topic=/a&id={event_id}")))
    sent = last_request_of("HEAD", f"{HUB}?{speaker.query('/a')}", f"Last-Event-ID: {event_id}")
    assert published != [200] or statuses(exchange(server, sent)) == [200]


# The log


@EACH_VERSION
def test_no_token_is_logged(server: Server, speaker: Target) -> None:
    """RFC 6750, Threat Mitigation: whether it is good or bad, and wherever it was."""
    good = speaker.subscriber_token("*")
    bad = tokens.signed_by_hand(speaker.claims(subscribe=["*"]), b"other", **speaker.header)
    for token in (good, bad):
        for sent in (
            last_request_of("HEAD", f"{HUB}?{speaker.query('/a')}&authorization={token}"),
            last_request_of("HEAD", f"{HUB}?{speaker.query('/a')}", f"Authorization: Bearer {token}"),
            last_request_of(
                "HEAD", f"{HUB}?{speaker.query('/a')}", f"Cookie: {speaker.version.cookie_name}={token}"
            ),
            last_request_of("GET", f"/x/{token[:0]}", f"Authorization: Bearer {token}"),
            last_request_of("DELETE", HUB, f"Authorization: Bearer {token}"),
            last_request_of("GET", HUB, f"Authorization: Bearer {token}\r\n{'x' * 70_000}"),
        ):
            exchange(server, sent)
    assert is_well(server, speaker)
    for token in (good, bad):
        assert not [part for part in token.split(".")[1:] if part in server.log]


@pytest.mark.parametrize(
    "line", ["GET {hub}?topic=a b&authorization={token} HTTP/1.1", "GET {hub}?authorization={token} HTTP/9.9"]
)
def test_no_token_of_a_bad_request_line_is_logged(server: Server, speaker: Target, line: str) -> None:
    """Mercure 0.x, URI Query Parameter: a space that somebody forgot to encode is enough."""
    token = speaker.subscriber_token("*")
    exchange(server, (line.format(hub=HUB, token=token) + "\r\nHost: x\r\n\r\n").encode())
    assert is_well(server, speaker)
    assert token.split(".")[2] not in server.log


def test_no_data_of_a_badly_framed_body_is_logged(server: Server, speaker: Target) -> None:
    """RFC 9112, Incomplete Messages: the rest of it is no request."""
    received = exchange(
        server,
        publication(speaker, "topic=/a&data=a-patient's-name\r\n\r\n", "Transfer-Encoding: chunked"),
    )
    assert statuses(received)[:1] == [400]
    assert is_well(server, speaker)
    assert "a-patient's-name" not in server.log
