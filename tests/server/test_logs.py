"""The standalone hub's log: a line for each record, without secrets."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
import requests

from flask_mercure_sse.server.logs import JsonLines, TextLines
from tests.server.processes import Server, Stream, free_port, serving
from tests.tokens import encode_token

HUB = "/.well-known/mercure"
PUBLISHER = "the publishers' secret, long enough for HS256"
SUBSCRIBER = "the subscribers' secret, long enough for HS256"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
KEYS = ("--publisher-secret", PUBLISHER, "--subscriber-secret", SUBSCRIBER)


def record(message: str, *arguments: object, error: BaseException | None = None) -> logging.LogRecord:
    exc_info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord(
        "flask_mercure_sse.server.front", logging.INFO, "f.py", 1, message, arguments, exc_info
    )
    made.created = 1_769_903_999.9994
    return made


def raised(text: str) -> ValueError:
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


def test_a_line_of_text_has_the_time_in_utc_the_level_the_place_and_the_message() -> None:
    assert TextLines().format(record("%s refused with %d", "GET", 401)) == (
        "2026-01-31T23:59:59.999Z INFO server.front: GET refused with 401"
    )


def test_a_line_of_json_has_the_same() -> None:
    assert json.loads(JsonLines().format(record("%s refused with %d", "GET", 401))) == {
        "time": "2026-01-31T23:59:59.999Z",
        "level": "info",
        "logger": "flask_mercure_sse.server.front",
        "message": "GET refused with 401",
    }


@pytest.mark.parametrize("formatter", [TextLines(), JsonLines()])
def test_a_record_is_one_line_with_its_traceback(formatter: logging.Formatter) -> None:
    line = formatter.format(record("failed\nforged line\r\x1b[2J\u2028", error=raised("two\nlines")))
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert "ValueError: two\\nlines" in line


def test_a_traceback_is_apart_from_the_message_in_json() -> None:
    entry = json.loads(JsonLines().format(record("failed", error=raised("no"))))
    assert entry["message"] == "failed"
    assert entry["error"].startswith("Traceback")
    assert entry["error"].endswith("ValueError: no")


TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJtZXJjdXJlIjp7fX0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        f"GET /.well-known/mercure?topic=a&authorization={TOKEN}&b=c",
        "GET /.well-known/mercure?authorization=hidden-word",
        "POST body access_token=hidden-word&topic=a",
        "Authorization: Bearer hidden-word",
        "{'authorization': 'bearer hidden-word'}",
        "Cookie: mercureAuthorization=hidden-word; other=hidden-word",
        f"an update of {TOKEN[:15]}",
    ],
)
@pytest.mark.parametrize("formatter", [TextLines(), JsonLines()])
def test_what_presents_a_token_is_hidden_in_messages_and_tracebacks(
    text: str, formatter: logging.Formatter
) -> None:
    line = formatter.format(record("refused: %s", text, error=raised(text)))
    assert "[hidden]" in line
    assert "hidden-word" not in line
    assert "eyJ" not in line


def requests_of_all_kinds(server: Server) -> list[str]:
    """Send requests that are taken and requests that are refused; return the secrets in them."""
    good = encode_token({"mercure": {"publish": ["*"]}}, PUBLISHER)
    reader = encode_token({"mercure": {"subscribe": ["*"], "payload": {"user": "payload-word"}}}, SUBSCRIBER)
    forged = encode_token({"mercure": {"publish": ["*"]}}, "another secret, long enough for HS256 too")
    url = server.url + HUB
    places: list[Callable[[str], dict[str, Any]]] = [
        lambda token: {"headers": {"Authorization": f"Bearer {token}"}},
        lambda token: {"headers": {"Cookie": f"mercureAuthorization={token}"}},
        lambda token: {"params": {"authorization": token}},
    ]
    for token in (good, reader, forged, "no-token-word", good[:-3]):
        for place in places:
            requests.post(url, data={"topic": "/a", "data": "data-word"}, timeout=5, **place(token))
            requests.get(f"{url}/subscriptions", timeout=5, **place(token))
            requests.get(f"{url}/elsewhere/{token if '.' in token else ''}", timeout=5, **place(token))
            requests.request("BREW", url, timeout=5, **place(token))
        with closing(Stream(f"{url}?topic=/a&authorization={token}")) as stream:
            assert stream.status == (200 if token == reader else 401)
    parts = [part for token in (good, reader, forged) for part in token.split(".")[1:]]
    return [*parts, "no-token-word", "data-word", "payload-word", PUBLISHER, SUBSCRIBER]


@pytest.mark.parametrize("format", ["text", "json"])
def test_no_secret_is_in_the_output_whatever_is_sent_and_however_much_is_logged(format: str) -> None:
    port = free_port()
    options = ("--port", str(port), *KEYS, "--no-print-token", "--log-level", "debug", "--log-format", format)
    with serving("flask_mercure_sse.server", *options, port=port, path=HUB) as server:
        secrets = requests_of_all_kinds(server)
    assert "refused with 401" in server.log
    assert [secret for secret in secrets if secret in server.log] == []


def test_every_line_of_the_output_is_json_where_that_is_asked_for() -> None:
    port = free_port()
    options = ("--port", str(port), *KEYS, "--log-format", "json")
    with serving("flask_mercure_sse.server", *options, port=port, path=HUB) as server:
        requests.post(server.url + HUB, data={"topic": "/a"}, timeout=5)
    lines = [json.loads(line) for line in server.log.splitlines()]
    entries = [line for line in lines if "message" in line]
    messages = [entry["message"] for entry in entries]
    assert f"POST '{HUB}' refused with 401: publishing needs a token" in messages
    assert messages[0] == f"Serving {server.url}{HUB}"
    assert messages[-1] == "Stopped"
    assert all(re.fullmatch(TIME, entry["time"]) for entry in entries)
    [printed] = [line for line in lines if "message" not in line]
    assert list(printed) == ["hub", "connections", "publisher_jwt"]


def test_the_reason_of_a_refusal_is_in_the_log_and_not_in_the_answer() -> None:
    port = free_port()
    with serving("flask_mercure_sse.server", "--port", str(port), *KEYS, port=port, path=HUB) as server:
        token = encode_token({"mercure": {"publish": ["*"]}}, "another secret, long enough for HS256 too")
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.post(server.url + HUB, data={"topic": "/a"}, headers=headers, timeout=5)
    reason = "the signature of the token is not that of a trusted key"
    assert (answer.status_code, answer.text) == (401, "Unauthorized\n")
    assert reason in server.log
    assert reason not in f"{answer.text} {answer.headers}"


def test_updates_and_streams_are_in_the_log_where_that_is_asked_for() -> None:
    port = free_port()
    with serving(
        "flask_mercure_sse.server", "--port", str(port), *KEYS, "--debug", port=port, path=HUB
    ) as server:
        url = server.url + HUB
        with closing(Stream(f"{url}?topic=/a")):
            stream = server.told("Stream ").removesuffix(" opened for ['/a']")
        assert server.told(f"Stream {stream} ended: ") == "left"
        token = encode_token({"mercure": {"publish": ["*"]}}, PUBLISHER)
        headers = {"Authorization": f"Bearer {token}"}
        requests.post(url, data={"topic": ["/a", "/b"], "id": "7"}, headers=headers, timeout=5)
        assert server.told("Update ") == "'7' published to ('/a', '/b')"


def test_refusals_are_not_logged_at_a_higher_level() -> None:
    port = free_port()
    options = ("--port", str(port), *KEYS, "--log-level", "warning")
    with serving("flask_mercure_sse.server", *options, port=port, path=HUB) as server:
        requests.post(server.url + HUB, data={"topic": "/a"}, timeout=5)
    assert "refused" not in server.log


FAILING = """
from gevent import monkey
monkey.patch_all(ssl=False)
import gevent, warnings, logging
from flask_mercure_sse.server.logs import start_logging
start_logging(format="json", level="debug")
def fail(): raise ValueError("authorization=secret-word\\nsecond line")
gevent.spawn(fail).join()
warnings.warn("authorization=secret-word")
logging.getLogger("urllib3").info("details of others")
"""


def test_failed_greenlets_and_warnings_are_records_too_and_others_details_are_not() -> None:
    done = subprocess.run([sys.executable, "-c", FAILING], capture_output=True, text=True, timeout=30)
    failed, warned = (json.loads(line) for line in done.stderr.splitlines())
    assert failed["message"] == "A greenlet failed"
    assert "ValueError: authorization=[hidden]\nsecond line" in failed["error"]
    assert (warned["logger"], warned["level"]) == ("py.warnings", "warning")
    assert "secret-word" not in done.stderr + done.stdout
