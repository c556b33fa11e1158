"""Keys of JSON Web Tokens: which are read, and which tokens are believed because of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import sys
import time
import warnings
from datetime import datetime
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_mercure_sse.protocol.errors import InvalidToken, MissingKeyError
from flask_mercure_sse.protocol.keys import (
    MAX_DEPTH,
    MAX_KEYS,
    MAX_TOKEN_LENGTH,
    PUBLIC_KEY_ALGORITHMS,
    Key,
    Unverified,
    read_key,
    read_key_set,
    read_token,
    sign,
    verify,
)

SECRET = b"a secret that is long enough for HS256"
CLAIMS = {"mercure": {"subscribe": ["/books/{id}"]}}
STRANGER = b"the key of a stranger, long enough for it"

CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")

# Keys and their parts.


@cache
def private_key(kind: str) -> Any:
    """Make the private key of a kind: RSA, EdDSA, Ed448 or the algorithm of a curve."""
    if kind == "RSA":
        return rsa.generate_private_key(65537, 2048)
    if kind in CURVES:
        return ec.generate_private_key(CURVES[kind])
    return {"EdDSA": ed25519.Ed25519PrivateKey, "Ed448": ed448.Ed448PrivateKey}[kind].generate()


KINDS = ("RSA", *CURVES, "EdDSA", "Ed448")


def kind_of(algorithm: str) -> str:
    return "RSA" if algorithm in RSA_ALGORITHMS else algorithm


def private_pem(key: Any, format: PrivateFormat = PrivateFormat.PKCS8, password: bytes | None = None) -> str:
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, format, protection).decode()


def public_pem(key: Any) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def public_der(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def certificate(key: Any) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer.example")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime(2020, 1, 1)).not_valid_after(datetime(2021, 1, 1))
    signed_by_hash = isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey))
    return builder.sign(key, hashes.SHA256() if signed_by_hash else None)


def jwk(kind: str, **members: object) -> dict[str, Any]:
    """Make the JWK of a public key; a member that is None is left out."""
    reader = {"RSA": "RS256", "Ed448": "EdDSA"}.get(kind, kind)
    text = jwt.get_algorithm_by_name(reader).to_jwk(private_key(kind).public_key())
    made = {**json.loads(text), **members}
    return {name: value for name, value in made.items() if value is not None}


def key_set(*keys: object) -> dict[str, object]:
    return {"keys": list(keys)}


# Tokens, made by hand so that they may be as wrong as we like.


def part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def forge(
    claims: object = CLAIMS,
    *,
    header: dict[str, Any] | None = None,
    key: bytes = SECRET,
    raw_header: bytes | None = None,
    body: bytes | None = None,
) -> str:
    """Make a token that is signed with HMAC, whatever its header says."""
    names = {"alg": "HS256", "typ": "JWT"} | (header or {})
    head = json.dumps(names).encode() if raw_header is None else raw_header
    body = json.dumps(claims).encode() if body is None else body
    signed = f"{part(head)}.{part(body)}"
    return f"{signed}.{part(hmac.digest(key, signed.encode(), hashlib.sha256))}"


def secret(*algorithms: str, id: str | None = None) -> Key:
    return read_key(SECRET, algorithms or None, id=id)


def public(kind: str, *algorithms: str, id: str | None = None) -> Key:
    return read_key(public_pem(private_key(kind)), algorithms or None, id=id)


def private(kind: str, *algorithms: str, id: str | None = None) -> Key:
    return read_key(private_pem(private_key(kind)), algorithms or None, id=id)


# Round trips.


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_token_of_a_secret_gives_its_claims_back(algorithm: str) -> None:
    """RFC 7518, HMAC with SHA-2 Functions."""
    key = secret(algorithm)
    token = sign(CLAIMS, key)
    assert verify(token, [key]) == CLAIMS
    assert jwt.decode(token, SECRET.ljust(64, b"\0"), algorithms=[algorithm]) == CLAIMS


@pytest.mark.parametrize("algorithm", PUBLIC_KEY_ALGORITHMS)
def test_token_of_a_private_key_is_checked_with_its_public_key(algorithm: str) -> None:
    """RFC 7518, Cryptographic Algorithms for Digital Signatures and MACs; RFC 8037."""
    kind = kind_of(algorithm)
    token = sign(CLAIMS, private(kind, algorithm))
    assert read_token(token).header["alg"] == algorithm
    assert verify(token, [public(kind, algorithm)]) == CLAIMS
    assert verify(token, [private(kind, algorithm)]) == CLAIMS
    assert verify(token, read_key_set(key_set(jwk(kind)))) == CLAIMS
    assert jwt.decode(token, public_pem(private_key(kind)), algorithms=[algorithm]) == CLAIMS


@pytest.mark.parametrize("kind", KINDS)
def test_token_of_another_librarys_is_believed(kind: str) -> None:
    """Mercure 1.0, Token Validation."""
    algorithm = {"RSA": "PS384", "Ed448": "EdDSA"}.get(kind, kind)
    token = jwt.encode(CLAIMS, private_pem(private_key(kind)), algorithm=algorithm)
    assert verify(token, [public(kind, algorithm)]) == CLAIMS


def test_token_has_its_type_and_the_id_of_its_key() -> None:
    """RFC 7515, JOSE Header."""
    token = sign(CLAIMS, secret(id="2027-01"), type="at+jwt")
    assert read_token(token) == Unverified({"alg": "HS256", "typ": "at+jwt", "kid": "2027-01"}, CLAIMS)
    assert read_token(sign(CLAIMS, secret())).header == {"alg": "HS256", "typ": "JWT"}


def test_first_algorithm_signs_and_each_is_believed() -> None:
    """Mercure 1.0, Token Validation."""
    key = private("RSA", "PS512", "RS256")
    assert read_token(sign(CLAIMS, key)).header["alg"] == "PS512"
    assert verify(sign(CLAIMS, private("RSA", "RS256")), [key]) == CLAIMS


def test_public_key_signs_nothing() -> None:
    key = public("ES256")
    assert not key.can_sign
    with pytest.raises(MissingKeyError, match="give the private key"):
        sign(CLAIMS, key)


def test_times_are_not_judged_with_the_signature() -> None:
    """Mercure 1.0, Token Validation: the clock is the caller's."""
    claims = {"exp": 1, "nbf": 9_999_999_999, "iat": 9_999_999_999, "aud": "x", "iss": "y", "sub": 7}
    assert verify(forge(claims), [secret()]) == claims


