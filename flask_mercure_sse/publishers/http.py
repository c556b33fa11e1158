"""Publishing to a hub over HTTP."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, cast

import requests
import requests.auth

from ..protocol.errors import PublishError, SubscribeError, SubscriptionsError
from ..protocol.publishing import write_update
from ..protocol.text import text_problem
from ..protocol.update import Update
from ..server.exchange import header_text

MAX_ID = 4096
"""Characters of an event id that a hub may answer with."""

_LAST_EVENT_ID = re.compile(r'last-event-id="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
"""The attribute of a ``Link`` header (`Mercure, Subscription API`)."""

MAX_ANSWER = 200
"""Characters of a hub's answer that an error repeats."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a hub may take, in seconds.

    :param connect: until the connection stands.
    :param read: between two bytes of its answer.
    """

    connect: float = 2.0
    read: float = 5.0


class Connections:
    """One pooled session for each process, made when it is first needed and again after a fork."""

    def __init__(self) -> None:
        self._session: requests.Session | None = None
        self._process = 0

    def session(self) -> requests.Session:
        """Return this process's session."""
        if self._session is None or self._process != os.getpid():
            session = requests.Session()
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            self._session, self._process = session, os.getpid()
        return self._session

    def close(self) -> None:
        """Close this process's connections; the next use opens new ones."""
        if self._session is not None and self._process == os.getpid():
            self._session.close()
        self._session = None


class BearerAuth(requests.auth.AuthBase):
    """Presents a token; without it requests would look for another in the user's ``.netrc``."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def authorization(token: str | None) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Return what presents a token, or nothing at all where there is none."""
    return (lambda request: request) if token is None else BearerAuth(token)


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
        try:
            response = self._connections.session().post(
                self._url,
                data=[(name, value.encode()) for name, value in write_update(update)],
                auth=BearerAuth(self._token()),
                timeout=(self._timeouts.connect, self._timeouts.read),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise PublishError(self._url, None, reason_of(error)) from error
        if not 200 <= response.status_code < 300:
            raise PublishError(self._url, response.status_code, answer_of(response))
        answer = response.text.strip()
        if len(answer) > MAX_ID or text_problem(answer) or "<" in answer:
            raise PublishError(self._url, response.status_code, "not with an event id; is it a Mercure hub?")
        return answer or update.id

    def close(self) -> None:
        if not self._shares_connections:
            self._connections.close()


def fetch_subscriptions(
    url: str, token: str, *, connections: Connections, timeouts: Timeouts
) -> dict[str, Any]:
    """Return a document of a hub's subscription API.

    :param url: the document's URL.
    :param token: a subscriber's token that grants it.
    :raises SubscriptionsError: the hub does not give it.
    """
    try:
        response = connections.session().get(
            url,
            auth=BearerAuth(token),
            timeout=(timeouts.connect, timeouts.read),
            allow_redirects=False,
        )
        if response.status_code != 200:
            raise SubscriptionsError(url, response.status_code, answer_of(response))
        return response.json()
    except requests.RequestException as error:
        raise SubscriptionsError(url, None, reason_of(error)) from error


def fetch_last_event_id(
    hub: str, document: str, token: str, *, connections: Connections, timeouts: Timeouts
) -> str | None:
    """Return the id of the newest update that a hub has, None where it does not tell.

    :param hub: the hub's URL.
    :param document: path of any document of its subscription API, below the hub's.
    :param token: a subscriber's token that grants it.
    :raises SubscribeError: the hub does not answer.
    """
    try:
        response = connections.session().get(
            hub + document,
            auth=BearerAuth(token),
            timeout=(timeouts.connect, timeouts.read),
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise SubscribeError(hub, None, reason_of(error)) from error
    if response.status_code != 200:
        return None
    if attribute := _LAST_EVENT_ID.search(response.headers.get("Link", "")):
        return header_text(re.sub(r"\\(.)", r"\1", attribute[1]))
    try:
        listed: object = response.json()
    except ValueError:
        return None
    told = cast("dict[str, object]", listed).get("lastEventID") if isinstance(listed, dict) else None
    return told if isinstance(told, str) else None


def answer_of(response: requests.Response) -> str:
    """Return what a hub said with its status, shortened."""
    return response.text[:MAX_ANSWER].strip() or response.reason


def reason_of(error: requests.RequestException) -> str:
    """Return why no answer came."""
    if isinstance(error, requests.ConnectTimeout):
        return "no connection within the time limit"
    if isinstance(error, requests.Timeout):
        return "no answer within the time limit"
    return str(error)[:MAX_ANSWER]
