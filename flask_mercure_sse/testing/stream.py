"""A stream of an app's embedded hub, read through Flask's test client."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ..integrations.content import topics_of
from ..protocol.errors import ConfigurationError
from ..protocol.sse import CONTENT_TYPE, Decoder, Event
from ..publishers.recording import recordings_of
from ..server.stream import Stream
from ..server.wsgi import OPENED

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from ..app_state import AppState

PATIENCE = 5.0
"""Seconds in which an event must have come."""

SILENCE = 0.1
"""Seconds in which nothing must have come."""


class HubStream:
    """A stream that is open until it is closed, or its ``with`` block ends.

    A thread reads it, so that a test can wait for an event for a limited time.

    :param end: ends the stream on the hub's side.
    :param timeout: seconds in which an event must have come.
    """

    def __init__(self, response: TestResponse, end: Callable[[], None], timeout: float = PATIENCE) -> None:
        self.response: TestResponse = response
        """The answer's head: status and headers."""
        self.events: list[Event] = []
        """What was taken so far."""
        self._end = end
        self._timeout = timeout
        self._arrived: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._ended = False
        self._reader = threading.Thread(target=self._read, name="mercure-test-stream", daemon=True)
        self._reader.start()

    def next(self, timeout: float | None = None) -> Event:
        """Return the next event: ``data``, ``id`` and ``type``.

        :param timeout: seconds to wait; by default as for the stream.
        :raises AssertionError: none comes in time, or the hub has ended the stream.
        """
        __tracebackhide__ = True
        seconds = self._timeout if timeout is None else timeout
        event = self._take(seconds)
        if event is None:
            what = "the hub has ended the stream" if self._ended else f"no event came in {seconds:g} seconds"
            raise AssertionError(f"{what}. Events before: {self.events or 'none'}")
        return event

    def take(self, number: int, timeout: float | None = None) -> list[Event]:
        """Return the next events, a number of them; see :meth:`next`."""
        __tracebackhide__ = True
        return [self.next(timeout) for _ in range(number)]

    def assert_nothing(self, seconds: float = SILENCE) -> None:
        """Check that no event comes for a while.

        :raises AssertionError: one does.
        """
        __tracebackhide__ = True
        event = self._take(seconds)
        if event is not None:
            raise AssertionError(f"an event came: {event}")

    def close(self) -> None:
        """End the stream; a second time does nothing."""
        self._end()
        self._reader.join(self._timeout)  # what a thread is reading, no other can close
        self.response.close()

    def __enter__(self) -> HubStream:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _take(self, seconds: float) -> Event | None:
        if self._ended:
            return None
        try:
            event = self._arrived.get(timeout=seconds)
        except queue.Empty:
            return None
        if event is None:
            self._ended = True
        else:
            self.events.append(event)
        return event

    def _read(self) -> None:
        decoder = Decoder()
        try:
            for received in self.response.iter_encoded():
                for event in decoder.feed(received):
                    self._arrived.put(event)
        finally:
            self._arrived.put(None)


def mercure_stream(
    client: FlaskClient,
    topics: Any,
    *,
    jwt: str | None = None,
    last_event_id: str | None = None,
    timeout: float = PATIENCE,
) -> HubStream:
    """Follow topics on an app's embedded hub, as a browser with the client's cookies would.

    When it returns, the hub has the subscriber: what is published from then on comes.

    :param topics: one topic, selector or object, or several.
    :param jwt: a subscriber's token to present, beside the cookies.
    :param last_event_id: the event after which the stream goes on.
    :param timeout: seconds in which an event must have come.
    :raises AssertionError: the hub refuses.
    :raises ConfigurationError: there is no embedded hub, or updates do not get there as they are captured.
    """
    __tracebackhide__ = True
    state = _state_of(client)
    headers = {"Accept": CONTENT_TYPE}
    if jwt is not None:
        headers["Authorization"] = f"Bearer {jwt}"
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    selectors: Sequence[str] = topics_of(topics)
    url = f"{state.version.hub_path}?{urlencode(state.version.url_query(selectors))}"
    opened: list[Stream] = []
    response = client.get(url, headers=headers, environ_overrides={OPENED: opened.append})
    if not opened:
        raise AssertionError(f"the hub answered {response.status_code}: {response.get_data(as_text=True)}")
    return HubStream(response, opened[0].end, timeout)


def _state_of(client: FlaskClient) -> AppState:
    state: AppState | None = client.application.extensions.get("mercure_sse")
    if state is None:
        raise ConfigurationError("the client's app has no MercureSSE; call init_app(app)")
    if state.hub is None:
        raise ConfigurationError(
            "the app's hub is another program, which the test client does not reach; in this test leave "
            "MERCURE_HUB_URL unset, or set MERCURE_HUB"
        )
    if recordings_of(state.instance):
        raise ConfigurationError(
            "updates are captured, so none would come by a stream; in one test use either mercure_updates "
            "(captured) or mercure_stream"
        )
    return state
