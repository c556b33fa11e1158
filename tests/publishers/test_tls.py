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

from flask_mercure_sse import PublishError, Update
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
