"""Hubs of this package that are given public keys: what is public must not sign.

The same attack on another hub is in ``test_tokens_v1.py``, where it is set up with an algorithm of public keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from . import targets, tokens
from .hub import Hub

PUBLISHER, SUBSCRIBER = tokens.strangers_key("RS256"), tokens.strangers_key("RS256")
PUBLIC = tokens.public_pem(PUBLISHER)

FORGED: dict[str, Callable[[Hub], str]] = {
    "the public key as a secret": lambda hub: _by_hand(hub, PUBLIC),
    "the public key without its last line end": lambda hub: _by_hand(hub, PUBLIC.rstrip()),
    "the public key on one line": lambda hub: _by_hand(hub, "".join(PUBLIC.splitlines()[1:-1])),
    "the subscribers' public key as a secret": lambda hub: _by_hand(hub, tokens.public_pem(SUBSCRIBER)),
    "no signature": lambda hub: tokens.unsigned(
        hub.claims(publish=["*"]), **{**hub.version.token_header, "alg": "none"}
    ),
    "a stranger's key": lambda hub: hub.sign(hub.claims(publish=["*"]), tokens.strangers_key("RS256")),
    "the subscribers' key": lambda hub: hub.sign(hub.claims(publish=["*"]), SUBSCRIBER),
    "another algorithm of the same key": lambda hub: _with(hub, "RS512", PUBLISHER),
    "an algorithm of another kind of key": lambda hub: _with(hub, "ES256", tokens.strangers_key("ES256")),
}


def _by_hand(hub: Hub, secret: str) -> str:
    header = {**hub.version.token_header, "alg": "HS256"}
    return tokens.signed_by_hand(hub.claims(publish=["*"]), secret.encode(), **header)


def _with(hub: Hub, algorithm: str, key: str) -> str:
    return tokens.signed(hub.claims(publish=["*"]), key, algorithm, **hub.version.token_header)


@pytest.fixture(scope="module", params=["0.x", "1.0"])
def public_hub(request: pytest.FixtureRequest) -> Iterator[Hub]:
    """A hub that knows the public keys alone."""
    with targets.standalone(request.param, PUBLIC, tokens.public_pem(SUBSCRIBER), "RS256") as url:
        yield Hub(url, request.param, PUBLISHER, SUBSCRIBER, algorithm="RS256", issuer=targets.ISSUER)


def test_the_private_keys_sign(public_hub: Hub, topic: str) -> None:
    """`Mercure, Authorization`."""
    assert public_hub.post([("topic", topic)]).status == 200
    answer = public_hub.subscribe(public_hub.exactly(topic), token=public_hub.subscriber_token(topic))
    assert answer.status == 200


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_forged_token_is_refused(public_hub: Hub, topic: str, forged: Callable[[Hub], str]) -> None:
    """`Mercure 1.0, Token Validation` and `Security Considerations`."""
    assert public_hub.post([("topic", topic)], token=forged(public_hub)).status == 401
