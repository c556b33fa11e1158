"""Tokens that must not be believed: each is refused in the same words, at every door."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from jwt.algorithms import RSAAlgorithm
from werkzeug.test import TestResponse

from flask_mercure_sse.protocol.keys import read_key
from flask_mercure_sse.server.issuers import Role
from tests.conformance import tokens
from tests.conformance.versions import AUTHORIZATION_DETAIL, VERSIONS, Version, detail

from .conftest import IN_0, IN_1, IN_1_ALONE, IN_ONE, MakeTarget
from .target import API, HUB, ISSUER, OTHER_ISSUER, PAGE, SECRETS, URL, Reader, Target

ROLES: tuple[Role, ...] = ("publisher", "subscriber")

NO_TEXTS: list[object] = [None, True, 0, [], ["a"], {}]

Forge = Callable[[Role], str]
"""Makes a token for one role."""


def doors(target: Target, token: str, role: Role) -> list[TestResponse]:
    """Present a token everywhere where one of its role is read."""
    name = target.version.cookie_name
    ways: list[dict[str, Any]] = [
        {"headers": {"Authorization": f"Bearer {token}"}},
        {"headers": {"Cookie": f"{name}={token}", "Origin": PAGE}},
    ]
    query = target.query("/a")
    if role == "publisher":
        return [target.post({"topic": "/a"}, **way) for way in ways]
    answers = [answer for way in ways for answer in (target.open(query, **way), target.ask(API, **way))]
    if target.version.protocol == "0.x":
        answers += [target.open(f"{query}&authorization={token}"), target.ask(f"{API}?authorization={token}")]
    return answers


def refusals(target: Target) -> list[tuple[int, str, list[tuple[str, str]]]]:
    """The one answer to every token that is not believed, with all its headers.

    A hub of both versions has one for each, and one for what is a token of neither.
    """
    metadata = "https://hub.example/.well-known/oauth-protected-resource/.well-known/mercure"
    challenges = {
        "0.x": ["Bearer"],
        "1.0": [f'Bearer error="invalid_token", resource_metadata="{metadata}"'],
        "both": [
            "Bearer",
            f'Bearer resource_metadata="{metadata}"',
            f'Bearer error="invalid_token", resource_metadata="{metadata}"',
        ],
    }
    headers = {
        "Content-Length": "13",
        "Content-Type": "text/plain; charset=utf-8",
        "X-Content-Type-Options": "nosniff",
    }
    return [
        (401, "Unauthorized\n", sorted({**headers, "WWW-Authenticate": challenge}.items()))
        for challenge in challenges[target.protocol]
    ]


def refused_alike(target: Target, forge: Forge) -> bool:
    """Tell whether a token, forged for either role, is answered with 401 and nothing that tells why."""
    answers = [answer for role in ROLES for answer in doors(target, target.told(forge(role)), role)]
    return all(
        (answer.status_code, answer.text, sorted(answer.headers)) in refusals(target) for answer in answers
    )


def accepted(target: Target, sign: Forge) -> bool:
    return all(answer.status_code == 200 for role in ROLES for answer in doors(target, sign(role), role))


def all_rights(target: Target) -> dict[str, Any]:
    return target.claims(publish=["*"], subscribe=["*"])


def by_hand(target: Target, role: Role, digest: str = "sha256", **header: object) -> str:
    """Return a token with all rights that the role's secret signs, and a header at will."""
    secret = SECRETS[ISSUER, role].encode()
    return tokens.signed_by_hand(all_rights(target), secret, digest, **{**target.header, **header})


def test_a_good_token_is_believed_at_every_door(target: Target) -> None:
    """Mercure 1.0, Token Validation: or the other tests here would show nothing."""
    assert accepted(target, lambda role: target.sign(all_rights(target), role))


# The algorithm

NO_ALGORITHM: list[object] = [
    *("none", "None", "NONE", "nOnE", "none ", " none", "nоne", "none\0", "", "HS256,none"),
    *(None, False, 0, [], ["none"], ["HS256"], {"HS256": 1}),
]


@IN_ONE
@pytest.mark.parametrize("alg", NO_ALGORITHM, ids=repr)
def test_a_token_without_an_algorithm_is_refused(target: Target, alg: object) -> None:
    """Mercure 1.0, Token Validation: with no signature, with any, and with one of the right key."""
    unsigned = tokens.unsigned(all_rights(target), **{**target.header, "alg": alg})
    assert refused_alike(target, lambda role: unsigned)
    assert refused_alike(target, lambda role: f"{unsigned}AA")
    assert refused_alike(target, lambda role: by_hand(target, role, alg=alg))


