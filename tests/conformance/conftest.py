"""Fixtures of the conformance suite: the hub under test, and what a client does with it.

A module whose name ends in ``_v0`` or ``_v1`` is about that version of the protocol alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from . import targets
from .client import Stream
from .hub import FEATURES, Hub

MARKERS = {
    "should": "the specification says that a hub should, not that it must",
    "choice(reason)": "the specification leaves it open, or the reference hub departs from it",
    "needs(*features)": f"skipped where another hub is declared to be without it: {', '.join(FEATURES)}",
}

FOREIGN = targets.foreign()
OF_MODULES = {"_v0": "0.x", "_v1": "1.0"}

collect_ignore: list[str] = []
collect_ignore_glob: list[str] = []
if FOREIGN:
    collect_ignore += ["test_both.py", "test_public_keys.py", "test_switched_off.py"]
    collect_ignore_glob += [
        f"*{end}.py" for end, protocol in OF_MODULES.items() if protocol != FOREIGN.protocol
    ]


def pytest_configure(config: pytest.Config) -> None:
    for marker, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{marker}: {meaning}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test against each hub whose version it is about."""
    if "hub" not in metafunc.fixturenames:
        return
    only = OF_MODULES.get(metafunc.module.__name__[-3:])
    names = (
        [FOREIGN.url]
        if FOREIGN
        else [n for n, (protocol, _) in targets.OWN.items() if only in (None, protocol)]
    )
    metafunc.parametrize("hub", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def hub(request: pytest.FixtureRequest) -> Iterator[Hub]:
    """The hub under test; the tests of one hub run together, so that one runs at a time."""
    if FOREIGN:
        yield FOREIGN
        return
    with targets.own(request.param) as started:
        yield started


@pytest.fixture(autouse=True)
def _only_what_the_hub_is_declared_to_do(request: pytest.FixtureRequest) -> None:
    for mark in request.node.iter_markers("needs"):
        hub: Hub = request.getfixturevalue("hub")
        for feature in mark.args:
            if feature not in hub.features:
                pytest.skip(f"the hub is declared to be without {FEATURES[feature]}")


@pytest.fixture
def topic() -> str:
    """A topic that no other test has."""
    return f"https://example.com/{uuid.uuid4().hex}"


@pytest.fixture
def other_topic() -> str:
    """Another topic that no other test has."""
    return f"https://example.com/{uuid.uuid4().hex}"


@pytest.fixture
def publish(hub: Hub) -> Callable[..., str]:
    """Publish with a token that may do all, and return the id: ``publish(topic, data="x", private="on")``."""

    def publish(*topics: str, **fields: str) -> str:
        answer = hub.post([*(("topic", topic) for topic in topics), *fields.items()])
        assert answer.status == 200, (answer.status, answer.body)
        return answer.text

    return publish


@pytest.fixture
def open_stream(hub: Hub) -> Iterator[Callable[..., Stream]]:
    """Open streams that end with the test: ``open_stream(topic, token=…)``, ``open_stream(query=[…])``."""
    opened: list[Stream] = []

    def open_stream(*topics: str, query: Any = (), **options: Any) -> Stream:
        query = query if isinstance(query, str) else [*hub.exactly(*topics), *query]
        stream = hub.stream(query, **options)
        opened.append(stream)
        return hub.joined(stream)

    yield open_stream
    for stream in opened:
        stream.close()


@pytest.fixture
def matches(publish: Callable[..., str], open_stream: Callable[..., Stream]) -> Callable[..., bool]:
    """Tell whether a subscription gets the updates of a topic: ``matches([("topic", "/a")], "/a")``."""

    def matches(query: list[tuple[str, str]], *topics: str) -> bool:
        marker = f"https://example.com/marker/{uuid.uuid4().hex}"
        stream = open_stream(marker, query=query)
        id = publish(*topics)
        return id in [event.id for event in stream.until(publish(marker))]

    return matches


@pytest.fixture
def watch(hub: Hub, open_stream: Callable[..., Stream]) -> Callable[[], Stream]:
    """Follow the subscription events of all subscribers."""

    def watch() -> Stream:
        parameter, grant = hub.version.every_subscription(hub.api)
        return open_stream(query=[parameter], token=hub.subscriber_token(grant))

    return watch
