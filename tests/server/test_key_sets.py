"""Keys that an issuer publishes on the web: when they are fetched, and what happens when they cannot be."""

from __future__ import annotations

import json
import logging
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from flask_mercure_sse.protocol.keys import KeySource, read_key, sign, verify
from flask_mercure_sse.server import key_sets
from flask_mercure_sse.server.key_sets import MAX_AGE, MAX_FETCHES, REFRESH_PAUSE, RETRY_AFTER, RemoteKeySet

ROOT = Path(__file__).parents[2]
PATIENCE = 10.0
"""Seconds that a test waits for what must come."""

PRIVATE_KEY = Ed25519PrivateKey.generate()


def jwk(id: str) -> dict[str, object]:
    text = jwt.get_algorithm_by_name("EdDSA").to_jwk(PRIVATE_KEY.public_key())
    return {**json.loads(text), "kid": id}


def key_set(*ids: str) -> bytes:
    return json.dumps({"keys": [jwk(id) for id in ids]}).encode()


class Issuer:
    """Answers with `body` once its gate is open; `write`, where it is set, writes the whole answer."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.status, self.body, self.delay = 200, key_set("one"), 0.0
        self.gate = threading.Event()
        self.gate.set()
        self.headers = {"Content-Type": "application/jwk-set+json"}
        self.write: Callable[[Any], None] | None = None
        self.closed = threading.Event()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.answer(self)

            do_CONNECT = do_GET

            def log_message(self, *_arguments: object) -> None:
                """Keep the test's output clean."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_arguments: object) -> None:
                """A client that goes away, as one does that trusts no certificate, is not this side's fault."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}/keys?token=hidden"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append((handler.command, handler.path, dict(handler.headers)))
        status, body = self.status, self.body
        self.closed.wait(self.delay)
        self.gate.wait(PATIENCE)
        with suppress(OSError):  # the other side may have given up
            if self.write is not None:
                self.write(handler.wfile)
                return
            handler.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **self.headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)

    def drip(self, content: bytes, every: float) -> Callable[[Any], None]:
        """Write byte after byte, until the test is over."""

        def write(file: Any) -> None:
            for byte in content:
                if self.closed.wait(every):
                    return
                file.write(bytes([byte]))

        return write

    def close(self) -> None:
        self.closed.set()
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fetches() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "mercure-key-set"]


def eventually(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "did not come about"
        time.sleep(0.01)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.close()
    eventually(lambda: not fetches())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(issuer: Issuer, clock: Clock) -> RemoteKeySet:
    return RemoteKeySet(issuer.url, clock=clock)


def ids(keys: RemoteKeySet) -> list[str | None]:
    return [key.id for key in keys()]


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# When the set is fetched.


def test_token_of_the_issuer_is_believed(keys: RemoteKeySet, issuer: Issuer) -> None:
    """Mercure 1.0, Token Validation: keys from the issuer's JWK Set."""
    source: KeySource = keys
    pem = PRIVATE_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    token = sign({"iss": "https://issuer.example"}, read_key(pem, id="one"))
    assert verify(token, source()) == {"iss": "https://issuer.example"}
    [(method, path, headers)] = issuer.requests
    assert (method, path, headers["Accept-Encoding"]) == ("GET", "/keys?token=hidden", "identity")


def test_nothing_is_fetched_before_a_key_is_needed(keys: RemoteKeySet, issuer: Issuer) -> None:
    assert repr(keys) == f"<RemoteKeySet http://{issuer.host}/keys: 0 keys>"
    assert issuer.requests == []


def test_set_is_fetched_once_for_many_tokens(keys: RemoteKeySet, issuer: Issuer, clock: Clock) -> None:
    assert all(ids(keys) == ["one"] for _ in range(100))
    clock.now += 299
    assert ids(keys) == ["one"]
    assert len(issuer.requests) == 1


def test_old_set_is_fetched_once_again_while_its_keys_go_on_being_used(
    keys: RemoteKeySet, issuer: Issuer, clock: Clock
) -> None:
    assert ids(keys) == ["one"]
    issuer.body = key_set("two")
    issuer.gate.clear()
    clock.now += 300
    assert all(ids(keys) == ["one"] for _ in range(20))
    issuer.gate.set()
    eventually(lambda: ids(keys) == ["two"])
    assert len(issuer.requests) == 2


