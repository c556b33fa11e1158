"""Publishing on external hubs without waiting for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import jwt
import pytest
from blinker import Namespace
from flask import Flask

from flask_mercure_sse import (
    ConfigurationError,
    InvalidUpdate,
    MercureSSE,
    PublishError,
    QueueFull,
    Update,
    publish_failed,
    update_published,
)
from flask_mercure_sse.app_state import AppState
from tests.conftest import SECRET
from tests.publishers.fake_hub import FakeHub
from tests.subscriber import Subscriber

GONE = "http://127.0.0.1:1"


@pytest.fixture
def app(app: Flask) -> Flask:
    app.config["MERCURE_FLUSH_TIMEOUT"] = 0.1  # at the end of the tests nobody waits for hubs that are gone
    return app


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    hub.answer = ""
    yield hub
    hub.close()


@pytest.fixture
def external(app: Flask, hub: FakeHub) -> MercureSSE:
    return MercureSSE(app, hub.url)


@contextmanager
def told() -> Iterator[list[tuple[Any, str, PublishError | None]]]:
    """Give what the two signals tell: sender, data and error."""
    seen: list[tuple[Any, str, PublishError | None]] = []

    def receive(sender: object, update: Update, error: PublishError | None = None) -> None:
        seen.append((sender, update.data, error))

    with update_published.connected_to(receive), publish_failed.connected_to(receive):
        yield seen


def state_of(app: Flask) -> AppState:
    return app.extensions["mercure_sse"]


def data(hub: FakeHub) -> list[str]:
    return [update.data for update in hub.updates]


# Modes


def test_an_external_hub_is_published_on_in_the_background(external: MercureSSE, hub: FakeHub) -> None:
    hub.delay = 0.2
    event_id = external.publish("/a", "x")
    assert hub.updates == []
    assert external.flush(20)
    [update] = hub.updates
    assert (update.id, update.data) == (event_id, "x")


def test_a_hub_that_is_gone_is_no_error_of_the_request(app: Flask) -> None:
    mercure = MercureSSE(app, GONE)

    @app.post("/save")
    def save() -> str:
        return mercure.publish("/a", "x")

    assert app.test_client().post("/save").status_code == 200


def test_the_embedded_hub_has_the_update_at_once(
    mercure: MercureSSE, subscribe: Callable[..., Subscriber]
) -> None:
    subscriber = subscribe("/a")
    mercure.publish("/a", "x")
    assert subscriber.data == ["x"]


def test_in_the_mode_sync_the_hub_is_waited_for(app: Flask, hub: FakeHub) -> None:
    app.config["MERCURE_PUBLISH"] = "sync"
    mercure = MercureSSE(app, hub.url)
    hub.answer = "its-id"
    assert mercure.publish("/a", "x") == "its-id"
    hub.status = 503
    with pytest.raises(PublishError, match="answered 503"):
        mercure.publish("/a", "x")


def test_one_update_may_wait_for_the_hub(external: MercureSSE, hub: FakeHub) -> None:
    hub.answer = "its-id"
    assert external.publish("/a", "x", wait=True) == "its-id"
    hub.status = 403
    with pytest.raises(PublishError, match="answered 403"):
        external.publish("/a", "x", wait=True)


def test_registering_starts_nothing(app: Flask, hub: FakeHub) -> None:
    before = set(threading.enumerate())
    MercureSSE(app, hub.url)
    assert set(threading.enumerate()) <= before
    assert hub.connections == set()


def test_many_updates_take_one_connection(external: MercureSSE, hub: FakeHub) -> None:
    for number in range(100):
        external.publish("/a", str(number))
    assert external.flush(20)
    assert data(hub) == list(map(str, range(100)))
    assert len(hub.connections) == 1


def test_updates_with_another_token_keep_their_place(external: MercureSSE, hub: FakeHub) -> None:
    external.publish("/a", "1")
    external.publish("/a", "2", jwt="a.b.c")
    external.publish("/a", "3")
    assert external.flush(20)
    assert data(hub) == ["1", "2", "3"]
    assert [token == "Bearer a.b.c" for token, _ in hub.requests] == [False, True, False]


def test_a_full_queue_is_an_error_at_the_next_update(app: Flask) -> None:
    app.config["MERCURE_QUEUE_SIZE"] = 2000
    mercure = MercureSSE(app, GONE)
    mercure.publish("/a", "x" * 1000)
    with pytest.raises(QueueFull, match="MERCURE_QUEUE_SIZE"):
        mercure.publish("/a", "x" * 1000)


def test_a_hub_that_hangs_does_not_hold_up_another(app: Flask, hub: FakeHub) -> None:
    mercure = MercureSSE(app, GONE)
    mercure.publish("/a", "for the hub that is gone")
    mercure.publish("/a", "x", hub_url=hub.url)
    assert not mercure.flush(1)
    assert data(hub) == ["x"]


# Signals and figures


def test_signals_tell_what_became_of_each_update(app: Flask, external: MercureSSE, hub: FakeHub) -> None:
    hub.first = [(403, {}), (500, {})]
    with told() as seen:
        external.publish_many([{"topic": "/a", "data": "no"}, {"topic": "/a", "data": "later"}])
        assert external.flush(20)
    [(sender, refused, error), published] = seen
    assert (sender, refused) == (app, "no")
    assert error is not None
    assert error.status == 403
    assert published == (app, "later", None)


def test_signals_tell_what_the_embedded_hub_took(app: Flask, mercure: MercureSSE) -> None:
    with told() as seen:
        mercure.publish("/a", "x")
    assert seen == [(app, "x", None)]


def test_an_error_that_is_raised_is_told_once(app: Flask, hub: FakeHub) -> None:
    app.config["MERCURE_PUBLISH"] = "sync"
    mercure = MercureSSE(app, hub.url)
    hub.status = 403
    with told() as seen, pytest.raises(PublishError) as raised:
        mercure.publish("/a", "x")
    assert seen == [(app, "x", raised.value)]
    assert raised.value.is_told


def test_an_update_of_a_bound_signal_that_a_hub_refuses_is_told_once(app: Flask, hub: FakeHub) -> None:
    app.config["MERCURE_PUBLISH"] = "sync"
    mercure = MercureSSE(app, hub.url)
    hub.status = 403
    paid = Namespace().signal("paid")
    mercure.publish_signal(paid, "/paid", "x")
    with told() as seen:
        paid.send()
    assert [(sender, text) for sender, text, _ in seen] == [(app, "x")]


def test_whoever_tries_again_by_itself_waits_and_its_failures_are_no_loss(app: Flask, hub: FakeHub) -> None:
    MercureSSE(app, hub.url)
    outlet = state_of(app).elsewhere(None, None, repeats=True)
    hub.first = [(503, {})]
    update = Update(("/a",), "x")
    with told() as seen:
        with pytest.raises(PublishError):
            outlet.publish(update)
        outlet.publish(update)
    assert seen == [(app, "x", None)]


def test_a_receiver_that_fails_does_not_stop_the_thread(external: MercureSSE, hub: FakeHub) -> None:
    def fail(_sender: object, **_arguments: object) -> None:
        raise ValueError

    with update_published.connected_to(fail):
        external.publish("/a", "1")
        external.publish("/a", "2")
        assert external.flush(20)
    assert data(hub) == ["1", "2"]


@pytest.mark.parametrize("mode", ["sync", "background"])
def test_a_receiver_that_publishes_is_not_told_what_it_fails_at_itself(app: Flask, mode: str) -> None:
    app.config.update(MERCURE_PUBLISH=mode, MERCURE_QUEUE_SIZE=1)
    mercure = MercureSSE(app, GONE)
    failed: list[str] = []

    def publish_notice(_sender: object, update: Update, error: PublishError) -> None:
        failed.append(update.data)
        mercure.publish("/notices", "a notice")

    with publish_failed.connected_to(publish_notice):
        for number in "12":
            with pytest.raises(PublishError):
                mercure.publish("/a", number)
    assert failed == ["1", "2"]


def test_figures_for_prometheus_add_up(app: Flask, hub: FakeHub) -> None:
    from prometheus_client import CollectorRegistry

    app.config.update(MERCURE_QUEUE_SIZE=4000, MERCURE_HUBS={"eu": hub.url})
    mercure = MercureSSE(app, GONE)
    registry = CollectorRegistry()
    registry.register(mercure.metrics_collector())
    for _ in range(3):
        with suppress(QueueFull):
            mercure.publish("/a", "x" * 1000)
    mercure.publish("/a", "y", hub="eu")
    mercure.flush(0.5)

    def figure(name: str, hub: str) -> float | None:
        return registry.get_sample_value(f"mercure_publish_{name}", {"hub": hub})

    assert (figure("accepted_total", "eu"), figure("published_total", "eu")) == (1, 1)
    assert (figure("accepted_total", "default"), figure("refused_total", "default")) == (2, 1)
    assert (figure("waiting", "default"), figure("outages_total", "default")) == (2, 1)
    assert (figure("waiting_bytes", "default") or 0) > 2000


# Several hubs


@pytest.fixture
def eu(app: Flask, hub: FakeHub) -> MercureSSE:
    own_key = {"url": hub.url, "public_url": "https://eu.example", "publisher_secret_key": "e" * 32}
    app.config["MERCURE_HUBS"] = {"eu": own_key, "us": GONE}
    return MercureSSE(app)


def test_a_further_hub_is_named(eu: MercureSSE, hub: FakeHub) -> None:
    event_id = eu.publish("/a", "x", hub="eu")
    assert eu.flush(20)
    assert [update.id for update in hub.updates] == [event_id]


def test_its_token_is_made_with_its_own_key_and_lives_shortly(eu: MercureSSE, hub: FakeHub) -> None:
    eu.publish("/a", "x", hub="eu", wait=True)
    claims = jwt.decode(hub.requests[0][0].removeprefix("Bearer "), "e" * 32, algorithms=["HS256"])
    assert claims["mercure"] == {"publish": ["*"]}
    now = jwt.decode(eu.create_subscription_jwt(), SECRET, algorithms=["HS256"])
    assert "exp" not in now
    assert claims["exp"]


def test_in_1_0_its_token_names_it(app: Flask, hub: FakeHub) -> None:
    app.config.update(
        MERCURE_PROTOCOL="1.0", MERCURE_HUBS={"eu": {"url": hub.url, "public_url": "https://e.eu"}}
    )
    MercureSSE(app).publish("/a", "x", hub="eu", wait=True)
    token = hub.requests[0][0].removeprefix("Bearer ")
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], audience="https://e.eu/.well-known/mercure")
    assert claims["iss"] == "https://e.eu/.well-known/mercure"


def test_a_signal_may_go_to_a_named_hub(eu: MercureSSE, hub: FakeHub) -> None:
    paid = Namespace().signal("paid")
    eu.publish_signal(paid, "/paid", "x", hub_url="eu")
    paid.send()
    assert eu.flush(20)
    assert data(hub) == ["x"]


def test_a_page_gets_the_named_hubs_url(eu: MercureSSE) -> None:
    assert eu.hub_url("/a", hub="eu") == "https://eu.example/.well-known/mercure?topic=%2Fa"
    assert eu.hub_base_url(hub="us") == f"{GONE}/.well-known/mercure"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"hub": "mars"}, "hub: 'mars' is not a name in MERCURE_HUBS; it has 'eu', 'us'"),
        ({"hub_url": "mars"}, "hub: 'mars' is not a name in MERCURE_HUBS; it has 'eu', 'us'"),
        ({"hub": "eu", "hub_url": GONE}, "hub, hub_url: both name a hub"),
    ],
)
def test_a_name_that_is_wrong_is_an_error(options: dict[str, str], problem: str, eu: MercureSSE) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        eu.publish("/a", "x", **options)  # pyright: ignore[reportArgumentType]


def test_the_apps_own_token_lives_shortly_and_is_made_anew(external: MercureSSE, hub: FakeHub) -> None:
    external.publish("/a", "x", wait=True)
    external.publish("/a", "x", wait=True)
    first, second = (token.removeprefix("Bearer ") for token, _ in hub.requests)
    assert first == second
    claims = jwt.decode(first, SECRET, algorithms=["HS256"])
    assert set(claims) == {"mercure", "exp"}


# Several updates


def test_many_updates_are_published_in_their_order(external: MercureSSE, hub: FakeHub) -> None:
    updates = [Update(("/a",), "1"), {"topic": ["/a", "/b"], "data": {"n": 2}, "private": True}]
    ids = external.publish_many(updates)
    assert external.flush(20)
    first, second = hub.updates
    assert [first.id, second.id] == ids
    assert (second.topics, second.data, second.private) == (("/a", "/b"), '{"n": 2}', True)


def test_of_many_updates_those_after_one_that_a_hub_refuses_are_told_as_failed(
    app: Flask, hub: FakeHub
) -> None:
    app.config["MERCURE_PUBLISH"] = "sync"
    mercure = MercureSSE(app, hub.url)
    hub.first = [(200, {}), (403, {})]
    with told() as seen, pytest.raises(PublishError, match="answered 403"):
        mercure.publish_many([{"topic": "/a", "data": number} for number in "1234"])
    assert data(hub) == ["1", "2"]
    outcomes = [(number, error and str(error).partition(": ")[2]) for _, number, error in seen]
    unsent = "it did not take one before this"
    assert outcomes == [("1", None), ("2", "Forbidden"), ("3", unsent), ("4", unsent)]
    [(_, counters, _, _)] = state_of(app).figures()
    assert (counters["accepted"], counters["published"], counters["failed"]) == (4, 1, 3)


def test_of_many_updates_none_is_published_when_one_is_wrong(
    mercure: MercureSSE, subscribe: Callable[..., Subscriber]
) -> None:
    subscriber = subscribe("*")
    with pytest.raises(InvalidUpdate):
        mercure.publish_many([{"topic": "/a"}, {"topic": ""}])
    assert subscriber.updates == []


@pytest.mark.parametrize(
    ("updates", "problem"),
    [
        (
            [{"topic": "/a", "hub": "eu"}],
            "updates: has a 'hub'; an update has topic, data, private, id, type, retry",
        ),
        ([{"data": "x"}], "topic: is missing"),
        (["/a"], "updates: has a str; give a list of dictionaries or of Update objects"),
        ({"topic": "/a"}, "updates: has a str; give a list"),
    ],
)
def test_what_describes_no_update_is_named(mercure: MercureSSE, updates: Any, problem: str) -> None:
    with pytest.raises(InvalidUpdate, match=f"^{problem}"):
        mercure.publish_many(updates)


def test_several_apps_do_not_see_each_other(hub: FakeHub) -> None:
    apps = [Flask(name) for name in ("one", "two")]
    mercure = MercureSSE()
    for app in apps:
        app.config.update(SECRET_KEY=SECRET, MERCURE_QUEUE_SIZE=2000)
        mercure.init_app(app, GONE if app.name == "one" else hub.url)
    with apps[0].app_context():
        mercure.publish("/a", "x" * 1000)
    with told() as seen, apps[1].app_context():
        mercure.publish("/a", "x" * 1000)
        assert mercure.flush(20)
    assert [sender for sender, _, _ in seen] == [apps[1]]
