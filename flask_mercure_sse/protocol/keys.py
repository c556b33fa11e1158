"""Keys of JSON Web Tokens: reading them, and making and checking signatures with them.

Signatures are PyJWT's work. What is here decides which key and which algorithm a token may be checked with;
that never follows from the token alone. Times and claims are judged elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

import jwt
from jwt.algorithms import has_crypto

from .errors import InvalidToken, MissingKeyError

SECRET_ALGORITHMS = ("HS256", "HS384", "HS512")
PUBLIC_KEY_ALGORITHMS = (
    "EdDSA",
    *("ES256", "ES384", "ES512"),
    *("RS256", "RS384", "RS512"),
    *("PS256", "PS384", "PS512"),
)
ALGORITHMS = SECRET_ALGORITHMS + PUBLIC_KEY_ALGORITHMS

KEY_LENGTH = 32
"""Bytes that an HS256 secret should have at least (`RFC 7518, HMAC with SHA-2 Functions`)."""

MAKE_A_KEY_ANYWHERE = 'python -c "import secrets; print(secrets.token_urlsafe(48))"'
"""For where an app cannot load, or there is none, so that its commands cannot run."""

MAX_TOKEN_LENGTH = 16 * 1024
"""Characters of a token."""

MAX_DEPTH = 32
"""Objects and lists within each other in a token's header or claims."""

MAX_KEYS = 100
"""Keys of one JWK Set: a token that names none of them is tried with each."""

MIN_RSA_BITS = 2048
"""Size of an RSA key (`RFC 7518, Digital Signature with RSASSA-PKCS1-v1_5`)."""

MAX_RSA_BITS = 16384
"""Size of an RSA key up to which OpenSSL checks signatures."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that tokens are checked with, and perhaps made.

    :param algorithms: those that are accepted with it; the first signs.
    :param id: its ``kid``, None where it has none.
    :param can_sign: whether it makes tokens, too.
    :param material: the secret, or the public key as DER; keys that share it are equal.
    :param verifier: what PyJWT checks signatures with.
    :param signer: what PyJWT signs with, None where the key can only verify.
    """

    algorithms: tuple[str, ...]
    id: str | None
    can_sign: bool
    material: bytes = field(repr=False)
    verifier: Any = field(repr=False, compare=False)
    signer: Any = field(repr=False, compare=False)


KeySource = Callable[[], Sequence[Key]]
"""Returns the keys that are trusted now."""


def read_key(value: str | bytes, algorithms: Sequence[str] | None = None, *, id: str | None = None) -> Key:
    """Return the key that a text holds.

    :param value: a shared secret, or a PEM with a public key, a private key or a certificate. Of several
        the first counts. A certificate is only a way to write its public key: neither its dates nor its
        issuer are looked at.
    :param algorithms: those that are allowed, as far as they fit; by default HS256 for a secret, RS256 for
        an RSA key, the one of its curve for an EC key, EdDSA for an Ed25519 or Ed448 key.
    :param id: its ``kid``.
    :raises ValueError: the key cannot be used so. The text is the end of a sentence that begins with the
        setting's name; it never holds the value.
    """
    allowed = None if algorithms is None else _known(algorithms)
    material = _bytes(value)
    if b"-----BEGIN" in material:
        return _pem_key(material, allowed, id)
    return _secret_key(material, allowed, id)


def read_key_set(document: object, algorithms: Sequence[str] | None = None) -> tuple[Key, ...]:
    """Return the keys of a JWK Set that can check tokens; the others are skipped.

    A shared secret (``oct``) is never among them: whoever may read the set could sign with it. A private key
    is taken as its public half.

    :param document: the set as parsed JSON.
    :param algorithms: those that are allowed; by default all of EdDSA, ES*, RS* and PS*. Of these a key has
        what fits it, or the one of its ``alg``.
    :raises ValueError: it is no JWK Set (`RFC 7517, JWK Set Format`) or too large, or an algorithm is not
        for one. The text is the end of a sentence, as of :func:`read_key`.
    """
    allowed = PUBLIC_KEY_ALGORITHMS if algorithms is None else _known(algorithms)
    if secret := next((name for name in allowed if name in SECRET_ALGORITHMS), None):
        raise ValueError(
            f"holds public keys, and {secret} needs a secret; use {', '.join(PUBLIC_KEY_ALGORITHMS)}"
        )
    _require_cryptography()
    keys = cast("dict[object, object]", document).get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise ValueError('is not a JWK Set; that is an object with a list of "keys" (RFC 7517)')
    entries = cast("list[object]", keys)
    if len(entries) > MAX_KEYS:
        raise ValueError(f"has {len(entries)} keys, more than {MAX_KEYS}")
    return tuple(key for entry in entries if (key := _jwk_key(entry, allowed)) is not None)


