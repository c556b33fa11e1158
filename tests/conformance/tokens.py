"""Tokens, made by PyJWT; and forged ones, made by hand because no library agrees to make them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import RSAAlgorithm

Claims = Mapping[str, Any]


def signed(claims: Claims, key: str, algorithm: str, **header: object) -> str:
    """Return a token as an issuer makes it."""
    return jwt.encode(dict(claims), key, algorithm, headers=header)


def unsigned(claims: Claims, **header: object) -> str:
    """Return a token with a header at will and an empty signature."""
    return f"{encoded_part(header)}.{encoded_part(claims)}."


def signed_by_hand(claims: Claims | str, secret: bytes, digest: str = "sha256", **header: object) -> str:
    """Return a token with a header at will and an HMAC of any secret, even of a public key.

    :param claims: an object, or a text that need not be JSON.
    """
    content = f"{encoded_part(header)}.{encoded_part(claims)}"
    return f"{content}.{_base64(hmac.digest(secret, content.encode(), getattr(hashlib, digest)))}"


def tampered(token: str, **claims: object) -> str:
    """Return the token with other claims and its old signature."""
    header, content, signature = token.split(".")
    old = json.loads(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)))
    return f"{header}.{encoded_part({**old, **claims})}.{signature}"


def strangers_key(algorithm: str) -> str:
    """Return a key that fits an algorithm and that no hub knows."""
    if algorithm.startswith("HS"):
        return "a secret that no hub has ever been told, long enough for every HMAC there is"
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    if algorithm.startswith("ES"):
        curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
        private = ec.generate_private_key(curves[algorithm])
    elif algorithm == "EdDSA":
        private = ed25519.Ed25519PrivateKey.generate()
    else:
        private = rsa.generate_private_key(65537, 2048)
    return private_pem(private)


def private_pem(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def public_pem(key: str) -> str:
    """Return the public half of a private key, as a hub is given it."""
    public = serialization.load_pem_private_key(key.encode(), None).public_key()
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def public_jwk(key: str) -> dict[str, Any]:
    """Return the public half of an RSA key as a JSON Web Key."""
    public = serialization.load_pem_private_key(key.encode(), None).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    return RSAAlgorithm.to_jwk(public, as_dict=True)


def encoded_part(value: Mapping[str, Any] | str) -> str:
    """Return a part of a token: an object as JSON, or a text as it is."""
    return _base64((value if isinstance(value, str) else json.dumps(value)).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
