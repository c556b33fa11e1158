"""The hub on its own: ``python -m flask_mercure_sse.server``."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from tests.server.processes import ROOT, Server, Stream, free_port, serving
from tests.tokens import encode_token

HUB = "/.well-known/mercure"
PUBLISHER = "the publishers' secret, long enough for HS256"
SUBSCRIBER = "the subscribers' secret, long enough for HS256"


@pytest.fixture(scope="module")
def hub() -> Iterator[Server]:
    port = free_port()
    with serving(
        "flask_mercure_sse.server",
        *("--port", str(port), "--publisher-secret", PUBLISHER, "--subscriber-secret", SUBSCRIBER),
        *("--cors-origins", "https://example.com"),
        port=port,
        path=HUB,
    ) as server:
        yield server


def bearer(key: str, **claims: object) -> dict[str, str]:
    return {"Authorization": f"Bearer {encode_token({'mercure': claims}, key)}"}


def publish(
    hub: Server, fields: dict[str, object], headers: dict[str, str] | None = None
) -> requests.Response:
    headers = bearer(PUBLISHER, publish=["*"]) if headers is None else headers
    return requests.post(hub.url + HUB, data=fields, headers=headers, timeout=5)


def test_it_prints_its_url_and_a_publisher_token_that_works(hub: Server) -> None:
    url = hub.told("Hub: ")
    token = hub.told("Publisher JWT: ")
    assert url == hub.url + HUB
    assert publish(hub, {"topic": "/a"}, {"Authorization": f"Bearer {token}"}).status_code == 200


def test_an_update_reaches_its_subscribers(hub: Server) -> None:
    with closing(Stream(f"{hub.url}{HUB}?topic=/a")) as stream:
        answer = publish(hub, {"topic": "/a", "data": "one\ntwo", "type": "greeting"})
        event = stream.next()
    assert (event.id, event.event, event.data) == (answer.text, "greeting", "one\ntwo")


def test_publishers_and_subscribers_have_keys_of_their_own(hub: Server) -> None:
    assert publish(hub, {"topic": "/a"}, bearer(SUBSCRIBER, publish=["*"])).status_code == 401
    refused = requests.get(f"{hub.url}{HUB}?topic=/a", headers=bearer(PUBLISHER, subscribe=["*"]), timeout=5)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"


def test_a_topic_with_an_encoded_slash_is_read_once_in_the_subscription_api(hub: Server) -> None:
    topic = "https://example.com/a b/{id}"
    url = f"{HUB}/subscriptions/{quote(topic, safe='')}"
    with closing(Stream(f"{hub.url}{HUB}?topic={quote(topic, safe='')}")):
        document = requests.get(hub.url + url, headers=bearer(SUBSCRIBER, subscribe=[url]), timeout=5).json()
        [subscription] = document["subscriptions"]
        single = subscription["id"]
        found = requests.get(
            hub.url + single, headers=bearer(SUBSCRIBER, subscribe=[single]), timeout=5
        ).json()
    assert (document["id"], subscription["topic"]) == (url, topic)
    assert (found["id"], found["active"]) == (single, True)


def test_only_listed_origins_get_credentials(hub: Server) -> None:
    for origin, allowed in [("https://example.com", "https://example.com"), ("https://evil.example", None)]:
        answer = requests.options(hub.url + HUB, headers={"Origin": origin}, timeout=5)
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
        assert answer.headers.get("Access-Control-Allow-Credentials") == ("true" if allowed else None)
        assert answer.headers["Vary"] == "Origin"


def test_a_body_over_the_limit_is_refused(hub: Server) -> None:
    assert publish(hub, {"topic": "/a", "data": "x" * 1_100_000}).status_code == 413


def test_a_body_that_ends_early_is_refused(hub: Server) -> None:
    request = (
        f"POST {HUB} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Authorization: {bearer(PUBLISHER, publish=['*'])['Authorization']}\r\nContent-Length: 100\r\n\r\ntopic=/a"
    )
    address = hub.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=10) as connection:
        connection.sendall(request.encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert "Traceback" not in hub.log


def test_secrets_of_the_environment_are_the_apps_and_made_up_ones_are_shown() -> None:
    port = free_port()
    command = ("flask_mercure_sse.server", "--port", str(port))
    with serving(*command, port=port, path=HUB, MERCURE_PUBLISHER_SECRET_KEY=PUBLISHER) as server:
        assert publish(server, {"topic": "/a"}).status_code == 200
        secret = server.told("made up for this run: ")
        answer = requests.get(
            f"{server.url}{HUB}/subscriptions", headers=bearer(secret, subscribe=["*"]), timeout=5
        )
    assert answer.status_code == 200


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"MERCURE_PUBLISHER_SECRET_KEY={PUBLISHER}\n")
    port = free_port()
    command = ("flask_mercure_sse.server", "--port", str(port))
    with serving(*command, port=port, path=HUB, folder=tmp_path) as server:
        assert publish(server, {"topic": "/a"}).status_code == 200


def test_it_refuses_to_listen_to_the_world_without_secrets() -> None:
    command = [sys.executable, "-m", "flask_mercure_sse.server", "--host", "0.0.0.0", "--port", "0"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert "--publisher-secret is missing" in ended.stderr
    assert "token_urlsafe" in ended.stderr


def test_it_stops_when_told_to_although_streams_are_open() -> None:
    port = free_port()
    with (
        serving("flask_mercure_sse.server", "--port", str(port), port=port, path=HUB) as server,
        closing(Stream(f"{server.url}{HUB}?topic=/a")) as stream,
    ):
        server.process.terminate()
        assert server.process.wait(10) == 0
        assert stream.ended.wait(10)