# Reading a key.


@pytest.mark.parametrize(
    "value", [b"short", b"x", "!ChangeMe!", b"a" * 31, b"a" * 64, b"a" * 65, "clé", b"\xff"]
)
def test_secret_makes_the_token_that_any_other_library_makes(value: str | bytes) -> None:
    """RFC 2104: a key shorter than a block is padded with zeros; whoever owns the key was warned elsewhere."""
    raw = value.encode() if isinstance(value, str) else value
    key = read_key(value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        token = sign(CLAIMS, key)
        assert verify(forge(key=raw), [key]) == CLAIMS
    signed, _, signature = token.rpartition(".")
    assert signature == part(hmac.digest(raw, signed.encode(), hashlib.sha256))


def test_secret_of_an_environment_variable_may_be_any_bytes() -> None:
    """PEP 383."""
    assert read_key(b"\xff\xfe raw".decode(errors="surrogateescape")) == read_key(b"\xff\xfe raw")


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        ("RSA", "RS256"),
        ("ES256", "ES256"),
        ("ES384", "ES384"),
        ("ES512", "ES512"),
        ("EdDSA", "EdDSA"),
        ("Ed448", "EdDSA"),
    ],
)
def test_key_has_one_algorithm_unless_more_are_asked_for(kind: str, algorithm: str) -> None:
    """Mercure 1.0, Token Validation: a static key pins its algorithm."""
    assert public(kind).algorithms == private(kind).algorithms == (algorithm,)
    assert secret().algorithms == ("HS256",)


def test_algorithms_that_do_not_fit_are_left_out() -> None:
    """Mercure 1.0, Token Validation: the algorithm fits the key."""
    allowed = ["ES256", "PS256", "EdDSA", "RS512", "PS256"]
    assert public("RSA", *allowed).algorithms == ("PS256", "RS512")
    assert public("ES256", *allowed).algorithms == ("ES256",)
    assert read_key(SECRET, ["RS256", "HS512"]).algorithms == ("HS512",)
    assert read_key(SECRET, "HS384").algorithms == ("HS384",)


@pytest.mark.parametrize("kind", KINDS)
def test_every_form_of_a_key_is_the_same_key(kind: str) -> None:
    """RFC 7468."""
    key = private_key(kind)
    pem = public_pem(key)
    certified = certificate(key).public_bytes(Encoding.PEM).decode()
    expected = read_key(pem)
    assert read_key(pem.encode()) == expected
    assert read_key(pem.replace("\n", "\r\n")) == expected
    assert read_key(pem.replace("\n", "\\n")) == expected
    assert read_key(f"subject=issuer.example\n{pem}\n") == expected
    assert read_key(certified) == expected
    assert (
        read_key(certified + certificate(private_key("RSA")).public_bytes(Encoding.PEM).decode()) == expected
    )
    signing = read_key(private_pem(key))
    assert (signing.material, signing.can_sign) == (expected.material, True)
    if kind not in ("EdDSA", "Ed448"):
        assert read_key(private_pem(key, PrivateFormat.TraditionalOpenSSL)) == signing


def test_curve_that_openssl_writes_before_a_key_is_passed_over() -> None:
    """RFC 5915."""
    pem = private_pem(private_key("ES256"), PrivateFormat.TraditionalOpenSSL)
    curve = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert read_key(curve + pem) == read_key(pem)


def test_keys_of_the_same_material_are_equal_and_show_none_of_it() -> None:
    key = secret(id="one")
    assert key == secret(id="one")
    assert hash(key) == hash(secret(id="one"))
    assert len({key, secret(id="two"), secret("HS512", id="one"), read_key(STRANGER, id="one")}) == 4
    assert private("EdDSA") != public("EdDSA")
    assert repr(key) == "Key(algorithms=('HS256',), id='one', can_sign=True)"
    assert repr(private("RSA")) == "Key(algorithms=('RS256',), id=None, can_sign=True)"


