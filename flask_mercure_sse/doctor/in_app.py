"""An embedded hub, asked within the process of the command.

The app that is served is another process. Its settings and keys are the same, so what they make of tokens,
cookies and origins shows here, too. The app's own hooks are left out: they may start what belongs to a
server, as a relay that would publish where nobody is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from werkzeug.test import Client

from ..app_state import EMBEDDED, AppState
from ..protocol.errors import MissingKeyError
from ..protocol.ids import new_urn
from ..protocol.sse import CONTENT_TYPE, Decoder
from ..publishers.embedded import EmbeddedPublisher
from ..publishers.outcomes import Outcomes
from ..server.stream import Stream
from ..server.wsgi import OPENED, HubFront
from ..urls import subscribe_url
from .delivery import Route, check_delivery
from .finding import PATH, Finding
from .origins import check_origin

AT_ITS_SERVER = "start the app, and give its URL: flask mercure doctor --hub http://127.0.0.1:5000"


class AppListener:
    """A stream of a hub in this process; see :class:`~.listener.Listener`.

    :param url: the hub's path with its query.
    """

    def __init__(self, front: HubFront, url: str, headers: Mapping[str, str]) -> None:
        self.ids: set[str] = set()
        self.problem: str | None = None
        self._arrived = threading.Condition()
        self._opened: list[Stream] = []
        response = Client(front, use_cookies=False).get(
            url,
            headers={"Accept": CONTENT_TYPE, **headers},
            environ_overrides={OPENED: self._opened.append},
        )
        self.status: int | None = response.status_code
        self.headers: Mapping[str, str] = dict(response.headers)
        if not self._opened:
            self.problem = f"{self.status}: {response.get_data(as_text=True).strip()}"
            return
        self._reader = threading.Thread(target=self._read, args=(response.iter_encoded(),), daemon=True)
        self._reader.start()

    def _read(self, chunks: Iterable[bytes]) -> None:
        decoder = Decoder()
        for received in chunks:
            with self._arrived:
                self.ids |= {event.id for event in decoder.feed(received)}
                self._arrived.notify_all()

    def read_until(self, event_id: str, seconds: float) -> bool:
        """Wait until an event has come; False when it did not in so many seconds."""
        if self.problem is not None:
            return False
        with self._arrived:
            return self._arrived.wait_for(lambda: event_id in self.ids, seconds)

    def close(self) -> None:
        """End the stream."""
        for stream in self._opened:
            stream.end()
            self._reader.join()


def examine_in_app(state: AppState, origin: str | None, patience: float) -> Iterator[Finding]:
    """Give what the settings make of an embedded hub, and how to look at the app that is served.

    :param origin: an origin whose pages use the hub, None for the app's own.
    :param patience: seconds in which an update must have come.
    """
    assert state.hub is not None
    topic, public = new_urn(), state.hub_url(public=True)
    try:
        token = state.tokens.make("subscriber_secret_key", subscribe=[topic])
    except MissingKeyError:
        yield Finding(PATH, "skipped", "without a key there are no tokens to try it with")
        return
    front, query = state.hub_front(), state.version.url_query([topic])

    def open_stream(_url: str, headers: Mapping[str, str]) -> AppListener:
        return AppListener(front, subscribe_url(state.version.hub_path, query), headers)

    name = state.version.cookie_name(secure=public.startswith("https:"))
    untold = Outcomes(EMBEDDED, lambda _updates, _error: None)  # the app has published nothing
    publisher = EmbeddedPublisher(state.hub, untold, lambda _ids: None)
    route = Route(public, public, topic, token, name, patience)
    for finding in check_delivery(route, open_stream, publisher):
        has_arrived = finding.check == "delivery" and finding.status == "ok"
        yield replace(finding, message="updates arrive in the app") if has_arrived else finding
    if origin is not None:
        yield from check_origin(origin, public, open_stream)
    yield _presence(state)
    yield Finding(
        PATH, "skipped", "the app's server and the proxies before it are not looked at", AT_ITS_SERVER
    )


def _presence(state: AppState) -> Finding:
    if state.config.hub_subscriptions:
        return Finding("presence", "ok", "the hub tells who follows what")
    return Finding(
        "presence", "warning", "subscriptions are off", "set MERCURE_HUB_SUBSCRIPTIONS, where you need them"
    )
