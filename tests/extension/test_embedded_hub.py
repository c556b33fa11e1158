"""The hub inside the app, over HTTP."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask, g, has_app_context
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, TestResponse

from flask_mercure_sse import MercureSSE
from tests.conftest import SECRET
from tests.tokens import encode_token

HUB = "/.well-known/mercure"

Configured = Callable[..., FlaskClient]


@pytest.fixture
def configured(app: Flask) -> Iterator[Configured]:
    """Make a client of an app whose extension has these options."""

    def make(**options: Any) -> FlaskClient:
        MercureSSE(app, **options)
        return app.test_client()

    return make


def bearer(**claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {encode_token({'mercure': claims}, SECRET)}"}


def publish(client: FlaskClient, data: dict[str, Any], **claims: Any) -> TestResponse:
    return client.post(HUB, data=data, headers=bearer(**claims))


def read(response: TestResponse, frames: int) -> str:
    """Read the opening comment and so many frames of a stream, and leave."""
    with response:
        stream = iter(response.response)
        text = next(stream).decode()
        while text.count("\n\n") < frames:
            text += next(stream).decode()
    return text


def mercure_of(app: Flask) -> MercureSSE:
    return app.extensions["mercure_sse"].instance


# Subscribing


def test_a_stream_opens_with_a_comment_and_the_right_headers(app: Flask, configured: Configured) -> None:
    with configured().get(f"{HUB}?topic=/a") as response:
        assert response.status_code == 200
        assert response.content_type == "text/event-stream"
        assert response.headers["Cache-Control"].startswith("private, no-cache, no-store")
        assert response.headers["X-Accel-Buffering"] == "no"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "Connection" not in response.headers
        assert next(iter(response.response)) == b":\n"


def test_an_update_is_a_frame_of_the_stream(app: Flask, configured: Configured) -> None:
    response = configured().get(f"{HUB}?topic=/a/{{id}}")
    mercure_of(app).publish("/a/1", "one\ntwo", id="my-id", type="t", retry=5)
    assert read(response, 1) == ":\nevent: t\nretry: 5\nid: my-id\ndata: one\ndata: two\n\n"


def test_a_stream_without_topics_is_refused(configured: Configured) -> None:
    response = configured().get(HUB)
    assert (response.status_code, response.text) == (400, 'the parameter "topic" is missing\n')


def test_a_head_request_opens_no_stream(app: Flask, configured: Configured) -> None:
    response = configured().head(f"{HUB}?topic=/a")
    assert (response.status_code, response.content_type) == (200, "text/event-stream")
    assert mercure_of(app).subscriptions() == []


def test_a_client_that_comes_back_gets_what_it_missed(app: Flask, configured: Configured) -> None:
    client, mercure = configured(), mercure_of(app)
    first, *missed = [mercure.publish("/a", str(number)) for number in range(3)]
    for response in (
        client.get(f"{HUB}?topic=/a", headers={"Last-Event-ID": first}),
        client.get(f"{HUB}?topic=/a&lastEventID={quote(first)}"),
        client.get(f"{HUB}?topic=/a&lastEventID={missed[1]}", headers={"Last-Event-ID": first}),
    ):
        assert response.headers["Last-Event-ID"] == first
        text = read(response, 2)
        assert [f"id: {event_id}\n" in text for event_id in (first, *missed)] == [False, True, True]


def test_a_client_whose_last_event_is_unknown_gets_everything_and_is_told(
    app: Flask, configured: Configured
) -> None:
    client, mercure = configured(), mercure_of(app)
    mercure.publish("/a", "kept")
    response = client.get(f"{HUB}?topic=/a", headers={"Last-Event-ID": "unknown"})
    assert response.headers["Last-Event-ID"] == "earliest"
    assert "data: kept" in read(response, 1)


def test_an_event_id_beyond_ascii_is_found_as_browsers_send_it(app: Flask, configured: Configured) -> None:
    client, mercure = configured(), mercure_of(app)
    for number in ("é🎈", "next"):
        mercure.publish("/a", number, id=number)
    sent = "é🎈".encode().decode("latin-1")
    response = client.get(f"{HUB}?topic=/a", headers={"Last-Event-ID": sent})
    assert response.headers["Last-Event-ID"] == sent
    assert read(response, 1) == ":\nid: next\ndata: next\n\n"


def test_templates_that_would_cost_much_are_refused(configured: Configured) -> None:
    client = configured()
    for topics in ("&".join(f"topic=/{number}/{{x}}" for number in range(101)), "topic=" + "{/x}" * 65):
        assert client.get(f"{HUB}?{topics}").status_code == 400


def test_a_stream_whose_head_was_overtaken_ends_for_the_client_to_ask_again(
    app: Flask, configured: Configured
) -> None:
    configured(hub_reconciliation_length=2)
    mercure = mercure_of(app)
    first = mercure.publish("/a", "first")
    front = app.extensions["mercure_sse"].hub_front()
    environ = EnvironBuilder(f"{HUB}?topic=/a", headers={"Last-Event-ID": first}).get_environ()
    response = front.respond(environ)
    assert response.headers["Last-Event-ID"] == first
    for number in range(5):
        mercure.publish("/a", str(number))
    assert b"".join(response.response) == b":\n"
    assert mercure.subscriptions() == []


def test_a_head_request_tells_the_last_event_id_too(configured: Configured) -> None:
    response = configured().head(f"{HUB}?topic=/a", headers={"Last-Event-ID": "unknown"})
    assert response.headers["Last-Event-ID"] == "earliest"


def test_a_client_that_does_not_ask_gets_no_history(app: Flask, configured: Configured) -> None:
    client, mercure = configured(), mercure_of(app)
    mercure.publish("/a", "before")
    response = client.get(f"{HUB}?topic=/a")
    assert "Last-Event-ID" not in response.headers
    mercure.publish("/a", "after")
    assert "before" not in read(response, 1)


def test_private_updates_need_a_token_that_grants_them(app: Flask, configured: Configured) -> None:
    client, mercure = configured(), mercure_of(app)
    token = mercure.create_subscription_jwt("/a")
    client.set_cookie("mercureAuthorization", token, path=HUB)
    streams = {
        "header": client.get(f"{HUB}?topic=/a", headers={"Authorization": f"Bearer {token}"}),
        "cookie": client.get(f"{HUB}?topic=/a"),
        "parameter": app.test_client().get(f"{HUB}?topic=/a&authorization={token}"),
        "nothing": app.test_client().get(f"{HUB}?topic=/a"),
        "other": app.test_client().get(f"{HUB}?topic=/a", headers=bearer(subscribe=["/b"])),
    }
    mercure.publish("/a", "secret", private=True)
    mercure.publish("/a", "public")
    seen = {name: "secret" in read(response, 1) for name, response in streams.items()}
    assert seen == {"header": True, "cookie": True, "parameter": True, "nothing": False, "other": False}


@pytest.mark.parametrize(
    "authorization",
    ["garbage", "Basic dTpw", "Bearer", "Bearer not.a.token", f"Bearer {encode_token({}, 'x' * 32)}"],
)
def test_a_bad_token_is_refused_although_strangers_are_let_in(
    authorization: str, configured: Configured
) -> None:
    response = configured().get(f"{HUB}?topic=/a", headers={"Authorization": authorization})
    assert (response.status_code, response.text) == (401, "Unauthorized\n")
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_strangers_can_be_shut_out(configured: Configured) -> None:
    client = configured(hub_allow_anonymous=False)
    assert client.get(f"{HUB}?topic=/a").status_code == 401
    with client.get(f"{HUB}?topic=/a", headers=bearer(subscribe=["/a"])) as response:
        assert response.status_code == 200


def test_a_token_without_a_key_to_check_it_is_refused_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask("no key")
    MercureSSE(app)
    response = app.test_client().get(f"{HUB}?topic=/a", headers=bearer(subscribe=["/a"]))
    assert response.status_code == 401
    assert "MERCURE_SUBSCRIBER_SECRET_KEY is not set" in caplog.text


def test_no_token_and_no_query_is_written_to_the_log(
    configured: Configured, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "flask_mercure_sse")
    configured().get(f"{HUB}?topic=/a&authorization=my-secret-token")
    assert "refused with 401" in caplog.text
    assert "my-secret-token" not in caplog.text


def test_an_open_stream_holds_neither_context_nor_session(app: Flask, configured: Configured) -> None:
    ended: list[bool] = []

    @app.teardown_appcontext
    def end(_error: object) -> None:
        ended.append(hasattr(g, "_"))

    with configured().get(f"{HUB}?topic=/a") as response:
        assert ended == [False]
        mercure_of(app).publish("/a", "x")
        stream = iter(response.response)
        assert next(stream) == b":\n"
        assert not has_app_context()


def test_leaving_ends_the_subscription(app: Flask, configured: Configured) -> None:
    response = configured().get(f"{HUB}?topic=/a")
    assert len(mercure_of(app).subscriptions()) == 1
    response.close()
    assert mercure_of(app).subscriptions() == []


def test_a_response_that_the_app_drops_leaves_no_subscriber(app: Flask, configured: Configured) -> None:
    client = configured()

    @app.after_request
    def fail(response: object) -> object:
        raise RuntimeError("on its way")

    with pytest.raises(RuntimeError):
        client.get(f"{HUB}?topic=/a")
    assert mercure_of(app).subscriptions() == []


@pytest.mark.parametrize("environ", [{"wsgi.multiprocess": True}, {"uwsgi.version": b"2"}])
def test_servers_that_do_not_say_their_name_are_found_out_too(
    environ: dict[str, object], configured: Configured, caplog: pytest.LogCaptureFixture
) -> None:
    response = configured().get(f"{HUB}?topic=/a", environ_overrides=environ)
    assert response.status_code == 503
    assert response.text.strip() in caplog.text


def test_a_forked_process_publishes_although_its_parent_held_the_lock(
    app: Flask, configured: Configured
) -> None:
    configured()
    hub = app.extensions["mercure_sse"].hub
    with hub._lock:
        child = multiprocessing.get_context("fork").Process(target=mercure_of(app).publish, args=("/a", "x"))
        child.start()
    child.join(10)
    assert child.exitcode == 0


# Publishing over HTTP


def test_publishing_over_http_is_off_by_default(configured: Configured) -> None:
    response = publish(configured(), {"topic": "/a"}, publish=["*"])
    assert response.status_code == 405


def test_publishing_over_http_answers_with_the_id(app: Flask, configured: Configured) -> None:
    client = configured(hub_allow_publish=True)
    stream = client.get(f"{HUB}?topic=/alternate")
    form = {"topic": ["/a", "/alternate"], "data": "x", "id": "my-id", "type": "t", "unknown": "ignored"}
    response = publish(client, form, publish=["*"])
    assert (response.status_code, response.text) == (200, "my-id")
    assert response.content_type == "text/plain; charset=utf-8"
    assert read(stream, 1) == ":\nevent: t\nid: my-id\ndata: x\n\n"


@pytest.mark.parametrize("private", ["on", "", "0", "off"])
def test_the_presence_of_private_makes_an_update_private(
    private: str, app: Flask, configured: Configured
) -> None:
    client = configured(hub_allow_publish=True)
    stream = client.get(f"{HUB}?topic=/a")
    publish(client, {"topic": "/a", "data": "secret", "private": private}, publish=["*"])
    publish(client, {"topic": "/a", "data": "barrier"}, publish=["*"])
    assert "secret" not in read(stream, 1)


@pytest.mark.parametrize(
    ("form", "claims", "status"),
    [
        ({"data": "x"}, ["*"], 400),
        ({"topic": ""}, ["*"], 400),
        ({"topic": "/a", "id": "a\nevent: evil"}, ["*"], 400),
        ({"topic": "/a", "type": "a\nb"}, ["*"], 400),
        ({"topic": "/a", "retry": "1\n2"}, ["*"], 400),
        ({"topic": "/a", "retry": "+1"}, ["*"], 400),
        ({"topic": f"{HUB}/subscriptions/a/b"}, ["*"], 403),
        ({"topic": ["/a", f"https://x{HUB}/y"]}, ["*"], 403),
        ({"topic": "/a"}, ["/b"], 403),
        ({"topic": ["/a", "/b"]}, ["/a"], 403),
        ({"topic": "/a"}, [], 403),
        ({"topic": "/a", "data": "x" * (1024 * 1024 + 1)}, ["*"], 413),
    ],
)
def test_a_publication_that_breaks_a_rule_is_refused_whole(
    form: dict[str, Any], claims: list[str], status: int, app: Flask, configured: Configured
) -> None:
    client = configured(hub_allow_publish=True)
    assert publish(client, form, publish=claims).status_code == status
    assert mercure_of(app).get_subscriptions()["lastEventID"] == "earliest"


def test_publishing_needs_a_publishers_token(configured: Configured) -> None:
    client = configured(hub_allow_publish=True, publisher_secret_key="p" * 32)
    assert client.post(HUB, data={"topic": "/a"}).status_code == 401
    assert publish(client, {"topic": "/a"}, publish=["*"]).status_code == 401


def test_a_cookie_does_not_publish(configured: Configured) -> None:
    client = configured(hub_allow_publish=True)
    token = encode_token({"mercure": {"publish": ["*"]}}, SECRET)
    client.set_cookie("mercureAuthorization", token, path=HUB)
    assert client.post(HUB, data={"topic": "/a"}).status_code == 401


def test_only_forms_are_read(configured: Configured) -> None:
    client = configured(hub_allow_publish=True)
    assert client.post(HUB, json={"topic": "/a"}, headers=bearer(publish=["*"])).status_code == 400
    broken = client.post(
        HUB,
        data=b"topic=/a&data=%ff",
        content_type="application/x-www-form-urlencoded",
        headers=bearer(publish=["*"]),
    )
    assert broken.status_code == 400


def test_unknown_methods_are_refused_and_options_are_told(configured: Configured) -> None:
    client = configured()
    assert client.delete(HUB).status_code == 405
    assert client.options(HUB).headers["Allow"] == "GET, HEAD, OPTIONS"


def test_no_other_origin_is_let_in(configured: Configured) -> None:
    response = configured().head(f"{HUB}?topic=/a", headers={"Origin": "https://evil.example"})
    assert not [name for name in response.headers.keys() if name.startswith("Access-Control")]  # noqa: SIM118


# The subscription API


def test_the_api_lists_who_follows_what(app: Flask, configured: Configured) -> None:
    client = configured()
    topic = "https://example.com/{id}"
    url = f"{HUB}/subscriptions/{quote(topic, safe='')}"
    reader = bearer(subscribe=[topic], payload={"user": 7})
    with client.get(f"{HUB}?topic={quote(topic)}&topic=/other", headers=reader):
        found = client.get(url, headers=bearer(subscribe=[f"{HUB}/subscriptions{{/topic}}{{/subscriber}}"]))
        assert found.content_type == "application/ld+json"
        document = found.get_json(force=True)
        [subscription] = document["subscriptions"]
        assert (document["id"], document["type"]) == (url, "Subscriptions")
        assert (subscription["topic"], subscription["payload"], subscription["active"]) == (
            topic,
            {"user": 7},
            True,
        )
        single = client.get(subscription["id"], headers=bearer(subscribe=["*"])).get_json(force=True)
        assert (single["id"], single["@context"]) == (subscription["id"], "https://mercure.rocks/")
    gone = client.get(subscription["id"], headers=bearer(subscribe=["*"]))
    assert gone.status_code == 404


def test_the_api_is_for_those_who_are_granted_its_url(configured: Configured) -> None:
    client = configured()
    url = f"{HUB}/subscriptions"
    assert client.get(url).status_code == 401
    assert client.get(url, headers=bearer(subscribe=["/a"])).status_code == 403
    assert client.get(url, headers=bearer(subscribe=[url])).status_code == 200
    assert client.get(f"{url}/a/b/c", headers=bearer(subscribe=["*"])).status_code == 404


def test_the_api_works_where_the_server_does_not_tell_the_raw_target(
    app: Flask, configured: Configured
) -> None:
    client = configured()
    with client.get(f"{HUB}?topic=https://example.com/a"):
        for path in (
            f"{HUB}/subscriptions/{quote('https://example.com/a', safe='')}",
            mercure_of(app).subscriptions()[0]["id"],
        ):
            url = path.replace("{", "%7B")
            found = client.get(
                url, headers=bearer(subscribe=["*"]), environ_overrides={"RAW_URI": "", "REQUEST_URI": ""}
            )
            assert found.status_code == 200
            assert found.get_json(force=True)["id"] == path


def test_subscriptions_can_be_switched_off(configured: Configured) -> None:
    client = configured(hub_subscriptions=False)
    assert client.get(f"{HUB}/subscriptions", headers=bearer(subscribe=["*"])).status_code == 404
