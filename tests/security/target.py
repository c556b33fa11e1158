"""A hub behind its HTTP front in this process, with all that an attacker may hold in hands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from sseclient import Event, SSEClient
from werkzeug.test import Client, TestResponse

from flask_mercure_sse.hub.authority import Authority
from flask_mercure_sse.hub.hub import Hub
from flask_mercure_sse.protocol.sse import COMMENT
from flask_mercure_sse.protocol.versions import Versions, speak
from flask_mercure_sse.server.cors import Cors
from flask_mercure_sse.server.front import Front
from flask_mercure_sse.server.issuers import Role, authority, key_source
from flask_mercure_sse.server.wsgi import HubFront
from tests.conformance import tokens
from tests.conformance.versions import VERSIONS, Grant, Version

HUB = "/.well-known/mercure"
API = f"{HUB}/subscriptions"
METADATA = f"/.well-known/oauth-protected-resource{HUB}"
URL = f"https://hub.example{HUB}"
ISSUER = "https://issuer.example"
OTHER_ISSUER = "https://other.example"
PAGE = "https://app.example"
FORM = "application/x-www-form-urlencoded"

SECRETS: dict[tuple[str, Role], str] = {
    (ISSUER, "publisher"): "the secret of publishers, which is long enough",
    (ISSUER, "subscriber"): "the secret of subscribers, which is long enough",
    (OTHER_ISSUER, "publisher"): "the secret of other publishers, long enough",
    (OTHER_ISSUER, "subscriber"): "the secret of other subscribers, long enough",
}

SPOKEN = (("0.x", "0.x"), ("1.0", "1.0"), ("both", "0.x"), ("both", "1.0"))
"""What a hub may be set to speak, and what is spoken to it."""

Fields = Iterable[tuple[str, str]] | Mapping[str, str]


class Target:
    """A hub and its front, spoken to in one version of the protocol.

    :param protocol: what the hub speaks.
    :param spoken: the version that its clients speak.
    :param keys: what the hub checks tokens with, by issuer and role.
    :param signing_keys: the private keys that tokens are signed with, where `keys` are public.
    :param algorithm: of the tokens.
    """

    def __init__(
        self,
        protocol: str,
        spoken: str,
        *,
        url: str = URL,
        keys: Mapping[tuple[str, Role], str] = SECRETS,
        signing_keys: Mapping[tuple[str, Role], Any] | None = None,
        algorithm: str = "HS256",
        anonymous: bool = True,
        subscriptions: bool = True,
        cors: tuple[str, ...] = (),
    ) -> None:
        self.protocol = protocol
        self.url = url
        self.version: Version = VERSIONS[spoken]
        self.keys: Mapping[tuple[str, Role], Any] = signing_keys or keys
        self.algorithm = algorithm
        self.versions: Versions = speak(protocol, url, issuer=ISSUER)
        self.hub = Hub(self.versions, allow_anonymous=anonymous, subscriptions=subscriptions)
        others: dict[Role, str] = {role: key for (issuer, role), key in keys.items() if issuer != ISSUER}
        front = Front(
            self.hub,
            publishers=_authority("publisher", keys, others),
            subscribers=_authority("subscriber", keys, others),
            publish_origins=[PAGE],
            cors=Cors(cors),
        )
        # So that a reader soon knows that nothing more comes.
        self.front = HubFront(front, keepalive_interval=0.001)
        self.client = Client(self.front, use_cookies=False)
        lines = {line for key in keys.values() for line in key.split("\n")}
        self.secrets = {line for line in lines if len(line) >= 20 and not line.startswith("-----")}
        """What no log and no answer may hold."""
        self.answers: list[TestResponse] = []
        self._readers: list[Reader] = []

    # Tokens

    def claims(self, *, payload: object = None, **grants: Iterable[Grant]) -> dict[str, Any]:
        """Return claims that make a valid token."""
        given = {action: list(granted) for action, granted in grants.items()}
        return self.version.claims(issuer=ISSUER, audience=self.url, payload=payload, **given)

    @property
    def header(self) -> dict[str, object]:
        """The header of a valid token."""
        return {"alg": self.algorithm, "typ": "JWT", **self.version.token_header}

    def sign(
        self, claims: Mapping[str, Any] | str, role: Role, *, issuer: str = ISSUER, **header: object
    ) -> str:
        """Return a token that the key of a role signs, whatever it says."""
        header = {**self.header, **header}
        key = self.keys[issuer, role]
        if self.algorithm.startswith("HS"):
            return self.told(tokens.signed_by_hand(claims, key.encode(), **header))
        assert not isinstance(claims, str)
        algorithm = str(header.pop("alg"))
        return self.told(tokens.signed(claims, key, algorithm, **header))

    def told(self, token: str) -> str:
        """Remember a token as one that no log and no answer may hold."""
        self.secrets.update(part for part in (token, *token.split(".")[1:]) if len(part) >= 20)
        return token

    def publisher_token(self, *grants: Grant) -> str:
        return self.sign(self.claims(publish=grants or ["*"]), "publisher")

    def subscriber_token(self, *grants: Grant, payload: object = None) -> str:
        return self.sign(self.claims(subscribe=grants, payload=payload), "subscriber")

    # Requests

    def request(self, method: str, target: str, *, token: str | None = None, **options: Any) -> TestResponse:
        headers = {
            **({} if token is None else {"Authorization": f"Bearer {token}"}),
            **options.pop("headers", {}),
        }
        answer = self.client.open(target, method=method, headers=headers, **options)
        self.answers.append(answer)
        return answer

    def post(self, fields: Fields, *, token: str | None = None, **options: Any) -> TestResponse:
        """Publish; by default with a token that may publish all."""
        token = self.publisher_token() if token is None and "headers" not in options else token
        return self.request(
            "POST", HUB, token=token, data=urlencode(list(pairs(fields))), content_type=FORM, **options
        )

    def publish(self, *topics: str, **fields: str) -> str:
        """Publish, and return the id."""
        answer = self.post([*(("topic", topic) for topic in topics), *fields.items()])
        assert answer.status_code == 200, answer.text
        return answer.text

    def ask(self, target: str, *, token: str | None = None, **options: Any) -> TestResponse:
        """Send a GET that ends."""
        return self.request("GET", target, token=token, **options)

    def query(self, *topics: str, cursor: str | None = None) -> str:
        """Return the query that follows topics, as texts that are matched exactly."""
        fields = [(self.version.topic_parameter, topic) for topic in topics]
        return urlencode([*fields, *([] if cursor is None else [(self.version.cursor_parameter, cursor)])])

    def open(self, query: str, *, token: str | None = None, **options: Any) -> TestResponse:
        """Ask for a stream, and return the answer, whatever it is."""
        return self.request("GET", f"{HUB}?{query}", token=token, **options)

    def follow(self, *topics: str, cursor: str | None = None, token: str | None = None) -> Reader:
        """Open a stream of topics."""
        return self.read(self.query(*topics, cursor=cursor), token=token)

    def read(self, query: str, *, token: str | None = None, **options: Any) -> Reader:
        """Open a stream."""
        answer = self.open(query, token=token, **options)
        assert answer.status_code == 200, answer.text
        self._readers.append(Reader(answer))
        return self._readers[-1]

    @property
    def told_answers(self) -> str:
        """All that was ever answered, but for the streams."""
        heads = "".join(f"{answer.status}\n{answer.headers}" for answer in self.answers)
        return heads + "".join(
            answer.text for answer in self.answers if answer.content_type != "text/event-stream"
        )

    def close(self) -> None:
        for reader in self._readers:
            reader.close()


def _authority(role: Role, keys: Mapping[tuple[str, Role], str], others: Mapping[Role, str]) -> Authority:
    own = key_source(role, keys[ISSUER, role], None)
    return authority(role, own, own_names=[ISSUER], issuers={OTHER_ISSUER: others} if others else None)


def pairs(fields: Fields) -> Iterable[tuple[str, str]]:
    return fields.items() if isinstance(fields, Mapping) else fields


class Reader:
    """An open stream that has joined, and what it is given."""

    def __init__(self, response: TestResponse) -> None:
        self.response = response
        self._stream = iter(response.response)
        assert next(self._stream) == COMMENT

    def bytes(self) -> bytes:
        """Return what has come since the last time, up to the first silence."""
        return b"".join(iter(lambda: next(self._stream, COMMENT), COMMENT))

    def events(self) -> list[Event]:
        return list(SSEClient(iter([self.bytes()])).events())

    @property
    def data(self) -> list[str]:
        """The data of each event that has come since the last time."""
        return [event.data for event in self.events()]

    @property
    def documents(self) -> list[Any]:
        """The data of each, read as JSON."""
        return list(map(json.loads, self.data))

    def close(self) -> None:
        self.response.close()
