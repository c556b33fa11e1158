"""The command that runs the standalone hub: keys, what it prints, signals, and the same from Flask."""

from __future__ import annotations

import ast
import http.client
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import jwt
import pytest
import requests

from flask_mercure_sse.server.start_lines import is_output_kept
from tests.server.processes import PATIENCE, ROOT, Server, Stream, free_port, serving
from tests.tokens import encode_token

HUB = "/.well-known/mercure"
PUBLISHER = "the publishers' secret, long enough for HS256"
SUBSCRIBER = "the subscribers' secret, long enough for HS256"
KEYS = ("--publisher-secret", PUBLISHER, "--subscriber-secret", SUBSCRIBER)
WELL_KNOWN = "!ChangeThisMercureHubJWTSecretKey!"
MAKE_A_KEY = 'python -c "import secrets; print(secrets.token_urlsafe(48))"'


def ended(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a hub that refuses to start."""
    command = [sys.executable, "-m", "flask_mercure_sse.server", "--port", "0", *options]
    environment = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30)


@contextmanager
def hub(*options: str, folder: Path = ROOT, **environment: str) -> Iterator[Server]:
    port = free_port()
    command = ("flask_mercure_sse.server", "--port", str(port), *options)
    with serving(*command, port=port, path=HUB, folder=folder, **environment) as server:
        yield server


@contextmanager
def hub_on_a_terminal(*options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run a hub whose stdout is a terminal; give it and what it shows at the start."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "flask_mercure_sse.server", "--port", "0", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    assert process.stderr is not None
    with process.stderr as log:
        assert b"Serving" in log.readline()
        shown, deadline = "", time.monotonic() + PATIENCE
        while "Connections" not in shown and time.monotonic() < deadline:
            shown += _read(ours, PATIENCE)
        shown += _read(ours, 0.5)
        try:
            yield process, shown
        finally:
            process.kill()
            process.wait(PATIENCE)
            os.close(ours)


def _read(terminal: int, patience: float) -> str:
    ready, _, _ = select.select([terminal], [], [], patience)
    return os.read(terminal, 65536).decode().replace("\r\n", "\n") if ready else ""


def publish(url: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.post(url, data={"topic": "/a"}, headers=headers, timeout=5).status_code


def token(key: str, **claims: object) -> str:
    return encode_token({"mercure": claims}, key)


# Keys


@pytest.mark.parametrize(
    ("options", "label"),
    [
        ((), "--publisher-secret"),
        (("--publisher-secret", PUBLISHER), "--subscriber-secret"),
    ],
)
def test_a_missing_key_is_refused_where_others_can_reach_the_hub(
    options: tuple[str, ...], label: str
) -> None:
    refused = ended("--host", "0.0.0.0", *options)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        f"Error: {label} is missing, and 0.0.0.0 is not a loopback address; make one with: {MAKE_A_KEY}\n"
    )


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("too short", "is shorter than the 32 bytes that HS256 needs"),
        (WELL_KNOWN, "is a secret that examples show, so everybody has it"),
    ],
)
def test_a_weak_key_is_refused_where_others_can_reach_the_hub(key: str, problem: str) -> None:
    refused = ended("--host", "0.0.0.0", *KEYS[:2], MERCURE_SUBSCRIBER_JWT_KEY=key)
    assert (refused.returncode, refused.stdout) == (2, "")
    last = refused.stderr.splitlines()[-1]
    assert last.startswith(f"Error: MERCURE_SUBSCRIBER_JWT_KEY: the value {problem}, and 0.0.0.0 is not")
    assert last.endswith(MAKE_A_KEY)
    assert key not in refused.stderr


def test_a_weak_key_of_another_issuer_is_refused_there_too() -> None:
    issuers = '{"https://issuer.example": {"publisher": "short"}}'
    refused = ended("--host", "0.0.0.0", *KEYS, "--issuers", issuers)
    assert refused.returncode == 2
    assert "--issuers: https://issuer.example: publisher: the value is shorter than" in refused.stderr


def test_a_weak_key_is_only_warned_of_on_a_loopback_address() -> None:
    with hub("--publisher-secret", "too short", "--subscriber-secret", WELL_KNOWN) as server:
        assert publish(server.url + HUB, token("too short", publish=["*"])) == 200
    assert "WARNING server.own_keys: --publisher-secret: the value is shorter than the 32 bytes" in server.log
    assert "WARNING server.own_keys: --subscriber-secret: the value is a secret that examples" in server.log
    assert WELL_KNOWN not in server.log


def test_good_keys_are_taken_on_any_address() -> None:
    port = free_port()
    options = ("--host", "0.0.0.0", "--port", str(port), *KEYS)
    with serving("flask_mercure_sse.server", *options, port=port, path=HUB) as server:
        assert publish(server.url + HUB, token(PUBLISHER, publish=["*"])) == 200
    assert "WARNING" not in server.log


def test_a_public_key_is_taken_and_no_token_is_promised() -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from tests.protocol.test_keys import private_pem, public_pem

    key = Ed25519PrivateKey.generate()
    with hub("--publisher-secret", public_pem(key), "--print-token") as server:
        signed = jwt.encode({"mercure": {"publish": ["*"]}}, private_pem(key), algorithm="EdDSA")
        assert publish(server.url + HUB, signed) == 200
    assert "Publisher JWT" not in server.log


# What it prints


def test_a_publishers_token_is_shown_once() -> None:
    with hub(*KEYS) as server:
        printed = server.told("Publisher JWT: ")
        assert publish(server.url + HUB, printed) == 200
    assert server.log.count(printed) == 1


def test_output_of_a_containers_first_process_is_kept() -> None:
    assert is_output_kept({}, 1)
    assert not is_output_kept({}, 2)


def test_a_publishers_token_is_shown_on_a_terminal() -> None:
    with hub_on_a_terminal(*KEYS) as (_process, shown):
        url = shown.partition("Hub: ")[2].splitlines()[0]
        printed = shown.partition("Publisher JWT: ")[2].splitlines()[0]
        assert publish(url, printed) == 200
        assert SUBSCRIBER not in shown


def test_the_token_of_a_key_that_stays_is_not_shown_where_output_is_kept() -> None:
    with hub(*KEYS, JOURNAL_STREAM="8:12345") as server:
        assert server.told("Hub: ") == f"{server.url}{HUB}"
    assert "A publisher's token is printed with --print-token; this output is kept as a log\n" in server.log
    assert "eyJ" not in server.log


def test_the_token_is_shown_wherever_that_is_asked_for_and_nowhere_else() -> None:
    with hub(*KEYS, MERCURE_PRINT_TOKEN="true", JOURNAL_STREAM="8:12345") as server:
        printed = server.told("Publisher JWT: ")
        assert publish(server.url + HUB, printed) == 200
    with hub_on_a_terminal(*KEYS, "--no-print-token") as (_process, shown):
        assert "eyJ" not in shown


def test_what_is_made_up_for_one_run_is_shown_for_it_is_of_use_to_nobody_else() -> None:
    with hub() as server:
        printed = server.told("Publisher JWT: ")
        secret = server.told("Subscriber secret, made up for this run: ")
        assert publish(server.url + HUB, printed) == 200
        headers = {"Authorization": f"Bearer {token(secret, subscribe=['*'])}"}
        assert requests.get(f"{server.url}{HUB}/subscriptions", headers=headers, timeout=5).status_code == 200
    assert server.log.count(printed) == server.log.count(secret) == 1


def test_secrets_are_printed_to_stdout_and_never_to_the_log() -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "flask_mercure_sse.server", "--port", str(port), "--debug"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout as output, process.stderr as log:
        printed = dict(output.readline().strip().split(": ") for _ in range(4))
        process.terminate()
        logged = log.read()
        assert output.read() == ""
    process.wait(PATIENCE)
    assert printed.pop("Hub") == f"http://127.0.0.1:{port}{HUB}"
    assert list(printed) == ["Connections", "Publisher JWT", "Subscriber secret, made up for this run"]
    assert len(logged.splitlines()) == 3
    assert [value for value in printed.values() if value in logged] == []


def test_what_it_prints_is_one_line_of_json_where_the_log_is() -> None:
    with hub("--public-url", "https://hub.example.com", "--log-format", "json") as server:
        printed = json.loads('{"hub"' + server.told('{"hub"'))
        assert publish(server.url + HUB, printed.pop("publisher_jwt")) == 200
    address = server.url.removeprefix("http://")
    assert (printed["hub"], printed["listening_on"]) == (f"https://hub.example.com{HUB}", address)
    assert {"connections", "subscriber_secret"} < set(printed)


# Options


def test_the_address_is_told_where_the_url_is_that_of_a_proxy() -> None:
    url = f"https://hub.example.com{HUB}"
    with hub("--public-url", url) as server:
        assert server.told("Hub: ") == url
        assert server.told("Listening on: ") == server.url.removeprefix("http://")
    with hub() as server:
        assert server.told("Hub: ") == server.url + HUB
    assert "Listening on" not in server.log


def test_a_file_says_what_the_command_line_does_not(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(f'publisher-secret = "{PUBLISHER}"\nmax-body-size = 100\nport = 1\n')
    with hub("--config", str(path)) as server:
        headers = {"Authorization": f"Bearer {token(PUBLISHER, publish=['*'])}"}
        answer = requests.post(server.url + HUB, data={"topic": "/" + "a" * 100}, headers=headers, timeout=5)
        assert answer.status_code == 413


def test_the_file_may_be_named_by_the_environment_and_its_errors_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text("max-bodysize = 1")
    refused = ended(MERCURE_CONFIG=str(path))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == f"Error: {path}: max-bodysize: is not an option; did you mean max-body-size?\n"


def test_every_option_reaches_the_server() -> None:
    from flask_mercure_sse.server.http_limits import HttpLimits
    from flask_mercure_sse.server.listeners import Listener
    from flask_mercure_sse.server.settings import Settings
    from flask_mercure_sse.server.sources import of_command_line, resolve

    told = resolve(
        of_command_line(
            {
                "max_head_size": 2000,
                "max_body_size": 3000,
                "head_timeout": 4,
                "body_timeout": 5,
                "idle_timeout": 6,
                "max_connections": 70,
                "max_connections_per_address": 8,
                "max_connections_per_token": 9,
                "trusted_proxies": ["10.0.0.0/8"],
                "history_length": 0,
            }
        )
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = Settings(told, Listener(listener, "127.0.0.1", 1, is_loopback=True), 1000)
        limits = settings.admission.limits
        assert (limits.total, limits.per_address, limits.per_token) == (70, 8, 9)
        assert [str(network) for network in limits.trusted_proxies] == ["10.0.0.0/8"]
        assert settings.http_limits == HttpLimits(2000, 3000, 4.0, 5.0, 6.0)


def test_a_history_of_no_length_keeps_nothing() -> None:
    with hub(*KEYS, "--history-length", "0") as server:
        publish(server.url + HUB, token(PUBLISHER, publish=["*"]))
        with closing(Stream(f"{server.url}{HUB}?topic=/a&lastEventID=earliest")) as stream:
            requests.post(
                server.url + HUB,
                data={"topic": "/a", "data": "second"},
                headers={"Authorization": f"Bearer {token(PUBLISHER, publish=['*'])}"},
                timeout=5,
            )
            assert stream.next().data == "second"


def test_a_stream_ends_after_its_longest_life() -> None:
    with (
        hub("--max-lifetime", "1", "--keepalive-interval", "0") as server,
        closing(Stream(f"{server.url}{HUB}?topic=/a")) as stream,
    ):
        assert stream.ended.wait(PATIENCE)


def test_a_head_that_takes_too_long_is_cut_off() -> None:
    with (
        hub("--head-timeout", "0.3") as server,
        socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=10) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 408 ")


def test_the_admin_port_is_told_and_says_how_the_hub_is() -> None:
    with hub(*KEYS, "--admin-port", "0", "--drain-time", "60") as server:
        admin = server.told("Admin: ")
        with closing(Stream(f"{server.url}{HUB}?topic=/a")):
            _wait_until(lambda: requests.get(f"{admin}/readyz", timeout=5).status_code == 200)
            server.process.terminate()
            _wait_until(lambda: requests.get(f"{admin}/readyz", timeout=5).status_code == 503)
            assert requests.get(f"{admin}/healthz", timeout=5).status_code == 200
            server.process.terminate()
            assert server.process.wait(PATIENCE) == 0


def test_a_taken_admin_port_is_told_with_its_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = ended("--admin-port", str(taken.getsockname()[1]))
    assert refused.returncode == 1
    assert refused.stderr.endswith(
        "another program has this port; stop it, or give another with --admin-port\n"
    )


# Signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_streams_are_sent_home_within_the_time_and_the_hub_ends_well(number: signal.Signals) -> None:
    with hub("--drain-time", "1") as server:
        address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        streams = [_open_stream(address) for _ in range(20)]
        server.process.send_signal(number)
        rests = [_rest(stream) for stream in streams]
        assert server.process.wait(PATIENCE) == 0
    assert all(b"retry: " in rest for rest in rests)
    assert "Stopping: open streams end within 1 seconds" in server.log


def test_nobody_new_comes_in_while_streams_are_sent_home() -> None:
    with hub("--drain-time", "60") as server, closing(Stream(f"{server.url}{HUB}?topic=/a")):
        server.process.terminate()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                requests.head(f"{server.url}{HUB}?topic=/a", timeout=5)
            except requests.ConnectionError:
                break
        else:
            pytest.fail("it still takes connections")
        assert server.process.poll() is None
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0


def test_a_second_signal_stops_at_once() -> None:
    with hub("--drain-time", "600") as server, closing(Stream(f"{server.url}{HUB}?topic=/a")) as stream:
        server.process.terminate()
        server.told("Stopping")
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(PATIENCE) == 0
        assert stream.ended.wait(PATIENCE)


def test_sighup_changes_nothing_and_says_so() -> None:
    with hub() as server, closing(Stream(f"{server.url}{HUB}?topic=/a")) as stream:
        server.process.send_signal(signal.SIGHUP)
        server.told("SIGHUP: settings are read at the start alone; restart the hub to change them")
        assert requests.head(f"{server.url}{HUB}?topic=/a", timeout=5).status_code == 200
        assert not stream.ended.is_set()


def test_a_terminal_that_is_closed_ends_its_hub() -> None:
    with hub_on_a_terminal() as (process, _shown):
        process.send_signal(signal.SIGHUP)
        assert process.wait(PATIENCE) == 0


def _open_stream(address: tuple[str, int]) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
    connection.request("GET", f"{HUB}?topic=/a")
    return connection.getresponse()


def _rest(stream: http.client.HTTPResponse) -> bytes:
    with stream:
        return stream.read()


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# How it runs


def test_the_module_that_patches_is_imported_by_no_other() -> None:
    for path in (ROOT / "flask_mercure_sse").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            )
            assert "__main__" not in [*names, getattr(node, "module", None)], path


def test_an_apps_command_line_does_not_load_gevent() -> None:
    code = "import sys, flask_mercure_sse.cli; print('gevent' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "False", done.stderr


# From Flask


@contextmanager
def hub_of_the_site(*options: str, **environment: str) -> Iterator[Server]:
    port = free_port()
    command = ("flask", "--app", "tests.server.site", "mercure", "hub", "--port", str(port), *options)
    with serving(*command, port=port, path=HUB, **environment) as server:
        yield server


def test_the_hub_of_an_app_has_the_apps_key_and_no_argument_shows_it() -> None:
    with hub_of_the_site("--publisher-secret", PUBLISHER) as server:
        secret = "a secret that is long enough for HS256"
        headers = {"Authorization": f"Bearer {token(secret, subscribe=['*'])}"}
        assert requests.get(f"{server.url}{HUB}/subscriptions", headers=headers, timeout=5).status_code == 200
        assert publish(server.url + HUB, token(PUBLISHER, publish=["*"])) == 200
        command = Path(f"/proc/{server.process.pid}/cmdline").read_bytes().split(b"\0")
    assert command[1:] == [b"-m", b"flask_mercure_sse.server", b""]
    assert (
        "The app's own hub is embedded, so it does not publish on this one: set MERCURE_HUB_URL" in server.log
    )


def test_the_hub_of_an_app_has_the_apps_settings_where_nothing_else_is_said(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text('cors-origins = ["https://file.example"]')
    settings = {
        "SITE_MERCURE_HUB_URL": "http://127.0.0.1:1/somewhere",
        "SITE_MERCURE_PUBLIC_HUB_URL": "https://hub.example/hub",
        "SITE_MERCURE_PROTOCOL": "1.0",
        "SITE_MERCURE_CORS_ORIGINS": "https://app.example",
        "SITE_MERCURE_HUB_ALLOW_ANONYMOUS": "false",
        "SITE_MERCURE_MAX_BODY_SIZE": "100",
    }
    with hub_of_the_site("--config", str(path), MERCURE_MAX_BODY_SIZE="200000", **settings) as server:
        assert server.told("Hub: ") == "https://hub.example/hub"
        anonymous = requests.get(f"{server.url}{HUB}?match=/a", timeout=5)
        large = requests.post(server.url + HUB, data={"topic": "/" + "a" * 1000}, timeout=5)
        page = requests.options(server.url + HUB, headers={"Origin": "https://file.example"}, timeout=5)
    assert (anonymous.status_code, large.status_code) == (401, 401)
    assert page.headers["Access-Control-Allow-Origin"] == "https://file.example"


def test_the_hub_of_an_app_has_its_own_defaults_where_the_app_says_nothing() -> None:
    with hub_of_the_site() as server:
        page = requests.options(server.url + HUB, headers={"Origin": "https://any.example"}, timeout=5)
    assert page.headers["Access-Control-Allow-Origin"] == "*"


def test_variables_that_the_app_has_weighed_do_not_give_its_hub_another_key() -> None:
    with hub_of_the_site(
        SITE_MERCURE_PUBLISHER_SECRET_KEY=PUBLISHER, MERCURE_PUBLISHER_JWT_KEY="x" * 40
    ) as server:
        assert publish(server.url + HUB, token(PUBLISHER, publish=["*"])) == 200


def test_a_wrong_setting_of_the_app_is_named_as_the_app_knows_it() -> None:
    command = [
        sys.executable,
        "-m",
        "flask",
        "--app",
        "tests.server.site",
        "mercure",
        "hub",
        "--host",
        "0.0.0.0",
    ]
    environment = {**os.environ, "SITE_SECRET_KEY": "short", "SITE_MERCURE_HUB_URL": "http://127.0.0.1:1"}
    refused = subprocess.run(
        [*command, "--port", "0"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30
    )
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.splitlines()[-1].startswith(
        "Error: the app's SECRET_KEY: the value is shorter than"
    )


def test_the_hub_of_an_app_drains_too() -> None:
    with (
        hub_of_the_site("--drain-time", "1") as server,
        closing(Stream(f"{server.url}{HUB}?topic=/a")) as stream,
    ):
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0
        assert stream.ended.wait(PATIENCE)
