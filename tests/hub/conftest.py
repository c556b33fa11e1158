"""A hub, and a way to join it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flask_mercure_sse.hub.hub import Hub
from flask_mercure_sse.protocol.v0 import MERCURE_0
from flask_mercure_sse.protocol.versions import Versions
from tests.subscriber import Subscriber

Join = Callable[..., Subscriber]


@pytest.fixture
def hub() -> Hub:
    return Hub(Versions(MERCURE_0))


@pytest.fixture
def join(hub: Hub) -> Join:
    """Join the hub: ``join("/books/{id}", grants=["/books/1"], after="7")``; without grants nobody is known."""

    def join_hub(
        *topics: str,
        grants: list[str] | None = None,
        payload: object = None,
        after: str | None = None,
        hub: Hub = hub,
    ) -> Subscriber:
        wanted = MERCURE_0.subscribe_request([("topic", topic) for topic in topics], after)
        known = grants is not None or payload is not None
        rights = (
            MERCURE_0.rights(MERCURE_0.claims(now=0, subscribe=grants or (), payload=payload))
            if known
            else None
        )
        return Subscriber(hub, wanted, rights)

    return join_hub
