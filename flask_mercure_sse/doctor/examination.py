"""All checks, in the order of the path: what comes later needs what comes before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing

from ..app_state import AppState
from ..protocol.errors import ConfigurationError, MissingKeyError, SubscriptionsError
from ..protocol.ids import new_urn
from ..publishers.connections import Timeouts
from ..publishers.http import HttpPublisher
from ..urls import subscribe_url
from . import fixes
from .delivery import Route, check_delivery
from .finding import Finding
from .listener import Listener
from .origins import check_origin
from .settings import check_settings

PATH = "the path"

MISDIRECTED = 421
"""What a hub answers that knows its own URLs, at another."""


def examine(state: AppState, hub: str | None, origin: str | None, patience: float) -> Iterator[Finding]:
    """Give what each check has found.

    :param hub: the URL of a running hub, in place of the one of the settings.
    :param origin: an origin whose pages use the hub, None for the app's own.
    :param patience: seconds in which an update must have come, and the hub must have answered.
    """
    yield from check_settings(state)
    try:
        inside, public = (hub, hub) if hub else _urls(state)
        token = _token(state, topic := new_urn())
    except MissingKeyError:
        yield Finding(PATH, "skipped", "without a key there are no tokens to try it with")
        return
    except ConfigurationError as error:
        yield Finding(PATH, "skipped", str(error), "give --hub the URL of the running hub")
        return
    timeouts = Timeouts(min(state.config.connect_timeout, patience), patience)

    def open_stream(url: str, headers: Mapping[str, str]) -> Listener:
        query = state.version.url_query([topic])
        return Listener(subscribe_url(url, query), headers, state.connections, timeouts)

    reached = [_reached(state, url, timeouts) for url in dict.fromkeys((inside, public))]
    yield from reached
    if any(finding.status == "failed" for finding in reached):
        yield Finding(PATH, "skipped", "the hub cannot be reached")
        return
    publisher = HttpPublisher(inside, state.publisher_token, connections=state.connections, timeouts=timeouts)
    cookie_name = state.version.cookie_name(secure=public.startswith("https:"))
    route = Route(inside, public, topic, token, cookie_name, patience)
    yield from check_delivery(route, open_stream, publisher)
    if origin is not None:
        yield from check_origin(origin, public, open_stream)
    yield _presence(state, inside)


def _urls(state: AppState) -> tuple[str, str]:
    """Return the hub's URLs for the app and for browsers.

    :raises ConfigurationError: they are not known outside of a request.
    """
    if state.hub is not None:
        raise ConfigurationError("the hub is embedded in the app, and this is another process")
    inside, public = state.hub_url(public=False), state.hub_url(public=True)
    return inside, public if public.startswith("http") else inside


def _token(state: AppState, topic: str) -> str:
    return state.token("subscriber_secret_key", state.claims(subscribe=[topic]))


def _reached(state: AppState, url: str, timeouts: Timeouts) -> Finding:
    """Ask for a stream without a topic, which each hub refuses as its own."""
    check = "hub"
    with closing(Listener(url, {}, state.connections, timeouts)) as listener:
        if listener.status is None:
            return Finding(check, "failed", f"{url} cannot be reached: {listener.problem}", fixes.UNREACHABLE)
        if listener.status in (400, 401):
            return Finding(check, "ok", f"{url} answers")
        location = listener.headers.get("Location")
        if location is not None:
            return Finding(check, "failed", f"{url} leads to {location}", "set the hub's URL to that one")
        if listener.status == MISDIRECTED:
            message = f"{url} answers {listener.problem}, so it is another URL than those of the hub"
            return Finding(check, "failed", message, fixes.OTHER_NAME)
        return Finding(check, "failed", f"{url} answers {listener.problem}, as no hub does", fixes.NO_HUB)


def _presence(state: AppState, hub: str) -> Finding:
    """Ask who follows what, which apps may do without."""
    version = state.version
    path = version.subscriptions_url(version.filter_for(None))
    try:
        document = state.subscriptions.read(
            hub + path.removeprefix(version.hub_path), lambda: _token(state, path)
        )
    except SubscriptionsError as error:
        fix = fixes.PRESENCE.get(error.status, "read the hub's log")
        return Finding("presence", "warning", str(error), fix)
    return Finding("presence", "ok", f"the hub tells of {len(version.listed(document))} subscriptions")