def test_a_token_whose_header_has_no_algorithm_is_refused(target: Target) -> None:
    """Mercure 1.0, Token Validation."""
    header = json.dumps({name: value for name, value in target.header.items() if name != "alg"})
    assert refused_alike(target, lambda role: of_texts(target, role, header=header))


@IN_ONE
@pytest.mark.parametrize(
    "alg", ["hs256", "HS256 ", "HS1", "HS384", "HS512", "RS256", "ES256", "EdDSA", "dir"]
)
def test_an_algorithm_that_the_key_is_not_for_is_refused(target: Target, alg: str) -> None:
    """Mercure 1.0, Token Validation: although the signature is right for what it is."""
    digest = {"HS384": "sha384", "HS512": "sha512", "HS1": "sha1"}.get(alg, "sha256")
    assert refused_alike(target, lambda role: by_hand(target, role, digest, alg=alg))


# Public keys

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
KEY_PAIRS = pytest.mark.parametrize(
    ("private", "algorithm"), [(RSA_KEY, "RS256"), (EC_KEY, "ES256")], ids=["RSA", "EC"]
)


def public_pem(private: Private) -> str:
    public = private.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def with_public_keys(make: MakeTarget, private: Private, algorithm: str) -> Target:
    return make(
        keys={(ISSUER, role): public_pem(private) for role in ROLES},
        signing_keys={(ISSUER, role): private for role in ROLES},
        algorithm=algorithm,
    )


@KEY_PAIRS
def test_a_key_pair_signs_what_is_believed(make: MakeTarget, private: Private, algorithm: str) -> None:
    """Mercure 1.0, Token Validation: or the other tests with public keys would show nothing."""
    target = with_public_keys(make, private, algorithm)
    assert accepted(target, lambda role: target.sign(all_rights(target), role))


def body_of(pem: str) -> list[str]:
    return pem.strip().split("\n")[1:-1]


def der_of(pem: str) -> bytes:
    public = load_pem_public_key(pem.encode())
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


PUBLISHED_FORMS: dict[str, Callable[[str], bytes]] = {
    "PEM": str.encode,
    "PEM without its last line break": lambda pem: pem.strip().encode(),
    "PEM with CRLF": lambda pem: pem.replace("\n", "\r\n").encode(),
    "PEM on one line": lambda pem: pem.replace("\n", "\\n").encode(),
    "body of the PEM": lambda pem: "".join(body_of(pem)).encode(),
    "body of the PEM with line breaks": lambda pem: "\n".join(body_of(pem)).encode(),
    "DER": der_of,
    "nothing": lambda pem: b"",
    "zeros": lambda pem: bytes(64),
}


@IN_ONE
@pytest.mark.parametrize("form", PUBLISHED_FORMS)
@KEY_PAIRS
def test_a_public_key_is_no_secret(make: MakeTarget, private: Private, algorithm: str, form: str) -> None:
    """Mercure 1.0, Token Validation; RFC 8725, Perform Algorithm Verification."""
    target = with_public_keys(make, private, algorithm)
    secret = PUBLISHED_FORMS[form](public_pem(private))
    for size in ("256", "384", "512"):
        header = {**target.header, "alg": f"HS{size}"}
        forged = tokens.signed_by_hand(all_rights(target), secret, f"sha{size}", **header)
        assert refused_alike(target, lambda role, forged=forged: forged)


@pytest.mark.parametrize("form", ["PEM", "DER", "body of the PEM", "body of the PEM with line breaks"])
@pytest.mark.parametrize("private", [RSA_KEY, EC_KEY], ids=["RSA", "EC"])
def test_a_public_key_cannot_be_set_as_a_secret(private: Private, form: str) -> None:
    """RFC 8725, Perform Algorithm Verification: whoever mixes them up is told at the start."""
    pem = public_pem(private)
    with pytest.raises(ValueError) as told:
        read_key(PUBLISHED_FORMS[form](pem), ["HS256"])
    assert body_of(pem)[0] not in str(told.value)


SIGNATURES = {
    "zeros": bytes(64),
    "one and zero": bytes(31) + b"\1" + bytes(32),
    "short": bytes(8),
    "long": bytes(200),
    "DER": bytes.fromhex("3006020100020100"),
    "the order of the curve": 2
    * bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
}


