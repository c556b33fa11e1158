"""The hub publishes to itself, and no client can tell."""

from __future__ import annotations

import pytest

from flask_mercure_sse.hub.frame import Frame
from flask_mercure_sse.hub.hub import Hub, Sizes
from flask_mercure_sse.protocol.rights import Rights
from flask_mercure_sse.protocol.selectors import EVERYTHING, Selector
from flask_mercure_sse.protocol.update import EARLIEST, Update
from flask_mercure_sse.protocol.version import SubscribeRequest
from flask_mercure_sse.protocol.versions import speak
from tests.subscriber import Subscriber

PROBE = Update(("urn:uuid:of-the-probe",), private=True, id="probe")
ALL = Selector(EVERYTHING)


@pytest.fixture(params=["0.x", "1.0", "both"])
def hub(request: pytest.FixtureRequest) -> Hub:
    if request.param != "0.x":
        pytest.importorskip("urlpattern")
    return Hub(speak(request.param, "https://hub.example/.well-known/mercure"))


def watchers(hub: Hub) -> list[Subscriber]:
    """Return a subscriber in each version who follows everything and may read everything."""
    rights = Rights(subscribe=(ALL,))
    return [Subscriber(hub, SubscribeRequest(version, (ALL,)), rights) for version in hub.versions]


def probed(hub: Hub) -> list[Frame]:
    arrived: list[Frame] = []
    hub.probe(PROBE, arrived.append)
    return arrived


def test_a_probe_arrives_through_the_router(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [frame.update for frame in probed(hub)] == [PROBE]
    monkeypatch.setattr(hub._router, "route", lambda *_: [])
    assert probed(hub) == []


def test_nobody_else_gets_a_probe_or_is_told_of_it(hub: Hub) -> None:
    everyone = watchers(hub)
    already = [len(watcher.updates) for watcher in everyone]
    assert len(probed(hub)) == 1
    assert [len(watcher.updates) for watcher in everyone] == already


def test_a_probe_is_not_kept(hub: Hub) -> None:
    probed(hub)
    assert hub.last_event_id == EARLIEST
    back = SubscribeRequest(hub.versions.oldest, (ALL,), EARLIEST)
    assert hub.subscribe(back, Rights(subscribe=(ALL,))).replay == []


def test_a_probe_leaves_no_subscriber_behind_even_where_it_fails(hub: Hub) -> None:
    def fail(frame: Frame) -> None:
        raise OSError("the line is cut")

    before = hub.sizes()
    probed(hub)
    with pytest.raises(OSError, match="the line is cut"):
        hub.probe(PROBE, fail)
    assert hub.sizes() == before
    for version in hub.versions:
        assert hub.subscriptions(version)[0]["subscriptions"] == []


def test_a_hub_tells_how_much_it_holds() -> None:
    hub = Hub(speak("0.x", None), subscriptions=False)
    assert hub.sizes() == Sizes(subscribers=0, groups=0, selectors=0, updates=0)
    for topics in (["/a"], ["/a"], ["/a", "/b"]):
        selectors = tuple(map(Selector, topics))
        hub.subscribe(SubscribeRequest(hub.versions.oldest, selectors), None)
    hub.publish(Update(("/a",)))
    assert hub.sizes() == Sizes(subscribers=3, groups=2, selectors=2, updates=1)


def test_subscription_events_that_are_kept_are_updates_of_the_hub() -> None:
    hub = Hub(speak("0.x", None))
    hub.subscribe(SubscribeRequest(hub.versions.oldest, (Selector("/a"),)), None)
    assert hub.sizes().updates == 1
