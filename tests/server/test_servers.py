"""The embedded hub under the servers that Flask apps run on."""

from __future__ import annotations

import re

import pytest
import requests

from tests.server.processes import Server, Stream, free_port, serving

SITE = "tests.server.site:app"
HUB = "/.well-known/mercure"
STREAMS = 20


def flask_run(port: int) -> list[str]:
    return ["flask", "--app", SITE, "run", "--port", str(port)]


def gunicorn(port: int, *options: str) -> list[str]:
    return ["gunicorn", "--bind", f"127.0.0.1:{port}", "--graceful-timeout", "1", *options, SITE]


CARRYING = {
    "flask run": lambda port: flask_run(port),
    "gunicorn gthread": lambda port: gunicorn(port, "--workers", "1", "--threads", str(STREAMS + 5)),
    "gunicorn gevent": lambda port: gunicorn(port, "--workers", "1", "--worker-class", "gevent"),
}

NOT_CARRYING = {
    "flask run without threads": (lambda port: [*flask_run(port), "--without-threads"], "only worker"),
    "gunicorn sync": (lambda port: gunicorn(port, "--workers", "1"), "only worker"),
    "gunicorn with two workers": (
        lambda port: gunicorn(port, "--workers", "2", "--threads", "4"),
        "this server runs several",
    ),
}


@pytest.mark.parametrize("name", CARRYING)
def test_the_embedded_hub_carries_many_streams_and_the_site_stays_responsive(name: str) -> None:
    port = free_port()
    with serving(*CARRYING[name](port), port=port) as server:
        streams = [Stream(f"{server.url}{HUB}?topic=/said") for _ in range(STREAMS)]
        try:
            assert requests.get(server.url, timeout=5).text == "an ordinary page"
            event_id = requests.post(f"{server.url}/say/hello", timeout=5).text
            received = [stream.next() for stream in streams]
            assert {(event.id, event.data) for event in received} == {(event_id, "hello")}
        finally:
            for stream in streams:
                stream.close()


@pytest.mark.parametrize("name", NOT_CARRYING)
def test_the_embedded_hub_says_loudly_where_it_cannot_work(name: str) -> None:
    command, reason = NOT_CARRYING[name]
    port = free_port()
    with serving(*command(port), port=port) as server:
        assert requests.get(server.url, timeout=5).text == "an ordinary page"
        refused = requests.get(f"{server.url}{HUB}?topic=/said", timeout=5)
        assert refused.status_code == 503
        assert reason in refused.text
        assert "python -m flask_mercure_sse.server" in refused.text
    assert reason in server.log


@pytest.mark.parametrize("name", CARRYING)
def test_the_embedded_hub_has_nothing_to_complain_of_where_it_works(name: str) -> None:
    port = free_port()
    with serving(*CARRYING[name](port), port=port) as server:
        assert requests.get(server.url, timeout=5).text == "an ordinary page"
    assert "embedded Mercure hub" not in server.log


@pytest.mark.parametrize("name", CARRYING)
def test_a_client_that_left_is_forgotten_after_keep_alives(name: str) -> None:
    port = free_port()
    environment = {"SITE_MERCURE_HUB_KEEPALIVE_INTERVAL": "0.2"}
    with serving(*CARRYING[name](port), port=port, **environment) as server:
        leaver, watcher = _watched_leaver(server)
        leaver.close()
        assert re.search('"active": ?false', watcher.next().data)
        watcher.close()


def _watched_leaver(server: Server) -> tuple[Stream, Stream]:
    from tests.conftest import SECRET
    from tests.tokens import encode_token

    token = encode_token({"mercure": {"subscribe": ["*"]}}, SECRET)
    events = f"{HUB}/subscriptions/{{topic}}/{{subscriber}}".replace("{", "%7B").replace("}", "%7D")
    watcher = Stream(f"{server.url}{HUB}?topic={events}", Authorization=f"Bearer {token}")
    leaver = Stream(f"{server.url}{HUB}?topic=/said")
    assert re.search('"active": ?true', watcher.next().data)
    return leaver, watcher
