"""Fixtures of the whole suite: an app with the extension, and a subscriber of its hub."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from flask_mercure_sse import MercureSSE
from flask_mercure_sse.events import shared_bindings
from tests.subscriber import Subscriber

pytest_plugins = ["flask_mercure_sse_pytest"]

SECRET = "a secret that is long enough for HS256"


def pytest_configure() -> None:
    """Let SIGTERM end the run as Ctrl-C does.

    The first app that publishes would make an exit of it, which fails the test that runs, and nothing more.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))


@pytest.fixture(autouse=True)
def _end_of_shared_bindings() -> Iterator[None]:
    """No example's binding for whichever app is current publishes in another test."""
    yield
    while shared_bindings:
        shared_bindings.pop().disconnect()


@pytest.fixture
def app() -> Flask:
    app = Flask("tests")
    app.config.update(TESTING=True, SECRET_KEY=SECRET)
    return app


@pytest.fixture
def mercure(app: Flask) -> MercureSSE:
    return MercureSSE(app)


@pytest.fixture
def subscribe(app: Flask, mercure: MercureSSE) -> Iterator[Callable[..., Subscriber]]:
    """Open streams of the app's hub, in this process: ``subscribe("/topic", grants=["/topic"])``."""
    opened: list[Subscriber] = []

    def open_stream(*topics: str, grants: list[str] | None = None) -> Subscriber:
        hub = app.extensions["mercure_sse"].hub
        version = hub.versions.oldest
        wanted = version.subscribe_request([("topic", topic) for topic in topics], None)
        rights = version.rights(version.claims(now=0, subscribe=grants)) if grants else None
        opened.append(Subscriber(hub, wanted, rights))
        return opened[-1]

    yield open_stream
    for subscriber in opened:
        subscriber.close()
