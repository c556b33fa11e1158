"""All checks, in the order of the path: what comes later needs what comes before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain

from ..app_state import AppState
from ..hub_tokens import HubTokens
from ..protocol.errors import ConfigurationError, MissingKeyError, SubscriptionsError
from ..protocol.ids import new_urn
from ..publishers.connections import Timeouts
from ..publishers.http import HttpPublisher
from ..urls import subscribe_url
from . import fixes
from .delivery import Route, check_delivery
from .finding import PATH, Finding
from .in_app import examine_in_app
from .listener import HttpListener
from .origins import check_origin
from .settings import check_named, check_settings

MISDIRECTED = 421
"""What a hub answers that knows its own URLs, at another."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A hub over HTTP.

    :param inside: its URL for the app.
    :param public: its URL for browsers.
    :param tokens: makes the tokens for it.
    :param publisher_token: returns the one with which the app publishes.
    """

    inside: str
    public: str
    tokens: HubTokens
    publisher_token: Callable[[], str]


def examine(state: AppState, hub: str | None, origin: str | None, patience: float) -> Iterator[Finding]:
    """Give what each check has found.

    :param hub: the name of a hub in ``MERCURE_HUBS``, to look at that one alone; or the URL of a running hub,
        in place of the one of the settings; None for all hubs of the settings.
    :param origin: an origin whose pages use the hub, None for the app's own.
    :param patience: seconds in which an update must have come, and the hub must have answered.
    """
    if hub is not None and hub in state.hubs:
        yield from _named(state, hub, origin, patience)
        return
    yield from check_settings(state)
    if hub is not None:
        yield from _path(state, Reached(hub, hub, state.tokens, state.publisher_token), origin, patience)
        return
    if state.hub is not None:
        yield from examine_in_app(state, origin, patience)
    else:
        yield from _own(state, origin, patience)
    for name in state.hubs:
        yield from _named(state, name, origin, patience)


def _own(state: AppState, origin: str | None, patience: float) -> Iterator[Finding]:
    try:
        inside, public = state.hub_url(public=False), state.hub_url(public=True)
    except ConfigurationError as error:
        yield Finding(PATH, "skipped", str(error), "give --hub the URL of the running hub")
        return
    reached = Reached(
        inside, public if public.startswith("http") else inside, state.tokens, state.publisher_token
    )
    yield from _path(state, reached, origin, patience)


def _named(state: AppState, name: str, origin: str | None, patience: float) -> Iterator[Finding]:
    hub = state.named(name)
    reached = Reached(hub.url, hub.public_url, hub.tokens, hub.publisher_token)
    for finding in chain(check_named(state, name), _path(state, reached, origin, patience)):
        yield replace(finding, hub=name, fix=fixes.of_named(finding.fix, name))


def _path(state: AppState, hub: Reached, origin: str | None, patience: float) -> Iterator[Finding]:
    """Follow updates through a hub."""
    topic = new_urn()
    try:
        token = hub.tokens.make("subscriber_secret_key", subscribe=[topic])
    except MissingKeyError:
        yield Finding(PATH, "skipped", "without a key there are no tokens to try it with")
        return
    timeouts = Timeouts(min(state.config.connect_timeout, patience), patience)

    def open_stream(url: str, headers: Mapping[str, str]) -> HttpListener:
        query = hub.tokens.version.url_query([topic])
        return HttpListener(subscribe_url(url, query), headers, state.connections, timeouts)

    reached = [_reached(state, url, timeouts) for url in dict.fromkeys((hub.inside, hub.public))]
    yield from reached
    if any(finding.status == "failed" for finding in reached):
        yield Finding(PATH, "skipped", "the hub cannot be reached")
        return
    publisher = HttpPublisher(
        hub.inside, hub.publisher_token, connections=state.connections, timeouts=timeouts
    )
    cookie_name = hub.tokens.version.cookie_name(secure=hub.public.startswith("https:"))
    route = Route(hub.inside, hub.public, topic, token, cookie_name, patience)
    yield from check_delivery(route, open_stream, publisher)
    if origin is not None:
        yield from check_origin(origin, hub.public, open_stream)
    yield _presence(state, hub)


def _reached(state: AppState, url: str, timeouts: Timeouts) -> Finding:
    """Ask for a stream without a topic, which each hub refuses as its own."""
    check = "hub"
    with closing(HttpListener(url, {}, state.connections, timeouts)) as listener:
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


def _presence(state: AppState, hub: Reached) -> Finding:
    """Ask who follows what, which apps may do without."""
    version = hub.tokens.version
    try:
        document = state.read_subscriptions(hub.inside, hub.tokens, version.filter_for(None))
    except SubscriptionsError as error:
        fix = fixes.PRESENCE.get(error.status, "read the hub's log")
        return Finding("presence", "warning", str(error), fix)
    return Finding("presence", "ok", f"the hub tells of {len(version.listed(document))} subscriptions")