def sign(claims: Mapping[str, Any], key: Key, *, type: str = "JWT") -> str:
    """Return the signed token of `claims`.

    :param key: signs with the first of its algorithms.
    :param type: the token's ``typ``.
    :raises MissingKeyError: the key can only verify.
    """
    if not key.can_sign:
        raise MissingKeyError("the key is a public one, which can only check tokens; give the private key")
    headers = {"typ": type} if key.id is None else {"typ": type, "kid": key.id}
    return jwt.encode(dict(claims), key.signer, algorithm=key.algorithms[0], headers=headers)  # pyright: ignore[reportUnknownMemberType]


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says before anybody has checked who said it.

    :param header: its JOSE header; ``alg`` is a text, ``kid`` too where it is there.
    :param claims: its claims.
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def read_token(token: str) -> Unverified:
    """Return what a token says, with no look at its signature (`RFC 7515, JWS Compact Serialization`).

    :raises InvalidToken: it has another form or is too large.
    """
    if len(token) > MAX_TOKEN_LENGTH:
        raise InvalidToken(f"the token is longer than {MAX_TOKEN_LENGTH} characters")
    parts = token.split(".")
    if len(parts) != 3:
        raise InvalidToken("the token does not have three parts")
    header, claims, _ = (_decoded(part) for part in parts)
    return Unverified(_checked_header(_json_object(header, "header")), _json_object(claims, "payload"))


def declared_type(token: str) -> object:
    """Return a token's ``typ``, however broken the rest of it is; None where it has none."""
    try:
        header: object = json.loads(_decoded(token[:MAX_TOKEN_LENGTH].partition(".")[0]))
    except (InvalidToken, ValueError, RecursionError):
        return None
    return cast("dict[str, object]", header).get("typ") if isinstance(header, dict) else None


def verify(token: str, keys: Iterable[Key]) -> Mapping[str, Any]:
    """Return the claims of a token that one of the keys has signed (`Mercure 1.0, Token Validation`).

    The token only chooses among the keys: by ``kid``, and by ``alg`` among those that are allowed for the
    key. Keys that it brings along or points at (``jwk``, ``jku``, ``x5c``, ``x5u``) are not looked at.

    :param keys: those that are trusted.
    :raises InvalidToken: it is malformed, or none of them has signed it.
    """
    unverified = read_token(token)
    candidates = _candidates(unverified.header, keys)
    if not candidates:
        raise InvalidToken("no trusted key has the key id and the algorithm of the token")
    if not any(_is_signed(token, unverified.header["alg"], key) for key in candidates):
        raise InvalidToken("the signature of the token is not that of a trusted key")
    return unverified.claims


# Reading keys.


def is_pem(value: str | bytes) -> bool:
    """Tell whether a key is a PEM, and so no secret."""
    return b"-----BEGIN" in _bytes(value)


def _known(algorithms: Sequence[str]) -> tuple[str, ...]:
    names = (algorithms,) if isinstance(algorithms, str) else tuple(algorithms)
    if not names:
        raise ValueError(f"has an empty list of algorithms; name some of {', '.join(ALGORITHMS)}")
    for name in names:
        if name not in ALGORITHMS:
            raise ValueError(f"cannot be used with the algorithm {name!r}; known are {', '.join(ALGORITHMS)}")
    return tuple(dict.fromkeys(names))


def _bytes(value: str | bytes) -> bytes:
    try:
        # Bytes of an environment variable that are not UTF-8 come as lone surrogates.
        material = value.encode(errors="surrogateescape") if isinstance(value, str) else value
    except UnicodeEncodeError:
        # Its text shows the value.
        raise ValueError("has a character that UTF-8 cannot write; give clean text or bytes") from None
    if not material:
        raise ValueError("is empty; give a secret or a PEM")
    return material


def _secret_key(secret: bytes, allowed: tuple[str, ...] | None, id: str | None) -> Key:
    # The zero bytes are those that HMAC adds anyway (RFC 2104). Whoever owns a short secret is told once,
    # with the setting's name; PyJWT would warn with every token and without it.
    padded = secret.ljust(64, b"\0")
    if _is_published(secret) or not _fits("HS256", padded):
        raise ValueError(
            "is a public key, a JSON Web Key or the like, and no secret that nobody else has; "
            "give a key as a PEM with its line -----BEGIN PUBLIC KEY-----"
        )
    algorithms = _fitting(SECRET_ALGORITHMS, allowed, "secret")
    return Key(algorithms, id, True, secret, verifier=padded, signer=padded)


