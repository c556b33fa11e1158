"""An app with an external hub: our own, in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace

import pytest
from blinker import Namespace
from flask import Flask

from flask_mercure_sse import ConfigurationError, MercureSSE, PublishError, SubscriptionsError
from tests.conftest import SECRET
from tests.server.processes import Server, Stream, free_port, serving
from tests.tokens import encode_token

HUB = "/.well-known/mercure"


@pytest.fixture(scope="module")
def hub() -> Iterator[Server]:
    port = free_port()
    keys = ("--publisher-secret", "p" * 32, "--subscriber-secret", SECRET)
    with serving("flask_mercure_sse.server", "--port", str(port), *keys, port=port, path=HUB) as server:
        yield server


@pytest.fixture
def mercure(app: Flask, hub: Server) -> MercureSSE:
    return MercureSSE(app, hub.url, publisher_secret_key="p" * 32)


def test_the_hub_is_not_in_the_app(app: Flask, mercure: MercureSSE) -> None:
    assert app.test_client().get(HUB).status_code == 404


def test_an_update_reaches_the_subscribers_of_the_hub(mercure: MercureSSE) -> None:
    token = mercure.create_subscription_jwt("/a")
    with closing(Stream(mercure.hub_url("/a", token))) as stream:
        event_id = mercure.publish("/a", {"é": 1}, private=True)
        event = stream.next()
    assert (event.id, event.data) == (event_id, '{"\\u00e9": 1}')


def test_one_update_may_go_to_another_hub_with_another_token(app: Flask, hub: Server) -> None:
    mercure = MercureSSE(app)
    embedded = app.extensions["mercure_sse"].hub
    with closing(Stream(f"{hub.url}{HUB}?topic=/a")) as stream:
        token = MercureSSE(Flask("keys"), publisher_secret_key="p" * 32).create_jwt(
            "publisher_secret_key", publish=["/a"]
        )
        mercure.publish("/a", "x", jwt=token, hub_url=hub.url + HUB)
        assert stream.next().data == "x"
    assert embedded.last_event_id == "earliest"


def test_a_sender_may_have_a_hub_of_its_own(app: Flask, hub: Server) -> None:
    mercure = MercureSSE(app, publisher_secret_key="p" * 32)
    signal = Namespace().signal("moved")
    mercure.publish_signal(signal, "/moved")
    with closing(Stream(f"{hub.url}{HUB}?topic=/moved")) as stream:
        signal.send(SimpleNamespace(__mercure_publish__={"hub_url": hub.url, "data": "elsewhere"}))
        assert stream.next().data == "elsewhere"
    assert mercure.get_subscriptions()["lastEventID"] == "earliest"


def test_a_senders_token_goes_to_the_hub_of_its_binding(app: Flask, hub: Server) -> None:
    mercure = MercureSSE(app)
    signal = Namespace().signal("moved")
    mercure.publish_signal(signal, "/moved", hub_url=hub.url)
    token = encode_token({"mercure": {"publish": ["*"]}}, "p" * 32)
    with closing(Stream(f"{hub.url}{HUB}?topic=/moved")) as stream:
        signal.send(SimpleNamespace(__mercure_publish__={"jwt": token}))
        assert stream.next().data == "/moved"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"hub_url": "nonsense"}, "hub_url: 'nonsense' is not a valid hub URL"),
        ({"jwt": "two words"}, "jwt: the value is not a JSON Web Token"),
    ],
)
def test_a_hub_or_token_that_cannot_be_is_an_error(
    options: dict[str, str], problem: str, mercure: MercureSSE
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        mercure.publish("/a", "x", **options)  # pyright: ignore[reportArgumentType]


def test_a_token_from_a_file_may_end_with_a_line_break(app: Flask, hub: Server) -> None:
    token = encode_token({"mercure": {"publish": ["*"]}}, "p" * 32)
    options = {"jwt": f"{token}\n", "hub_url": hub.url}
    assert MercureSSE(app).publish("/a", "x", id="my-id", wait=True, **options) == "my-id"


def test_a_token_that_the_hub_does_not_take_is_an_error(app: Flask, hub: Server) -> None:
    app.config["MERCURE_PUBLISH"] = "sync"
    mercure = MercureSSE(app, hub.url, publisher_jwt="a.b.c")
    with pytest.raises(PublishError, match=f"the hub {hub.url}{HUB} answered 401: Unauthorized"):
        mercure.publish("/a", "x")


def test_who_is_there_is_asked_of_the_hub(mercure: MercureSSE) -> None:
    token = mercure.create_subscription_jwt("https://example.com/a b", {"user": 7})
    with closing(Stream(mercure.hub_url("https://example.com/a b", token))):
        assert mercure.is_connected("https://example.com/a b", user=7)
        [subscription] = mercure.subscriptions("https://example.com/a b")
        single = mercure.get_subscriptions("https://example.com/a b", subscription["subscriber"])
        assert single["payload"] == {"user": 7}
    assert not mercure.is_connected("/nobody")


def test_a_hub_that_is_down_cannot_tell_who_is_there(app: Flask) -> None:
    mercure = MercureSSE(app, "http://127.0.0.1:1", publisher_jwt="a.b.c")
    with pytest.raises(SubscriptionsError, match="could not be reached"):
        mercure.is_connected("/a")


def test_the_command_publishes_on_the_hub(app: Flask, mercure: MercureSSE) -> None:
    token = mercure.create_subscription_jwt("/a")
    options = ["--private", "--id", "my-id", "--type", "greeting", "--retry", "1500"]
    with closing(Stream(mercure.hub_url("/a", token))) as stream:
        result = app.test_cli_runner().invoke(args=["mercure", "publish", *options, "/a", "hello"])
        assert (result.exit_code, result.output) == (0, "my-id\n")
        event = stream.next()
    assert (event.id, event.event, event.data, event.retry) == ("my-id", "greeting", "hello", "1500")


def test_the_command_lists_who_follows_what(app: Flask, hub: Server, mercure: MercureSSE) -> None:
    other = Flask("another app")
    MercureSSE(other, subscriber_secret_key=SECRET)
    with closing(Stream(mercure.hub_url("/listed", mercure.create_subscription_jwt("/listed", {"user": 7})))):
        text = app.test_cli_runner().invoke(args=["mercure", "subscriptions", "/listed"]).output
        options = ["--json", "--hub", hub.url]
        listed = other.test_cli_runner().invoke(args=["mercure", "subscriptions", *options]).output
    [head, line] = text.splitlines()
    assert head.split() == ["TOPIC", "SUBSCRIBER", "PAYLOAD"]
    assert line.startswith("/listed")
    assert line.endswith('{"user": 7}')
    assert ("/listed", {"user": 7}) in [(one["topic"], one["payload"]) for one in json.loads(listed)]
    nobody = app.test_cli_runner().invoke(args=["mercure", "subscriptions", "/nobody"])
    assert (nobody.exit_code, nobody.output) == (0, "Nobody follows that.\n")


class TestSubscribing:
    def test_the_command_shows_what_came_after_an_update(self, app: Flask, mercure: MercureSSE) -> None:
        first = mercure.publish("/tail", "one", wait=True)
        mercure.publish("/tail", "two\nlines", id="2", type="note", private=True, wait=True)
        mercure.publish("/tail", "three", id="3", wait=True)
        command = ["mercure", "subscribe", "--last-event-id", first, "--count", "2", "/tail"]
        text = app.test_cli_runner().invoke(args=command)
        assert (text.exit_code, text.output) == (
            0,
            "id: 2\ntype: note\ndata: two\nlines\n\nid: 3\ndata: three\n\n",
        )
        lines = app.test_cli_runner().invoke(args=[*command, "--json"]).output.splitlines()
        assert json.loads(lines[0]) == {"id": "2", "type": "note", "data": "two\nlines"}

    def test_a_token_that_the_hub_does_not_take_is_one_line(self, app: Flask, mercure: MercureSSE) -> None:
        token = encode_token({"mercure": {}}, "x" * 32)
        result = app.test_cli_runner().invoke(args=["mercure", "subscribe", "--jwt", token, "/a"])
        assert result.exit_code == 1
        assert "answered 401" in result.output.splitlines()[-1]

    def test_a_hub_that_is_down_is_one_line(self, app: Flask, mercure: MercureSSE) -> None:
        options = ["--hub", "http://127.0.0.1:1", "--last-event-id", "1", "--json"]
        result = app.test_cli_runner().invoke(args=["mercure", "subscribe", *options, "/a"])
        assert result.exit_code == 1
        assert "could not be reached" in result.output

    def test_an_embedded_hub_needs_its_url(self) -> None:
        app = Flask("embedded")
        MercureSSE(app)
        result = app.test_cli_runner().invoke(args=["mercure", "subscribe", "/a"])
        assert result.exit_code == 1
        assert "--hub" in result.output