RSA_PEM = "is a PEM, and HS256 needs a secret of its own; take it off the algorithms"
NO_SECRET = "is a public key, a JSON Web Key or the like, and no secret .* as a PEM"
GARBLED = "is a PEM that cannot be read; give it whole, with its line breaks"


def weak_rsa() -> str:
    return """-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf
9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==
-----END PUBLIC KEY-----
"""


def openssh(key: Any) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def body_of(pem: str) -> str:
    return "".join(line for line in pem.splitlines() if not line.startswith("-"))


@pytest.mark.parametrize(
    ("value", "algorithms", "problem"),
    [
        (lambda: "", None, "is empty"),
        (lambda: b"", ["HS256"], "is empty"),
        (lambda: SECRET, [], "has an empty list of algorithms; name some of HS256"),
        (lambda: SECRET, ["none"], "cannot be used with the algorithm 'none'; known are HS256"),
        (lambda: SECRET, ["HS256", "nOnE"], "cannot be used with the algorithm 'nOnE'"),
        (lambda: SECRET, ["hs256"], "cannot be used with the algorithm 'hs256'"),
        (lambda: SECRET, ["ES256K"], "cannot be used with the algorithm 'ES256K'"),
        (lambda: SECRET, ["ES521"], "cannot be used with the algorithm 'ES521'"),
        (lambda: SECRET, ["RS256", "ES256"], "is a secret that does not fit RS256, ES256; it fits HS256"),
        (
            lambda: public_pem(private_key("RSA")),
            ["ES256"],
            "is a key that does not fit ES256; it fits RS256",
        ),
        (lambda: public_pem(private_key("ES384")), ["ES256"], "does not fit ES256; it fits ES384"),
        (lambda: public_pem(private_key("RSA")), ["HS256"], RSA_PEM),
        (lambda: public_pem(private_key("RSA")).encode(), ["RS256", "HS256"], RSA_PEM),
        (lambda: private_pem(private_key("RSA")), ["HS256"], RSA_PEM),
        (lambda: certificate(private_key("RSA")).public_bytes(Encoding.PEM), ["HS256"], RSA_PEM),
        (lambda: public_pem(private_key("ES256")), ["HS256", "ES256"], RSA_PEM),
        (lambda: "  " + public_pem(private_key("ES256")), ["HS256"], RSA_PEM),
        (lambda: public_der(private_key("RSA")), None, NO_SECRET),
        (lambda: public_der(private_key("ES256")), ["HS256"], NO_SECRET),
        (lambda: public_der(private_key("EdDSA")), ["HS512"], NO_SECRET),
        (lambda: certificate(private_key("RSA")).public_bytes(Encoding.DER), None, NO_SECRET),
        (lambda: body_of(public_pem(private_key("RSA"))), None, NO_SECRET),
        (lambda: openssh(private_key("RSA")), None, NO_SECRET),
        (lambda: openssh(private_key("ES256")), None, NO_SECRET),
        (lambda: openssh(private_key("EdDSA")), None, NO_SECRET),
        (lambda: json.dumps(jwk("RSA")), None, NO_SECRET),
        (lambda: json.dumps(key_set(jwk("ES256"))), None, NO_SECRET),
        (lambda: json.dumps({"kty": "oct", "k": "eA"}), None, NO_SECRET),
        (weak_rsa, None, "is an RSA key of 512 bits, which must have 2048 to 16384; make one with: openssl"),
        (
            lambda: private_pem(private_key("RSA"), password=b"x"),
            None,
            "is a PEM with a password; take that off with: openssl",
        ),
        (
            lambda: private_pem(private_key("RSA"), PrivateFormat.TraditionalOpenSSL, b"x"),
            None,
            "is a PEM with a password",
        ),
        (lambda: private_pem(private_key("EdDSA"), PrivateFormat.OpenSSH), None, GARBLED),
        (lambda: public_pem(private_key("RSA"))[:200], None, GARBLED),
        (lambda: public_pem(private_key("RSA")).replace("M", "!"), None, GARBLED),
        (lambda: "-----BEGIN PUBLIC KEY-----", None, GARBLED),
        (lambda: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", None, GARBLED),
        (lambda: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", None, GARBLED),
        (lambda: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", None, GARBLED),
        (
            lambda: "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----",
            None,
            GARBLED,
        ),
        (lambda: public_pem(ec.generate_private_key(ec.SECP256K1())), None, "no algorithm here signs with"),
        (lambda: private_pem(x25519.X25519PrivateKey.generate()), None, "no algorithm here signs with"),
        (lambda: public_pem(dsa.generate_private_key(2048)), None, "no algorithm here signs with"),
        (lambda: "a lone surrogate \ud800", None, "has a character that UTF-8 cannot write"),
    ],
)
def test_key_that_cannot_be_used_is_refused_and_not_shown(
    value: Any, algorithms: list[str] | None, problem: str
) -> None:
    """RFC 8725, Best Practices: the text goes on after the setting's name."""
    given = value()
    with pytest.raises(ValueError, match=problem) as raised:
        read_key(given, algorithms)
    text = given.decode("latin-1") if isinstance(given, bytes) else given
    shown = str(raised.value) + repr(raised.value.__cause__)
    assert shown.startswith(("is ", "has ", "cannot "))
    assert not any(word in shown for word in text.split() if len(word) > 8 and "-----" not in word)


@given(st.binary(min_size=1, max_size=80))
def test_any_bytes_are_a_secret_unless_people_publish_such(value: bytes) -> None:
    """RFC 7518, HMAC with SHA-2 Functions."""
    try:
        key = read_key(value)
    except ValueError as error:
        assert str(error).startswith(("is a public key", "is a PEM"))  # noqa: PT017
    else:
        assert verify(forge(key=value), [key]) == CLAIMS


# Reading a set of keys.


def test_keys_of_a_set_have_every_algorithm_that_fits() -> None:
    """Mercure 1.0, Token Validation: EdDSA, ES*, RS* and PS*."""
    keys = read_key_set(key_set(*(jwk(kind, kid=kind) for kind in KINDS)))
    assert {key.id: set(key.algorithms) for key in keys} == {
        "RSA": set(RSA_ALGORITHMS),
        **{curve: {curve} for curve in CURVES},
        "EdDSA": {"EdDSA"},
        "Ed448": {"EdDSA"},
    }
    assert not any(key.can_sign for key in keys)


def test_algorithms_of_a_set_are_those_that_are_allowed() -> None:
    """Mercure 1.0, Token Validation."""
    keys = read_key_set(key_set(jwk("RSA"), jwk("ES256"), jwk("EdDSA")), ["PS256", "ES256"])
    assert [key.algorithms for key in keys] == [("PS256",), ("ES256",)]


@pytest.mark.parametrize("algorithm", ["RS256", "PS512"])
def test_key_that_names_its_algorithm_has_no_other(algorithm: str) -> None:
    """RFC 7517, "alg" (Algorithm) Parameter."""
    [key] = read_key_set(key_set(jwk("RSA", alg=algorithm)))
    assert key.algorithms == (algorithm,)


@pytest.mark.parametrize(
    "members", [{"use": "sig"}, {"key_ops": ["verify"]}, {"key_ops": ["sign", "verify"]}, {"x5c": 7}]
)
def test_key_for_signatures_is_read(members: dict[str, object]) -> None:
    """RFC 7517, JSON Web Key (JWK) Format."""
    assert len(read_key_set(key_set(jwk("ES256", **members)))) == 1


@pytest.mark.parametrize(
    "entry",
    [
        lambda: {"kty": "oct", "k": part(SECRET)},
        lambda: {"kty": "oct", "k": part(SECRET), "alg": "RS256"},
        lambda: jwk("RSA", use="enc"),
        lambda: jwk("RSA", use=7),
        lambda: jwk("RSA", key_ops=["encrypt"]),
        lambda: jwk("RSA", key_ops=["sign"]),
        lambda: jwk("RSA", key_ops="verify"),
        lambda: jwk("RSA", alg="HS256"),
        lambda: jwk("RSA", alg="none"),
        lambda: jwk("RSA", alg="RSA-OAEP"),
        lambda: jwk("RSA", alg="ES256"),
        lambda: jwk("RSA", alg=["RS256"]),
        lambda: jwk("ES256", alg="ES384"),
        lambda: jwk("RSA", kid=7),
        lambda: jwk("RSA", n=None),
        lambda: jwk("RSA", n=7),
        lambda: jwk("RSA", n=""),
        lambda: jwk("RSA", n="AQAB"),
        lambda: jwk("RSA", n=part(b"\xff" * 64)),
        lambda: jwk("RSA", n=part(b"\xff" * 2049)),
        lambda: jwk("RSA", n=part(b"\xff" * 100_000)),
        lambda: jwk("RSA", e=part(b"\x01")),
        lambda: jwk("ES256", crv="P-384"),
        lambda: jwk("ES256", crv="secp256k1"),
        lambda: jwk("ES256", x=part(b"\x01" * 32)),
        lambda: jwk("EdDSA", x="AQAB"),
        lambda: jwk("EdDSA", crv="X25519"),
        lambda: jwk("EdDSA", crv=["Ed25519"]),
        lambda: {"kty": "new", "x": "eA"},
        lambda: {"kty": ["RSA"]},
        dict,
        lambda: None,
        lambda: "key",
        list,
    ],
)
def test_key_that_cannot_check_tokens_is_skipped(entry: Any) -> None:
    """RFC 7517, JWK Set Format: what is not understood is ignored, and the others are read."""
    keys = read_key_set(key_set(entry(), jwk("EdDSA", kid="good")))
    assert [key.id for key in keys] == ["good"]


def test_private_key_in_a_set_is_taken_as_public() -> None:
    """RFC 7517, JWK Set Format."""
    whole = json.loads(jwt.get_algorithm_by_name("ES256").to_jwk(private_key("ES256")))
    assert "d" in whole
    [key] = read_key_set(key_set(whole))
    assert key.material == public("ES256").material
    assert not key.can_sign


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (None, "is not a JWK Set"),
        ([], "is not a JWK Set"),
        ("keys", "is not a JWK Set"),
        ({}, "is not a JWK Set"),
        ({"keys": None}, "is not a JWK Set"),
        ({"keys": {"a": {}}}, "is not a JWK Set"),
        ({"kty": "RSA"}, "is not a JWK Set"),
        ({"keys": [{}] * (MAX_KEYS + 1)}, "has 101 keys, more than 100"),
    ],
)
def test_what_is_no_set_of_keys_is_refused(document: object, problem: str) -> None:
    """RFC 7517, JWK Set Format."""
    with pytest.raises(ValueError, match=problem):
        read_key_set(document)
    assert read_key_set({"keys": []}) == ()


@pytest.mark.parametrize(
    ("algorithms", "problem"),
    [
        (["HS256"], "holds public keys, and HS256 needs a secret"),
        (["RS256", "HS512"], "holds public keys, and HS512 needs a secret"),
        (["none"], "cannot be used with the algorithm 'none'"),
        ([], "has an empty list of algorithms"),
    ],
)
def test_algorithm_that_no_set_of_keys_may_have_is_refused(algorithms: list[str], problem: str) -> None:
    """Mercure 1.0, Token Validation: never HMAC with a JWK Set."""
    with pytest.raises(ValueError, match=problem):
        read_key_set({"keys": []}, algorithms)


def test_without_cryptography_secrets_work_and_the_rest_names_what_to_install() -> None:
    script = f"""
import sys
sys.modules["cryptography"] = None
from flask_mercure_sse.protocol.keys import read_key, read_key_set, sign, verify
key = read_key("a secret that is long enough for HS256")
assert verify(sign({{"a": 1}}, key), [key]) == {{"a": 1}}
for read in (lambda: read_key({weak_rsa()!r}), lambda: read_key_set({{"keys": []}})):
    try:
        read()
    except ValueError as error:
        print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert (
        run.stdout.splitlines()
        == ["needs the package cryptography; pip install 'flask-mercure-sse[crypto]'"] * 2
    )


# Which algorithms are believed.

ALL_KEYS = ["HS256", "HS384", "HS512"]


def every_key() -> list[Key]:
    return [secret(*ALL_KEYS), *read_key_set(key_set(*(jwk(kind) for kind in KINDS)))]


@pytest.mark.parametrize(
    "algorithm",
    [
        "none",
        "None",
        "nOnE",
        "NONE",
        "NoNe",
        "",
        " none",
        "none ",
        "hs256",
        "HS1",
        "ES256K",
        "dir",
        None,
        7,
        True,
        [],
        {},
        ["HS256"],
    ],
)
def test_token_without_a_known_algorithm_is_refused(algorithm: object) -> None:
    """Mercure 1.0, Token Validation; RFC 8725, Perform Algorithm Verification."""
    token = forge(header={"alg": algorithm})
    for forged in (token, token.rpartition(".")[0] + ".", token.rpartition(".")[0]):
        with pytest.raises(InvalidToken):
            verify(forged, every_key())


def test_token_that_names_no_algorithm_is_refused() -> None:
    """RFC 7515, "alg" (Algorithm) Header Parameter."""
    with pytest.raises(InvalidToken, match="names no algorithm"):
        verify(forge(raw_header=b"{}"), every_key())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["pem", "pem without its last line break", "der", "certificate"])
def test_token_that_takes_a_public_key_for_a_secret_is_refused(kind: str, form: str) -> None:
    """RFC 8725, Perform Algorithm Verification: everybody has it, so everybody could sign with it."""
    key = private_key(kind)
    material = {
        "pem": public_pem(key).encode(),
        "pem without its last line break": public_pem(key).strip().encode(),
        "der": public_der(key),
        "certificate": certificate(key).public_bytes(Encoding.PEM),
    }[form]
    for trusted in (public(kind), private(kind), *read_key_set(key_set(jwk(kind)))):
        for algorithm in ("HS256", trusted.algorithms[0]):
            with pytest.raises(InvalidToken):
                verify(forge(header={"alg": algorithm}, key=material), [trusted])


@pytest.mark.parametrize(
    ("signs", "allowed"), [("RS512", "RS256"), ("PS256", "RS256"), ("RS256", "PS256"), ("RS256", "RS384")]
)
def test_algorithm_that_fits_and_is_not_allowed_is_refused(signs: str, allowed: str) -> None:
    """Mercure 1.0, Token Validation: an allow-list."""
    token = sign(CLAIMS, private("RSA", signs))
    assert verify(token, [public("RSA", signs)]) == CLAIMS
    with pytest.raises(InvalidToken, match="no trusted key has"):
        verify(token, [public("RSA", allowed)])


def test_longer_hash_of_the_same_secret_is_refused_unless_it_is_allowed() -> None:
    """Mercure 1.0, Token Validation: an allow-list."""
    token = sign(CLAIMS, secret("HS512"))
    with pytest.raises(InvalidToken):
        verify(token, [secret()])
    assert verify(token, [secret("HS256", "HS512")]) == CLAIMS


# Which key is chosen.


def test_named_key_is_the_only_one_that_is_tried() -> None:
    """RFC 7515, "kid" (Key ID) Header Parameter."""
    old, new = secret(id="old"), read_key(STRANGER, id="new")
    assert verify(sign(CLAIMS, new), [old, new]) == CLAIMS
    with pytest.raises(InvalidToken, match="is not that of a trusted key"):
        verify(forge(header={"kid": "old"}, key=STRANGER), [old, new])


def test_every_key_is_tried_for_a_token_that_names_none() -> None:
    """RFC 7515, "kid" (Key ID) Header Parameter."""
    keys = [read_key(STRANGER, id="a"), secret(id="b"), public("RSA", id="c")]
    assert verify(forge(), keys) == CLAIMS
    assert verify(forge(), iter(keys)) == CLAIMS


@pytest.mark.parametrize(
    "id", ["unknown", "", "../../dev/null", "/dev/null", "' OR 1=1 --", "old\0", "OLD", "x" * 9000]
)
def test_id_that_no_key_has_chooses_none(id: str) -> None:
    """Mercure 1.0, Token Validation: an id only chooses."""
    with pytest.raises(InvalidToken, match="no trusted key has"):
        verify(forge(header={"kid": id}), [secret(id="old"), read_key(STRANGER, id="new")])


@pytest.mark.parametrize("id", ["unknown", "", "../../dev/null"])
def test_keys_without_an_id_are_tried_for_an_unknown_one(id: str) -> None:
    """Mercure 1.0, Token Validation: a secret of the configuration has no id."""
    token = forge(header={"kid": id})
    assert verify(token, [read_key(STRANGER, id="other"), secret()]) == CLAIMS
    with pytest.raises(InvalidToken):
        verify(token, [secret(id="other"), read_key(STRANGER)])


@pytest.mark.parametrize("id", [None, 7, True, [], {}, ["old"]])
def test_id_that_is_no_text_is_refused(id: object) -> None:
    """RFC 7515, "kid" (Key ID) Header Parameter."""
    with pytest.raises(InvalidToken, match="key id"):
        verify(forge(header={"kid": id}), [secret(), secret(id="old")])


def test_each_key_of_an_id_is_tried() -> None:
    """RFC 7517, "kid" (Key ID) Parameter: keys of different kinds may share one."""
    keys = [public("RSA", id="one"), read_key(STRANGER, id="one"), secret(id="one")]
    assert verify(forge(header={"kid": "one"}), keys) == CLAIMS


def test_named_key_must_allow_the_algorithm() -> None:
    """Mercure 1.0, Token Validation: an id does not lead past the allow-list."""
    with pytest.raises(InvalidToken):
        verify(forge(header={"kid": "rsa"}), [public("RSA", id="rsa"), secret(id="secret"), secret()])


def test_no_key_believes_nothing() -> None:
    """Mercure 1.0, Token Validation."""
    with pytest.raises(InvalidToken):
        verify(forge(), [])


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": {"kty": "oct", "k": part(STRANGER)}},
        {"jku": "https://stranger.example/keys.json"},
        {"x5u": "https://stranger.example/certificate.pem"},
        {"x5c": ["AAAA"]},
        {"x5t": "AAAA", "x5t#S256": "AAAA"},
    ],
    ids=lambda header: next(iter(header)),
)
def test_key_that_the_token_brings_along_is_ignored(header: dict[str, Any]) -> None:
    """Mercure 1.0, Token Validation."""
    with pytest.raises(InvalidToken):
        verify(forge(header=header, key=STRANGER), every_key())
    assert verify(forge(header=header), every_key()) == CLAIMS


def test_public_key_that_the_token_brings_along_is_ignored() -> None:
    """Mercure 1.0, Token Validation."""
    stranger = private_pem(ed25519.Ed25519PrivateKey.generate())
    own = json.loads(jwt.get_algorithm_by_name("EdDSA").to_jwk(private_key("EdDSA").public_key()))
    token = jwt.encode(CLAIMS, stranger, algorithm="EdDSA", headers={"jwk": own, "kid": "a"})
    with pytest.raises(InvalidToken):
        verify(token, [public("EdDSA"), public("EdDSA", id="a")])


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["unknown"], "unknown": 1},
        {"crit": ["b64"], "b64": False},
        {"crit": ["b64"], "b64": True},
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"crit": None},
        {"crit": "alg"},
    ],
)
def test_extension_that_must_be_understood_and_is_not_refuses_the_token(header: dict[str, Any]) -> None:
    """RFC 7515, "crit" (Critical) Header Parameter."""
    with pytest.raises(InvalidToken, match="extension"):
        verify(forge(header=header), [secret()])


def test_claims_that_are_not_encoded_are_refused() -> None:
    """RFC 7797, The "b64" Header Parameter: its tokens must say that it has to be understood."""
    assert verify(forge(header={"b64": True}), [secret()]) == CLAIMS
    with pytest.raises(InvalidToken):
        verify(forge(header={"b64": False}), [secret()])


# Signatures.


@pytest.mark.parametrize("algorithm", ["HS256", *PUBLIC_KEY_ALGORITHMS])
def test_changed_token_is_refused(algorithm: str) -> None:
    """Mercure 1.0, Token Validation."""
    key = secret() if algorithm == "HS256" else private(kind_of(algorithm), algorithm)
    header, claims, signature = sign(CLAIMS, key).split(".")
    more = part(json.dumps({"mercure": {"publish": ["*"]}}).encode())
    raw = base64.urlsafe_b64decode(signature + "==")
    flipped = part(bytes([raw[0] ^ 1]) + raw[1:])
    for forged in (
        (more, claims),
        (claims, flipped),
        (claims, part(raw[:-1])),
        (claims, part(raw + b"\0")),
        (claims, part(b"\0" * len(raw))),
    ):
        body, seal = forged if forged[0] == claims else (more, signature)
        with pytest.raises(InvalidToken, match="is not that of a trusted key"):
            verify(f"{header}.{body}.{seal}", [key])


@pytest.mark.parametrize("algorithm", list(CURVES))
def test_signature_of_a_curve_in_der_is_refused(algorithm: str) -> None:
    """RFC 7518, Digital Signature with ECDSA: two numbers of a fixed length, and no other form of them."""
    hash = {"ES256": hashes.SHA256(), "ES384": hashes.SHA384(), "ES512": hashes.SHA512()}[algorithm]
    signed = sign(CLAIMS, private(algorithm)).rpartition(".")[0]
    signature = private_key(algorithm).sign(signed.encode(), ec.ECDSA(hash))
    with pytest.raises(InvalidToken, match="is not that of a trusted key"):
        verify(f"{signed}.{part(signature)}", [public(algorithm)])


def test_token_of_another_key_of_the_same_kind_is_refused() -> None:
    """Mercure 1.0, Token Validation."""
    with pytest.raises(InvalidToken):
        verify(forge(key=STRANGER), [secret()])
    with pytest.raises(InvalidToken):
        verify(sign(CLAIMS, read_key(private_pem(ed25519.Ed25519PrivateKey.generate()))), [public("EdDSA")])


def test_refusal_shows_neither_the_token_nor_the_key() -> None:
    """Mercure 1.0, Security Considerations: no token in a log."""
    for token in (
        forge(key=STRANGER),
        forge(body=b'{"name": 1, "name": 2}'),
        forge(header={"kid": "the-kid"}),
        "a.b",
    ):
        with pytest.raises(InvalidToken) as raised:
            verify(token, [public("RSA"), secret("HS384", id="other")])
        shown = str(raised.value)
        assert not any(
            text in shown
            for text in (*token.split("."), 'name"', "the-kid", SECRET.decode())
            if len(text) > 3
        )


# Their form.


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a",
        "a.b",
        "a.b.c",
        "é.é.é",
        "\udc80",
        "\udc80.\udc80.\udc80",
        "null",
        "{}",
        " ",
        "Bearer x",
        "a" * 100_000,
        "." * 100_000,
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    """RFC 7515, JWS Compact Serialization."""
    with pytest.raises(InvalidToken):
        read_token(token)
    with pytest.raises(InvalidToken):
        verify(token, [secret()])


def test_other_writings_of_a_token_are_refused() -> None:
    """RFC 7515, Terminology: base64url without padding, white space or other additions."""
    token = forge()
    header, claims, signature = token.split(".")
    last = signature[-1]
    others = [
        f"{token}=",
        f"{token}\n",
        f" {token}",
        f"{header}=.{claims}.{signature}",
        f"{header}.{claims}\n.{signature}",
        f"{header}.{claims}.{signature}.",
        f"{header}.{claims}.{signature}.{signature}",
        f"{header}.{claims}",
        f"{header}.{claims}.",
        f"{header}..{signature}",
        f".{claims}.{signature}",
        f"{header}.{claims}.{signature[:-1]}{chr(ord(last) + 1)}",  # bits that stand for nothing
        f"{header}.{claims}.{signature[:20]} {signature[20:]}",
        f"{header}.{claims}.{signature[:20]}+/{signature[22:]}",
    ]
    assert verify(token, [secret()]) == CLAIMS
    for other in others:
        with pytest.raises(InvalidToken):
            verify(other, [secret()])


def test_longest_token_is_believed_and_a_longer_one_not_looked_at() -> None:
    """Mercure 1.0, Token Validation: a limit of its size."""
    frame = len(forge({"a": ""}))
    content = "x" * ((MAX_TOKEN_LENGTH - frame) // 4 * 3)
    assert MAX_TOKEN_LENGTH - 4 < len(forge({"a": content})) <= MAX_TOKEN_LENGTH
    assert verify(forge({"a": content}), [secret()]) == {"a": content}
    with pytest.raises(InvalidToken, match="longer than 16384"):
        verify(forge({"a": content + "x" * 4}), [secret()])


def nested(depth: int) -> list[bytes]:
    return [
        b'{"a":' + b"[" * depth + b"]" * depth + b"}",
        b'{"a":' + b'{"a":' * (depth // 5) + b"1" + b"}" * (depth // 5) + b"}",
        b'{"a":' + b"[" * depth,
        b'{"a":' + b'["\\"[",' * (depth // 8),
    ]


@pytest.mark.parametrize(
    "body", nested(6000) + nested(10_000), ids=lambda body: f"{body[:12].decode()}-{len(body)}"
)
@pytest.mark.parametrize("place", ["header", "payload"])
def test_deep_json_is_refused_at_once(body: bytes, place: str) -> None:
    """RFC 8259, Parsers: a refusal and no error of the hub."""
    token = forge(raw_header=body) if place == "header" else forge(body=body)
    began = time.perf_counter()
    with pytest.raises(InvalidToken, match=r"longer than|nested deeper|is not JSON"):
        verify(token, [secret()])
    assert time.perf_counter() - began < 2


def test_nesting_has_a_limit_and_brackets_in_texts_do_not_count() -> None:
    """RFC 8259, Parsers."""

    def lists(depth: int) -> bytes:
        return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    assert verify(forge(body=lists(MAX_DEPTH)), [secret()])
    with pytest.raises(InvalidToken, match="nested deeper"):
        verify(forge(body=lists(MAX_DEPTH + 1)), [secret()])
    flat = {"a": ["[{" * 500, '"[', '\\"[['], "[[": [[], {}] * 50}
    assert verify(forge(flat), [secret()]) == flat


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"7",
        b'"text"',
        b"[]",
        b"\xff",
        b'{"a": "\xff"}',
        b"{",
        b"{} {}",
        b"\xef\xbb\xbf{}",
        '{"alg": "HS256"}'.encode("utf-16"),
        b'{"alg": "HS256", "alg": "HS256"}',
        b'{"alg": "HS256", "\\u0061lg": "none"}',
        b'{"alg": "HS256", "a": {"b": 1, "b": 1}}',
        b'{"alg": "HS256", "a": [{"b": 1, "b": 2}]}',
        b'{"alg": "HS256", "a": NaN}',
        b'{"alg": "HS256", "a": Infinity}',
        b'{"alg": "HS256", "a": [-Infinity]}',
        b'{"alg": "HS256", "a": 1e999}',
        b'{"alg": "HS256", "a": -1e999}',
        b'{"alg": "HS256", "a": ' + b"9" * 5000 + b"}",
        b'{"alg": "HS256", "a": "\\ud800"}',
        b'{"alg": "HS256", "\\udc80": 1}',
        b"{'alg': 'HS256'}",
        b'{"alg": "HS256", "a": "line\nbreak"}',
        b'{"alg": "HS256",}',
    ],
    ids=lambda body: body[-24:].decode(errors="replace") or "empty",
)
@pytest.mark.parametrize("place", ["header", "payload"])
def test_json_that_is_no_object_or_read_in_two_ways_is_refused(body: bytes, place: str) -> None:
    """RFC 7515, JOSE Header; RFC 7519, JWT Claims; RFC 7493."""
    token = forge(raw_header=body) if place == "header" else forge(body=body)
    with pytest.raises(InvalidToken, match=r"longer than|the token's|is not base64url"):
        verify(token, [secret()])


def test_text_of_any_language_is_read() -> None:
    """RFC 8259, String and Character Issues."""
    claims = {"é": "\U0001f600 ל", "a": [1, 1.5, -0.0, None, True, {}]}
    assert verify(forge(claims), [secret()]) == claims
    assert verify(forge(body=json.dumps(claims, ensure_ascii=False).encode()), [secret()]) == claims


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: (
        st.lists(children) | st.dictionaries(st.text() | st.sampled_from(["alg", "kid", "crit"]), children)
    ),
    max_leaves=8,
)
PARTS = st.binary().map(part) | JSON.map(lambda value: part(json.dumps(value).encode()))
TOKENS = (
    st.text()
    | st.tuples(PARTS, PARTS, PARTS).map(".".join)
    | JSON.map(lambda value: forge(header={"a": value}))
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(TOKENS)
def test_any_text_is_a_refusal_or_a_token_and_never_an_error(token: str) -> None:
    """RFC 7519, Validating a JWT."""
    keys = [secret(*ALL_KEYS), public("EdDSA"), public("RSA", *RSA_ALGORITHMS, id="")]
    try:
        claims = verify(token, keys)
    except InvalidToken:
        return
    assert claims == CLAIMS


@given(
    st.dictionaries(
        st.text(),
        JSON.filter(lambda value: "NaN" not in json.dumps(value) and "Infinity" not in json.dumps(value)),
    )
)
def test_any_claims_are_read_as_they_were_signed(claims: dict[str, object]) -> None:
    """RFC 7519, Creating a JWT."""
    claims.pop("iss", None)
    assert verify(sign(claims, secret()), [secret()]) == claims
