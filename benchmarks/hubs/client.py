"""Requests as a hub's clients make them, in the version of the protocol that it speaks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from urllib.parse import urlencode, urlsplit

from flask_mercure_sse.protocol.keys import read_key, sign
from flask_mercure_sse.protocol.versions import speak


class Client:
    """Makes requests to one hub.

    :param protocol: the version: 0.x or 1.0.
    :param url: the hub's URL, which tokens of 1.0 name as audience and issuer.
    :param key: the secret of publishers' and subscribers' tokens.
    """

    def __init__(self, protocol: str, url: str, key: str) -> None:
        parts = urlsplit(url)
        self.address: tuple[str, int] = (parts.hostname or "", parts.port or 80)
        self._path = parts.path
        self._host = parts.netloc
        self._version = speak(protocol, url).newest
        self._key = read_key(key)

    def subscribe(self, topics: Sequence[str], name: str | None = None) -> bytes:
        """Return a subscribe request.

        :param topics: topics or URI templates.
        :param name: who it is, in a token of its own that grants the topics; None for no token.
        """
        query = urlencode(self._version.url_query(topics))
        lines = [f"GET {self._path}?{query} HTTP/1.1", f"Host: {self._host}", "Accept: text/event-stream"]
        if name is not None:
            lines.append(self._authorization(subscribe=topics, payload={"name": name}))
        return _encoded([*lines, "", ""])

    def publish(self) -> bytes:
        """Return a publish request up to its length, which is the next line."""
        return _encoded(
            [
                f"POST {self._path} HTTP/1.1",
                f"Host: {self._host}",
                "Content-Type: application/x-www-form-urlencoded",
                self._authorization(publish=["*"]),
                "",
            ]
        )

    def _authorization(
        self, publish: Sequence[str] = (), subscribe: Sequence[str] = (), payload: object = None
    ) -> str:
        claims = self._version.claims(
            now=time.time(), publish=publish, subscribe=subscribe, payload=payload, lifetime=3600
        )
        return f"Authorization: Bearer {sign(claims, self._key, type=self._version.token_type)}"


def _encoded(lines: Sequence[str]) -> bytes:
    return "\r\n".join(lines).encode()
