"""Publishing to a hub over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlencode

import requests

from ..protocol.errors import PublishError
from ..protocol.publishing import write_update
from ..protocol.text import text_problem
from ..protocol.update import Update
from .connections import Connections, Timeouts
from .retry_after import seconds_of

MAX_ID = 4096
"""Characters of an event id that a hub may answer with."""

MAX_READ = 16 * 1024
"""Bytes of an answer that are read."""

MAX_ANSWER = 200
"""Characters of a hub's answer that an error repeats."""


class HttpPublisher:
    """Publishes to any Mercure hub; see :class:`~.publisher.Publisher`.

    :param url: the hub's URL.
    :param token: returns the publisher's token.
    :param connections: the pool, which several publishers may share.
    """

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        *,
        connections: Connections | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._url = url
        self._token = token
        self._shares_connections = connections is not None
        self._connections = connections or Connections()
        self._timeouts = timeouts or Timeouts()

    def publish(self, update: Update) -> str:
        body = urlencode(write_update(update)).encode()
        try:
            response = self._connections.post_form(self._url, body, self._token(), self._timeouts)
            answer = _text(response)
        except requests.RequestException as error:
            raise PublishError(self._url, None, reason_of(error)) from error
        if not 200 <= response.status_code < 300:
            retry_after = seconds_of(response.headers.get("Retry-After"), time.time())
            said = answer[:MAX_ANSWER] or response.reason
            is_challenge = "WWW-Authenticate" in response.headers
            raise PublishError(self._url, response.status_code, said, retry_after, is_challenge)
        if len(answer) > MAX_ID or text_problem(answer) or "<" in answer:
            raise PublishError(self._url, response.status_code, "not with an event id; is it a Mercure hub?")
        return answer or update.id

    def close(self) -> None:
        if not self._shares_connections:
            self._connections.close()


def _text(response: requests.Response) -> str:
    """Read a short answer. What is longer is cut, and its connection closed."""
    text = b""
    for chunk in response.iter_content(MAX_READ):
        text += chunk
        if len(text) > MAX_READ:
            response.close()
            break
    return text.decode(errors="replace").strip()


def answer_of(response: requests.Response) -> str:
    """Return the beginning of a hub's answer."""
    return response.text[:MAX_ANSWER].strip() or response.reason


def reason_of(error: requests.RequestException) -> str:
    """Say why a hub gave no answer."""
    if isinstance(error, requests.ConnectTimeout):
        return "no connection within the time limit"
    if isinstance(error, requests.Timeout):
        return "no answer within the time limit"
    return _root(error)[:MAX_ANSWER]


def _root(error: BaseException) -> str:
    """Return what the system said, without what each library on the way has made of it."""
    said = str(error)
    cause = error.__cause__ or error.__context__
    while cause is not None:
        if isinstance(cause, OSError):
            said = cause.strerror or str(cause)
        cause = cause.__cause__ or cause.__context__
    return said
