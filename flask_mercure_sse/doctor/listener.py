"""A stream of a hub as one subscriber gets it, with a limit on the time that it is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

import requests

from ..protocol.sse import CONTENT_TYPE, Decoder
from ..publishers.connections import Connections, Timeouts
from ..publishers.http import answer_of, reason_of


class Listener(Protocol):
    """A stream as one subscriber gets it, or why there is none."""

    status: int | None
    problem: str | None
    """Why there is no stream."""
    headers: Mapping[str, str]
    ids: set[str]
    """Of the events that came."""

    def read_until(self, event_id: str, seconds: float) -> bool:
        """Read until an event has come; False when it did not in so many seconds, or the stream ended."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class HttpListener:
    """Opens a stream at once.

    :param url: the hub's URL with its query.
    :param headers: of the request, beside ``Accept``.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], connections: Connections, timeouts: Timeouts
    ) -> None:
        self.status: int | None = None
        self.problem: str | None = None
        self.headers: Mapping[str, str] = {}
        self.ids: set[str] = set()
        self._response: requests.Response | None = None
        try:
            self._response = connections.open(url, {"Accept": CONTENT_TYPE, **headers}, timeouts)
            self._look_at(self._response)
        except requests.RequestException as error:
            self.problem = reason_of(error)

    def _look_at(self, response: requests.Response) -> None:
        self.status, self.headers = response.status_code, response.headers
        if self.status != 200:
            self.problem = f"{self.status}: {answer_of(response)}"
        elif not response.headers.get("Content-Type", "").lower().startswith(CONTENT_TYPE):
            self.problem = "200, not with an event stream"

    def read_until(self, event_id: str, seconds: float) -> bool:
        """Read until an event has come; False when it did not in so many seconds, or the stream ended."""
        if self._response is None or self.problem is not None:
            return False
        decoder, until = Decoder(), time.monotonic() + seconds
        try:
            for received in self._response.iter_content(1):
                self.ids |= {event.id for event in decoder.feed(received)}
                if event_id in self.ids or time.monotonic() > until:
                    break
        except requests.RequestException:
            pass  # it was silent for too long, or broke
        return event_id in self.ids

    def close(self) -> None:
        """Give the connection back."""
        if self._response is not None:
            self._response.close()


Open = Callable[[str, Mapping[str, str]], Listener]
"""Opens a stream of the doctor's topic at a hub's URL, with headers."""
