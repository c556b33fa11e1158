"""Where tests take place: a site and its hub with their own sockets, and tabs of a real browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from flask import Flask
from playwright.sync_api import Browser, BrowserContext
from werkzeug.serving import make_server

from flask_mercure_sse import mercure_publish
from tests.browser.board import PATIENCE
from tests.browser.line import Line
from tests.browser.site_app import create_app
from tests.server.processes import free_port, serving

HUB = "/.well-known/mercure"
API = f"{HUB}/subscriptions"
PUBLISHER = "the publishers' secret, long enough for HS256"
SUBSCRIBER = "the subscribers' secret, long enough for HS256"
KEYS = {"MERCURE_PUBLISHER_SECRET_KEY": PUBLISHER, "MERCURE_SUBSCRIBER_SECRET_KEY": SUBSCRIBER}


@dataclass(frozen=True)
class Version:
    """What a version of the protocol calls things."""

    cookie: str
    topic: str
    cursor: str
    cursor_header: str
    subscription_event: str
    foreign_origin: int
    """The status with which a page is refused that publishes from where it may not."""


VERSIONS = {
    "0.x": Version("mercureAuthorization", "topic", "lastEventID", "Last-Event-ID", "message", 401),
    "1.0": Version("mercure_access_token", "match", "last_event_id", "Mercure-Last-Event-ID", "mercure", 400),
}


class Site:
    """The site's app on a port of its own.

    :param line: between browsers and the site, where there is one.
    :param make: makes the app.
    :param tls: whether it speaks https, with a certificate that nobody knows.
    :param config: the app's.
    """

    def __init__(
        self,
        line: Line | None = None,
        *,
        make: Callable[..., Flask] = create_app,
        tls: bool = False,
        **config: object,
    ) -> None:
        self.app = make(**KEYS, **config)
        self._server = make_server(
            "127.0.0.1", 0, self.app, threaded=True, ssl_context="adhoc" if tls else None
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.port}"
        if line:
            line.target = self._server.port
            self.url = line.url

    def publish(self, topic: str, data: str, **options: Any) -> str:
        """Publish an update on the site's hub, and return its id."""
        with self.app.app_context():
            return mercure_publish(topic, data, **options)

    def token(self, topic: str, lifetime: float) -> str:
        """Return a member's token for a topic.

        :param lifetime: seconds until it expires, counted from the last full one.
        """
        state = self.app.extensions["mercure_sse"]
        claims = state.version.claims(now=time.time(), subscribe=[topic], lifetime=lifetime)
        return state.tokens.signed("subscriber_secret_key", claims)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass(frozen=True)
class Place:
    """A site, its hub, and two sites of other origins.

    :param protocol: what the hub speaks.
    :param friend: a site whose pages may use the hub with the cookie, but not publish with it; on the way
        from 0.x to 1.0 it still speaks 0.x.
    :param stranger: a site whose pages may do nothing.
    :param line: between browsers and the hub.
    """

    protocol: str
    site: Site
    friend: Site
    stranger: Site
    line: Line

    @property
    def version(self) -> Version:
        """The version that the site speaks."""
        return VERSIONS["0.x" if self.protocol == "0.x" else "1.0"]

    @property
    def hub(self) -> str:
        """The hub's URL for browsers."""
        return self.line.url + HUB

    @property
    def api(self) -> str:
        """The URL of the subscription API."""
        return self.line.url + API


@contextmanager
def embedded(protocol: str) -> Iterator[Place]:
    """The hub is in the site: both are one origin."""
    with ExitStack() as stack:
        line, friend, stranger = _surroundings(stack, protocol)
        site = Site(
            line,
            MERCURE_PROTOCOL=protocol,
            MERCURE_HUB_ALLOW_PUBLISH=True,
            MERCURE_HUB_KEEPALIVE_INTERVAL=0.2,
            MERCURE_CORS_ORIGINS=friend.url,
            MERCURE_PUBLISH_ORIGINS=line.url,
        )
        stack.enter_context(closing(site))
        yield Place(protocol, site, friend, stranger, line)


@contextmanager
def standalone(protocol: str) -> Iterator[Place]:
    """The hub is a process of its own: another origin than the site's, though the same cookies."""
    with ExitStack() as stack:
        line, friend, stranger = _surroundings(stack, protocol)
        line.target = free_port()
        site = Site(
            MERCURE_PROTOCOL=protocol,
            MERCURE_HUB_URL=f"http://127.0.0.1:{line.target}{HUB}",
            MERCURE_PUBLIC_HUB_URL=line.url + HUB,
        )
        stack.enter_context(closing(site))
        origins = ("--cors-origins", f"{site.url},{friend.url}", "--publish-origins", site.url)
        stack.enter_context(
            hub(line.target, "--protocol", protocol, "--public-url", line.url + HUB, *origins)
        )
        yield Place(protocol, site, friend, stranger, line)