def test_first_callers_share_one_fetch(keys: RemoteKeySet, issuer: Issuer) -> None:
    issuer.gate.clear()
    found: list[list[str | None]] = []
    callers = [threading.Thread(target=lambda: found.append(ids(keys))) for _ in range(20)]
    for caller in callers:
        caller.start()
    eventually(lambda: len(issuer.requests) == 1)
    issuer.gate.set()
    for caller in callers:
        caller.join(PATIENCE)
    assert found == [["one"]] * 20
    assert len(issuer.requests) == 1


def test_first_callers_wait_no_longer_than_the_time_limit(
    issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    keys = RemoteKeySet(issuer.url, timeout=0.2, clock=clock)
    issuer.gate.clear()
    began = time.monotonic()
    callers = [threading.Thread(target=keys) for _ in range(5)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(PATIENCE)
    assert time.monotonic() - began < 3
    assert keys() == ()
    assert len(issuer.requests) == 1
    issuer.gate.set()
    assert warnings_of(caplog) == [f"The JWK Set http://{issuer.host}/keys was not answered within 0.2 s"]


@pytest.mark.parametrize(("lifetime", "effective"), [(0.0, RETRY_AFTER), (60.0, 60.0), (1e9, MAX_AGE)])
def test_lifetime_has_bounds(lifetime: float, effective: float, issuer: Issuer, clock: Clock) -> None:
    keys = RemoteKeySet(issuer.url, lifetime=lifetime, clock=clock)
    assert ids(keys) == ["one"]
    clock.now += effective - 1
    assert ids(keys) == ["one"]
    assert len(issuer.requests) == 1
    clock.now += 1
    assert ids(keys) == ["one"]
    eventually(lambda: len(issuer.requests) == 2)


# Tokens with an unknown key.


def test_unknown_key_has_the_set_fetched_again_but_rarely(
    keys: RemoteKeySet, issuer: Issuer, clock: Clock
) -> None:
    """RFC 7517, "kid" (Key ID) Parameter: the issuer may have changed its keys."""
    assert ids(keys) == ["one"]
    issuer.body = key_set("one", "two")
    for _ in range(100):
        keys.refresh_soon()
    assert len(issuer.requests) == 1  # it has just been fetched
    clock.now += REFRESH_PAUSE
    for _ in range(100):
        keys.refresh_soon()
    eventually(lambda: ids(keys) == ["one", "two"])
    for _ in range(100):
        keys.refresh_soon()
    assert len(issuer.requests) == 2


def test_fetch_for_an_unknown_key_is_not_waited_for(keys: RemoteKeySet, issuer: Issuer, clock: Clock) -> None:
    assert ids(keys) == ["one"]
    issuer.body = key_set("two")
    issuer.gate.clear()
    clock.now += REFRESH_PAUSE
    keys.refresh_soon()
    assert ids(keys) == ["one"]
    issuer.gate.set()
    eventually(lambda: ids(keys) == ["two"])


# When it cannot be had.


def test_failure_is_remembered_for_a_while(
    keys: RemoteKeySet, issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    issuer.status = 500
    assert all(keys() == () for _ in range(50))
    assert len(issuer.requests) == 1
    clock.now += RETRY_AFTER
    assert all(keys() == () for _ in range(50))
    assert len(issuer.requests) == 2
    issuer.status = 200
    assert keys() == ()
    clock.now += RETRY_AFTER
    assert ids(keys) == ["one"]
    assert [record.getMessage() for record in caplog.records] == [
        f"The JWK Set http://{issuer.host}/keys was answered with 500",
        f"The JWK Set http://{issuer.host}/keys can be had again",
    ]


def test_each_outage_is_logged_once(
    keys: RemoteKeySet, issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for outage in range(2):
        issuer.status = 503
        for _ in range(3):
            clock.now += 300
            asked = len(issuer.requests)
            keys()
            eventually(lambda asked=asked: len(issuer.requests) > asked and not fetches())
        assert len(warnings_of(caplog)) == outage + 1
        issuer.status = 200
        clock.now += 300
        keys()
        eventually(lambda: not fetches())


def test_keys_are_used_through_an_outage_of_a_day_and_no_longer(
    keys: RemoteKeySet, issuer: Issuer, clock: Clock
) -> None:
    """Mercure 1.0, Token Validation: keys that the issuer may have taken back are not believed for ever."""
    assert ids(keys) == ["one"]
    issuer.status = 500
    clock.now += 300
    assert ids(keys) == ["one"]
    eventually(lambda: not fetches())
    clock.now += MAX_AGE - 301
    assert ids(keys) == ["one"]
    eventually(lambda: not fetches())
    clock.now += 1
    assert keys() == ()
    clock.now += RETRY_AFTER
    issuer.status = 200
    assert ids(keys) == ["one"]


def many(count: int) -> bytes:
    return json.dumps({"keys": [{}] * count}).encode()


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"status": 204}, "was answered with 204"),
        ({"status": 301}, "was answered with 301"),
        ({"status": 307}, "was answered with 307"),
        ({"status": 404}, "was answered with 404"),
        ({"status": 500}, "was answered with 500"),
        ({"headers": {"Content-Type": "text/html"}}, "was answered with something else than JSON"),
        ({"headers": {"Content-Type": "text/json+html"}}, "was answered with something else than JSON"),
        ({"headers": {}}, "was answered with something else than JSON"),
        ({"body": b""}, "was answered with a body that is not JSON"),
        ({"body": b"<html>"}, "was answered with a body that is not JSON"),
        ({"body": b"\xff"}, "was answered with a body that is not JSON"),
        ({"body": key_set("one")[:-1]}, "was answered with a body that is not JSON"),
        ({"body": b"[" * 200_000}, "was answered with a body that is not JSON"),
        ({"body": b"[]"}, "is not a JWK Set"),
        ({"body": b'{"error": "no"}'}, "is not a JWK Set"),
        ({"body": many(101)}, "has 101 keys, more than 100"),
        ({"body": key_set("one") + b" " * 256 * 1024}, "is larger than 262144 bytes"),
        ({"body": b'{"keys": []}'}, "holds no key that can check tokens"),
        ({"body": b'{"keys": [{"kty": "oct", "k": "eA"}]}'}, "holds no key that can check tokens"),
        (
            {"headers": {"Content-Type": "application/json", "Content-Encoding": "gzip"}},
            "was answered with a compressed body",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_answer_that_holds_no_keys_leaves_none_and_is_logged_once(
    answer: dict[str, Any],
    problem: str,
    issuer: Issuer,
    keys: RemoteKeySet,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """RFC 7517, JWK Set Format: no token is believed, and nothing is raised."""
    for name, value in answer.items():
        setattr(issuer, name, value)
    issuer.headers = {**issuer.headers, "Location": f"http://{issuer.host}/elsewhere"}
    assert keys() == keys() == ()
    clock.now += 300
    assert keys() == ()
    assert {path for _, path, _ in issuer.requests} == {"/keys?token=hidden"}
    [warning] = warnings_of(caplog)
    assert warning.startswith(f"The JWK Set http://{issuer.host}/keys {problem}")
    assert "hidden" not in caplog.text


def test_set_that_is_cut_off_is_a_failure(
    keys: RemoteKeySet, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.body = key_set("one", "two")[:-2]
    issuer.headers = {**issuer.headers, "Content-Length": "9999"}
    assert keys() == ()
    assert len(warnings_of(caplog)) == 1


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/jwk-set+json",
        "Application/JSON; charset=utf-8",
        "application/x+json;a=b",
    ],
)
def test_set_of_each_json_type_is_read(content_type: str, keys: RemoteKeySet, issuer: Issuer) -> None:
    """RFC 7517, application/jwk-set+json Media Type."""
    issuer.headers = {"Content-Type": content_type}
    assert ids(keys) == ["one"]


def test_set_in_chunks_is_read_up_to_its_limit(keys: RemoteKeySet, issuer: Issuer, clock: Clock) -> None:
    """RFC 9112, Chunked Transfer Coding."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

    def chunk(content: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(content), content)

    issuer.write = lambda file: file.write(head + chunk(b" " * 300_000) + chunk(key_set("one")) + chunk(b""))
    assert keys() == ()
    issuer.write = lambda file: file.write(head + chunk(b" " * 30_000) + chunk(key_set("one")) + chunk(b""))
    clock.now += RETRY_AFTER
    assert ids(keys) == ["one"]


def test_endless_set_is_given_up(keys: RemoteKeySet, issuer: Issuer) -> None:
    sent: list[int] = []

    def write(file: Any) -> None:
        file.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while not issuer.closed.is_set():
            sent.append(file.write(b" " * 65536))

    issuer.write = write
    assert keys() == ()
    assert sum(sent) < 50_000_000


def test_issuer_that_is_not_there_is_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
        assert RemoteKeySet(url, clock=clock)() == ()
    assert warnings_of(caplog) == [f"The JWK Set {url} could not be reached (ConnectionError)"]


def test_host_that_nobody_can_look_up_is_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    assert RemoteKeySet("https://" + "x" * 64 + ".example/keys", clock=clock)() == ()
    assert len(warnings_of(caplog)) == 1


def test_slow_body_is_given_up(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    keys = RemoteKeySet(issuer.url, timeout=0.3)
    head = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"

    def write(file: Any) -> None:
        file.write(head)
        for _ in range(100):
            if issuer.closed.wait(0.05):
                return
            file.write(b" " * 1024)

    issuer.write = write
    began = time.monotonic()
    assert keys() == ()
    assert time.monotonic() - began < 2
    eventually(lambda: not fetches())
    assert warnings_of(caplog) == [f"The JWK Set http://{issuer.host}/keys was not answered within 0.3 s"]


def test_issuer_that_drips_holds_few_threads_and_no_caller(issuer: Issuer, clock: Clock) -> None:
    """No time limit of one read ends this."""
    keys = RemoteKeySet(issuer.url, timeout=0.5, clock=clock)
    issuer.write = issuer.drip(b"HTTP/1.0 200 OK\r\nX-Slow: " + b"x" * 10_000, every=0.02)
    began = time.monotonic()
    for _ in range(MAX_FETCHES + 3):
        assert keys() == ()
        clock.now += RETRY_AFTER
    assert time.monotonic() - began < 5
    assert len(issuer.requests) == len(fetches()) == MAX_FETCHES


def test_fetch_that_comes_back_too_late_changes_nothing(issuer: Issuer, clock: Clock) -> None:
    keys = RemoteKeySet(issuer.url, clock=clock)
    assert ids(keys) == ["one"]
    issuer.body = key_set("late")
    issuer.gate.clear()
    clock.now += 300
    assert ids(keys) == ["one"]
    eventually(lambda: len(issuer.requests) == 2)
    clock.now += 5
    assert ids(keys) == ["one"]  # gives the second up
    issuer.gate.set()
    eventually(lambda: not fetches())
    assert ids(keys) == ["one"]
    issuer.body = key_set("new")
    clock.now += RETRY_AFTER
    eventually(lambda: ids(keys) == ["new"])


def test_process_that_can_start_no_thread_has_no_keys(
    keys: RemoteKeySet, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert keys() == keys() == ()
    assert len(warnings_of(caplog)) == 1
    clock.now += RETRY_AFTER
    assert ids(keys) == ["one"]


def test_error_that_nobody_thought_of_is_a_failure_like_others(
    keys: RemoteKeySet, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(key_sets, "_parsed", lambda _body: 1 / 0)
        assert keys() == ()
    assert warnings_of(caplog)[0].endswith("could not be read (ZeroDivisionError)")
    clock.now += RETRY_AFTER
    assert ids(keys) == ["one"]


# How the issuer is asked.


@pytest.mark.parametrize(
    "url",
    [
        "https://issuer.example/.well-known/jwks.json",
        "https://issuer.example:8443/keys?tenant=a",
        "HTTPS://issuer.example/",
        "https://10.0.0.1/keys",
        "http://localhost/keys",
        "http://127.0.0.1:8080/keys",
        "http://127.1.2.3/keys",
        "http://[::1]:8080/keys",
    ],
)
def test_url_with_tls_or_of_this_machine_is_taken(url: str) -> None:
    assert RemoteKeySet(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "is not an https URL"),
        ("issuer.example/keys", "is not an https URL"),
        ("ftp://issuer.example/keys", "is not an https URL"),
        ("file:///etc/passwd", "is not an https URL"),
        ("https:///keys", "is not an https URL"),
        ("https://:443/keys", "is not an https URL"),
        ("https://issuer.example:0/", "is not an https URL"),
        ("https://issuer.example:99999/", "is not a valid URL"),
        ("https://issuer.example:x/", "is not a valid URL"),
        ("https://[::1/", "is not a valid URL"),
        ("http://issuer.example/keys", "anybody on the way could give other keys"),
        ("http://10.0.0.1/keys", "anybody on the way"),
        ("http://localhost.issuer.example/keys", "anybody on the way"),
        ("http://127.0.0.1.issuer.example/keys", "anybody on the way"),
        ("http://0.0.0.0/keys", "anybody on the way"),
        ("https://joe:secret@issuer.example/", "has a user name or password"),
        ("https://@issuer.example/", "has a user name or password"),
        ("http://127.0.0.1@issuer.example/", "has a user name or password"),
        ("https://issuer.example/#keys", "has a fragment"),
        ("https://issuer.example/#", "has a fragment"),
        ("https://issuer.example/a b", "has a space"),
        ("https://issuer.example/a\nb", "has a space"),
        ("http://127.0.0.1\\@issuer.example/", "has a space, backslash"),
    ],
)
def test_url_that_is_not_safe_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as raised:
        RemoteKeySet(url)
    assert "give one such as https://" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_algorithm_that_cannot_be_is_refused_at_once() -> None:
    """Mercure 1.0, Token Validation: never HMAC with a JWK Set."""
    for algorithms in (["HS256"], ["none"], []):
        with pytest.raises(ValueError):
            RemoteKeySet("https://issuer.example/keys", algorithms=algorithms)


def test_algorithms_are_those_that_are_allowed(issuer: Issuer) -> None:
    """Mercure 1.0, Token Validation: an allow-list."""
    assert RemoteKeySet(issuer.url, algorithms=["RS256"])() == ()
    assert len(RemoteKeySet(issuer.url, algorithms=["RS256", "EdDSA"])()) == 1


def test_nothing_of_the_user_is_sent(
    issuer: Issuer, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login joe password secret")
    monkeypatch.setenv("NETRC", str(netrc))
    issuer.headers = {**issuer.headers, "Set-Cookie": "session=x; Path=/"}
    keys = RemoteKeySet(issuer.url, clock=clock)
    for count in (1, 2):
        keys()
        eventually(lambda count=count: len(issuer.requests) == count and not fetches())
        clock.now += 300
    for _, _, headers in issuer.requests:
        assert not {"Authorization", "Cookie"} & set(headers)


def test_proxy_of_the_environment_is_asked_but_not_for_this_machine(
    issuer: Issuer, keys: RemoteKeySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{issuer.host}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert ids(keys) == ["one"]
    issuer.status = 502
    assert RemoteKeySet("https://issuer.example/keys")() == ()
    assert [(method, path) for method, path, _ in issuer.requests] == [
        ("GET", "/keys?token=hidden"),
        ("CONNECT", "issuer.example:443"),
    ]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a certificate for this machine that nobody has signed; the file has its key, too."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        made.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return file


def test_certificate_must_be_trusted(
    certificate: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    issuer = Issuer(tls)
    keys = RemoteKeySet(f"https://{issuer.host}/keys", clock=clock)
    try:
        assert keys() == ()
        assert "its certificate is not trusted" in warnings_of(caplog)[0]
        assert issuer.requests == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        clock.now += RETRY_AFTER
        assert ids(keys) == ["one"]
    finally:
        issuer.close()


# Processes and greenlets.


def run(script: str, url: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", script, url], capture_output=True, text=True, timeout=30, env=environment
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_forked_process_has_the_keys_and_fetches_by_itself(issuer: Issuer) -> None:
    """Even where a thread of the parent was in the middle of it."""
    issuer.delay = 0.3
    script = """
import os, sys, time
from flask_mercure_sse.server.key_sets import RemoteKeySet

now = [1000.0]
keys = RemoteKeySet(sys.argv[1], clock=lambda: now[0])
assert len(keys()) == 1
now[0] += 300
assert len(keys()) == 1  # begins a fetch
keys._lock.acquire()
child = os.fork()
if not child:
    deadline = time.monotonic() + 10
    while keys._known.at < now[0] and time.monotonic() < deadline:
        assert len(keys()) == 1
        time.sleep(0.01)
    os._exit(keys._known.at != now[0])
print(os.waitpid(child, 0)[1])
"""
    assert run(script, issuer.url) == "0\n"
    assert len(issuer.requests) == 3


def test_greenlets_go_on_while_the_keys_are_fetched(issuer: Issuer) -> None:
    issuer.delay = 0.3
    script = """
from gevent import monkey; monkey.patch_all()
import sys, time
import gevent
from flask_mercure_sse.server.key_sets import RemoteKeySet

ticks = []
def tick():
    while True:
        ticks.append(1)
        gevent.sleep(0.01)
gevent.spawn(tick)
now = [1000.0]
keys = RemoteKeySet(sys.argv[1], clock=lambda: now[0])
callers = [gevent.spawn(keys) for _ in range(10)]
gevent.joinall(callers, timeout=10)
assert [len(caller.value) for caller in callers] == [1] * 10
assert len(ticks) > 5
now[0] += 300
assert len(keys()) == 1
assert keys._known.at < now[0]  # not waited for
while keys._known.at < now[0]:
    gevent.sleep(0.01)
"""
    run(script, issuer.url)
    assert len(issuer.requests) == 2
