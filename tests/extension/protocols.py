"""Apps that speak a version of the protocol, and what their browsers see of it."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_mercure_sse import MercureSSE
from tests.conftest import SECRET

HUB = "/.well-known/mercure"
API = f"{HUB}/subscriptions"
METADATA = f"/.well-known/oauth-protected-resource{HUB}"
PUBLIC = f"https://example.com{HUB}"
METADATA_URL = f"https://example.com{METADATA}"
DETAIL = "https://mercure.rocks/authorization-detail"
FORM = "application/x-www-form-urlencoded"

in_1_0 = pytest.mark.parametrize("protocol", ["1.0", "both"])


def make(protocol: str, **config: Any) -> Flask:
    """Return an app that speaks a protocol and takes updates over HTTP."""
    app = Flask("tests")
    app.config.update(TESTING=True, SECRET_KEY=SECRET, MERCURE_PROTOCOL=protocol, **config)
    MercureSSE(app, hub_allow_publish=True, hub_keepalive_interval=0.02)
    return app


def mercure_of(app: Flask) -> MercureSSE:
    return app.extensions["mercure_sse"].instance


def read(response: TestResponse) -> list[str]:
    """Return the data of what a stream has for its client now, and leave."""
    assert response.status_code == 200, response.text
    with response:
        stream = iter(response.response)
        text = next(stream).decode()
        while (chunk := next(stream, b":\n")) != b":\n":
            text += chunk.decode()
    return [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def details(token: str) -> Any:
    """Return what a token of Mercure 1.0 grants."""
    return jwt.decode(token, options={"verify_signature": False})["authorization_details"]


def topics(token: str) -> list[Any]:
    return [topic["match"] for detail in details(token) for topic in detail["topics"]]


def cookies(response: Any) -> list[tuple[str, str, dict[str, str | bool]]]:
    """Return the name, value and attributes of each cookie that a response sets."""
    found = []
    for header in response.headers.getlist("Set-Cookie"):
        pair, *attributes = header.split("; ")
        name, _, value = pair.partition("=")
        pairs = (attribute.partition("=") for attribute in attributes)
        found.append((name, value, {attribute: text or True for attribute, _, text in pairs}))
    return found