@IN_ONE
@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_signature_that_is_no_point_is_refused(make: MakeTarget, signature: str) -> None:
    """Mercure 1.0, Token Validation: some libraries once took zeros for a signature with any EC key."""
    target = with_public_keys(make, EC_KEY, "ES256")
    forged = tokens.unsigned(all_rights(target), **target.header) + base64url(SIGNATURES[signature])
    assert refused_alike(target, lambda role: forged)


@IN_ONE
@pytest.mark.parametrize("algorithm", ["RS384", "PS256"])
def test_another_algorithm_of_the_same_key_is_refused_unless_it_was_allowed(
    make: MakeTarget, algorithm: str
) -> None:
    """Mercure 1.0, Token Validation."""
    target = with_public_keys(make, RSA_KEY, "RS256")
    header = {**target.header, "alg": algorithm}
    assert refused_alike(
        target, lambda role: jwt.encode(all_rights(target), RSA_KEY, algorithm, headers=header)
    )


# What a token says of its key

ATTACKERS_SECRET = b"a secret of the attacker, long enough"


@IN_ONE
@pytest.mark.parametrize("member", ["RSA jwk", "oct jwk", "jku", "x5u", "x5c", "x5t"])
def test_keys_that_a_token_brings_along_are_not_looked_at(target: Target, member: str) -> None:
    """Mercure 1.0, Token Validation."""
    members: dict[str, object] = {
        "RSA jwk": RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True),
        "oct jwk": {"kty": "oct", "k": base64url(ATTACKERS_SECRET), "alg": "HS256"},
        "jku": "https://evil.example/jwks.json",
        "x5u": "https://evil.example/cert.pem",
        "x5c": ["MIIB"],
        "x5t": "AAAA",
    }
    header = {**target.header, member.rpartition(" ")[2]: members[member]}
    forged = [tokens.signed_by_hand(all_rights(target), ATTACKERS_SECRET, **header)]
    forged += [jwt.encode(all_rights(target), RSA_KEY, "RS256", headers={**header, "alg": "RS256"})]
    for token in forged:
        assert refused_alike(target, lambda role, token=token: token)


@IN_ONE
@pytest.mark.parametrize(
    "kid",
    [
        "",
        "../../../../dev/null",
        "/dev/null",
        "' OR 1=1 --",
        "https://evil.example/key",
        "\0",
        "x" * 2000,
        *NO_TEXTS,
    ],
    ids=lambda kid: repr(kid)[:30],
)
def test_a_key_id_finds_no_other_key(target: Target, kid: object) -> None:
    """Mercure 1.0, Token Validation: it only chooses among those that are trusted."""
    for secret in (b"", bytes(64), ATTACKERS_SECRET):
        forged = tokens.signed_by_hand(all_rights(target), secret, **{**target.header, "kid": kid})
        assert refused_alike(target, lambda role, forged=forged: forged)


@IN_ONE
@pytest.mark.parametrize(
    "extension", [{"crit": ["exp"], "exp": 1}, {"crit": []}, {"crit": None}, {"b64": False}]
)
def test_an_extension_that_is_not_understood_is_refused(target: Target, extension: dict[str, object]) -> None:
    """RFC 7515, crit; RFC 7797."""
    assert refused_alike(target, lambda role: by_hand(target, role, **extension))


# Whose key


def other_role(role: Role) -> Role:
    return "subscriber" if role == "publisher" else "publisher"


def test_the_other_role_s_key_signs_nothing_for_this_one(target: Target) -> None:
    """Mercure 1.0, Token Validation."""
    assert refused_alike(target, lambda role: target.sign(all_rights(target), other_role(role)))


def test_a_token_that_is_remembered_for_one_role_is_not_believed_for_the_other(target: Target) -> None:
    """Mercure 1.0, Token Validation."""
    signed = {role: target.sign(all_rights(target), role) for role in ROLES}
    assert accepted(target, signed.__getitem__)
    assert refused_alike(target, lambda role: signed[other_role(role)])


def test_a_key_of_another_issuer_does_not_sign_for_this_one(target: Target) -> None:
    """Mercure 1.0, Token Validation."""
    assert refused_alike(target, lambda role: target.sign(all_rights(target), role, issuer=OTHER_ISSUER))


@IN_1
def test_a_key_of_this_issuer_does_not_sign_for_another(target: Target) -> None:
    """Mercure 1.0, Token Validation."""
    claims = {**all_rights(target), "iss": OTHER_ISSUER}
    assert refused_alike(target, lambda role: target.sign(claims, role))
    assert accepted(target, lambda role: target.sign(claims, role, issuer=OTHER_ISSUER))


