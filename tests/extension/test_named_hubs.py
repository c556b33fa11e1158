"""Hubs by name: their URLs, tokens, cookies and subscribers, as those of the app's own hub."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import jwt
import pytest
from blinker import Namespace
from click.testing import Result
from flask import Flask, Response
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flask_mercure_sse import (
    ConfigurationError,
    MercureSSE,
    SubscriptionsError,
    publish_signal,
    subscriber_connected,
)
from tests.conftest import SECRET
from tests.extension.protocols import cookies
from tests.publishers.fake_hub import FakeHub
from tests.server.processes import PATIENCE, Server, Stream, free_port, serving

HUB = "/.well-known/mercure"
PUBLISHER, SUBSCRIBER = "publisher-of-eu-long-enough-for-HS256", "subscriber-of-eu-long-enough-for-HS256"
US = "https://us.example.com/.well-known/mercure"
PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9
q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==
-----END PUBLIC KEY-----"""


@pytest.fixture(scope="module")
def hub() -> Iterator[Server]:
    port = free_port()
    keys = ("--publisher-secret", PUBLISHER, "--subscriber-secret", SUBSCRIBER)
    with serving("flask_mercure_sse.server", "--port", str(port), *keys, port=port, path=HUB) as server:
        yield server


@pytest.fixture
def mercure(app: Flask, hub: Server) -> MercureSSE:
    keys = {"publisher_secret_key": PUBLISHER, "subscriber_secret_key": SUBSCRIBER}
    app.config["MERCURE_HUBS"] = {"eu": {"url": hub.url, **keys}, "us": US}
    return MercureSSE(app)


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["mercure", *arguments])


def claims(token: str, key: str, **options: Any) -> Any:
    return jwt.decode(token, key, algorithms=["HS256"], **options)


def test_who_gets_its_url_with_a_token_reads_its_private_updates(mercure: MercureSSE, hub: Server) -> None:
    url = mercure.authentified_hub_url("/a", hub="eu")
    assert url.startswith(f"{hub.url}{HUB}?")
    with closing(Stream(url)) as stream:
        event_id = mercure.publish("/a", "x", private=True, hub="eu")
        assert stream.next().id == event_id


def test_it_tells_who_is_there(mercure: MercureSSE) -> None:
    token = mercure.create_subscription_jwt("/room", {"user": 7}, hub="eu")
    with closing(Stream(mercure.hub_url("/room", token, hub="eu"))):
        assert mercure.is_connected("/room", hub="eu", user=7)
        assert not mercure.is_connected("/room", hub="eu", user=8)
        assert (mercure.count("/room", hub="eu"), mercure.count("/room")) == (1, 0)
        [one] = mercure.subscriptions("/room", hub="eu")
        assert mercure.get_subscriptions("/room", one["subscriber"], hub="eu")["payload"] == {"user": 7}
    assert mercure.get_subscriptions("/room")["subscriptions"] == []  # of the app's own hub


def test_its_tokens_are_signed_with_its_own_keys(mercure: MercureSSE) -> None:
    token = mercure.create_subscription_jwt("/a", hub="eu")
    assert claims(token, SUBSCRIBER) == {"mercure": {"subscribe": ["/a"]}}
    token = mercure.create_jwt("publisher_secret_key", publish=["/a"], hub="eu")
    assert claims(token, PUBLISHER) == {"mercure": {"publish": ["/a"]}}


def test_the_apps_keys_are_those_of_a_hub_without_its_own(mercure: MercureSSE) -> None:
    assert claims(mercure.create_subscription_jwt("/a", hub="us"), SECRET)


def test_a_payload_getter_is_asked_for_each_hub(mercure: MercureSSE) -> None:
    mercure.payload_getter(lambda topics: {"of": topics})
    token = mercure.create_subscription_jwt("/a", hub="eu")
    assert claims(token, SUBSCRIBER)["mercure"]["payload"] == {"of": ["/a"]}


def test_the_token_with_which_the_app_publishes_is_made_anew_in_time(
    mercure: MercureSSE, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = app.extensions["mercure_sse"].hubs["eu"].publisher_token
    first = token()
    assert claims(first, PUBLISHER)["exp"] == pytest.approx(time.time() + 900, abs=30)
    assert token() == first
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 500)
    assert token() != first


def test_a_token_that_is_given_is_taken_as_it_is(app: Flask) -> None:
    hub = FakeHub()
    app.config["MERCURE_HUBS"] = {"eu": {"url": hub.url, "publisher_jwt": "a.b.c"}}
    MercureSSE(app).publish("/a", "x", hub="eu", wait=True)
    hub.close()
    assert [authorization for authorization, _ in hub.requests] == ["Bearer a.b.c"]


