"""The cookie in which browsers present their token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from flask import after_this_request, g, has_request_context, request
from werkzeug.wrappers import Response

from .protocol.errors import ConfigurationError
from .urls import path_of

if TYPE_CHECKING:
    from .extension import MercureSSE

MAX_COOKIE = 4000
"""Bytes of a token that fits into a cookie with its name and attributes."""

_GRANTED = "_mercure_granted"


def cookie_options(hub_url: str, secure: bool | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of the cookie: for the hub alone, and not for scripts.

    :param secure: whether it is for https alone; None: where the request or the hub is.
    :param options: what the app wants otherwise.
    """
    if secure is None:
        secure = hub_url.startswith("https:") or (has_request_context() and request.is_secure)
    return {"path": path_of(hub_url), "secure": secure, "httponly": True, "samesite": "Strict", **options}


def check_size(token: str) -> None:
    """Check that a token fits into a cookie.

    :raises ConfigurationError: it does not.
    """
    if len(token) > MAX_COOKIE:
        raise ConfigurationError(
            f"topics: their token has {len(token)} bytes, and browsers drop cookies over {MAX_COOKIE}; "
            "grant URI templates instead of single topics"
        )


class _Granted:
    """What the response to the current request lets its browser read."""

    def __init__(self) -> None:
        self.topics: list[str] | None = []
        self.payload: dict[str, Any] = {}
        self.token: str | None = None


def grant(mercure: MercureSSE, topics: list[str] | None, payload: object) -> None:
    """Give the browser a token for topics with the response to the current request.

    What several calls grant in one request is granted together.

    :param topics: None for all.
    :param payload: a dictionary of what subscription events show of the subscriber.
    :raises ConfigurationError: there is no request, or the payload is none.
    """
    granted = _granted(mercure)
    if not isinstance(payload, Mapping | None):
        raise ConfigurationError("payload: this version of the protocol takes a dictionary; give one")
    if topics is None:
        granted.topics = None
    elif granted.topics is not None:
        granted.topics += [topic for topic in topics if topic not in granted.topics]
    granted.payload.update(cast("Mapping[str, Any]", payload or {}))


def grant_token(mercure: MercureSSE, token: str) -> None:
    """Give the browser a token with the response to the current request.

    :raises ConfigurationError: there is no request, or the response has another token already.
    """
    granted = _granted(mercure)
    if granted.token not in (None, token):
        raise ConfigurationError(
            "subscriber_jwt: one response cannot carry two tokens; make one for all topics of the page"
        )
    granted.token = token


def _granted(mercure: MercureSSE) -> _Granted:
    if not has_request_context():
        raise ConfigurationError(
            "this version of the protocol reads no token from a URL, and there is no request whose response "
            "could carry it in a cookie; call set_authz_cookie(response)"
        )
    if _GRANTED not in g:
        setattr(g, _GRANTED, _Granted())
        after_this_request(lambda response: _set(mercure, response))
    return getattr(g, _GRANTED)


def _set(mercure: MercureSSE, response: Response) -> Any:
    granted: _Granted = getattr(g, _GRANTED)
    return mercure.set_authz_cookie(response, granted.topics, granted.token, granted.payload or None)
