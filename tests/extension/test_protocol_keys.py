"""Keys that are no secrets, others who make tokens, and whom a token is for."""

from __future__ import annotations

import hmac
import time
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from flask import Flask, Response
from flask.testing import FlaskClient

from flask_mercure_sse import (
    ConfigurationError,
    InvalidUpdate,
    MercureSSE,
    MissingKeyError,
)
from flask_mercure_sse.protocol.keys import read_key, sign
from flask_mercure_sse.protocol.versions import PROTOCOLS
from tests.conftest import SECRET

from .protocols import (
    API,
    DETAIL,
    HUB,
    METADATA,
    METADATA_URL,
    PUBLIC,
    bearer,
    in_1_0,
    make,
    mercure_of,
    read,
)

ADA = "https://ada.example"
ADAS_SECRET = "Ada's secret, which is long enough for HS256"


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


@cache
def pems(kind: str) -> tuple[str, str]:
    """Return a private key and its public half."""
    private: Any = {
        "RSA": lambda: rsa.generate_private_key(65537, 2048),
        "EC": lambda: ec.generate_private_key(ec.SECP256R1()),
        "Ed25519": ed25519.Ed25519PrivateKey.generate,
    }[kind]()
    return (
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    )


def both_keys(key: str) -> dict[str, str]:
    return {"MERCURE_PUBLISHER_SECRET_KEY": key, "MERCURE_SUBSCRIBER_SECRET_KEY": key}


@pytest.mark.parametrize(("kind", "algorithm"), [("RSA", "RS256"), ("EC", "ES256"), ("Ed25519", "EdDSA")])
def test_an_app_signs_with_a_private_key_and_a_hub_checks_with_the_public_one(
    protocol: str, kind: str, algorithm: str
) -> None:
    private, public = pems(kind)
    signer, hub = make(protocol, **both_keys(private)), make(protocol, **both_keys(public))
    client, mercure = hub.test_client(), mercure_of(hub)
    reader = mercure_of(signer).create_subscription_jwt("/a")
    writer = mercure_of(signer).create_jwt("publisher_secret_key", publish=["/a"])
    assert {jwt.get_unverified_header(token)["alg"] for token in (reader, writer)} == {algorithm}
    stream = client.get(mercure.hub_url("/a"), headers=bearer(reader))
    form = {"topic": "/a", "data": "x", "private": "on"}
    assert client.post(HUB, data=form, headers=bearer(writer)).status_code == 200
    assert read(stream) == ["x"]


def test_an_app_may_check_what_it_signed_with_a_private_key(protocol: str) -> None:
    app = make(protocol, **both_keys(pems("Ed25519")[0]))
    token = mercure_of(app).create_subscription_jwt("/a")
    assert app.test_client().head(mercure_of(app).hub_url("/a"), headers=bearer(token)).status_code == 200


def test_the_text_of_a_public_key_is_no_secret_that_signs(protocol: str) -> None:
    """RFC 8725, Algorithm Verification: with the public key as a secret anybody could sign."""
    public = pems("RSA")[1]
    app = make(protocol, **both_keys(public))
    state = app.extensions["mercure_sse"]
    header = {"alg": "HS256", "typ": state.version.token_type}
    parts = [
        urlsafe_b64encode(app.json.dumps(part).encode()).rstrip(b"=")
        for part in (header, state.tokens.claims(subscribe=["*"]))
    ]
    signature = hmac.digest(public.encode(), b".".join(parts), "sha256")
    forged = b".".join([*parts, urlsafe_b64encode(signature).rstrip(b"=")]).decode()
    answer = app.test_client().head(mercure_of(app).hub_url("/a"), headers=bearer(forged))
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "key", ["https://ada.example/jwks.json", pems("EC")[1]], ids=["key set", "public key"]
)
def test_public_keys_cannot_sign(protocol: str, key: str) -> None:
    app = make(protocol, **both_keys(key))
    mercure = mercure_of(app)
    for call in (
        lambda: mercure.create_subscription_jwt("/a"),
        lambda: mercure.create_jwt("publisher_secret_key", publish=["/a"]),
        lambda: mercure.set_authz_cookie(Response(), "/a"),
    ):
        with pytest.raises(MissingKeyError, match="has public keys, which can only check tokens"):
            call()
    assert mercure.publish("/a", "x")  # the hub is the app's own and needs no token


def test_the_url_of_a_key_set_that_cannot_sign_is_named(protocol: str) -> None:
    app = make(protocol, **both_keys("https://ada.example/jwks.json"))
    with pytest.raises(MissingKeyError, match="MERCURE_SUBSCRIBER_SECRET_KEY has public keys"):
        mercure_of(app).create_subscription_jwt("/a")


def test_a_public_key_that_cannot_sign_is_named(protocol: str) -> None:
    app = make(protocol, **both_keys(pems("EC")[1]))
    with pytest.raises(MissingKeyError, match="MERCURE_SUBSCRIBER_SECRET_KEY"):
        mercure_of(app).create_subscription_jwt("/a")


# Others who make tokens


