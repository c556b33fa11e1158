"""Connections to hubs: pooled, verified, and made anew in each process."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import requests.auth
from requests.adapters import BaseAdapter

MAX_ROUTES = 200
"""Hubs whose route is remembered."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a hub may take, in seconds.

    :param connect: until the connection stands.
    :param read: between two bytes of its answer.
    """

    connect: float = 2.0
    read: float = 5.0

    @property
    def pair(self) -> tuple[float, float]:
        """As requests takes them."""
        return self.connect, self.read


@dataclass(frozen=True, slots=True)
class _Route:
    """How requests reach a URL: looking it up for each costs more than sending it.

    :param template: a request without a body.
    :param settings: proxies and authorities, as the environment has them.
    """

    adapter: BaseAdapter
    template: requests.PreparedRequest
    settings: Mapping[str, Any]


class Connections:
    """One pooled session for each process, made when it is first needed and again after a fork.

    Certificates of hubs are always verified.

    :param ca_file: a PEM file with the authorities of hubs' certificates; None for the usual ones.
    """

    def __init__(self, ca_file: str | None = None) -> None:
        self.verify: str | bool = ca_file or True
        """What each request is told: a session's own is overruled by the environment."""
        self._session: requests.Session | None = None
        self._routes: dict[str, _Route] = {}
        self._process = 0

    def session(self) -> requests.Session:
        """Return this process's session."""
        if self._session is None or self._process != os.getpid():
            session = requests.Session()
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            self._session, self._routes, self._process = session, {}, os.getpid()
        return self._session

    def get(self, url: str, token: str, timeouts: Timeouts) -> requests.Response:
        """Return a hub's answer.

        :param token: who asks.
        :raises requests.RequestException: there is none.
        """
        return self.session().get(
            url, auth=BearerAuth(token), timeout=timeouts.pair, allow_redirects=False, verify=self.verify
        )

    def open(self, url: str, headers: Mapping[str, str], timeouts: Timeouts) -> requests.Response:
        """Return a hub's answer; its body is still to be read, as that of a stream.

        :raises requests.RequestException: there is none.
        """
        return self.session().get(
            url,
            headers=dict(headers),
            auth=lambda request: request,  # none but what the headers say
            timeout=timeouts.pair,
            allow_redirects=False,
            stream=True,
            verify=self.verify,
        )

    def post_form(self, url: str, body: bytes, token: str, timeouts: Timeouts) -> requests.Response:
        """Return a hub's answer to a form; its body is still to be read.

        :param token: who sends it.
        :raises requests.RequestException: there is none.
        """
        session = self.session()
        route = self._routes.get(url) or self._find_route(session, url)
        request = route.template.copy()
        request.headers["Authorization"] = f"Bearer {token}"
        request.headers["Content-Length"] = str(len(body))
        request.body = body
        return route.adapter.send(request, stream=True, timeout=timeouts.pair, **route.settings)

    def _find_route(self, session: requests.Session, url: str) -> _Route:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        # Without an auth of its own a request gets the password that the user's .netrc has for the host.
        template = session.prepare_request(requests.Request("POST", url, headers, auth=BearerAuth("")))
        settings = session.merge_environment_settings(url, {}, True, self.verify, None)
        route = _Route(
            session.get_adapter(url),
            template,
            {name: settings[name] for name in ("proxies", "verify", "cert")},
        )
        if len(self._routes) >= MAX_ROUTES:
            self._routes.clear()
        self._routes[url] = route
        return route

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