def test_its_cookie_is_next_to_the_apps_own(app: Flask) -> None:
    own = {"subscriber_secret_key": SUBSCRIBER, "authz_cookie_name": "eu_token"}
    app.config["MERCURE_HUBS"] = {"eu": {"url": "http://127.0.0.1:1", "public_url": "https://a/eu", **own}}
    mercure = MercureSSE(app)
    response = mercure.set_authz_cookie(Response(), "/own")
    mercure.set_authz_cookie(response, "/eu", hub="eu")
    (own_name, own_token, own_attributes), (name, token, attributes) = cookies(response)
    assert (own_name, own_attributes["Path"]) == ("mercureAuthorization", HUB)
    assert claims(own_token, SECRET)["mercure"]["subscribe"] == ["/own"]
    assert (name, attributes["Path"], attributes["Secure"]) == ("eu_token", f"/eu{HUB}", True)
    assert claims(token, SUBSCRIBER)["mercure"]["subscribe"] == ["/eu"]
    [(gone, nothing, of_gone)] = cookies(mercure.delete_authz_cookie(Response(), hub="eu"))
    assert (gone, nothing, of_gone["Path"]) == ("eu_token", "", f"/eu{HUB}")


def test_a_resource_is_linked_with_the_hub_that_has_its_updates(mercure: MercureSSE) -> None:
    response = mercure.add_link(Response(), hub="us")
    assert response.headers["Link"] == f'<{US}>; rel="mercure"'


def test_in_1_0_its_tokens_are_for_it_alone(app: Flask) -> None:
    app.config.update(MERCURE_PROTOCOL="1.0", MERCURE_HUBS={"us": "https://us.example.com/hub"})
    mercure = MercureSSE(app, public_hub_url="https://example.com")
    audience = "https://us.example.com/hub"
    assert (
        claims(mercure.create_subscription_jwt("/a", hub="us"), SECRET, audience=audience)["iss"] == audience
    )
    assert mercure.subscription_topic("/a", "x", hub="us").startswith("/hub/subscriptions/")
    assert mercure.subscription_topic("/a", "x").startswith(f"{HUB}/subscriptions/")


def test_in_1_0_a_page_with_two_hubs_gets_the_token_of_each(app: Flask) -> None:
    app.config.update(
        MERCURE_PROTOCOL="1.0",
        MERCURE_HUBS={"eu": {"url": "http://localhost/eu", "subscriber_secret_key": SUBSCRIBER}},
    )
    mercure = MercureSSE(app)

    @app.get("/")
    def page() -> str:
        mercure.authentified_hub_url("/own")
        return mercure.authentified_hub_url("/a", hub="eu") + mercure.authentified_hub_url("/b", hub="eu")

    granted = cookies(app.test_client().get("/"))
    assert sorted(str(attributes["Path"]) for _, _, attributes in granted) == [HUB, "/eu"]
    [token] = [token for _, token, attributes in granted if attributes["Path"] == "/eu"]
    [detail] = claims(token, SUBSCRIBER, audience="http://localhost/eu")["authorization_details"]
    assert [topic["match"] for topic in detail["topics"]] == ["/a", "/b"]


def test_a_signal_is_published_on_it(mercure: MercureSSE, app: Flask) -> None:
    of_app, of_all = Namespace().signal("of the app"), Namespace().signal("of all apps")
    mercure.publish_signal(of_app, "/signals", "one", hub="eu")
    binding = publish_signal(of_all, "/signals", "two", hub="eu")
    with closing(Stream(mercure.hub_url("/signals", hub="eu"))) as stream, app.app_context():
        of_app.send()
        of_all.send()
        assert [stream.next().data, stream.next().data] == ["one", "two"]
    binding.disconnect()


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)


def test_a_models_changes_are_published_on_it(mercure: MercureSSE) -> None:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with closing(Stream(mercure.hub_url("/notes", hub="eu"))) as stream:
        with mercure.bind_model(Note, "/notes", hub="eu"), Session(engine) as session:
            session.add(Note())
            session.commit()
        assert json.loads(stream.next().data)["event"] == "insert"
    engine.dispose()


def test_its_updates_are_heard_as_a_signal_next_to_those_of_the_apps_own(mercure: MercureSSE) -> None:
    heard: queue.Queue[str] = queue.Queue()
    signal = Namespace().signal("of both")
    signal.connect(lambda _app, data, **_: heard.put(data), weak=False)
    here = mercure.subscribe_signal("/both", signal, own=True)
    there = mercure.subscribe_signal("/both", signal, own=True, hub="eu")
    with here, there:
        assert here.wait_until_connected(PATIENCE)
        assert there.wait_until_connected(PATIENCE)
        mercure.publish("/both", "there", hub="eu")
        assert heard.get(timeout=PATIENCE) == "there"
        mercure.publish("/both", "here")
        assert heard.get(timeout=PATIENCE) == "here"


def test_who_comes_there_is_told(mercure: MercureSSE) -> None:
    came: queue.Queue[str] = queue.Queue()

    def note(_app: object, topic: str, **_others: object) -> None:
        came.put(topic)

    with subscriber_connected.connected_to(note), mercure.subscribe_presence("/here", hub="eu") as presence:
        assert presence.wait_until_connected(PATIENCE)
        with closing(Stream(mercure.hub_url("/here", hub="eu"))):
            assert came.get(timeout=PATIENCE) == "/here"


