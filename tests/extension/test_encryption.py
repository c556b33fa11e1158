"""Updates that the hub cannot read."""

from __future__ import annotations

import base64
import json
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from datetime import date
from typing import Any
from unittest.mock import ANY

import pytest
from blinker import Namespace
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from flask import Flask
from joserfc import jwe, jwk, jwt
from joserfc.errors import DecodeError
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flask_mercure_sse import ConfigurationError, InvalidUpdate, MercureSSE
from flask_mercure_sse.encryption import Encryption
from tests.subscriber import Subscriber

Subscribe = Callable[..., Subscriber]

KINDS = {
    "oct": ("oct", 256, "dir"),
    "P-256": ("EC", "P-256", "ECDH-ES+A256KW"),
    "P-384": ("EC", "P-384", "ECDH-ES+A256KW"),
    "X25519": ("OKP", "X25519", "ECDH-ES+A256KW"),
    "RSA": ("RSA", 2048, "RSA-OAEP-256"),
}


@pytest.fixture(scope="module")
def pairs() -> dict[str, jwk.Key]:
    """A reader's key of each kind, with its private half."""
    return {
        name: jwk.generate_key(kind, size, {"kid": f"the {name}"}) for name, (kind, size, _) in KINDS.items()
    }


@pytest.fixture
def key() -> dict[str, str]:
    return Encryption.new_key()


def public(pair: jwk.Key) -> dict[str, Any]:
    """The half that goes to who encrypts; of an oct key there is only one."""
    return dict(pair.as_dict(private=False))


def parts(message: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(part + "==") for part in message.split(".")]


def header(message: str) -> dict[str, Any]:
    return json.loads(parts(message)[0])


def opened(message: str, key: Any) -> dict[str, Any]:
    """Open a message with joserfc: its claims."""
    key = key if isinstance(key, jwk.OctKey | jwk.ECKey | jwk.OKPKey | jwk.RSAKey) else jwk.import_key(key)
    algorithms = [header(message)["alg"], "A256GCM"]
    return json.loads(jwe.decrypt_compact(message, key, algorithms=algorithms).plaintext or b"")


def opened_by_hand(message: str, content_key: bytes) -> dict[str, Any]:
    """Open a message with AES-GCM alone, as RFC 7516 says."""
    _, _, nonce, content, tag = parts(message)
    return json.loads(AESGCM(content_key).decrypt(nonce, content + tag, message.split(".")[0].encode()))


