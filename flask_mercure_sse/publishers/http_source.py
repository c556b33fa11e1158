"""Following a hub over HTTP."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

import requests
import urllib3

from ..protocol.errors import SubscribeError
from ..protocol.sse import CONTENT_TYPE
from ..protocol.version import ProtocolVersion
from ..server.exchange import header_text
from .connections import Connections, Timeouts, authorization
from .http import answer_of, reason_of
from .subscriptions import fetch_last_event_id

SILENCE = 90.0
"""Seconds without a byte after which a stream is taken for dead: hubs send a comment every 15 to 40."""

RENEWAL = 0.9
"""Part of a token's lifetime after which the stream is opened anew with a fresh one."""

ROUNDING = 1.0
"""Seconds by which a token may expire early: its times are whole seconds."""

NOBODYS = "urn:uuid:00000000-0000-4000-8000-000000000000"
"""A topic that nobody follows: the list of its subscriptions is short."""

CHUNK = 65536
"""Bytes that are read at most at once."""


class HttpSource:
    """Follows any Mercure hub; see :class:`~.source.Source`.

    :param url: the hub's URL.
    :param version: the version of the protocol that it speaks.
    :param token: returns a subscriber's token for topics, None where there is no key to make one.
    :param lifetime: seconds for which a token is good, None for ever.
    :param connections: the pool for what is asked beside the stream, and the authorities that are trusted.
    """

    def __init__(
        self,
        url: str,
        version: ProtocolVersion,
        token: Callable[[Sequence[str]], str | None],
        lifetime: float | None,
        *,
        connections: Connections,
        timeouts: Timeouts,
    ) -> None:
        self._url = url
        self._version = version
        self._token = token
        self._lifetime = lifetime
        self._connections = connections
        self._timeouts = timeouts

    def open(self, selectors: Sequence[str], last_event_id: str | None) -> HttpStream:
        headers: dict[str, str | bytes] = {"Accept": CONTENT_TYPE, "Accept-Encoding": "identity"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id.encode()
        silence, renewal = SILENCE, None
        if self._lifetime is not None:
            good_for = max(self._lifetime * RENEWAL - ROUNDING, self._lifetime / 2)
            silence, renewal = min(silence, good_for), time.monotonic() + good_for
        with ExitStack() as stack:
            session = requests.Session()  # of its own: the pool's connections are for short requests
            stack.callback(session.close)
            try:
                response = session.get(
                    self._url,
                    params=self._version.url_query(selectors),
                    headers=headers,
                    auth=authorization(self._token(selectors)),
                    timeout=(self._timeouts.connect, silence),
                    allow_redirects=False,
                    stream=True,
                    verify=self._connections.verify,
                )
            except requests.RequestException as error:
                raise SubscribeError(self._url, None, reason_of(error)) from error
            stack.callback(response.close)
            resumed_after = self._check(response)
            return HttpStream(self._url, response, resumed_after, renewal, stack.pop_all().close)

    def _check(self, response: requests.Response) -> str | None:
        """Check that a response is an event stream, and return the id after which it goes on."""
        if response.status_code != 200:
            raise SubscribeError(self._url, response.status_code, answer_of(response))
        if not response.headers.get("Content-Type", "").lower().startswith(CONTENT_TYPE):
            raise SubscribeError(self._url, 200, "not with an event stream; is it a Mercure hub?")
        resumed_after = response.headers.get(self._version.last_event_id_header)
        return None if resumed_after is None else header_text(resumed_after)

    def cursor(self) -> str | None:
        path = self._version.subscriptions_url(self._version.filter_for(NOBODYS))
        token = self._token([path])
        if token is None:
            return None
        return fetch_last_event_id(
            self._url,
            path.removeprefix(self._version.hub_path),
            token,
            connections=self._connections,
            timeouts=self._timeouts,
        )


class HttpStream:
    """A stream over HTTP; see :class:`~.source.ByteStream`.

    It holds its connection's descriptor twice: the second is its own, so that another thread can shut the
    connection down whatever the first is doing.

    :param renewal: when it ends to be opened with a fresh token, on the monotonic clock.
    :param release: gives the connection back.
    :raises SubscribeError: it has ended already.
    """

    def __init__(
        self,
        url: str,
        response: requests.Response,
        resumed_after: str | None,
        renewal: float | None,
        release: Callable[[], None],
    ) -> None:
        self.resumed_after: str | None = resumed_after
        self._url = url
        self._raw = response.raw
        self._renewal = renewal
        self._release = release
        self._lock = threading.Lock()
        self._second: socket.socket | None = _second_of(url, response)

    @property
    def is_renewed(self) -> bool:
        return self._renewal is not None and time.monotonic() >= self._renewal

    def read(self) -> bytes:
        if self.is_renewed:
            return b""
        try:
            return self._raw.read1(CHUNK)
        except (urllib3.exceptions.TimeoutError, TimeoutError):
            return b""  # silent for too long, perhaps dead: a new connection tells
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise SubscribeError(self._url, None, "the stream broke") from error

    def interrupt(self) -> None:
        with self._lock:
            if self._second is not None:
                with suppress(OSError):  # the hub was faster
                    self._second.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.interrupt()
        with self._lock:
            second, self._second = self._second, None
        if second is not None:
            second.close()
        self._release()

    def renew_after_fork(self) -> None:
        """Put something else in the place of the descriptors that the forked process got.

        With gevent the greenlet that reads goes on in both processes, and each would get a part of the
        bytes; without it the hub would not notice when the parent is gone.
        """
        nothing = os.open(os.devnull, os.O_RDWR)
        for holder in (self._second, self._raw):
            with suppress(OSError, ValueError):  # closed already
                if holder is not None:
                    os.dup2(nothing, holder.fileno(), inheritable=False)
        os.close(nothing)


def _second_of(url: str, response: requests.Response) -> socket.socket:
    try:
        return socket.fromfd(response.raw.fileno(), socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise SubscribeError(url, 200, "with a stream that has ended already") from error
