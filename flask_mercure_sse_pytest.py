"""The pytest plugin of flask-mercure-sse.

Pytest imports it in every project of the environment, so it is outside of the package, whose import would
take Flask and more along: that is for the tests that use a fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from flask_mercure_sse.testing import CapturedUpdates, HubStream

pytest.register_assert_rewrite("flask_mercure_sse.testing.publisher_contract")  # so that failures tell more


@pytest.fixture
def mercure_updates() -> Iterator[CapturedUpdates]:
    """What the apps of this test publish, captured in place of being published."""
    from flask_mercure_sse.testing import captured_updates

    with captured_updates() as updates:
        yield updates


@pytest.fixture
def mercure_stream() -> Iterator[Callable[..., HubStream]]:
    """Open streams of an app's embedded hub: ``mercure_stream(client, topics)``; they end with the test."""
    from flask_mercure_sse.testing import mercure_stream

    with ExitStack() as opened:

        def open_stream(client: FlaskClient, topics: Any, **options: Any) -> HubStream:
            return opened.enter_context(mercure_stream(client, topics, **options))

        yield open_stream
