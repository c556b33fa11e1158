"""The hub under test, as its clients see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from . import tokens
from .client import FORM, Answer, Headers, Pairs, Stream, encoded, request
from .versions import VERSIONS, Grant, Version

FEATURES = {
    "anonymous": "subscribers without a token",
    "history": "a history for those who come back",
    "subscriptions": "subscription events and the subscription API",
    "cors": "an allowed origin for pages",
    "publish_origins": "an allowed origin for publishing with a cookie",
    "query_token": "tokens in the query (0.x)",
    "query_method": "the method QUERY (1.0)",
    "metadata": "protected resource metadata (1.0)",
}
"""What a hub may be without, by the name that tests ask for."""


@dataclass(frozen=True)
class Hub:
    """A hub's address, its keys, and what it is declared to do."""

    url: str
    protocol: str
    publisher_key: str = field(repr=False)
    subscriber_key: str = field(repr=False)
    algorithm: str = "HS256"
    issuer: str = "https://issuer.example"
    audience: str = ""
    cookie: str = ""
    cors_origin: str = ""
    publish_origin: str = ""
    features: frozenset[str] = frozenset(FEATURES)
    opening_comment: bool = True

    @property
    def version(self) -> Version:
        return VERSIONS[self.protocol]

    @property
    def origin(self) -> str:
        return "{0.scheme}://{0.netloc}".format(urlsplit(self.url))

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def api(self) -> str:
        """Path of the subscription API, and of the topics of subscription events."""
        return f"{self.path}/subscriptions"

    @property
    def cookie_name(self) -> str:
        return self.cookie or self.version.cookie_name

    # Tokens

    def claims(
        self, *, publish: Sequence[Grant] = (), subscribe: Sequence[Grant] = (), payload: object = None
    ) -> dict[str, Any]:
        """Return claims that make a valid token; a test takes away or changes what it is about."""
        return self.version.claims(
            publish=publish,
            subscribe=subscribe,
            payload=payload,
            issuer=self.issuer,
            audience=self.audience or self.url,
        )

    def sign(self, claims: dict[str, Any], key: str = "", **header: object) -> str:
        """Return a token with these claims; by default the subscribers' key signs it."""
        header = {**self.version.token_header, **header}
        return tokens.signed(claims, key or self.subscriber_key, self.algorithm, **header)

    def sign_anything(self, claims: dict[str, Any] | str, key: str) -> str:
        """Return a token of claims that a decent library refuses to sign.

        :param claims: an object, or (with a secret as the key) a text that need not be JSON.
        """
        header = {**self.version.token_header, "alg": self.algorithm}
        if self.algorithm.startswith("HS"):
            return tokens.signed_by_hand(claims, key.encode(), f"sha{self.algorithm[2:]}", **header)
        assert isinstance(claims, dict)
        return tokens.signed(claims, key, self.algorithm, **header)

    def publisher_token(self, *grants: Grant) -> str:
        """Return a token that may publish on these topics, by default on all."""
        return self.sign(self.claims(publish=grants or ("*",)), self.publisher_key)

    def subscriber_token(self, *grants: Grant, payload: object = None) -> str:
        """Return a token that may read private updates of these topics."""
        return self.sign(self.claims(subscribe=grants, payload=payload))

    # Requests

    def request(
        self, method: str, target: str = "", headers: Headers = (), body: bytes | None = None
    ) -> Answer:
        """Send any request that ends; the default target is the hub itself."""
        return request(self.origin, method, target or self.path, headers, body)

    def post(self, fields: Pairs | str, *, token: str | None = None, headers: Headers = ()) -> Answer:
        """Send fields, or a form as it is, with a publisher's token that may do all."""
        token = self.publisher_token() if token is None else token
        return self.post_as([*bearer(token), *headers], fields)

    def post_as(self, headers: Headers, fields: Pairs | str) -> Answer:
        """Send fields, or a form as it is, with these headers alone."""
        body = fields if isinstance(fields, str) else encoded(fields)
        return self.request("POST", headers=[("Content-Type", FORM), *headers], body=body.encode())

    def stream(
        self,
        query: Pairs | str,
        *,
        token: str | None = None,
        headers: Headers = (),
        method: str = "GET",
        body: bytes | None = None,
    ) -> Stream:
        """Send a subscription; the caller looks at its status, and closes it."""
        query = query if isinstance(query, str) else encoded(query)
        target = f"{self.path}?{query}" if query else self.path
        return Stream(self.origin, method, target, [*bearer(token), *headers], body)

    def joined(self, stream: Stream) -> Stream:
        """Wait until the subscriber of a stream has joined: some hubs send the head before."""
        assert stream.is_open, (stream.status, stream.answer().body)
        if self.opening_comment:
            stream.wait_for_comment()
        return stream

    def subscribe(self, query: Pairs | str, **options: Any) -> Answer:
        """Send a subscription and return the answer; of a stream that opens only the head."""
        stream = self.stream(query, **options)
        try:
            return stream.answer()
        finally:
            stream.close()

    def ask(self, target: str, *, token: str | None = None, headers: Headers = ()) -> Answer:
        """Send a GET that ends, such as one to the subscription API."""
        return self.request("GET", target, [*bearer(token), *headers])

    def exactly(self, *topics: str) -> list[tuple[str, str | bytes]]:
        """Return the query that subscribes to these topics and no others."""
        return [(self.version.topic_parameter, topic) for topic in topics]

    def cursor(self, last_event_id: str) -> tuple[str, str | bytes]:
        """Return the query parameter that asks for what came after an event."""
        return (self.version.cursor_parameter, last_event_id)


def bearer(token: str | None) -> list[tuple[str, str | bytes]]:
    return [] if token is None else [("Authorization", f"Bearer {token}")]