def of_ada(key: str = ADAS_SECRET, **claims: Any) -> str:
    """Return a token of Mercure 1.0 that Ada made for the hub of PUBLIC."""
    topics = [{"match": "/a"}]
    made = {
        "iss": ADA,
        "aud": PUBLIC,
        "exp": int(time.time()) + 60,
        "authorization_details": [{"type": DETAIL, "actions": ["publish", "subscribe"], "topics": topics}],
        **claims,
    }
    return sign(made, read_key(key), type="at+jwt")


@pytest.fixture
def with_ada(protocol: str) -> FlaskClient:
    """A client of a hub that takes Ada's tokens for both roles."""
    keys = {"publisher": ADAS_SECRET, "subscriber": ADAS_SECRET}
    return make(protocol, MERCURE_PUBLIC_HUB_URL=PUBLIC, MERCURE_ISSUERS={ADA: keys}).test_client()


@in_1_0
def test_tokens_of_an_issuer_are_taken(with_ada: FlaskClient) -> None:
    stream = with_ada.get(f"{HUB}?match=/a", headers=bearer(of_ada()))
    form = {"topic": "/a", "data": "x", "private": "on"}
    assert with_ada.post(HUB, data=form, headers=bearer(of_ada())).status_code == 200
    assert read(stream) == ["x"]


@in_1_0
@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://stranger.example"},
        {"iss": PUBLIC},
        {"aud": "https://other.example"},
        {"aud": f"http://localhost{HUB}"},
        {"exp": 1},
        {"nbf": 4_000_000_000},
        {"authorization_details": "all"},
        {"authorization_details": [{"type": DETAIL, "actions": ["subscribe"], "topics": ["/a"]}]},
    ],
    ids=lambda claims: " ".join(map(str, claims.items()))[:40],
)
def test_a_token_that_is_not_right_in_everything_is_refused(
    with_ada: FlaskClient, claims: dict[str, Any]
) -> None:
    for answer in (
        with_ada.get(f"{HUB}?match=/a", headers=bearer(of_ada(**claims))),
        with_ada.get(API, headers=bearer(of_ada(**claims))),
        with_ada.post(HUB, data={"topic": "/a"}, headers=bearer(of_ada(**claims))),
    ):
        assert (answer.status_code, answer.text) == (401, "Unauthorized\n")
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge == f'Bearer error="invalid_token", resource_metadata="{METADATA_URL}"'


@in_1_0
def test_an_issuers_keys_are_for_its_tokens_alone(with_ada: FlaskClient) -> None:
    for token in (of_ada(SECRET), of_ada(iss=PUBLIC)):
        assert with_ada.get(f"{HUB}?match=/a", headers=bearer(token)).status_code == 401
    assert with_ada.head(f"{HUB}?match=/a", headers=bearer(of_ada(SECRET, iss=PUBLIC))).status_code == 200


@in_1_0
def test_an_issuer_without_a_key_for_a_role_has_no_say_in_it(protocol: str) -> None:
    issuers = {ADA: {"publisher": ADAS_SECRET}}
    client = make(protocol, MERCURE_PUBLIC_HUB_URL=PUBLIC, MERCURE_ISSUERS=issuers).test_client()
    assert client.get(f"{HUB}?match=/a", headers=bearer(of_ada())).status_code == 401
    assert client.post(HUB, data={"topic": "/a"}, headers=bearer(of_ada())).status_code == 200


def test_issuers_have_no_say_in_0_x() -> None:
    issuers = {ADA: {"publisher": ADAS_SECRET, "subscriber": ADAS_SECRET}}
    client = make("0.x", MERCURE_ISSUERS=issuers).test_client()
    claims = {"iss": ADA, "mercure": {"subscribe": ["*"], "publish": ["*"]}}
    for token in (of_ada(), sign(claims, read_key(ADAS_SECRET))):
        assert client.get(f"{HUB}?topic=/a", headers=bearer(token)).status_code == 401
        assert client.post(HUB, data={"topic": "/a"}, headers=bearer(token)).status_code == 401


@in_1_0
def test_an_app_may_sign_under_another_name(protocol: str) -> None:
    app, other = make(protocol, MERCURE_ISSUER="my-app"), make(protocol)
    token = mercure_of(app).create_subscription_jwt("/a")
    assert jwt.decode(token, options={"verify_signature": False})["iss"] == "my-app"
    assert app.test_client().head(f"{HUB}?match=/a", headers=bearer(token)).status_code == 200
    token = mercure_of(other).create_subscription_jwt("/a")
    assert app.test_client().head(f"{HUB}?match=/a", headers=bearer(token)).status_code == 401


@in_1_0
def test_the_apps_own_name_is_none_of_another_issuer(protocol: str) -> None:
    with pytest.raises(ConfigurationError, match="MERCURE_ISSUERS"):
        make(protocol, MERCURE_ISSUER=ADA, MERCURE_ISSUERS={ADA: {"subscriber": ADAS_SECRET}})


# Who the hub is