def _is_published(material: bytes) -> bool:
    """Tell whether this is a key in a form that people publish, so that everybody could sign with it.

    PyJWT knows some of these forms, too, the more of them the newer it is.
    """
    if material.startswith((b"ssh-", b"ecdsa-sha2-")) or b'"kty"' in material or _is_der(material):
        return True
    try:
        # A public key as some identity providers show it: the body of a PEM without its first and last line.
        return _is_der(base64.b64decode(b"".join(material.split()), validate=True))
    except binascii.Error:
        return False


def _is_der(material: bytes) -> bool:
    """Tell whether this is as long as its DER says and begins with a sequence or number, as keys do."""
    if material.isascii() and material.decode().isprintable():
        return False
    if len(material) < 3 or material[0] != 0x30:
        return False
    start = 2 + (material[1] & 0x7F if material[1] & 0x80 else 0)
    length = int.from_bytes(material[2:start], "big") if start > 2 else material[1]
    return len(material) == start + length and material[start : start + 1] in (b"\x30", b"\x02")


_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


def _pem_key(pem: bytes, allowed: tuple[str, ...] | None, id: str | None) -> Key:
    if secret := next((name for name in allowed or () if name in SECRET_ALGORITHMS), None):
        # Everybody has the public key; it must not become a secret because a list allows both kinds.
        raise ValueError(f"is a PEM, and {secret} needs a secret of its own; take it off the algorithms")
    _require_cryptography()
    blocks = _PEM_BLOCK.finditer(pem.replace(rb"\n", b"\n"))  # as files of environment variables have them
    # OpenSSL writes the curve of an EC key in a block of its own.
    block = next((found for found in blocks if not found[1].endswith(b"PARAMETERS")), None)
    if block is None:
        _refuse_pem()
    private, public = _loaded(block[1].decode(), block[0] + b"\n")
    fits = tuple(name for name in PUBLIC_KEY_ALGORITHMS if _fits(name, public))
    if not fits:
        raise ValueError(
            "is a key that no algorithm here signs with; give one for "
            "RSA, EC (P-256, P-384 or P-521), Ed25519 or Ed448"
        )
    if problem := _size_problem(public, fits):
        raise ValueError(problem)
    algorithms = _fitting(fits, allowed, "key")
    return Key(algorithms, id, private is not None, _der(public), verifier=public, signer=private)


