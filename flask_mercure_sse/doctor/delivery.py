"""One public and one private update, followed through the hub to its subscribers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass

from ..protocol.errors import PublishError
from ..protocol.update import Update
from ..publishers.publisher import Publisher
from . import fixes
from .finding import Finding
from .listener import Listener, Open

CHECKS = ("delivery", "private updates", "cookie")


@dataclass(frozen=True, slots=True)
class Route:
    """Where updates go in, and where they come out.

    :param inside: the hub's URL for the app.
    :param public: its URL for browsers.
    :param topic: what is published on; nobody else has it.
    :param token: a subscriber's, which grants it.
    :param cookie_name: the cookie in which browsers present one.
    :param patience: seconds in which an update must have come.
    """

    inside: str
    public: str
    topic: str
    token: str
    cookie_name: str
    patience: float


@dataclass(frozen=True, slots=True)
class _Sent:
    """The ids of what was published, and when that began."""

    public: str
    private: str
    last: str
    began: float


def check_delivery(route: Route, open_stream: Open, publisher: Publisher) -> Iterator[Finding]:
    """Subscribe in each way, publish, and give what each subscriber got."""
    bearer = {"Authorization": f"Bearer {route.token}"}
    with ExitStack() as opened:

        def listener(url: str, headers: dict[str, str]) -> Listener:
            return opened.enter_context(closing(open_stream(url, headers)))

        reader = listener(route.public, bearer)
        yield _subscribed(route, reader)
        inside = reader if route.inside == route.public else listener(route.inside, bearer)
        stranger = listener(route.public, {})
        browser = listener(route.public, {"Cookie": f"{route.cookie_name}={route.token}"})
        try:
            sent = _publish(publisher, route.topic)
        except PublishError as error:
            yield _refused(error)
            yield from (Finding(check, "skipped", "nothing was published") for check in CHECKS)
            return
        yield Finding("publish", "ok", f"the hub took updates at {route.inside}")
        if reader.problem is not None:
            yield from (Finding(check, "skipped", "no stream is open") for check in CHECKS)
            return
        delivered = _delivered(route, sent, reader, inside)
        yield delivered
        if delivered.status != "ok":
            yield from (Finding(check, "skipped", "nothing was delivered") for check in CHECKS[1:])
            return
        yield _private(route, sent, reader, stranger)
        yield _cookie(route, sent, browser)


def _publish(publisher: Publisher, topic: str) -> _Sent:
    began = time.monotonic()
    public, private, last = (
        publisher.publish(Update((topic,), "doctor", private=private)) for private in (False, True, False)
    )
    return _Sent(public, private, last, began)


def _refused(error: PublishError) -> Finding:
    if error.status is None:
        fix = fixes.UNREACHABLE
    else:
        fix = fixes.PUBLISHING.get(error.status, "read the hub's log")
    return Finding("publish", "failed", str(error), fix)


def _subscribed(route: Route, reader: Listener) -> Finding:
    if reader.problem is None:
        return Finding("subscribe", "ok", f"a stream opens at {route.public}")
    if reader.status is None:
        # A proxy that collects the answer does not even pass its head on.
        fix = f"if a plain request works, {fixes.BUFFERING}; else {fixes.UNREACHABLE}"
    else:
        fix = fixes.SUBSCRIBING.get(reader.status, fixes.NO_HUB)
    return Finding("subscribe", "failed", f"{route.public} answers {reader.problem}", fix)


def _delivered(route: Route, sent: _Sent, reader: Listener, inside: Listener) -> Finding:
    if reader.read_until(sent.last, route.patience):
        seconds = time.monotonic() - sent.began
        encoding = reader.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            return Finding("delivery", "warning", f"the stream is compressed ({encoding})", fixes.BUFFERING)
        return Finding(
            "delivery", "ok", f"updates arrive, within {seconds:.2f} seconds, nothing holds them up"
        )
    late = f"no update came within {route.patience:g} seconds at {route.public}"
    if inside is not reader and inside.read_until(sent.last, route.patience):
        return Finding("delivery", "failed", f"{late}, and at {route.inside} it did", fixes.BUFFERING)
    return Finding(
        "delivery",
        "failed",
        late,
        f"{fixes.BUFFERING}. Without a proxy: both URLs must lead to the same hub, and it must be one "
        "process or share its updates",
    )


def _private(route: Route, sent: _Sent, reader: Listener, stranger: Listener) -> Finding:
    check = "private updates"
    if sent.private not in reader.ids:
        return Finding(check, "failed", "they do not reach who has a token for them", fixes.SUBSCRIBING[401])
    if stranger.problem is not None:
        return Finding(
            check, "ok", f"they reach who has a token; without one the hub answers {stranger.problem}"
        )
    if not stranger.read_until(sent.last, route.patience):
        return Finding(
            check, "warning", "a subscriber without a token got nothing at all", "read the hub's log"
        )
    if sent.private in stranger.ids:
        return Finding(
            check,
            "failed",
            "the hub shows them to those without a token",
            "publish nothing private there: update the hub, or run another",
        )
    return Finding(check, "ok", "they reach who has a token, and nobody else")


def _cookie(route: Route, sent: _Sent, browser: Listener) -> Finding:
    name = route.cookie_name
    browser.read_until(sent.last, route.patience)
    if sent.private in browser.ids:
        return Finding("cookie", "ok", f"the hub reads the token in the cookie {name}")
    said = f" ({browser.problem})" if browser.problem else ""
    return Finding(
        "cookie",
        "failed",
        f"the hub does not take a token in the cookie {name}{said}",
        fixes.COOKIE,
    )