def refused(key: Any) -> str:
    """Give the line that refuses a key, and see that nothing of the key is in what is shown of the error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of joserfc's, which the error comes after
        with pytest.raises(ConfigurationError) as caught:
            Encryption(key)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    values = (
        [str(key.get(name, "")) for name in ("k", "d", "n", "x")] if isinstance(key, dict) else [str(key)]
    )
    assert not [value for value in values if len(value) > 6 and value in shown]
    assert caught.value.__context__ is None
    [line] = str(caught.value).splitlines()
    return line


# What comes out


@pytest.mark.parametrize("kind", KINDS)
def test_who_has_the_key_reads_the_data(kind: str, pairs: dict[str, jwk.Key]) -> None:
    message = Encryption(public(pairs[kind])).encrypt({"title": "Grüße"})

    assert opened(message, pairs[kind])["data"] == {"title": "Grüße"}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_key_has_its_algorithm(kind: str, pairs: dict[str, jwk.Key]) -> None:
    encryption = Encryption(public(pairs[kind]))

    found = header(encryption.encrypt("text"))

    assert (found["alg"], found["enc"]) == (KINDS[kind][2], "A256GCM")
    assert encryption.algorithm == found["alg"]


def test_a_message_under_an_oct_key_is_plain_aes_gcm(key: dict[str, str]) -> None:
    message = Encryption(key).encrypt("text")

    assert parts(message)[1] == b""
    assert opened_by_hand(message, base64.urlsafe_b64decode(key["k"] + "="))["data"] == "text"


def test_a_message_under_an_rsa_key_is_plain_oaep_and_aes_gcm(pairs: dict[str, jwk.Key]) -> None:
    private = pairs["RSA"].private_key
    assert isinstance(private, rsa.RSAPrivateKey)
    message = Encryption(public(pairs["RSA"])).encrypt("text")

    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    content_key = private.decrypt(parts(message)[1], oaep)

    assert opened_by_hand(message, content_key)["data"] == "text"


def test_a_message_under_a_curves_key_is_plain_agreement_key_wrap_and_aes_gcm(
    pairs: dict[str, jwk.Key],
) -> None:
    private = pairs["X25519"].private_key
    assert isinstance(private, x25519.X25519PrivateKey)
    message = Encryption(public(pairs["X25519"])).encrypt("text")

    ephemeral = base64.urlsafe_b64decode(header(message)["epk"]["x"] + "=")
    agreed = private.exchange(x25519.X25519PublicKey.from_public_bytes(ephemeral))
    name = b"ECDH-ES+A256KW"
    info = len(name).to_bytes(4, "big") + name + bytes(4) + bytes(4) + (256).to_bytes(4, "big")
    content_key = aes_key_unwrap(ConcatKDFHash(hashes.SHA256(), 32, info).derive(agreed), parts(message)[1])

    assert opened_by_hand(message, content_key)["data"] == "text"


@pytest.mark.parametrize(
    "data", ["", "text", '{"not": "parsed"}', "\U0001f511\n", 7, None, [1], {"a": {"b": 1}}]
)
def test_data_comes_back_as_it_was(data: object, key: dict[str, str]) -> None:
    assert opened(Encryption(key).encrypt(data), key)["data"] == data


def test_an_object_says_its_data_itself(key: dict[str, str]) -> None:
    class Order:
        def __mercure_sse_data__(self) -> dict[str, int]:
            return {"total": 12}

    assert opened(Encryption(key).encrypt(Order()), key)["data"] == {"total": 12}


def test_data_is_encoded_as_the_app_does(app: Flask, key: dict[str, str]) -> None:
    message = Encryption(key, encode=app.json.dumps).encrypt({"due": date(2030, 1, 2)})

    assert opened(message, key)["data"] == {"due": "Wed, 02 Jan 2030 00:00:00 GMT"}


def test_data_that_json_cannot_encode_is_an_invalid_update(key: dict[str, str]) -> None:
    with pytest.raises(InvalidUpdate, match="JSON cannot encode it"):
        Encryption(key).encrypt(object())


def test_a_message_fits_into_one_line_of_a_stream(key: dict[str, str]) -> None:
    message = Encryption(key).encrypt("two\nlines")

    assert message.isascii()
    assert message.isprintable()
    assert message.count(".") == 4


def test_equal_data_gives_different_messages(key: dict[str, str]) -> None:
    encryption = Encryption(key)

    messages = [encryption.encrypt("text").split(".") for _ in range(20)]

    nonces, contents = {message[2] for message in messages}, {message[3] for message in messages}
    assert (len(nonces), len(contents)) == (20, 20)


def test_a_message_says_inside_when_it_was_made(key: dict[str, str]) -> None:
    before = int(time.time())
    message = Encryption(key).encrypt("text")

    assert before <= opened(message, key)["iat"] <= time.time()
    assert "iat" not in header(message)


def test_a_message_has_a_name_inside_that_no_other_has(key: dict[str, str]) -> None:
    encryption = Encryption(key)

    assert len({opened(encryption.encrypt("text"), key)["jti"] for _ in range(20)}) == 20


def test_a_library_for_encrypted_tokens_reads_it_and_checks_the_time(key: dict[str, str]) -> None:
    token = jwt.decode(
        Encryption(key).encrypt("text"),
        jwk.import_key(key),
        registry=jwe.JWERegistry(),
        algorithms=["dir", "A256GCM"],
    )
    jwt.JWTClaimsRegistry(iat={"essential": True}, jti={"essential": True}).validate(token.claims)

    assert token.header["typ"] == "JWT"
    assert token.claims["data"] == "text"


@pytest.mark.parametrize("part", range(5))
def test_a_message_that_was_changed_anywhere_does_not_open(part: int, key: dict[str, str]) -> None:
    pieces = Encryption(key).encrypt("text").split(".")
    changed = bytearray(base64.urlsafe_b64decode(pieces[part] + "==")) or bytearray(1)
    changed[-1] ^= 1
    pieces[part] = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
    message = ".".join(pieces)

    if part == 1:  # there is none with "dir", and AES-GCM does not cover it: whoever reads must look
        with pytest.raises(Exception, match="SHOULD be an empty"):
            opened(message, key)
        return
    with pytest.raises(InvalidTag):
        opened_by_hand(message, base64.urlsafe_b64decode(key["k"] + "="))


def test_another_key_does_not_open_it(key: dict[str, str]) -> None:
    with pytest.raises(DecodeError):
        opened(Encryption(key).encrypt("text"), {**key, "k": Encryption.new_key()["k"]})


# Keys


def test_a_new_key_has_256_bits_and_a_name() -> None:
    key, other = Encryption.new_key(), Encryption.new_key()

    assert len(base64.urlsafe_b64decode(key["k"] + "=")) == 32
    assert key["kid"]
    assert key["kid"] != other["kid"]
    assert key["k"] != other["k"]


def test_the_header_names_the_key(key: dict[str, str]) -> None:
    assert header(Encryption(key).encrypt("text"))["kid"] == key["kid"]


def test_a_key_without_a_name_is_not_named(key: dict[str, str]) -> None:
    del key["kid"]

    assert "kid" not in header(Encryption(key).encrypt("text"))


@pytest.mark.parametrize("form", [json.dumps, lambda key: json.dumps(key).encode()])
def test_a_key_may_be_json(form: Callable[[object], Any], key: dict[str, str]) -> None:
    assert opened(Encryption(form(key)).encrypt("text"), key)["data"] == "text"


def test_readers_with_both_keys_read_on_while_the_key_changes(key: dict[str, str]) -> None:
    new_key = Encryption.new_key()
    keys = {one["kid"]: one for one in (new_key, key)}

    messages = [Encryption(key).encrypt("before"), Encryption(new_key).encrypt("after")]

    assert [opened(one, keys[header(one)["kid"]])["data"] for one in messages] == ["before", "after"]


def test_a_public_key_that_a_browser_wrote_is_taken(pairs: dict[str, jwk.Key]) -> None:
    written = {**public(pairs["P-256"]), "ext": True, "key_ops": []}

    assert opened(Encryption(written).encrypt("text"), pairs["P-256"])["data"] == "text"


@pytest.mark.parametrize("algorithm", ["RSA1_5", "RSA-OAEP"])
def test_there_is_no_way_to_a_weak_algorithm(algorithm: str, pairs: dict[str, jwk.Key]) -> None:
    assert "not meant for RSA-OAEP-256" in refused({**public(pairs["RSA"]), "alg": algorithm})


@pytest.mark.parametrize("wrong", [{"use": "sig"}, {"alg": "HS256"}, {"alg": "A128GCM"}, {"alg": None}])
def test_a_key_for_something_else_is_refused(wrong: dict[str, Any], key: dict[str, str]) -> None:
    assert "not meant for dir with A256GCM" in refused({**key, **wrong})


@pytest.mark.parametrize("size", [0, 8, 16, 24, 31, 33, 64])
def test_a_secret_key_of_another_size_is_refused(size: int) -> None:
    secret = base64.urlsafe_b64encode(bytes(range(size))).rstrip(b"=").decode()

    assert "of another size" in refused({"kty": "oct", "k": secret})


def test_a_small_rsa_key_is_refused() -> None:
    numbers = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
    modulus = base64.urlsafe_b64encode(numbers.n.to_bytes(128, "big")).rstrip(b"=").decode()

    assert "2048 bits or more" in refused({"kty": "RSA", "n": modulus, "e": "AQAB"})


@pytest.mark.parametrize("kind", ["P-256", "X25519", "RSA"])
def test_a_private_key_is_refused_because_it_is_its_readers(kind: str, pairs: dict[str, jwk.Key]) -> None:
    assert "give the public key" in refused(dict(pairs[kind].as_dict(private=True)))


@pytest.mark.parametrize(("kind", "curve"), [("EC", "P-521"), ("EC", "secp256k1"), ("OKP", "Ed25519")])
def test_a_key_of_another_curve_is_refused(kind: Any, curve: str) -> None:
    assert "of a kind that is not used" in refused(public(jwk.generate_key(kind, curve)))


@pytest.mark.parametrize(
    "broken",
    [
        {"kty": "oct"},
        {"kty": "oct", "k": 7},
        {"kty": "oct", "k": "no base64!" * 5},
        {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43},
        {"kty": "OKP", "crv": "X25519", "x": "A" * 43},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
    ],
    ids=["no k", "k no text", "no base64", "not on the curve", "small order", "no modulus"],
)
def test_a_broken_key_is_refused(broken: dict[str, Any]) -> None:
    assert "is broken" in refused(broken)


@pytest.mark.parametrize("kid", [7, None, ["a"]])
def test_a_key_whose_name_is_no_text_is_refused(kid: object, key: dict[str, str]) -> None:
    assert "kid that is not a text" in refused({**key, "kid": kid})


@pytest.mark.parametrize(
    "not_a_key", ["correct horse battery staple", "-----BEGIN PUBLIC KEY-----", b"\xff" * 32, "[]", "null"]
)
def test_what_is_no_json_web_key_is_refused(not_a_key: Any) -> None:
    assert "not a JSON Web Key" in refused(not_a_key)


def test_a_set_of_keys_is_refused(key: dict[str, str]) -> None:
    assert "of a kind that is not used" in refused(json.dumps({"keys": [key]}))


def test_the_key_is_in_no_repr(key: dict[str, str]) -> None:
    encryption = Encryption(key)

    assert repr(encryption) == f"<Encryption dir, kid {key['kid']!r}>"
    assert key["k"] not in repr(vars(encryption))


def test_without_the_library_the_error_says_what_to_install(
    key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("joserfc", "joserfc.jwk", "joserfc.jwe"):
        monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(ConfigurationError, match=r"pip install 'flask-mercure-sse\[encryption\]'") as caught:
        Encryption(key)
    assert key["k"] not in "".join(traceback.format_exception(caught.value))


# On the way to the hub


def test_an_encrypted_update_is_published_as_any_text(
    mercure: MercureSSE, subscribe: Subscribe, key: dict[str, str]
) -> None:
    subscriber = subscribe("/a", grants=["/a"])

    mercure.publish("/a", Encryption(key).encrypt({"title": "secret"}), private=True)

    [update] = subscriber.updates
    assert opened(update.data, key)["data"] == {"title": "secret"}


def test_a_signals_marshaler_encrypts(mercure: MercureSSE, subscribe: Subscribe, key: dict[str, str]) -> None:
    paid = Namespace().signal("paid")
    mercure.publish_signal(
        paid, topic="/orders", signal_kwargs_as_data=True, marshaler=Encryption(key).encrypt
    )
    subscriber = subscribe("/orders")

    paid.send(None, total=12)

    [update] = subscriber.updates
    assert opened(update.data, key)["data"] == {"total": 12}


def note_update(mercure: MercureSSE, subscribe: Subscribe, data: Callable[[Any], str]) -> dict[str, Any]:
    """Commit a note that is followed with this data: what is published of it."""

    class Base(DeclarativeBase):
        pass

    @mercure.model_topic(topic="/notes", data=data)
    class Note(Base):
        __tablename__ = "note"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str]

    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    subscriber = subscribe("/notes")
    with Session(engine) as session:
        session.add(Note(id=7, text="secret"))
        session.commit()
    engine.dispose()
    [update] = subscriber.updates
    return json.loads(update.data)


def test_of_a_model_the_columns_are_encrypted_and_the_identity_is_not(
    mercure: MercureSSE, subscribe: Subscribe, key: dict[str, str]
) -> None:
    encryption = Encryption(key)

    found = note_update(mercure, subscribe, lambda note: encryption.encrypt({"text": note.text}))

    assert opened(found.pop("data"), key)["data"] == {"text": "secret"}
    assert found == {"event": "insert", "model": "Note", "id": 7, "tx": ANY}


def test_columns_that_cannot_be_encrypted_do_not_leave_the_app(
    mercure: MercureSSE, subscribe: Subscribe, key: dict[str, str]
) -> None:
    encryption = Encryption(key)

    found = note_update(mercure, subscribe, lambda note: encryption.encrypt({note.text}))  # a set is no JSON

    assert found == {"event": "insert", "model": "Note", "id": 7, "tx": ANY}