def _surroundings(stack: ExitStack, protocol: str) -> tuple[Line, Site, Site]:
    """Return a line to a hub, a friend and a stranger."""
    line = stack.enter_context(closing(Line()))
    theirs = "0.x" if protocol == "both" else protocol
    config = {"MERCURE_PROTOCOL": theirs, "MERCURE_HUB_URL": line.url + HUB}
    friend, stranger = (stack.enter_context(closing(Site(**config))) for _ in range(2))
    return line, friend, stranger


@contextmanager
def hub(port: int, *options: str) -> Iterator[None]:
    """Run a hub on its own with the keys of the sites here."""
    command = ("flask_mercure_sse.server", "--port", str(port), *options)
    with serving(*command, port=port, path=HUB, **KEYS):
        yield


PLACES = {"embedded": embedded, "standalone": standalone}


class Event(NamedTuple):
    """An event as a page hears it."""

    type: str
    data: str
    id: str


class Tab:
    """A tab, with words for what its page does and hears."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.uncaught: list[str] = []
        """Errors that no script has caught."""
        self.page.on("pageerror", lambda error: self.uncaught.append(str(error)))

    @property
    def address(self) -> str:
        """The URL at which the page listens."""
        return self.page.evaluate("address")

    def open(self, site: Site, path: str, *topics: str, **parameters: str) -> None:
        """Go to a page of a site, in the place of the one that is there."""
        query = [*(("topic", topic) for topic in topics), *parameters.items()]
        self.page.goto(f"{site.url}/{path}?{urlencode(query, quote_via=quote)}")

    def listen(self, *types: str, credentials: bool = True) -> str:
        """Open the page's EventSource, and tell whether it is ``open`` or ``refused``."""
        return self.page.evaluate(
            "([types, credentials]) => listen(types, credentials)", [list(types), credentials]
        )

    @property
    def heard(self) -> list[Event]:
        return [Event(*event) for event in self.page.evaluate("heard")]

    def until(self, last: str) -> list[Event]:
        """Wait for the event with an id, and return all that were heard."""
        script = "(last) => heard.some(([, , id]) => id === last)"
        self.page.wait_for_function(script, arg=last)
        return self.heard

    def ask(self, url: str, *headers: str, **options: Any) -> list[Any]:
        """Fetch something: its status, its text, and these headers as the script may read them.

        What the browser keeps from the script has the status 0.
        """
        return self.page.evaluate(
            "([url, options, names]) => ask(url, options, names)", [url, options, list(headers)]
        )

    def publish(self, topic: str, data: str, **options: Any) -> list[Any]:
        """Send an update to the hub from the page, with the cookie; return status and text."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        form = urlencode({"topic": topic, "data": data})
        url = self.page.evaluate("hub")
        return self.ask(url, method="POST", headers=headers, body=form, **options)[:2]


class Tabs:
    """Tabs of browsers that each have cookies of their own.

    To start one takes longer than most tests: what one test leaves behind is emptied for the next.

    :param options: of each browser, as Playwright knows them.
    """

    def __init__(self, browser: Browser, **options: Any) -> None:
        self._browser = browser
        self._options = options
        self._all: list[Tab] = []
        self._used: list[Tab] = []

    def open(self, beside: Tab | None = None) -> Tab:
        """Open an empty tab, in a browser of its own or in another tab's."""
        taken = [tab.context for tab in self._used]
        for tab in self._all:
            fits = tab.context == beside.context if beside else tab.context not in taken
            if fits and tab not in self._used and not tab.page.is_closed():
                break
        else:
            tab = Tab(beside.context if beside else self._browser.new_context(**self._options))
            self._all.append(tab)
        self._used.append(tab)
        return tab

    def empty(self) -> list[str]:
        """Leave all pages, forget all cookies, and return the errors that no script has caught."""
        uncaught = [error for tab in self._used for error in tab.uncaught]
        for tab in self._used:
            tab.uncaught.clear()
            tab.context.clear_cookies()
            if not tab.page.is_closed():
                tab.page.goto("about:blank")
        self._used.clear()
        return uncaught

    def close(self) -> None:
        for context in {id(tab.context): tab.context for tab in self._all}.values():
            context.close()
