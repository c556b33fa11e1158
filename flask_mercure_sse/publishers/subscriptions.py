"""What an external hub says of who follows what."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any, cast

import requests

from ..protocol.errors import SubscribeError, SubscriptionsError
from ..server.exchange import header_text
from .connections import Connections, Timeouts
from .http import answer_of, reason_of

_LAST_EVENT_ID = re.compile(r'last-event-id="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
"""The attribute of a ``Link`` header (`Mercure, Subscription API`)."""

MAX_KEPT = 1000
"""Answers that are kept."""

_HINTS = {
    401: "MERCURE_SUBSCRIBER_SECRET_KEY must be the hub's key for subscribers, and MERCURE_PROTOCOL the "
    "version that it speaks",
    403: "the hub's key for subscribers is another, or it does not let this app see them",
    404: "nobody of that name is there, or the hub's subscriptions are off; they are an option of each hub",
    421: "the hub is not told that this URL is its own: name it in the hub's settings",
}

Answer = tuple[float, "str | SubscriptionsError"]
"""Until when it is kept, in seconds of the monotonic clock, and the document or what went wrong."""


class SubscriptionsReader:
    """Reads documents of hubs' subscription API, and keeps each answer for a moment.

    Failures are kept as well, so that a hub that is gone does not hold up every request of that moment.

    :param lifetime: seconds for which an answer is kept, 0 for not at all.
    """

    def __init__(self, connections: Connections, timeouts: Timeouts, lifetime: float) -> None:
        self._connections = connections
        self._timeouts = timeouts
        self._lifetime = lifetime
        self._kept: dict[str, Answer] = {}

    def read(self, url: str, token: Callable[[], str]) -> dict[str, Any]:
        """Return a document.

        :param token: returns a subscriber's token that grants it.
        :raises SubscriptionsError: the hub does not give it.
        """
        until, answer = self._kept.get(url, (0.0, ""))
        if until <= time.monotonic():
            answer = self._ask(url, token())
            if self._lifetime:
                self._keep(url, answer)
        if isinstance(answer, SubscriptionsError):
            raise SubscriptionsError(answer.hub, answer.status, answer.answer)
        return json.loads(answer)

    def _ask(self, url: str, token: str) -> str | SubscriptionsError:
        try:
            response = self._connections.get(url, token, self._timeouts)
        except requests.RequestException as error:
            return SubscriptionsError(url, None, reason_of(error))
        if response.status_code != 200:
            hint = _HINTS.get(response.status_code)
            said = answer_of(response)
            return SubscriptionsError(url, response.status_code, f"{said} ({hint})" if hint else said)
        if not _is_document(response.content):
            return SubscriptionsError(url, 200, "not with subscriptions; is it a Mercure hub?")
        return response.content.decode()

    def _keep(self, url: str, answer: str | SubscriptionsError) -> None:
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[url] = (time.monotonic() + self._lifetime, answer)


def _is_document(content: bytes) -> bool:
    try:
        document: object = json.loads(content)
    except ValueError:
        return False
    if not isinstance(document, dict):
        return False
    told = cast("dict[str, object]", document)
    listed = told.get("subscriptions")
    if isinstance(listed, list):
        return all(isinstance(one, dict) for one in cast("list[object]", listed))
    return "subscriber" in told


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
        response = connections.get(hub + document, token, timeouts)
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
