"""The embedded hub under the servers that Flask apps run on."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.conftest import SECRET
from tests.server.processes import PATIENCE, Server, Stream, free_port, serving
from tests.tokens import encode_token

SITE = "tests.server.site:app"
HUB = "/.well-known/mercure"
TOPIC = f"{HUB}?topic=/said"

THREADS = 6
PLACES = 3
"""Streams that the hub takes of a server with so many threads or greenlets."""


def flask_run(*options: str) -> list[str]:
    return ["flask", "--app", SITE, "run", "--port", "PORT", *options]


def gunicorn(*options: str) -> list[str]:
    return ["gunicorn", "--bind", "127.0.0.1:PORT", *options, SITE]


def uwsgi(*options: str) -> list[str]:
    program = str(Path(sys.executable).with_name("uwsgi"))
    return [
        program,
        "--http-socket",
        "127.0.0.1:PORT",
        "--die-on-term",
        "--need-app",
        "--module",
        SITE,
        *options,
    ]


def waitress(*options: str) -> list[str]:
    return ["waitress", "--listen", "127.0.0.1:PORT", *options, SITE]


def uvicorn(adapter: str) -> list[str]:
    return ["uvicorn", "--port", "PORT", f"tests.server.asgi_site:{adapter}"]


A_THREAD_FOR_EACH = {"SITE_MERCURE_HUB_MAX_STREAMS": str(PLACES)}

CARRYING = {
    "flask run": (flask_run("--debug", "--no-reload"), A_THREAD_FOR_EACH),
    "gunicorn gthread": (gunicorn("--threads", str(THREADS)), {}),
    "gunicorn gevent": (gunicorn("--worker-class", "gevent", "--worker-connections", str(THREADS)), {}),
    "waitress": (waitress("--threads", str(THREADS)), {}),
    "uWSGI gevent": (uwsgi("--gevent", str(THREADS), "--gevent-monkey-patch"), {}),
    "uWSGI threads": (uwsgi("--threads", str(THREADS)), {}),
}

NOT_CARRYING = {
    "gunicorn sync": (gunicorn(), "only worker"),
    "gunicorn with two workers": (gunicorn("--workers", "2", "--threads", "4"), "this server runs several"),
    "uWSGI gevent without its patches": (uwsgi("--gevent", "6"), "add --gevent-monkey-patch"),
    "uvicorn with asgiref": (uvicorn("by_asgiref"), "never learns that a client has left"),
    "uvicorn with a2wsgi": (uvicorn("by_a2wsgi"), "never learns that a client has left"),
}


def started(stack: ExitStack, command: list[str], **environment: str) -> Server:
    port = free_port()
    words = [word.replace("PORT", str(port)) for word in command]
    return stack.enter_context(serving(*words, port=port, **environment))


@dataclass
class Crowd:
    """A server that was asked for more streams than it has threads."""

    server: Server
    log_before: str
    accepted: list[Stream]
    refused: list[Stream]


@pytest.fixture(scope="module", params=CARRYING)
def crowd(request: pytest.FixtureRequest) -> Iterator[Crowd]:
    command, environment = CARRYING[request.param]
    with ExitStack() as stack:
        server = started(stack, command, **environment)
        log = server.log
        streams = [Stream(f"{server.url}{TOPIC}") for _ in range(THREADS + 2)]
        for stream in streams:
            stack.callback(stream.close)
        accepted = [stream for stream in streams if stream.status == 200]
        yield Crowd(server, log, accepted, [stream for stream in streams if stream not in accepted])


def test_the_site_stays_responsive_while_more_streams_are_asked_for_than_it_has_threads(crowd: Crowd) -> None:
    assert requests.get(crowd.server.url, timeout=PATIENCE).text == "an ordinary page"
    assert len(crowd.accepted) == PLACES


def test_an_update_reaches_each_stream_that_was_accepted(crowd: Crowd) -> None:
    event_id = requests.post(f"{crowd.server.url}/say/hello", timeout=PATIENCE).text
    received = [stream.next() for stream in crowd.accepted]
    assert {(event.id, event.data) for event in received} == {(event_id, "hello")}


def test_a_stream_too_many_is_told_when_to_come_again(crowd: Crowd) -> None:
    assert {(one.status, one.response.headers["Retry-After"]) for one in crowd.refused} == {(503, "5")}


def test_the_log_tells_once_what_to_run_instead(crowd: Crowd) -> None:
    assert "embedded Mercure hub" not in crowd.log_before
    assert str(PLACES) in crowd.server.told("as many streams open as this server may carry")
    assert crowd.server.log.count("python -m flask_mercure_sse.server") == 1


def test_the_subscription_api_answers_while_all_places_are_taken(crowd: Crowd) -> None:
    answer = requests.get(f"{crowd.server.url}{HUB}/subscriptions", headers=bearer("*"), timeout=PATIENCE)
    assert len(answer.json()["subscriptions"]) == PLACES


def test_a_stream_holds_no_request_and_no_context(crowd: Crowd) -> None:
    held = requests.get(f"{crowd.server.url}/held", timeout=PATIENCE).json()
    assert held == {"requests": 0, "contexts": 0}


def test_the_places_of_those_who_left_are_given_to_others_and_then_the_server_stops_soon(
    crowd: Crowd,
) -> None:
    for stream in crowd.accepted:
        stream.close()
    deadline = time.monotonic() + PATIENCE
    opened: list[Stream] = []
    while len(opened) < PLACES:
        assert time.monotonic() < deadline
        stream = Stream(f"{crowd.server.url}{TOPIC}")
        if stream.status == 200:
            opened.append(stream)
    crowd.server.process.terminate()
    crowd.server.process.wait(10)
    for stream in opened:
        assert stream.ended.wait(PATIENCE)
        stream.close()


@pytest.mark.parametrize("name", NOT_CARRYING)
def test_the_embedded_hub_says_loudly_where_it_cannot_work(name: str) -> None:
    command, reason = NOT_CARRYING[name]
    with ExitStack() as stack:
        server = started(stack, command)
        refused = [Stream(f"{server.url}{TOPIC}") for _ in range(THREADS)]
        assert {stream.status for stream in refused} == {503}
        assert reason in refused[0].refusal
        assert requests.get(server.url, timeout=PATIENCE).text == "an ordinary page"
    assert reason in server.log


def test_a_client_that_left_is_forgotten_after_keep_alives() -> None:
    with ExitStack() as stack:
        server = started(stack, CARRYING["gunicorn gthread"][0], SITE_MERCURE_HUB_KEEPALIVE_INTERVAL="0.2")
        events = f"{HUB}/subscriptions/{{topic}}/{{subscriber}}".replace("{", "%7B").replace("}", "%7D")
        watcher = Stream(f"{server.url}{HUB}?topic={events}", **bearer("*"))
        leaver = Stream(f"{server.url}{TOPIC}")
        assert re.search('"active": ?true', watcher.next().data)
        leaver.close()
        assert re.search('"active": ?false', watcher.next().data)
        watcher.close()


def bearer(*topics: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {encode_token({'mercure': {'subscribe': list(topics)}}, SECRET)}"}