def test_an_issuer_without_a_key_for_a_role_signs_nothing_for_it(make: MakeTarget) -> None:
    """Mercure 1.0, Token Validation."""
    target = make(keys={key: secret for key, secret in SECRETS.items() if key != (OTHER_ISSUER, "publisher")})
    claims = {**all_rights(target), "iss": OTHER_ISSUER}
    token = target.told(
        tokens.signed_by_hand(claims, SECRETS[OTHER_ISSUER, "subscriber"].encode(), **target.header)
    )
    answers = [target.post({"topic": "/a"}, token=token)]
    assert [(answer.status_code, answer.text) for answer in answers] == [(401, "Unauthorized\n")]


# Times

TIMES: list[dict[str, object]] = [
    *(
        {"exp": exp}
        for exp in (-1, 0, 1, 1.5, -1e308, "9999999999", None, True, [], [9999999999], {}, 10**400)
    ),
    *({"nbf": nbf} for nbf in (9999999999, 1e300, "0", None, False, [0])),
]


@pytest.mark.parametrize("times", TIMES, ids=lambda times: str(times)[:30])
def test_a_token_outside_its_time_is_refused(target: Target, times: dict[str, object]) -> None:
    """Mercure 1.0, Token Validation; RFC 7519, exp and nbf."""
    assert refused_alike(target, lambda role: target.sign({**all_rights(target), **times}, role))


