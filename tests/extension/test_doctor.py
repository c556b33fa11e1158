"""``flask mercure doctor``: what it finds on good and on broken paths, and what it says to change."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from flask import Flask
from werkzeug.serving import make_server

from flask_mercure_sse import MercureSSE
from tests.server.processes import Server, free_port, serving
from tests.tokens import encode_token

HUB = "/.well-known/mercure"
PUBLISHER, SUBSCRIBER = "publisher-7ae1-long-enough-for-HS256", "subscriber-90cd-long-enough-for-HS256"
ORIGIN = "http://shop.example"


@pytest.fixture(scope="module")
def hub() -> Iterator[Server]:
    port = free_port()
    keys = ("--publisher-secret", PUBLISHER, "--subscriber-secret", SUBSCRIBER, "--cors-origins", ORIGIN)
    with serving("flask_mercure_sse.server", "--port", str(port), *keys, port=port, path=HUB) as server:
        yield server


def examined(*options: str, **config: Any) -> tuple[int, dict[str, dict[str, str]]]:
    """Return the exit code, and the findings by their check, those of a named hub with its name before."""
    app = Flask("examined")
    app.config.update(
        {"MERCURE_PUBLISHER_SECRET_KEY": PUBLISHER, "MERCURE_SUBSCRIBER_SECRET_KEY": SUBSCRIBER, **config}
    )
    MercureSSE(app)
    command = ["mercure", "doctor", "--json", "--timeout", "10", *options]
    result = app.test_cli_runner().invoke(args=command)
    told = json.loads(result.output)
    assert told["ok"] is (result.exit_code == 0)
    return result.exit_code, {
        f"{finding['hub']}: {finding['check']}" if finding["hub"] else finding["check"]: finding
        for finding in told["checks"]
    }


def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve with a handler in a thread; give the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


class Proxy(BaseHTTPRequestHandler):
    """Passes requests on to a hub."""

    hub: str
    held = 0
    """Bytes that are collected before they are passed on."""
    token: str | None = None
    """What it presents to the hub, whoever asks."""
    kept_from_hub: frozenset[str] = frozenset({"host"})
    answers: Mapping[str, int] = {}
    """Ends of paths, and the status that it answers there by itself."""

    def do_GET(self) -> None:
        # When one of the two sides is gone it says nothing, or another test would find that in its output.
        with suppress(OSError):
            self._pass_on()

    def _pass_on(self) -> None:
        path = urlsplit(self.path).path
        for end, status in self.answers.items():
            if path.endswith(end):
                self.send_error(status)
                return
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in self.kept_from_hub
        }
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        with requests.get(self.hub + self.path, headers=headers, stream=True, timeout=10) as answer:
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
            self.end_headers()
            waiting = b""
            for received in answer.iter_content(1):
                waiting += received
                if len(waiting) > self.held:
                    self.wfile.write(waiting)
                    waiting = b""
            self.wfile.write(waiting)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name: self.headers[name] for name in ("Authorization", "Content-Type")}
        answer = requests.post(self.hub + self.path, body, headers=headers, timeout=10)
        self.send_response(answer.status_code)
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_arguments: object) -> None:
        pass


ProxyTo = Callable[..., str]


@pytest.fixture
def proxy(hub: Server) -> Iterator[ProxyTo]:
    """Start a proxy before the hub, with other attributes: ``proxy(held=4096)``."""
    running: list[Iterator[str]] = []

    def start(**attributes: Any) -> str:
        running.append(served(type("Handler", (Proxy,), {"hub": hub.url, **attributes})))
        return next(running[-1])

    yield start
    for server in running:
        next(server, None)


def test_a_path_without_faults_is_well(hub: Server) -> None:
    code, found = examined("--origin", ORIGIN, MERCURE_HUB_URL=hub.url)
    assert code == 0
    statuses = {check: finding["status"] for check, finding in found.items()}
    assert statuses.pop("cookie's host") == "warning"  # the shop's own, and the hub is elsewhere
    assert set(statuses.values()) == {"ok"}
    assert {"subscribe", "publish", "delivery", "private updates", "cookie", "CORS", "presence"} <= set(
        statuses
    )


def test_each_finding_is_a_line_for_a_person_and_each_fix_another(hub: Server) -> None:
    app = Flask("examined")
    app.config.update(MERCURE_HUB_URL=hub.url, SECRET_KEY=SUBSCRIBER)
    MercureSSE(app)
    result = app.test_cli_runner().invoke(args=["mercure", "doctor", "--timeout", "10"])
    assert result.exit_code == 1
    assert "ok       subscribe: a stream opens" in result.output
    assert "failed   publish: the hub" in result.output
    assert "         -> MERCURE_PUBLISHER_SECRET_KEY must be" in result.output
    assert SUBSCRIBER not in result.output


def test_a_weak_key_is_told() -> None:
    _, found = examined(MERCURE_PUBLISHER_SECRET_KEY="!ChangeThisMercureHubJWTSecretKey!")
    assert found["publisher key"]["status"] == "failed"
    assert "examples show" in found["publisher key"]["message"]
    assert "gen-secret-key" in found["publisher key"]["fix"]


def test_a_missing_key_is_told() -> None:
    _, found = examined(MERCURE_SUBSCRIBER_SECRET_KEY=None, MERCURE_HUB_URL="http://127.0.0.1:1")
    assert found["subscriber key"]["status"] == "failed"
    assert found["the path"]["status"] == "skipped"


def test_a_given_token_that_has_expired_is_told(hub: Server) -> None:
    expired = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2ln"
    _, found = examined(MERCURE_HUB_URL=hub.url, MERCURE_PUBLISHER_JWT=expired)
    assert found["publisher token"]["message"] == "MERCURE_PUBLISHER_JWT: the token has expired"
    assert found["publish"]["status"] == "failed"


class TestEmbedded:
    @pytest.mark.parametrize("protocol", ["0.x", "1.0"])
    def test_its_settings_are_tried_within_the_command(self, protocol: str) -> None:
        code, found = examined(MERCURE_PROTOCOL=protocol, MERCURE_HUB_KEEPALIVE_INTERVAL=0)
        assert code == 0
        well = {"configuration", "publisher key", "subscriber key", "subscribe", "publish", "delivery"}
        assert {check for check, finding in found.items() if finding["status"] == "ok"} == {
            *well,
            *("private updates", "cookie", "presence"),
        }

    def test_the_running_app_is_examined_by_its_url(self) -> None:
        _, found = examined()
        assert found["the path"]["status"] == "skipped"
        assert "server and the proxies" in found["the path"]["message"]
        assert "flask mercure doctor --hub http://" in found["the path"]["fix"]

    def test_nothing_of_the_app_runs_for_it(self) -> None:
        app = Flask("examined")
        app.config.update(SECRET_KEY=SUBSCRIBER)
        MercureSSE(app)
        asked: list[str] = []
        app.before_request(lambda: asked.append("it may start what belongs to a server"))
        result = app.test_cli_runner().invoke(args=["mercure", "doctor"])
        assert (result.exit_code, asked) == (0, [])

    def test_a_key_that_makes_no_tokens_leaves_nothing_to_try(self) -> None:
        code, found = examined(MERCURE_SUBSCRIBER_SECRET_KEY=None)
        assert code == 1
        assert found["subscriber key"]["status"] == "failed"
        assert found["the path"]["message"].startswith("without a key")

    def test_an_origin_that_is_allowed_is_told(self) -> None:
        own = {"MERCURE_PUBLIC_HUB_URL": "http://app.example", "MERCURE_CORS_ORIGINS": ORIGIN}
        _, found = examined("--origin", ORIGIN, **own)
        assert found["CORS"]["status"] == "ok"

    def test_an_origin_that_is_not_allowed_fails_where_the_app_is_elsewhere(self) -> None:
        code, found = examined("--origin", ORIGIN, MERCURE_PUBLIC_HUB_URL="http://app.example")
        assert (code, found["CORS"]["status"]) == (1, "failed")
        code, found = examined("--origin", ORIGIN)
        assert (code, found["CORS"]["status"]) == (0, "warning")
        assert "unless the app is there itself" in found["CORS"]["message"]

    def test_subscriptions_that_are_off_are_told(self) -> None:
        _, found = examined(MERCURE_HUB_SUBSCRIPTIONS=False)
        assert found["presence"]["status"] == "warning"


class TestNamed:
    def hubs(self, hub: Server, **keys: str) -> dict[str, Any]:
        own = {"publisher_secret_key": PUBLISHER, "subscriber_secret_key": SUBSCRIBER, **keys}
        return {
            "MERCURE_HUBS": {"eu": {"url": hub.url, **own}},
            "MERCURE_PUBLISHER_SECRET_KEY": "another-key-of-the-app-for-its-publishers",
            "MERCURE_SUBSCRIBER_SECRET_KEY": "another-key-of-the-app-for-its-subscribers",
        }

    def test_each_is_examined_after_the_apps_own(self, hub: Server) -> None:
        code, found = examined("--origin", ORIGIN, **self.hubs(hub))
        assert code == 0
        checks = [check.removeprefix("eu: ") for check in found if check.startswith("eu: ")]
        assert {"publisher key", "hub", "publish", "delivery", "cookie", "CORS", "presence"} < set(checks)
        assert {found[f"eu: {check}"]["status"] for check in checks} == {"ok", "warning"}
        assert list(found).index("the path") < list(found).index("eu: configuration")

    def test_one_is_examined_alone_by_its_name(self, hub: Server) -> None:
        _, found = examined("--hub", "eu", **self.hubs(hub))
        assert all(check.startswith("eu: ") for check in found)
        assert found["eu: delivery"]["status"] == "ok"

    def test_a_wrong_key_is_told_with_its_place_in_the_mapping(self, hub: Server) -> None:
        code, found = examined("--hub", "eu", **self.hubs(hub, publisher_secret_key=SUBSCRIBER))
        assert (code, found["eu: publish"]["status"]) == (1, "failed")
        assert found["eu: publish"]["fix"].startswith("MERCURE_HUBS['eu']['publisher_secret_key'] must be")

    def test_a_weak_key_is_told_with_its_name(self, hub: Server) -> None:
        weak = "!ChangeThisMercureHubJWTSecretKey!"
        _, found = examined("--hub", "eu", **self.hubs(hub, subscriber_secret_key=weak))
        assert found["eu: subscriber key"]["status"] == "failed"
        assert "MERCURE_HUBS: eu: subscriber_secret_key" in found["eu: subscriber key"]["message"]

    def test_one_that_is_down_is_told_and_the_others_are_examined(self, hub: Server) -> None:
        config = self.hubs(hub)
        config["MERCURE_HUBS"] = {"gone": "http://127.0.0.1:1", **config["MERCURE_HUBS"]}
        code, found = examined(**config)
        assert (code, found["gone: hub"]["status"], found["eu: delivery"]["status"]) == (1, "failed", "ok")
        assert "MERCURE_HUBS['gone']['url']" in found["gone: hub"]["fix"]

    def test_a_given_token_is_looked_at(self, hub: Server) -> None:
        expired = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2ln"
        _, found = examined("--hub", "eu", **self.hubs(hub, publisher_jwt=expired))
        assert found["eu: publisher token"]["message"] == (
            "MERCURE_HUBS: eu: publisher_jwt: the token has expired"
        )

    def test_its_name_is_before_its_findings(self, hub: Server) -> None:
        app = Flask("examined")
        app.config.update(SECRET_KEY=SUBSCRIBER, **self.hubs(hub))
        MercureSSE(app)
        result = app.test_cli_runner().invoke(args=["mercure", "doctor", "--hub", "eu"])
        assert "ok       eu: subscribe: a stream opens" in result.output


def test_a_hub_that_is_down_is_told() -> None:
    code, found = examined(MERCURE_HUB_URL="http://127.0.0.1:1")
    assert code == 1
    assert "Connection refused" in found["hub"]["message"]
    assert "start the hub" in found["hub"]["fix"]
    assert "publish" not in found


def test_a_page_in_the_place_of_a_hub_is_told() -> None:
    other = make_server("127.0.0.1", 0, Flask("other"), threaded=True)
    thread = threading.Thread(target=other.serve_forever)
    thread.start()
    _, found = examined(MERCURE_HUB_URL=f"http://127.0.0.1:{other.port}")
    other.shutdown()
    other.server_close()
    thread.join()
    assert "answers 404" in found["hub"]["message"]
    assert HUB in found["hub"]["fix"]


def test_a_wrong_key_of_publishers_is_told(hub: Server) -> None:
    _, found = examined(MERCURE_HUB_URL=hub.url, MERCURE_PUBLISHER_SECRET_KEY=SUBSCRIBER)
    assert found["publish"]["status"] == "failed"
    assert "401" in found["publish"]["message"]
    assert found["publish"]["fix"].startswith("MERCURE_PUBLISHER_SECRET_KEY")
    assert found["delivery"]["status"] == "skipped"


def test_a_wrong_key_of_subscribers_is_told(hub: Server) -> None:
    _, found = examined(MERCURE_HUB_URL=hub.url, MERCURE_SUBSCRIBER_SECRET_KEY=PUBLISHER)
    assert found["subscribe"]["status"] == "failed"
    assert found["subscribe"]["fix"].startswith("MERCURE_SUBSCRIBER_SECRET_KEY")
    assert found["publish"]["status"] == "ok"
    assert found["delivery"]["message"] == "no stream is open"
    assert found["presence"]["fix"].startswith("MERCURE_SUBSCRIBER_SECRET_KEY")


def test_a_hub_that_does_not_tell_who_is_there_is_a_warning(proxy: ProxyTo) -> None:
    code, found = examined(MERCURE_HUB_URL=proxy(answers={"/subscriptions": 404}))
    assert code == 0
    assert found["presence"]["status"] == "warning"
    assert "switch the hub's subscriptions on" in found["presence"]["fix"]


def test_a_name_that_the_hub_does_not_know_as_its_own_is_told(proxy: ProxyTo) -> None:
    _, found = examined(MERCURE_HUB_URL=proxy(answers={"": 421}))
    assert "it is another URL than those of the hub" in found["hub"]["message"]
    assert "public_urls" in found["hub"]["fix"]


def test_a_proxy_that_passes_all_on_is_well(hub: Server, proxy: ProxyTo) -> None:
    code, found = examined(MERCURE_HUB_URL=hub.url, MERCURE_PUBLIC_HUB_URL=proxy())
    assert code == 0, found


def test_a_proxy_that_holds_updates_back_is_told(hub: Server, proxy: ProxyTo) -> None:
    _, found = examined("--timeout", "2", MERCURE_HUB_URL=hub.url, MERCURE_PUBLIC_HUB_URL=proxy(held=65536))
    assert found["delivery"]["status"] == "failed"
    assert f"and at {hub.url}{HUB} it did" in found["delivery"]["message"]
    assert "proxy_buffering off" in found["delivery"]["fix"]


def test_a_proxy_that_keeps_cookies_to_itself_is_told(hub: Server, proxy: ProxyTo) -> None:
    public = proxy(kept_from_hub=frozenset({"host", "cookie"}))
    _, found = examined(MERCURE_HUB_URL=hub.url, MERCURE_PUBLIC_HUB_URL=public)
    assert found["private updates"]["status"] == "ok"
    assert found["cookie"]["status"] == "failed"
    assert "MERCURE_AUTHZ_COOKIE_NAME" in found["cookie"]["fix"]


def test_private_updates_that_everybody_sees_are_told(hub: Server, proxy: ProxyTo) -> None:
    token = encode_token({"mercure": {"subscribe": ["*"]}}, SUBSCRIBER)
    _, found = examined(MERCURE_HUB_URL=hub.url, MERCURE_PUBLIC_HUB_URL=proxy(token=token))
    assert found["private updates"]["status"] == "failed"
    assert "shows them to those without a token" in found["private updates"]["message"]


def test_the_path_is_the_same_in_each_version() -> None:
    port = free_port()
    keys = ("--publisher-secret", PUBLISHER, "--subscriber-secret", SUBSCRIBER, "--protocol", "1.0")
    with serving("flask_mercure_sse.server", "--port", str(port), *keys, port=port, path=HUB) as server:
        code, found = examined(MERCURE_HUB_URL=f"http://localhost:{port}", MERCURE_PROTOCOL="1.0")
        _, other = examined(MERCURE_HUB_URL=server.url, MERCURE_PROTOCOL="0.x")
    assert code == 0, found
    assert "MERCURE_PROTOCOL" in other["subscribe"]["fix"]


def test_an_origin_that_the_hub_does_not_allow_is_told(hub: Server) -> None:
    code, found = examined("--origin", "http://other.example", MERCURE_HUB_URL=hub.url)
    assert code == 1
    assert found["CORS"]["message"] == "the hub does not allow pages of http://other.example"
    assert "MERCURE_CORS_ORIGINS" in found["CORS"]["fix"]


def test_a_page_that_is_encrypted_needs_a_hub_that_is(hub: Server) -> None:
    _, found = examined("--origin", "https://shop.example", MERCURE_HUB_URL=hub.url)
    assert found["mixed content"]["status"] == "failed"


def test_the_hubs_own_origin_needs_no_permission(hub: Server) -> None:
    _, found = examined("--origin", f"{hub.url}/", MERCURE_HUB_URL=hub.url)
    assert found["CORS"]["status"] == "ok"
    assert "cookie's host" not in found


@pytest.mark.parametrize("allowed", [True, False])
def test_a_running_app_with_an_embedded_hub_is_examined_by_its_url(allowed: bool) -> None:
    app = Flask("running")
    app.config.update(
        MERCURE_PUBLISHER_SECRET_KEY=PUBLISHER,
        MERCURE_SUBSCRIBER_SECRET_KEY=SUBSCRIBER,
        MERCURE_HUB_ALLOW_PUBLISH=allowed,
        MERCURE_HUB_KEEPALIVE_INTERVAL=0.1,  # the end of a stream is noticed with the next comment
    )
    MercureSSE(app)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    code, found = examined("--hub", f"http://127.0.0.1:{server.port}")
    server.shutdown()
    server.server_close()
    thread.join()
    assert code == (0 if allowed else 1)
    assert found["publish"]["status"] == ("ok" if allowed else "failed")
    assert allowed or "MERCURE_HUB_ALLOW_PUBLISH" in found["publish"]["fix"]


def test_a_hub_url_that_is_none_is_one_line() -> None:
    app = Flask("examined")
    MercureSSE(app)
    result = app.test_cli_runner().invoke(args=["mercure", "doctor", "--hub", "nowhere"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: --hub: 'nowhere' is not a valid hub URL")
