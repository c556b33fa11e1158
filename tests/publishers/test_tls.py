"""Hubs behind TLS: their certificates are always verified."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flask import Flask

from flask_mercure_sse import MercureSSE, PublishError, SubscriptionsError, Update
from flask_mercure_sse.protocol.errors import SubscribeError
from flask_mercure_sse.publishers.connections import Connections
from flask_mercure_sse.publishers.http import HttpPublisher
from tests.publishers.fake_hub import FakeHub


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that no known authority has signed, and its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a hub")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.KeyUsage(True, False, False, False, False, True, False, False, False), True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "hub.pem"
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def hub(certificate: Path) -> Iterator[FakeHub]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    hub = FakeHub(tls=context)
    yield hub
    hub.close()


def test_a_certificate_of_an_unknown_authority_is_refused(hub: FakeHub) -> None:
    publisher = HttpPublisher(hub.url, lambda: "a.b.c")
    with pytest.raises(PublishError, match="CERTIFICATE_VERIFY_FAILED"):
        publisher.publish(Update(("/a",)))
    publisher.close()
    assert hub.requests == []


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_an_authority_of_ones_own_is_taken_whatever_the_environment_says(
    variable: str, hub: FakeHub, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "")
    publisher = HttpPublisher(hub.url, lambda: "a.b.c", connections=Connections(str(certificate)))
    assert publisher.publish(Update(("/a",))) == "its-id"


def test_nothing_in_the_environment_turns_the_check_off(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURL_CA_BUNDLE", "")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
    with pytest.raises(PublishError, match="CERTIFICATE_VERIFY_FAILED"):
        HttpPublisher(hub.url, lambda: "a.b.c").publish(Update(("/a",)))


@pytest.fixture(params=["default", "named"])
def way(request: pytest.FixtureRequest) -> str:
    """Which of an app's hubs it is."""
    return request.param


def site(way: str, hub: FakeHub, **config: object) -> tuple[Flask, dict[str, str]]:
    """Return an app with a hub, and the argument that names it."""
    app = Flask("site")
    at = {"MERCURE_HUB_URL": hub.url} if way == "default" else {"MERCURE_HUBS": {"eu": hub.url}}
    app.config.update(SECRET_KEY="s" * 32, **at, **config)
    MercureSSE(app)
    return app, {} if way == "default" else {"hub": "eu"}


def test_an_app_refuses_a_hub_whose_authority_is_not_known(way: str, hub: FakeHub) -> None:
    app, named = site(way, hub)
    state, mercure = app.extensions["mercure_sse"], app.extensions["mercure_sse"].instance
    with pytest.raises(PublishError, match="CERTIFICATE_VERIFY_FAILED"):
        mercure.publish("/a", "x", wait=True, **named)
    with pytest.raises(SubscriptionsError, match="CERTIFICATE_VERIFY_FAILED"):
        mercure.count("/a", **named)
    with pytest.raises(SubscribeError, match="CERTIFICATE_VERIFY_FAILED"):
        state.source(**named).open(["/a"], None)
    assert (hub.requests, hub.asked) == ([], 0)


def test_an_app_takes_the_authority_of_its_configuration(way: str, hub: FakeHub, certificate: Path) -> None:
    app, named = site(way, hub, MERCURE_CA_FILE=str(certificate))
    state, mercure = app.extensions["mercure_sse"], app.extensions["mercure_sse"].instance
    assert mercure.publish("/a", "x", wait=True, **named)
    hub.answer = '{"subscriptions": []}'
    assert mercure.count("/a", **named) == 0
    hub.headers = {"Content-Type": "text/event-stream"}
    state.source(**named).open(["/a"], None).close()
    assert hub.asked == 2