def test_a_token_that_expired_while_it_was_remembered_is_refused(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mercure 1.0, Token Validation."""
    claims = {**all_rights(target), "exp": int(time.time()) + 60}
    assert accepted(target, lambda role: target.sign(claims, role))
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    assert refused_alike(target, lambda role: target.sign(claims, role))


# Forms


def of_texts(target: Target, role: Role, *, header: str | None = None, claims: str | None = None) -> str:
    """Return a token of texts that need not be JSON, signed by the right key."""
    parts = [header or json.dumps(target.header), claims or json.dumps(all_rights(target))]
    return signed_content(".".join(base64url(part.encode()) for part in parts), role)


def signed_content(content: str, role: Role) -> str:
    signature = hmac.digest(SECRETS[ISSUER, role].encode(), content.encode(), "sha256")
    return f"{content}.{base64url(signature)}"


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


DEEP = {
    "lists": "[" * 5000 + "]" * 5000,
    "objects": '{"a":' * 2000 + "1" + "}" * 2000,
    "an open end": "[" * 10000,
    "both": '[{"a":' * 1500 + "1" + "}]" * 1500,
    "a level too many": "[" * 32 + "]" * 32,
}


@IN_ONE
@pytest.mark.parametrize("deep", DEEP)
@pytest.mark.parametrize("where", ["payload", "authorization_details", "mercure", "aud", "exp", "unknown"])
def test_claims_that_are_nested_deeply_are_refused(target: Target, where: str, deep: str) -> None:
    """Mercure 1.0, Token Validation."""
    claims = json.dumps({**all_rights(target), where: "DEEP"}).replace('"DEEP"', DEEP[deep])
    assert refused_alike(target, lambda role: of_texts(target, role, claims=claims))


@IN_ONE
@pytest.mark.parametrize("deep", DEEP)
def test_a_header_that_is_nested_deeply_is_refused(target: Target, deep: str) -> None:
    """Mercure 1.0, Token Validation."""
    header = json.dumps({**target.header, "jwk": "DEEP"}).replace('"DEEP"', DEEP[deep])
    assert refused_alike(target, lambda role: of_texts(target, role, header=header))


@IN_ONE
@pytest.mark.parametrize("deep", DEEP)
def test_a_payload_that_is_nested_deeply_is_refused(target: Target, deep: str) -> None:
    """Mercure 1.0, Payloads."""
    claims = json.dumps(target.claims(publish=["*"], subscribe=["*"], payload={"a": "DEEP"}))
    claims = claims.replace('"DEEP"', DEEP[deep])
    assert refused_alike(target, lambda role: of_texts(target, role, claims=claims))


@IN_ONE
@pytest.mark.parametrize("size", [20_000, 1_000_000])
def test_a_huge_token_is_refused(target: Target, size: int) -> None:
    """Mercure 1.0, Token Validation: although the signature is right."""
    claims = {**all_rights(target), "x": "x" * size}
    assert refused_alike(target, lambda role: target.sign(claims, role))


@IN_ONE
@pytest.mark.parametrize(
    ("name", "first", "second"),
    [("alg", "none", "HS256"), ("alg", "HS256", "none"), ("typ", "JWT", "at+jwt"), ("kid", "a", "b")],
)
@pytest.mark.parametrize("spelled", ["alike", "otherwise"])
def test_a_header_that_says_something_twice_is_refused(
    target: Target, name: str, first: str, second: str, spelled: str
) -> None:
    """RFC 7515, JOSE Header: who reads the first and who reads the last would judge two tokens."""
    others = json.dumps({key: value for key, value in target.header.items() if key != name})
    again = name if spelled == "alike" else f"\\u{ord(name[0]):04x}{name[1:]}"
    header = f'{others[:-1]},"{name}":"{first}","{again}":"{second}"}}'
    assert refused_alike(target, lambda role: of_texts(target, role, header=header))


@IN_ONE
@pytest.mark.parametrize(
    "name",
    ["exp", "aud", "iss", "mercure", "https://mercure.rocks/", "authorization_details", "nobody reads it"],
)
def test_claims_that_say_something_twice_are_refused(target: Target, name: str) -> None:
    """RFC 7519, JWT Claims."""
    claims = {name: 1, **all_rights(target)}
    doubled = f"{json.dumps(claims)[:-1]},{json.dumps(name)}:{json.dumps(claims[name])}}}"
    assert refused_alike(target, lambda role: of_texts(target, role, claims=doubled))


def test_claims_that_say_something_twice_below_the_top_are_refused(target: Target) -> None:
    """RFC 7519, JWT Claims."""
    claims = json.dumps({**all_rights(target), "x": "TWICE"}).replace('"TWICE"', '[{"a":1,"a":1}]')
    assert refused_alike(target, lambda role: of_texts(target, role, claims=claims))


NO_CLAIMS = {
    "a list": "[]",
    "null": "null",
    "a number": "1",
    "a text": '"x"',
    "nothing at all": " ",
    "two objects": "{}{}",
    "a mark before": "\ufeff{}",
}
NO_MEMBERS = {
    "NaN": "NaN",
    "infinity": "-Infinity",
    "a number out of range": "1e999",
    "a number of 10,000 digits": "9" * 10_000,
    "half a character": '"\\ud800"',
    "half a character as a name": '{"\\udfff":1}',
    "a line break in a text": '"\n"',
    "single quotes": "'x'",
    "a comment": "1/**/",
    "a comma too many": "[1,]",
}


@IN_ONE
@pytest.mark.parametrize("claims", NO_CLAIMS)
def test_claims_that_are_no_object_are_refused(target: Target, claims: str) -> None:
    """RFC 7519, Validating a JWT."""
    assert refused_alike(target, lambda role: of_texts(target, role, claims=NO_CLAIMS[claims]))


@IN_ONE
@pytest.mark.parametrize("member", NO_MEMBERS)
def test_claims_that_are_no_json_are_refused(target: Target, member: str) -> None:
    """RFC 7519, Validating a JWT: although they were fine without one member."""
    claims = f'{json.dumps(all_rights(target))[:-1]},"x":{NO_MEMBERS[member]}}}'
    assert refused_alike(target, lambda role: of_texts(target, role, claims=claims))


@IN_ONE
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32-le", "latin-1"])
def test_claims_in_another_encoding_are_refused(target: Target, encoding: str) -> None:
    """RFC 7519, JWT Claims."""
    claims = json.dumps({**all_rights(target), "é": 1}, ensure_ascii=False).encode(encoding)
    content = f"{tokens.encoded_part(target.header)}.{base64url(claims)}"
    assert refused_alike(target, lambda role: signed_content(content, role))


SPELLINGS: dict[str, Callable[[str], str]] = {
    "four parts": lambda token: f"{token}.AAAA",
    "five parts": lambda token: f"{token}.AAAA.AAAA",
    "two parts": lambda token: token.rpartition(".")[0],
    "one part": lambda token: token.replace(".", ""),
    "an empty header": lambda token: token[token.index(".") :],
    "an empty signature": lambda token: token[: token.rindex(".") + 1],
    "half a signature": lambda token: token[:-20],
    "more of a signature": lambda token: f"{token}AAAA",
    "another signature": lambda token: token[:-8] + ("AAAAAAAA" if token[-8] != "A" else "BBBBBBBB"),
    "padding": lambda token: f"{token}=",
    "bits that are not used": lambda token: token[:-1] + chr(ord(token[-1]) + 1),
    "upper case": str.upper,
}


@IN_ONE
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_token_has_only_one_spelling(target: Target, spelling: str) -> None:
    """RFC 7515, JWS Compact Serialization."""

    def respelled(role: Role) -> str:
        # The next character after the last one must be base64url, too.
        signed = (target.sign({**all_rights(target), "jti": str(number)}, role) for number in range(1000))
        token = next(one for one in signed if one[-1] in "AEIMQUYcgkosw048")
        assert doors(target, token, role)[0].status_code == 200
        return SPELLINGS[spelling](token)

    assert refused_alike(target, respelled)


@pytest.mark.parametrize("changes", [{"exp": 9999999999}, {"admin": True}])
def test_claims_that_were_changed_are_refused(target: Target, changes: dict[str, object]) -> None:
    """Mercure 1.0, Token Validation: also when the true token is remembered."""

    def changed(role: Role) -> str:
        token = target.sign(all_rights(target), role)
        assert doors(target, token, role)[0].status_code == 200
        return tokens.tampered(token, **changes)

    assert refused_alike(target, changed)


# Mercure 1.0 alone


@IN_1
@pytest.mark.parametrize("name", ["exp", "aud", "iss"])
def test_a_claim_that_must_be_there_is_missed(target: Target, name: str) -> None:
    """Mercure 1.0, Token Validation."""
    claims = {key: value for key, value in all_rights(target).items() if key != name}
    assert refused_alike(target, lambda role: target.sign(claims, role))


def test_an_access_token_without_an_issuer_is_answered_in_the_words_of_its_version() -> None:
    """Mercure 1.0, Error Responses: a client of 1.0 finds out by the challenge that it needs another token."""
    target = Target("both", "1.0")
    claims = {key: value for key, value in all_rights(target).items() if key != "iss"}
    answer = target.post({"topic": "/a"}, token=target.sign(claims, "publisher"))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


AUDIENCES: list[object] = [
    "https://other.example/.well-known/mercure",
    "https://hub.example",
    "https://hub.example/",
    f"{URL}/",
    f"{URL}?",
    f"{URL}#",
    "https://HUB.example/.well-known/mercure",
    "https://hub.example:443/.well-known/mercure",
    "http://hub.example/.well-known/mercure",
    f" {URL}",
    f"{URL} https://other.example",
    *("*", "", None, True, [], ["https://other.example"], [[URL]], [{URL: 1}], {URL: 1}, [None, 1, []]),
]


@IN_1_ALONE
@pytest.mark.parametrize("audience", AUDIENCES, ids=str)
def test_a_token_for_another_hub_is_refused(target: Target, audience: object) -> None:
    """Mercure 1.0, Token Validation."""
    assert refused_alike(target, lambda role: target.sign({**all_rights(target), "aud": audience}, role))


@IN_1
def test_a_token_for_several_hubs_is_believed_by_each(target: Target) -> None:
    """Mercure 1.0, Token Validation."""
    claims = {**all_rights(target), "aud": [None, "https://other.example", URL]}
    assert accepted(target, lambda role: target.sign(claims, role))


@IN_1_ALONE
@pytest.mark.parametrize(
    "issuer",
    [
        "",
        f"{ISSUER}/",
        ISSUER.upper(),
        f" {ISSUER}",
        f"{ISSUER}\0",
        "https://evil.example",
        "None",
        URL,
        *NO_TEXTS,
    ],
    ids=str,
)
def test_an_issuer_that_nobody_named_is_refused(target: Target, issuer: object) -> None:
    """Mercure 1.0, Token Validation."""
    assert refused_alike(target, lambda role: target.sign({**all_rights(target), "iss": issuer}, role))


@IN_1
@pytest.mark.parametrize(
    "typ", ["JWT", "jwt", "id+jwt", "", None, "at+jwt ", "text/at+jwt", ["at+jwt"], 1], ids=repr
)
def test_an_id_token_is_no_access_token(target: Target, typ: object) -> None:
    """Mercure 1.0, Token Validation: although it has all the claims of one."""
    if target.protocol == "both":
        assert (
            target.open(target.query("/a"), token=by_hand(target, "subscriber", typ=typ)).status_code == 401
        )
        token = by_hand(target, "publisher", typ=typ)
        assert target.post({"topic": "/a"}, token=token).status_code in (401, 403)
    else:
        assert refused_alike(target, lambda role: by_hand(target, role, typ=typ))


def with_details(target: Target, role: Role, details: object) -> str:
    return target.sign({**target.claims(), "authorization_details": details}, role)


BAD_ENTRIES: dict[str, dict[str, object]] = {
    **{
        f"actions {wrong!r}": {"actions": wrong}
        for wrong in (None, True, 0, "subscribe", [], {}, [[]], [None])
    },
    **{
        f"topics {wrong!r}": {"topics": wrong}
        for wrong in (None, True, 0, "*", [], {}, ["*"], [[]], [None], [{}])
    },
    **{
        f"match {wrong!r}": {"topics": [{"match": wrong}]}
        for wrong in (None, True, 0, "", [], {}, ["*"], "a\0", "a\u200b", "x" * 5000)
    },
    **{
        f"match_type {wrong!r}": {"topics": [{"match": "*", "match_type": wrong}]}
        for wrong in (None, True, 0, "", "x", "Exact", "EXACT", "exact ", "template", "regex")
    },
    **{
        f"pattern {wrong!r}": {"topics": [{"match": wrong, "match_type": "urlpattern"}]}
        for wrong in ("(", "/:", "/{", "/(?<x>a)", "/([)", "/:a:a", "x" * 5000)
    },
    **{f"payload {wrong!r}": {"payload": wrong} for wrong in (None, True, 0, "x", [], [{}])},
}


@IN_1_ALONE
@pytest.mark.parametrize("entry", BAD_ENTRIES, ids=lambda text: text[:40])
def test_one_bad_detail_refuses_the_whole_token(target: Target, entry: str) -> None:
    """Mercure 1.0, Authorization Details."""
    good = detail(["publish", "subscribe"], ["*"])
    bad = {**good, **BAD_ENTRIES[entry]}
    for details in ([bad], [good, bad], [bad, good]):
        assert refused_alike(target, lambda role, details=details: with_details(target, role, details))


@pytest.mark.parametrize("match_type", [[], {}, ["exact"]], ids=repr)
def test_a_match_type_that_is_no_text_refuses_the_token(match_type: object) -> None:
    """Mercure 1.0, Topic Matcher List."""
    target = Target("1.0", "1.0")
    details = [detail(["publish", "subscribe"], [{"match": "*", "match_type": match_type}])]
    assert refused_alike(target, lambda role: with_details(target, role, details))


@IN_1
@pytest.mark.parametrize("details", [None, True, 0, "*", {}, {"type": AUTHORIZATION_DETAIL}], ids=repr)
def test_details_that_are_no_list_refuse_the_token(target: Target, details: object) -> None:
    """Mercure 1.0, Authorization Details."""
    assert refused_alike(target, lambda role: with_details(target, role, details))


FOREIGN_ENTRIES: list[object] = [
    *(None, True, "*", [], ["*"], [[detail(["publish"], ["*"])]]),
    *(
        {**detail(["publish", "subscribe"], ["*"]), "type": name}
        for name in (
            *(f"{AUTHORIZATION_DETAIL}/", AUTHORIZATION_DETAIL.upper(), f" {AUTHORIZATION_DETAIL}"),
            *("", None, [AUTHORIZATION_DETAIL]),
        )
    ),
]


@IN_1_ALONE
@pytest.mark.parametrize("entry", FOREIGN_ENTRIES, ids=lambda entry: str(entry)[:60])
def test_details_of_another_type_grant_nothing(target: Target, entry: object) -> None:
    """Mercure 1.0, Authorization Details."""
    publishers, subscribers = (with_details(target, role, [entry]) for role in ROLES)
    assert target.post({"topic": "/a"}, token=publishers).status_code == 403
    assert target.ask(API, token=subscribers).status_code == 403


# Mercure 0.x alone

BAD_CLAIMS: list[object] = [
    *(None, True, 0, "*", [], ["*"]),
    *({name: wrong} for name in ("publish", "subscribe") for wrong in (True, 0, "*", {}, {"*": 1})),
    *({name: ["*", wrong]} for name in ("publish", "subscribe") for wrong in (None, True, 0, [], ["*"], {})),
    *({name: ["*"] * 1001} for name in ("publish", "subscribe")),
]


@IN_0
@pytest.mark.parametrize("name", ["mercure", "https://mercure.rocks/"])
@pytest.mark.parametrize("claim", BAD_CLAIMS, ids=lambda claim: str(claim)[:40])
def test_a_claim_that_is_malformed_refuses_the_whole_token(target: Target, name: str, claim: object) -> None:
    """Mercure 0.x, Authorization."""
    claims = {**all_rights(target), name: claim}
    assert refused_alike(target, lambda role: target.sign(claims, role))


# Tokens of the other version


def other_version(target: Target) -> Version:
    [other] = [version for version in VERSIONS.values() if version is not target.version]
    return other


def of_other_version(target: Target, role: Role, **claims: object) -> str:
    """Return a token that is good in the other version of the protocol."""
    other = other_version(target)
    granted = other.claims(publish=["*"], subscribe=["*"], issuer=ISSUER, audience=URL)
    header = {"alg": "HS256", "typ": "JWT", **other.token_header}
    secret = SECRETS[ISSUER, role].encode()
    return target.told(tokens.signed_by_hand({**claims, **granted}, secret, **header))


@pytest.mark.parametrize("door", ["header", "cookie", "cookie of the other version"])
def test_a_token_of_the_other_version_reads_nothing_private(target: Target, door: str) -> None:
    """Mercure 1.0, Token Validation: nor does one with the claims of both, whose header decides."""
    for token in (
        of_other_version(target, "subscriber"),
        of_other_version(target, "subscriber", **all_rights(target)),
    ):
        headers = {
            "header": {"Authorization": f"Bearer {token}"},
            "cookie": {"Cookie": f"{target.version.cookie_name}={token}"},
            "cookie of the other version": {"Cookie": f"{other_version(target).cookie_name}={token}"},
        }[door]
        if door == "cookie of the other version":
            reader = target.read(target.query("/a"), headers=headers)
            target.publish("/a", private="on", data="private")
            assert reader.bytes() == b""
        else:
            assert target.open(target.query("/a"), headers=headers).status_code == 401


@IN_ONE
def test_a_token_of_the_other_version_publishes_nothing(target: Target) -> None:
    """Mercure 1.0, Token Validation."""
    token = of_other_version(target, "publisher", **all_rights(target))
    assert target.post({"topic": "/a"}, token=token).status_code == 401


def test_the_claims_of_the_header_s_version_count_alone(target: Target) -> None:
    """Mercure 1.0, Token Validation: rights of two versions are never added up."""
    others = other_version(target).claims(publish=["*"], subscribe=["*"], issuer=ISSUER, audience=URL)
    token = target.sign({**others, **target.claims(publish=["/mine"])}, "publisher")
    assert target.post({"topic": "/mine"}, token=token).status_code == 200
    assert target.post({"topic": "/other"}, token=token).status_code == 403


@IN_1
@pytest.mark.parametrize("name", ["authorization", "access_token", "Authorization", "token", "bearer"])
def test_the_query_holds_no_token_in_mercure_1(target: Target, name: str) -> None:
    """Mercure 1.0, Presenting the Access Token: whoever puts it there is a stranger, or told so."""
    answer = target.open(f"{target.query('/a')}&{name}={target.subscriber_token('*')}")
    if target.protocol == "both" and name == "authorization":
        assert answer.status_code == 400
    else:
        target.publish("/a", private="on", data="private")
        assert Reader(answer).bytes() == b""
        answer.close()
    assert target.ask(f"{API}?{name}={target.subscriber_token('*')}").status_code == 401
    published = target.request("POST", f"{HUB}?{name}={target.publisher_token()}", data={"topic": "/a"})
    assert published.status_code == 401


# What is told


@pytest.mark.parametrize(
    "reason", ["has expired", "is not that of a trusted key", "does not have three parts"]
)
def test_the_exact_reason_is_in_the_log_alone(
    target: Target, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Mercure 1.0, Error Responses."""
    token = {
        "has expired": target.sign({**all_rights(target), "exp": 1}, "subscriber"),
        "is not that of a trusted key": tokens.signed_by_hand(all_rights(target), b"other", **target.header),
        "does not have three parts": "a" * 50,
    }[reason]
    answer = target.open(target.query("/a"), token=target.told(token))
    assert reason in caplog.text
    assert (answer.status_code, answer.text) == (401, "Unauthorized\n")


def test_nothing_that_holds_a_token_or_a_key_shows_it(target: Target) -> None:
    """RFC 6750, Threat Mitigation: a traceback with its variables shows the objects of the hub."""
    assert accepted(target, lambda role: target.sign(all_rights(target), role))
    keys = [read_key(secret) for secret in SECRETS.values()]
    shown = [target.front, target.hub, *keys, *vars(target.front).values(), *vars(target.hub).values()]
    assert not [one for one in shown if any(secret in repr(one) for secret in target.secrets)]


def test_what_a_request_presents_does_not_show_itself(target: Target) -> None:
    """RFC 6750, Threat Mitigation."""
    token = target.subscriber_token("*")
    presented = target.versions.newest.credentials(f"Bearer {token}", [], {})
    assert token not in repr(presented)