@in_1_0
def test_a_hub_without_a_url_works_and_describes_itself_to_nobody(protocol: str) -> None:
    app = make(protocol)
    token = mercure_of(app).create_subscription_jwt("/a")
    client = app.test_client()
    for base_url in ("http://localhost", "https://example.com", "https://evil.example"):
        found = client.head(f"{HUB}?match=/a", headers=bearer(token), base_url=base_url)
        assert found.status_code == 200
        assert client.get(METADATA, base_url=base_url).status_code == 404
        refused = client.get(f"{HUB}?match=/a", headers=bearer("x" * 50), base_url=base_url)
        assert refused.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


@in_1_0
def test_a_hub_with_a_url_describes_itself(protocol: str) -> None:
    app = make(
        protocol,
        MERCURE_PUBLIC_HUB_URL="https://example.com",
        MERCURE_ISSUERS={ADA: {"publisher": ADAS_SECRET}, "my-app": {"publisher": ADAS_SECRET}},
    )
    document = app.test_client().get(METADATA, base_url="https://evil.example")
    assert (document.status_code, document.content_type) == (200, "application/json")
    assert document.json == {
        "resource": PUBLIC,
        "authorization_servers": [ADA],
        "authorization_details_types_supported": [DETAIL],
        "bearer_methods_supported": ["header"],
        "mercure_cookie": "__Secure-mercure_access_token",
        "mercure_subscriptions": True,
    }
    head = app.test_client().head(METADATA)
    assert (head.status_code, head.text) == (200, "")


@in_1_0
def test_the_description_follows_the_settings(protocol: str) -> None:
    app = make(
        protocol,
        MERCURE_PUBLIC_HUB_URL="http://localhost:5000",
        MERCURE_HUB_SUBSCRIPTIONS=False,
        MERCURE_AUTHZ_COOKIE_NAME="push",
    )
    assert app.test_client().get(METADATA).json == {
        "resource": f"http://localhost:5000{HUB}",
        "authorization_details_types_supported": [DETAIL],
        "bearer_methods_supported": ["header"],
        "mercure_cookie": "push" if protocol == "1.0" else "mercure_access_token",
    }


@in_1_0
def test_the_server_name_says_who_the_hub_is_too(protocol: str) -> None:
    app = make(protocol, SERVER_NAME="example.com", PREFERRED_URL_SCHEME="https")
    document = app.test_client().get(METADATA, base_url="https://example.com")
    assert document.json is not None
    assert document.json["resource"] == PUBLIC


def test_a_hub_of_0_x_has_no_description() -> None:
    assert make("0.x", MERCURE_PUBLIC_HUB_URL=PUBLIC).test_client().get(METADATA).status_code == 404


@in_1_0
def test_a_token_is_for_the_hub_that_it_names(protocol: str) -> None:
    here, there = (
        make(protocol, MERCURE_PUBLIC_HUB_URL=url, MERCURE_ISSUER="my-app")
        for url in ("https://here.example", "https://there.example")
    )
    token = mercure_of(here).create_subscription_jwt("/a")
    for app, status in ((here, 200), (there, 401)):
        assert app.test_client().head(f"{HUB}?match=/a", headers=bearer(token)).status_code == status


@in_1_0
def test_an_external_hub_whose_url_is_not_known_is_an_error_with_the_fix(protocol: str) -> None:
    app = Flask("external")
    app.config.update(SECRET_KEY=SECRET, MERCURE_PROTOCOL=protocol)
    with pytest.raises(ConfigurationError, match=r"MERCURE_PUBLIC_HUB_URL is missing: .* set it to"):
        MercureSSE(app, hub_url=True)


@pytest.mark.parametrize(
    ("protocol", "url"),
    [
        ("0.x", f"https://example.com/push{HUB}"),
        ("both", f"https://example.com/push{HUB}"),
        ("1.0", "https://example.com/push"),
    ],
)
def test_a_hub_of_1_0_alone_may_have_another_path(protocol: str, url: str) -> None:
    app = make(protocol, MERCURE_PUBLIC_HUB_URL="https://example.com/push")
    assert mercure_of(app).hub_base_url() == url


def test_the_topics_of_events_follow_the_path_of_the_hub() -> None:
    app = make("1.0", MERCURE_PUBLIC_HUB_URL="https://example.com/push")
    mercure = mercure_of(app)
    assert mercure.subscription_topic("/a", "s") == "/push/subscriptions/exact/%2Fa/s"
    with app.test_client().get(f"{HUB}?match=/a"):
        assert mercure.subscriptions()[0]["id"].startswith("/push/subscriptions/exact/%2Fa/urn%3A")
    with pytest.raises(InvalidUpdate):
        mercure.publish("/push/subscriptions/x", "x")


def test_the_link_of_the_api_follows_the_path_of_the_hub() -> None:
    """Mercure 1.0, Subscription API: it is a link to the hub's URL."""
    app = make("1.0", MERCURE_PUBLIC_HUB_URL="https://example.com/push")
    answer = app.test_client().get(API, headers=bearer(mercure_of(app).create_subscription_jwt()))
    assert answer.headers["Link"].partition(">")[0] in ("</push", "<https://example.com/push")
