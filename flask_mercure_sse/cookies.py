"""The cookie in which browsers present their token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

from flask import after_this_request, has_request_context, request
from werkzeug.wrappers import Response

from .protocol.errors import ConfigurationError
from .urls import path_of

if TYPE_CHECKING:
    from .extension import MercureSSE

MAX_COOKIE = 4000
"""Bytes of a token that fits into a cookie with its name and attributes."""

_GRANTED = "flask_mercure_sse.granted"


def cookie_options(hub_url: str, secure: bool | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of the cookie: for the hub alone, and not for scripts.

    :param secure: whether it is for https alone; None: where the request or the hub is.
    :param options: what the app wants otherwise.
    """
    if secure is None:
        secure = hub_url.startswith("https:") or (has_request_context() and request.is_secure)
    return {"path": path_of(hub_url), "secure": secure, "httponly": True, "samesite": "Strict", **options}


def as_named(name: str, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes with what the cookie's name demands (`RFC 6265bis, The "__Secure-" Prefix`)."""
    return {**attributes, "secure": True} if name.startswith("__Secure-") else attributes


def check_size(token: str) -> None:
    """Check that a token fits into a cookie.

    :raises ConfigurationError: it does not.
    """
    if len(token) > MAX_COOKIE:
        raise ConfigurationError(
            f"topics: their token has {len(token)} bytes, and browsers drop cookies over {MAX_COOKIE}; "
            "grant URI templates instead of single topics"
        )


@dataclass(slots=True)
class Granted:
    """What the response to a request lets its browser read; one cookie holds it all.

    :param topics: None for all.
    :param payload: what subscription events show of the subscriber.
    :param token: a token that was made elsewhere, which nothing can be added to.
    :param options: how the app set the cookie itself.
    """

    topics: list[str] | None = field(default_factory=list[str])
    payload: Any = None
    token: str | None = None
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    def add(self, topics: list[str] | None, payload: Any, token: str | None) -> None:
        """Grant more.

        :raises ConfigurationError: it does not go into one token with what is granted already.
        """
        if token != self.token and not self.is_empty and (token or self.token):
            raise ConfigurationError(
                "subscriber_jwt: one response cannot carry two tokens; make one for all topics of the page"
            )
        self.token = token
        if topics is None:
            self.topics = None
        elif self.topics is not None:
            known = {
                (type(topic), topic) for topic in self.topics
            }  # of equal texts each may say something else
            self.topics += [topic for topic in topics if (type(topic), topic) not in known]
        self.payload = overlay(self.payload, payload)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is granted yet."""
        return self.topics == [] and self.token is None


def granted_now(hub: str | None) -> Granted | None:
    """Return what is granted with the response to the current request, None outside of requests.

    :param hub: the name of the hub that reads it, None for the app's own.
    """
    if not has_request_context():
        return None
    by_hub: dict[str | None, Granted] = request.environ.setdefault(_GRANTED, {})
    return by_hub.setdefault(hub, Granted())


def grant_with_response(
    mercure: MercureSSE,
    hub: str | None,
    topics: list[str] | None,
    payload: Any = None,
    token: str | None = None,
) -> None:
    """Give the browser a token with the response to the current request.

    What several calls grant in one request is granted together.

    :param hub: the name of the hub that reads it, None for the app's own.
    :raises ConfigurationError: no cookie of a response can carry it.
    """
    granted = granted_now(hub)
    if granted is None:
        raise ConfigurationError(
            "this version of the protocol reads no token from a URL, and there is no request whose response "
            "could carry it in a cookie; call set_authz_cookie(response)"
        )
    hub_host = urlsplit(mercure.hub_base_url(hub=hub)).hostname
    own_host = urlsplit(request.root_url).hostname
    if hub_host not in (None, own_host):
        raise ConfigurationError(
            f"this version of the protocol reads no token from a URL, and a cookie of {own_host} does not go "
            f"to the hub at {hub_host}; call set_authz_cookie(response, domain=...) for a domain of both"
        )
    if granted.is_empty:
        after_this_request(lambda response: _set(mercure, hub, granted, response))
    granted.add(topics, payload, token)
    check_size(token or mercure.create_subscription_jwt(granted.topics, granted.payload, hub=hub))


def _set(mercure: MercureSSE, hub: str | None, granted: Granted, response: Response) -> Any:
    return mercure.set_authz_cookie(
        response, granted.topics, granted.token, granted.payload, hub=hub, **granted.options
    )


def forget(response: Response, names: Iterable[str], path: str) -> None:
    """Take cookies off a response that it was given before.

    :param path: theirs; of other paths are the cookies of other hubs.
    """
    kept = [
        cookie
        for cookie in response.headers.getlist("Set-Cookie")
        if cookie.partition("=")[0] not in names or _path_of(cookie) != path
    ]
    response.headers.setlist("Set-Cookie", kept)


def _path_of(cookie: str) -> str | None:
    attributes = [attribute.strip().partition("=") for attribute in cookie.split(";")[1:]]
    return next((unquote(value) for name, _, value in attributes if name.lower() == "path"), None)


def overlay(base: Any, over: Any) -> Any:
    """Return a payload over another: dictionaries are united, of others the last counts."""
    if base is None or over is None:
        return base if over is None else over
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        return {**cast("dict[str, Any]", base), **cast("dict[str, Any]", over)}
    return over
