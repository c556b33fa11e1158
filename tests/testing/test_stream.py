"""Streams of the embedded hub, read through Flask's test client."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.wrappers import Response

from flask_mercure_sse import ConfigurationError, MercureSSE
from flask_mercure_sse.testing import CapturedUpdates, HubStream, mercure_stream
from tests.conftest import SECRET

Open = Callable[..., HubStream]


@pytest.fixture
def client(app: Flask, mercure: MercureSSE) -> FlaskClient:
    @app.get("/page")
    def page() -> Response:  # pyright: ignore[reportUnusedFunction]
        return mercure.set_authz_cookie(Response("page"), ["/users/7"])

    return app.test_client()


def test_what_is_published_after_the_call_comes_in_its_order(
    client: FlaskClient, mercure: MercureSSE
) -> None:
    with mercure_stream(client, ["/a", "/b"]) as stream:
        event_id = mercure.publish("/a", "one", type="first")
        mercure.publish("/b", "two\nlines")
        mercure.publish("/c", "for others")
        first, second = stream.take(2)
        stream.assert_nothing()
    assert (first.data, first.id, first.type) == ("one", event_id, "first")
    assert (second.data, second.type) == ("two\nlines", None)
    assert stream.events == [first, second]


def test_the_clients_cookie_opens_private_updates(
    client: FlaskClient, mercure: MercureSSE, mercure_stream: Open
) -> None:
    stranger, reader = mercure_stream(client, "/users/7"), client
    reader.get("/page")
    stream = mercure_stream(reader, "/users/7")
    mercure.publish("/users/7", "private", private=True)
    assert stream.next().data == "private"
    stranger.assert_nothing()


def test_a_token_opens_private_updates(
    client: FlaskClient, mercure: MercureSSE, mercure_stream: Open
) -> None:
    stream = mercure_stream(client, "/users/7", jwt=mercure.create_subscription_jwt("/users/7"))
    mercure.publish("/users/7", "private", private=True)
    assert stream.next().data == "private"


def test_a_stream_resumes_after_an_event(
    client: FlaskClient, mercure: MercureSSE, mercure_stream: Open
) -> None:
    event_id = mercure.publish("/a", "seen")
    mercure.publish("/a", "missed")
    assert mercure_stream(client, "/a", last_event_id=event_id).next().data == "missed"


def test_an_event_that_does_not_come_is_a_failure_that_tells_what_came(
    client: FlaskClient, mercure: MercureSSE, mercure_stream: Open
) -> None:
    stream = mercure_stream(client, "/a")
    mercure.publish("/a", "came")
    stream.next()
    with pytest.raises(AssertionError, match=r"no event came in 0\.01 seconds\. Events before: .*'came'"):
        stream.next(timeout=0.01)


def test_an_event_that_must_not_come_is_a_failure(
    client: FlaskClient, mercure: MercureSSE, mercure_stream: Open
) -> None:
    stream = mercure_stream(client, "/a")
    mercure.publish("/a", "came")
    with pytest.raises(AssertionError, match=r"an event came: .*'came'"):
        stream.assert_nothing(5)


def test_the_end_of_a_stream_is_told_apart_from_silence(
    app: Flask, client: FlaskClient, mercure: MercureSSE, mercure_stream: Open
) -> None:
    stream = mercure_stream(client, "/a", jwt=mercure.create_subscription_jwt("/a", {"user": 7}))
    assert mercure.close_streams(user=7) == 1
    with pytest.raises(AssertionError, match="the hub has ended the stream"):
        stream.next()


def test_the_hub_forgets_a_stream_that_is_closed(client: FlaskClient, mercure: MercureSSE) -> None:
    with mercure_stream(client, "/a"):
        assert mercure.count("/a") == 1
    assert mercure.count("/a") == 0


def test_a_refusal_is_a_failure_with_the_hubs_answer() -> None:
    app = Flask("closed")
    app.config.update(SECRET_KEY=SECRET, MERCURE_HUB_ALLOW_ANONYMOUS=False)
    MercureSSE(app)
    with pytest.raises(AssertionError, match="the hub answered 401: Unauthorized"):
        mercure_stream(app.test_client(), "/a")


def test_an_external_hub_cannot_be_read_so() -> None:
    app = Flask("external")
    app.config.update(SECRET_KEY=SECRET, MERCURE_HUB_URL="http://127.0.0.1:1/.well-known/mercure")
    MercureSSE(app)
    with pytest.raises(ConfigurationError, match="MERCURE_HUB_URL"):
        mercure_stream(app.test_client(), "/a")


def test_an_app_without_the_extension_is_told() -> None:
    with pytest.raises(ConfigurationError, match="init_app"):
        mercure_stream(Flask("none").test_client(), "/a")


def test_what_is_captured_cannot_be_read(client: FlaskClient, mercure_updates: CapturedUpdates) -> None:
    with pytest.raises(ConfigurationError, match="mercure_updates"):
        mercure_stream(client, "/a")
