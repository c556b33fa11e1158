"""Who may be told of subscriptions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_mercure_sse.hub.watching import may_watch
from flask_mercure_sse.protocol.selectors import URL_PATTERN, Selector, template_selector
from flask_mercure_sse.protocol.subscriptions import Subscription
from flask_mercure_sse.protocol.url_pattern import compile_pattern
from flask_mercure_sse.protocol.v0 import MERCURE_0, Mercure0
from flask_mercure_sse.protocol.v1 import Mercure1
from flask_mercure_sse.protocol.version import ProtocolVersion

from .conftest import Join

HUB = "https://hub.example.com/.well-known/mercure"
MERCURE_1 = Mercure1(HUB)
API = "/.well-known/mercure/subscriptions"

TEMPLATES = [
    *["*", "/a", "/{x}", "{+x}", "{/x*}", "/.well-known/{x}/subscriptions/{y}/{z}", "/.well-known/{+x}"],
    *[f"{API}/{{topic}}/{{subscriber}}", f"{API}{{/topic}}{{/subscriber}}", f"{API}/%2Fa/{{subscriber}}"],
    *["/{a}/{b}/{c}/{d}/{e}", "/{a}/{b}/{c}/{d}", "/books/{id}", "/.well-known/mercure{+x}", f"{API}/{{x"],
    *[f"{API}/%2Fa/urn%3Auuid%3A1", "/.well-known/m{x}/subscriptions/{a}/{b}"],
]
PATTERNS = [
    *["*", "/*", "/books/:id", "/.well-known/*", f"{API}/:match_type/:match/:subscriber", f"{API}/exact/*"],
    *["/.well-known/:x/subscriptions/*", "https://hub.example.com/*", "https://*/*", "/:a/:b/:c/:d/:e/:f"],
    *["/.well-known{/:rest}*", "/.well-known/./mercure/*", "/a/../.well-known/mercure/*", "/:a/:b"],
]


def selector_of(version: ProtocolVersion, text: str) -> Selector:
    if version is MERCURE_0:
        return template_selector(text)
    return Selector(text, URL_PATTERN, None if text == "*" else compile_pattern(text, HUB))


VERSIONS = [(MERCURE_0, TEMPLATES), (MERCURE_1, PATTERNS)]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(VERSIONS).flatmap(
        lambda one: st.tuples(st.just(one[0]), st.sampled_from(one[1]), st.sampled_from(one[1]))
    ),
    st.sampled_from(["/a", "..", ".", "*", "/b/{x}", "é", "%2e%2e", "/a?b#c"]),
)
def test_whoever_an_event_may_reach_is_said_to_watch(
    chosen: tuple[ProtocolVersion, str, str], followed: str
) -> None:
    """Mercure 0.x and 1.0, Subscription Events."""
    version, wanted, granted = chosen[0], *(selector_of(chosen[0], text) for text in chosen[1:])
    [topic] = version.subscription_update(Subscription(Selector(followed), "urn:uuid:1"), active=True).topics
    if wanted.matches(topic) and granted.matches(topic):
        assert may_watch(version, [wanted], [granted])


@pytest.mark.parametrize(
    ("version", "wanted", "granted"),
    [
        (MERCURE_0, "/books/{id}", "*"),
        (MERCURE_0, "*", "/users/7"),
        (MERCURE_0, "*", "/users/7/{+anything}"),
        (MERCURE_0, "/{a}/{b}/{c}", "*"),
        (MERCURE_1, "/books/:id", "*"),
        (MERCURE_1, "*", "/users/:id"),
    ],
)
def test_most_who_are_granted_something_do_not(version: ProtocolVersion, wanted: str, granted: str) -> None:
    """Mercure 0.x and 1.0, Subscription Events."""
    assert not may_watch(version, [selector_of(version, wanted)], [selector_of(version, granted)])


def test_without_a_grant_nobody_does() -> None:
    """Mercure 0.x, Subscription Events: they are private."""
    assert not may_watch(MERCURE_0, [Selector("*")], [])


def test_event_is_written_when_somebody_watches_and_only_once(
    join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mercure 0.x, Subscription Events: then they cost the others nearly nothing."""
    written: list[str] = []
    write = Mercure0.subscription_update

    def counted(self: Mercure0, subscription: Subscription, **given: object) -> object:
        written.append(subscription.selector.text)
        return write(self, subscription, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(Mercure0, "subscription_update", counted)
    join("/books/{id}", grants=["*"], after="earliest").close()
    join("*", grants=["/users/7"], after="earliest").close()
    assert written == []
    first = join(f"{API}{{/topic}}{{/subscriber}}", grants=["*"], after="earliest")
    second = join(f"{API}{{/topic}}{{/subscriber}}", grants=["*"], after="earliest")
    assert [len(watcher.updates) for watcher in (first, second)] == [5, 5]
    assert len(written) == 6  # each of them once, whoever reads it