def _loaded(label: str, block: bytes) -> tuple[Any, Any]:
    """Return the private key, None where there is none, and the public key of a block of a PEM."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    if "ENCRYPTED" in label or b",ENCRYPTED" in block:
        raise ValueError(
            "is a PEM with a password; take that off with: openssl pkey -in key.pem -out plain.pem"
        )
    try:
        if label.endswith("PRIVATE KEY"):
            private = load_pem_private_key(block, password=None)
            return private, private.public_key()
        if label == "CERTIFICATE":
            return None, load_pem_x509_certificate(block).public_key()
        return None, load_pem_public_key(block)
    except Exception:  # cryptography has many for what it cannot read
        _refuse_pem()


def _refuse_pem() -> NoReturn:
    raise ValueError(
        "is a PEM that cannot be read; give it whole, with its line breaks, "
        "as PRIVATE KEY (PKCS #8), PUBLIC KEY or CERTIFICATE"
    ) from None


def _jwk_key(entry: object, allowed: tuple[str, ...]) -> Key | None:
    """Return the key of a JWK, None where it is not for checking tokens or cannot be read."""
    if not isinstance(entry, dict):
        return None
    jwk = cast("dict[str, Any]", entry)
    operations = jwk.get("key_ops", ["verify"])
    id = jwk.get("kid")
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    if not (id is None or isinstance(id, str)):
        return None
    public = _jwk_public(jwk)
    if public is None:
        return None
    fits = tuple(name for name in PUBLIC_KEY_ALGORITHMS if _fits(name, public))
    algorithms = tuple(name for name in allowed if name in fits and jwk.get("alg", name) == name)
    if not algorithms or _size_problem(public, fits):
        return None
    return Key(algorithms, id, False, _der(public), verifier=public, signer=None)


_JWK_READERS = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
"""An algorithm of each type of key, whose reader reads all keys of that type."""


def _jwk_public(jwk: dict[str, Any]) -> Any:
    kind = jwk.get("kty")
    if not isinstance(kind, str) or kind not in _JWK_READERS:
        return None
    public = {name: jwk[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in jwk}
    try:
        return jwt.PyJWK.from_dict(public, algorithm=_JWK_READERS[kind]).key
    except Exception:  # PyJWT passes on what cryptography raises
        return None


def _fits(algorithm: str, verifier: object) -> bool:
    try:
        jwt.get_algorithm_by_name(algorithm).prepare_key(verifier)
    except (TypeError, jwt.PyJWTError):
        return False
    return True


def _fitting(fits: tuple[str, ...], allowed: tuple[str, ...] | None, what: str) -> tuple[str, ...]:
    """Return those of the allowed algorithms that fit; by default the first that fits, and no other."""
    if allowed is None:
        return fits[:1]
    algorithms = tuple(name for name in allowed if name in fits)
    if not algorithms:
        raise ValueError(f"is a {what} that does not fit {', '.join(allowed)}; it fits {', '.join(fits)}")
    return algorithms


def _size_problem(public: Any, fits: tuple[str, ...]) -> str | None:
    if "RS256" not in fits or MIN_RSA_BITS <= public.key_size <= MAX_RSA_BITS:
        return None
    return (
        f"is an RSA key of {public.key_size} bits, which must have {MIN_RSA_BITS} to {MAX_RSA_BITS}; "
        "make one with: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072"
    )


def _der(public: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _require_cryptography() -> None:
    if not has_crypto:
        raise ValueError("needs the package cryptography; pip install 'flask-mercure-sse[crypto]'")


# Reading tokens.


_BASE64URL = re.compile("[A-Za-z0-9_-]+")


def _decoded(part: str) -> bytes:
    """Return the bytes of a part, which have only one way to be written: a token has no second form."""
    if _BASE64URL.fullmatch(part) and len(part) % 4 != 1:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() == part:
            return decoded
    raise InvalidToken("a part of the token is not base64url")


def _json_object(content: bytes, name: str) -> dict[str, Any]:
    """Return the JSON object of a part, which all who read it must read alike.

    :param name: the part's name, for the log.
    """
    try:
        text = content.decode()
        if _is_deep(text):
            raise InvalidToken(f"the token's {name} is nested deeper than {MAX_DEPTH}")
        value: object = _DECODER.decode(text)
        if "\\u" in text:  # may stand for half a character, which nobody could write out again
            json.dumps(value, ensure_ascii=False).encode()
    except ValueError as error:
        problem = error if isinstance(error, _NotAlike) else "is not JSON"
        raise InvalidToken(f"the token's {name} {problem}") from None
    if not isinstance(value, dict):
        raise InvalidToken(f"the token's {name} is not an object")
    return cast("dict[str, Any]", value)


class _NotAlike(ValueError):
    """JSON that others may read in another way."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _NotAlike("has a name twice")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _NotAlike("has a number that is out of range")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_finite)

_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)


def _is_deep(text: str) -> bool:
    """Tell whether this is nested too deeply for the parser, which calls itself for each level."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for character in _STRING.sub("", text):
        if character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        if depth > MAX_DEPTH:
            return True
    return False


def _checked_header(header: dict[str, Any]) -> dict[str, Any]:
    """Return a header, or raise with what no key could put right (`RFC 7515, JOSE Header`)."""
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm.lower() in ("none", ""):
        raise InvalidToken("the token names no algorithm")
    if not isinstance(header.get("kid", ""), str):
        raise InvalidToken("the token's key id is not a text")
    if "crit" in header:
        raise InvalidToken("the token needs an extension that is not understood")
    return header


def _candidates(header: Mapping[str, Any], keys: Iterable[Key]) -> list[Key]:
    """Return the keys that may have signed a token.

    Where it names a key these are the ones of that name, or else those that have none.
    """
    keys = list(keys)
    if (id := header.get("kid")) is not None:
        keys = [key for key in keys if key.id == id] or [key for key in keys if key.id is None]
    return [key for key in keys if header["alg"] in key.algorithms]


_JWS = jwt.PyJWS()


def _is_signed(token: str, algorithm: str, key: Key) -> bool:
    try:
        _JWS.decode(token, key.verifier, algorithms=[algorithm])
    except (jwt.PyJWTError, ValueError):
        return False
    return True
