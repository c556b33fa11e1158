"""Each publisher keeps the contract that the package ships."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import MetaData, create_engine
from sqlalchemy.orm import Session

from flask_mercure_sse import MercureSSE, PublishError, Update
from flask_mercure_sse.hub.hub import Hub
from flask_mercure_sse.protocol.rights import Rights
from flask_mercure_sse.protocol.versions import speak
from flask_mercure_sse.publishers.background import BackgroundPublisher, HubQueue
from flask_mercure_sse.publishers.delivery import QueueSettings
from flask_mercure_sse.publishers.direct import DirectPublisher
from flask_mercure_sse.publishers.embedded import EmbeddedPublisher
from flask_mercure_sse.publishers.http import HttpPublisher
from flask_mercure_sse.publishers.noting import NotingPublisher
from flask_mercure_sse.publishers.outcomes import Outcomes
from flask_mercure_sse.publishers.publisher import Publisher
from flask_mercure_sse.publishers.recording import Recording, RecordingPublisher
from flask_mercure_sse.testing import PublisherContract, RemotePublisherContract
from flask_mercure_sse.testing.publisher_contract import Received
from tests.conftest import SECRET
from tests.publishers.fake_hub import FakeHub
from tests.publishers.scripted import PATIENCE
from tests.subscriber import Subscriber

GONE = "http://127.0.0.1:1/.well-known/mercure"


@pytest.fixture(scope="module")
def shared_hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    yield hub
    hub.close()


@pytest.fixture
def hub(shared_hub: FakeHub) -> FakeHub:
    shared_hub.requests.clear()
    shared_hub.status, shared_hub.answer = 200, ""
    return shared_hub


@pytest.fixture
def refusing_hub(hub: FakeHub) -> FakeHub:
    hub.status, hub.answer = 403, "Forbidden"
    return hub


class TestEmbedded(PublisherContract):
    @pytest.fixture
    def hub_here(self) -> Hub:
        return Hub(speak("0.x", None))

    @pytest.fixture
    def publisher(self, hub_here: Hub) -> Publisher:
        return EmbeddedPublisher(
            hub_here, Outcomes("embedded", lambda _updates, _error: None), lambda _: None
        )

    @pytest.fixture
    def received(self, hub_here: Hub) -> Iterator[Received]:
        version = hub_here.versions.oldest
        rights: Rights = version.rights(version.claims(now=0, subscribe=["*"]))
        subscriber = Subscriber(hub_here, version.subscribe_request([("topic", "*")], None), rights)
        yield lambda: subscriber.updates
        subscriber.close()


class TestRecording(PublisherContract):
    @pytest.fixture
    def recording(self) -> Recording:
        return Recording()

    @pytest.fixture
    def publisher(self, recording: Recording) -> Publisher:
        return RecordingPublisher([recording], "default")

    @pytest.fixture
    def received(self, recording: Recording) -> Received:
        return lambda: [one.update for one in recording.kept]


class OverHttp(RemotePublisherContract):
    """Publishers that wait for a hub over HTTP, each made from its URL."""

    def make(self, url: str) -> Publisher:
        return HttpPublisher(url, lambda: "a.b.c")

    @pytest.fixture
    def publisher(self, hub: FakeHub) -> Iterator[Publisher]:
        publisher = self.make(hub.url)
        yield publisher
        publisher.close()

    @pytest.fixture
    def received(self, hub: FakeHub) -> Received:
        return lambda: hub.updates

    @pytest.fixture
    def publisher_to_nowhere(self) -> Publisher:
        return self.make(GONE)

    @pytest.fixture
    def refused_publisher(self, refusing_hub: FakeHub) -> Publisher:
        return self.make(refusing_hub.url)


class TestHttp(OverHttp):
    pass


class TestDirect(OverHttp):
    def make(self, url: str) -> Publisher:
        noting = NotingPublisher(HttpPublisher(url, lambda: "a.b.c"), lambda _ids: None)
        return DirectPublisher(noting, Outcomes(url, lambda _updates, _error: None))


class TestBackground(OverHttp):
    """What a hub does with an update is told later, and within a time limit for the tests."""

    def make(self, url: str) -> Publisher:
        self.error: PublishError | None = None
        self.settled = threading.Event()

        def tell(_updates: Sequence[Update], error: PublishError | None) -> None:
            self.error = error
            self.settled.set()

        queue = HubQueue(Outcomes(url, tell), QueueSettings(retry_for=0.1, flush_timeout=PATIENCE))
        return BackgroundPublisher(HttpPublisher(url, lambda: "a.b.c"), queue)

    def failure(self, publisher: Publisher, update: Update) -> PublishError | None:
        assert publisher.publish(update) == update.id
        assert self.settled.wait(PATIENCE)
        return self.error

    @pytest.fixture
    def received(self, publisher: Publisher, hub: FakeHub) -> Received:
        assert isinstance(publisher, BackgroundPublisher)

        def wait() -> list[Update]:
            assert publisher._queue.flush(PATIENCE)
            return hub.updates

        return wait


class ThroughOutbox:
    """Publishes each update in a transaction of its own, which the outbox is part of."""

    def __init__(self, mercure: MercureSSE, session: Callable[[], Session]) -> None:
        self._mercure = mercure
        self._session = session

    def publish(self, update: Update) -> str:
        with self._session() as session, session.begin():
            topics, data = list(update.topics), update.data
            options = {"id": update.id, "type": update.type, "retry": update.retry}
            return self._mercure.publish(topics, data, update.private, on_commit=session, **options)  # type: ignore[arg-type]

    def close(self) -> None:
        """There is nothing to give back: the outbox belongs to the app."""


class TestOutbox(PublisherContract):
    @pytest.fixture
    def mercure(self, hub: FakeHub, tmp_path: Path) -> Iterator[MercureSSE]:
        app = Flask("outbox")
        app.config.update(SECRET_KEY=SECRET, MERCURE_HUB_URL=hub.url, MERCURE_PUBLISH="outbox")
        mercure, metadata = MercureSSE(app), MetaData()
        self.engine = create_engine(f"sqlite:///{tmp_path / 'outbox.db'}", connect_args={"timeout": PATIENCE})
        mercure.outbox_table(metadata, self.engine)
        metadata.create_all(self.engine)
        self.outbox = app.extensions["mercure_sse"].outbox
        yield mercure
        self.engine.dispose()

    @pytest.fixture
    def publisher(self, mercure: MercureSSE) -> Publisher:
        return ThroughOutbox(mercure, lambda: Session(self.engine))

    @pytest.fixture
    def received(self, hub: FakeHub) -> Received:
        from flask_mercure_sse.integrations.outbox_relay import Relay

        def wait() -> list[Update]:
            assert Relay(self.outbox).once().delayed == 0
            return hub.updates

        return wait