USES: list[Callable[[MercureSSE], object]] = [
    lambda mercure: mercure.hub_base_url(hub="mars"),
    lambda mercure: mercure.hub_url("/a", hub="mars"),
    lambda mercure: mercure.authentified_hub_url("/a", hub="mars"),
    lambda mercure: mercure.subscription_topic("/a", hub="mars"),
    lambda mercure: mercure.create_subscription_jwt("/a", hub="mars"),
    lambda mercure: mercure.create_jwt("publisher_secret_key", hub="mars"),
    lambda mercure: mercure.set_authz_cookie(Response(), hub="mars"),
    lambda mercure: mercure.delete_authz_cookie(Response(), hub="mars"),
    lambda mercure: mercure.add_link(Response(), hub="mars"),
    lambda mercure: mercure.get_subscriptions(hub="mars"),
    lambda mercure: mercure.is_connected("/a", hub="mars"),
    lambda mercure: mercure.count(hub="mars"),
    lambda mercure: mercure.outlet(hub="mars"),
    lambda mercure: mercure.subscribe_signal("/a", Namespace().signal("x"), hub="mars").start(),
    lambda mercure: mercure.subscribe_presence(hub="mars").start(),
]


@pytest.mark.parametrize("use", USES)
def test_a_name_that_is_none_is_an_error_with_those_that_are(
    use: Callable[[MercureSSE], object], mercure: MercureSSE
) -> None:
    with pytest.raises(
        ConfigurationError, match="hub: 'mars' is not a name in MERCURE_HUBS; it has 'eu', 'us'"
    ):
        use(mercure)


def test_a_hub_that_is_down_cannot_tell_who_is_there(app: Flask) -> None:
    app.config["MERCURE_HUBS"] = {"gone": "http://127.0.0.1:1"}
    with pytest.raises(SubscriptionsError, match="could not be reached"):
        MercureSSE(app).count("/a", hub="gone")


@pytest.mark.parametrize("role", ["publisher_secret_key", "subscriber_secret_key"])
def test_a_key_that_can_only_check_is_an_error_at_the_start(role: str, app: Flask) -> None:
    app.config["MERCURE_HUBS"] = {"eu": {"url": US, role: PUBLIC_KEY}}
    with pytest.raises(
        ConfigurationError, match=f"MERCURE_HUBS: eu: {role} has public keys.*give the private"
    ):
        MercureSSE(app)


def test_a_short_secret_of_a_hub_is_told_with_its_name(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    app.config["MERCURE_HUBS"] = {"eu": {"url": US, "subscriber_secret_key": "short"}}
    MercureSSE(app)
    assert [message.partition(" has ")[0] for message in caplog.messages] == [
        "MERCURE_HUBS: eu: subscriber_secret_key"
    ]


class TestCommands:
    def test_tokens_are_made_for_a_hub(self, app: Flask, mercure: MercureSSE) -> None:
        token = run(app, "subscriber-jwt", "--hub", "eu", "-t", "/a").output.strip()
        assert claims(token, SUBSCRIBER)["mercure"] == {"subscribe": ["/a"]}
        token = run(app, "publisher-jwt", "--hub", "eu").output.strip()
        assert claims(token, PUBLISHER)["mercure"] == {"publish": ["*"]}

    def test_updates_are_published_on_it_and_followed(self, app: Flask, mercure: MercureSSE) -> None:
        first = run(app, "publish", "--hub", "eu", "/tail", "one").output.strip()
        assert run(app, "publish", "--hub", "eu", "--private", "/tail", "two").exit_code == 0
        options = ["--hub", "eu", "--last-event-id", first, "--count", "1", "--json"]
        result = run(app, "subscribe", *options, "/tail")
        assert (result.exit_code, json.loads(result.output)["data"]) == (0, "two")

    def test_its_subscriptions_are_listed(self, app: Flask, mercure: MercureSSE) -> None:
        with closing(Stream(mercure.hub_url("/listed", hub="eu"))):
            result = run(app, "subscriptions", "--hub", "eu", "--json", "/listed")
        assert [one["topic"] for one in json.loads(result.output)] == ["/listed"]

    @pytest.mark.parametrize("command", [["publish", "/a", "x"], ["subscribe", "/a"], ["subscriptions"]])
    def test_what_is_neither_url_nor_name_is_an_error_with_the_names(
        self, command: list[str], app: Flask, mercure: MercureSSE
    ) -> None:
        result = run(app, command[0], "--hub", "mars", *command[1:])
        assert result.exit_code == 1
        assert result.output.startswith("Error: --hub: 'mars' is not a valid hub URL")
        assert result.output.endswith("or a name of MERCURE_HUBS: eu, us\n")
