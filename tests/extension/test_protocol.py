"""The same app with each version of the protocol."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from unittest.mock import ANY

import pytest
from blinker import Namespace
from flask import Flask, Response, render_template_string
from sqlalchemy import create_engine
from sqlalchemy.orm import Mapped, Session, mapped_column, registry

from flask_mercure_sse import (
    ConfigurationError,
    InvalidUpdate,
    MercureSSE,
    PublishError,
)
from flask_mercure_sse.protocol.versions import PROTOCOLS
from tests.conftest import SECRET
from tests.server.processes import Stream, free_port, serving

from .protocols import API, HUB, bearer, make, mercure_of, read


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def app(protocol: str) -> Flask:
    return make(protocol)


@pytest.fixture
def mercure(app: Flask) -> MercureSSE:
    return mercure_of(app)


def test_a_page_gives_its_browser_a_url_that_reads_what_it_is_granted(
    app: Flask, mercure: MercureSSE
) -> None:
    @app.get("/page")
    def page() -> str:
        return mercure.authentified_hub_url("/books/{id}", {"user": 7})

    browser = app.test_client()
    stream = browser.get(browser.get("/page").text)
    mercure.publish("/books/1", "mine", private=True)
    mercure.publish("/movies/1", "another topic", private=True)
    assert read(stream) == ["mine"]


def test_a_template_gives_its_browser_such_a_url_too(app: Flask, mercure: MercureSSE) -> None:
    @app.get("/page")
    def page() -> str:
        return render_template_string("{{ mercure_authentified_hub_url(['/a', '/b'])|safe }}")

    browser = app.test_client()
    stream = browser.get(browser.get("/page").text)
    mercure.publish("/b", "mine", private=True)
    assert read(stream) == ["mine"]


def test_a_cookie_on_a_response_reads_what_it_grants(app: Flask, mercure: MercureSSE) -> None:
    @app.get("/page")
    def page() -> Response:
        return mercure.set_authz_cookie(Response(mercure.hub_url("/books/{id}")), "/books/1")

    browser = app.test_client()
    stream = browser.get(browser.get("/page").text)
    for number in (1, 2):
        mercure.publish(f"/books/{number}", str(number), private=True)
    assert read(stream) == ["1"]


def test_a_cookie_that_is_taken_back_grants_nothing_more(app: Flask, mercure: MercureSSE) -> None:
    app.add_url_rule("/in", "in", lambda: mercure.set_authz_cookie(Response(), "/a"))
    app.add_url_rule("/out", "out", lambda: mercure.delete_authz_cookie(Response()))
    browser = app.test_client()
    with app.test_request_context():
        url = mercure.hub_url("/a")
    seen = []
    for page in ("/in", "/out"):
        browser.get(page)
        stream = browser.get(url)
        mercure.publish("/a", page, private=True)
        seen.append(read(stream))
    assert seen == [["/in"], []]


def test_a_token_may_be_given_to_a_url(app: Flask, mercure: MercureSSE) -> None:
    @app.get("/page")
    def page() -> str:
        return mercure.hub_url("/books/{id}", mercure.create_subscription_jwt("/books/1"))

    browser = app.test_client()
    stream = browser.get(browser.get("/page").text)
    mercure.publish("/books/1", "mine", private=True)
    assert read(stream) == ["mine"]


def test_a_token_may_be_presented_in_a_header(app: Flask, mercure: MercureSSE) -> None:
    token = mercure.create_subscription_jwt(["/books/{id}", "/a"])
    stream = app.test_client().get(mercure.hub_url(["/books/1", "/a", "/b"]), headers=bearer(token))
    for topic in ("/books/1", "/a", "/b"):
        mercure.publish(topic, topic, private=True)
    assert read(stream) == ["/books/1", "/a"]


def test_a_stranger_reads_what_is_public(app: Flask, mercure: MercureSSE) -> None:
    stream = app.test_client().get(mercure.hub_url(["/a", "/books/{id}"]))
    mercure.publish("/a", "secret", private=True)
    mercure.publish(["/movies/1", "/books/1"], "public")
    assert read(stream) == ["public"]


def test_no_topics_are_no_rights(app: Flask, mercure: MercureSSE) -> None:
    stream = app.test_client().get(mercure.hub_url("/a"), headers=bearer(mercure.create_subscription_jwt([])))
    mercure.publish("/a", "secret", private=True)
    assert read(stream) == []


def test_a_browser_that_comes_back_gets_what_it_missed(app: Flask, mercure: MercureSSE) -> None:
    first, _, _ = (mercure.publish("/a", str(number)) for number in range(3))
    stream = app.test_client().get(mercure.hub_url("/a"), headers={"Last-Event-ID": first})
    assert first in (stream.headers.get("Last-Event-ID"), stream.headers.get("Mercure-Last-Event-ID"))
    assert read(stream) == ["1", "2"]


@pytest.mark.parametrize("command", [False, True], ids=["create_jwt", "publisher-jwt"])
def test_a_publishers_token_publishes_over_http(app: Flask, mercure: MercureSSE, command: bool) -> None:
    if command:
        token = app.test_cli_runner().invoke(args=["mercure", "publisher-jwt", "-t", "/books/{id}"]).output
    else:
        token = mercure.create_jwt("publisher_secret_key", publish=["/books/{id}"])
    client = app.test_client()
    stream = client.get(mercure.hub_url("/books/{id}"))
    posted = client.post(
        HUB, data={"topic": "/books/1", "data": "x", "id": "my-id"}, headers=bearer(token.strip())
    )
    assert (posted.status_code, posted.text) == (200, "my-id")
    assert client.post(HUB, data={"topic": "/movies/1"}, headers=bearer(token.strip())).status_code == 403
    assert read(stream) == ["x"]


def test_who_is_there_is_told_by_topic_and_payload(app: Flask, mercure: MercureSSE) -> None:
    token = mercure.create_subscription_jwt(["/room/1", "/books/{id}"], {"user": 7})
    with app.test_client().get(mercure.hub_url(["/room/1", "/books/{id}"]), headers=bearer(token)):
        assert mercure.is_connected("/room/1")
        assert mercure.is_connected("/room/1", user=7)
        assert mercure.is_connected("/books/{id}", user=7)
        assert not mercure.is_connected("/room/1", user=8)
        assert not mercure.is_connected("/room/2")
        [one] = mercure.subscriptions("/room/1")
        assert (one["topic"], one["payload"], one["active"]) == ("/room/1", {"user": 7}, True)
        assert len(mercure.subscriptions()) == len(mercure.get_subscriptions()["subscriptions"]) == 2
        single = mercure.get_subscriptions("/room/1", one["subscriber"])
        assert (single["id"], single["payload"]) == (one["id"], {"user": 7})
    assert not mercure.is_connected("/room/1")
    assert mercure.subscriptions() == []


def test_the_payload_getter_says_who_somebody_is(app: Flask, mercure: MercureSSE) -> None:
    mercure.payload_getter(lambda topics: {"topics": topics})
    token = mercure.create_subscription_jwt("/a", {"user": 7})
    with app.test_client().get(mercure.hub_url("/a"), headers=bearer(token)):
        assert mercure.is_connected("/a", topics=["/a"], user=7)


@pytest.mark.parametrize("topic", ["/room/1", "/room/{id}", "*"])
def test_who_comes_and_goes_can_be_followed_with_the_topics(
    app: Flask, mercure: MercureSSE, topic: str
) -> None:
    app.add_url_rule("/page", "page", lambda: mercure.authentified_hub_url(topic, with_subscriptions=True))
    browser, other = app.test_client(), app.test_client()
    watcher = browser.get(browser.get("/page").text)
    token = mercure.create_subscription_jwt(topic, {"user": 7})
    other.get(mercure.hub_url(topic), headers=bearer(token)).close()
    other.get(mercure.hub_url("/another")).close()
    told = [app.json.loads(data) for data in read(watcher)]
    of_topic = [event for event in told if event.get("payload") == {"user": 7}]
    assert [event["active"] for event in of_topic] == [True, False]
    assert (len(told) == 2) is (topic != "*")


def test_the_template_helper_names_the_topic_of_a_subscription(app: Flask, mercure: MercureSSE) -> None:
    topic = mercure.subscription_topic("/a")
    token = mercure.create_subscription_jwt(topic)
    watcher = app.test_client().get(mercure.hub_url(topic), headers=bearer(token))
    app.test_client().get(mercure.hub_url("/a")).close()
    assert [app.json.loads(data)["active"] for data in read(watcher)] == [True, False]
    with app.test_request_context():
        assert render_template_string("{{ mercure_subscription_topic('/a')|safe }}") == topic


def test_a_committed_change_of_a_model_reaches_its_readers(app: Flask, mercure: MercureSSE) -> None:
    mapping = registry()

    @mercure.model_topic("/todos/{id}", ["title"], private=True)
    @mapping.mapped
    class Todo:
        __tablename__ = "todo"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]

    engine = create_engine("sqlite://")
    mapping.metadata.create_all(engine)
    client, url = app.test_client(), mercure.hub_url("/todos/{id}")
    reader = client.get(url, headers=bearer(mercure.create_subscription_jwt("/todos/{id}")))
    stranger = client.get(url)
    with Session(engine) as session:
        session.add(Todo(id=1, title="one"))
        session.commit()
        session.add(Todo(id=2, title="never"))
        session.flush()
        session.rollback()
    engine.dispose()
    [data] = read(reader)
    body = app.json.loads(data)
    assert body == {"event": "insert", "model": "Todo", "id": 1, "data": {"title": "one"}, "tx": ANY}
    assert read(stranger) == []


def test_a_signal_reaches_its_readers(app: Flask, mercure: MercureSSE) -> None:
    moved = Namespace().signal("moved")
    mercure.publish_signal(moved, "/moved/{x}", ["x"])
    stream = app.test_client().get(mercure.hub_url("/moved/{x}"))
    moved.send(None, x=7)
    assert read(stream) == ['{"x": 7}']


def test_a_topic_of_the_hub_itself_is_not_published(mercure: MercureSSE) -> None:
    for topic in (HUB, f"{API}/a/b", ["/a", f"https://other.example{HUB}/x"]):
        with pytest.raises(InvalidUpdate, match="the hub's own"):
            mercure.publish(topic, "x")


def test_a_hub_that_knows_no_stranger_asks_for_a_token(protocol: str) -> None:
    app = make(protocol, MERCURE_HUB_ALLOW_ANONYMOUS=False)
    mercure, client = mercure_of(app), app.test_client()
    assert client.get(mercure.hub_url("/a")).status_code == 401
    assert read(client.get(mercure.hub_url("/a"), headers=bearer(mercure.create_subscription_jwt([])))) == []


# Links


def test_a_resource_links_to_its_hub_and_to_itself(app: Flask, mercure: MercureSSE) -> None:
    with app.test_request_context(base_url="https://example.com/prefix"):
        response = Response()
        assert mercure.add_link(response, "https://example.com/books/1") is response
    assert response.headers.getlist("Link") == [
        '<https://example.com/prefix/.well-known/mercure>; rel="mercure"',
        '<https://example.com/books/1>; rel="self"',
    ]


def test_a_link_tells_from_where_to_follow_and_what_comes(app: Flask, mercure: MercureSSE) -> None:
    with app.test_request_context():
        response = mercure.add_link(
            Response(), last_event_id='urn:"7"\\', content_type="text/html; charset=utf-8", type="book"
        )
    assert response.headers.getlist("Link") == [
        '<http://localhost/.well-known/mercure>; rel="mercure"; last-event-id="urn:\\"7\\"\\\\"; '
        'content-type="text/html; charset=utf-8"; type="book"'
    ]


@pytest.mark.parametrize(
    ("topic", "written"),
    [
        ("/books/1", "/books/1"),
        ("/a b", "/a%20b"),
        ("/é", "/%C3%A9"),
        ('/a>; rel="evil', "/a%3E;%20rel=%22evil"),
        (7, "7"),
    ],
)
def test_a_topic_is_encoded_in_its_link(app: Flask, mercure: MercureSSE, topic: Any, written: str) -> None:
    with app.test_request_context():
        links = mercure.add_link(Response(), topic).headers.getlist("Link")
    assert links[1:] == [f'<{written}>; rel="self"']


def test_a_public_hub_is_linked_to_by_its_public_url(protocol: str) -> None:
    app = make(protocol, MERCURE_PUBLIC_HUB_URL="https://hub.example.com")
    with app.test_request_context():
        response = mercure_of(app).add_link(Response())
    assert response.headers["Link"] == f'<https://hub.example.com{HUB}>; rel="mercure"'


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("last_event_id", "a\r\nX: y"),
        ("content_type", "text/html\0"),
        ("type", "zero\u200bwidth"),
        ("type", "\udc80"),
    ],
)
def test_what_cannot_stand_in_a_header_is_an_error(
    app: Flask, mercure: MercureSSE, argument: str, value: str
) -> None:
    response = Response()
    with app.test_request_context(), pytest.raises(ConfigurationError) as refused:
        mercure.add_link(response, "/a", **{argument: value})  # type: ignore[arg-type]
    assert str(refused.value).startswith(f"{argument}: {value!r} has the ")
    assert "Link" not in response.headers


def test_the_hubs_own_type_is_no_type_of_updates(app: Flask, mercure: MercureSSE) -> None:
    with app.test_request_context(), pytest.raises(ConfigurationError, match="type: 'mercure' is the hub's"):
        mercure.add_link(Response(), type="mercure")


@pytest.mark.parametrize("arguments", [{"topic": "\udc80"}, {"last_event_id": 7}])
def test_an_argument_that_is_no_clean_text_is_an_error(
    app: Flask, mercure: MercureSSE, arguments: dict[str, Any]
) -> None:
    with app.test_request_context(), pytest.raises(ConfigurationError):
        mercure.add_link(Response(), **arguments)


# A hub that is another program


@pytest.fixture(scope="module", params=PROTOCOLS)
def external(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The protocol and the URL of our own hub in a process of its own."""
    port = free_port()
    url = f"http://127.0.0.1:{port}{HUB}"
    options = ("--port", str(port), "--protocol", request.param, "--public-url", url)
    keys = ("--publisher-secret", "p" * 32, "--subscriber-secret", SECRET)
    with serving("flask_mercure_sse.server", *options, *keys, port=port, path=HUB):
        yield request.param, url


def app_of(external: tuple[str, str], **config: Any) -> Flask:
    protocol, url = external
    app = Flask("external")
    app.config.update(SECRET_KEY=SECRET, MERCURE_PROTOCOL=protocol, MERCURE_PUBLISH="sync", **config)
    MercureSSE(app, url, publisher_secret_key="p" * 32)
    return app


def test_an_external_hub_is_used_by_the_same_code(external: tuple[str, str]) -> None:
    app = app_of(external)
    mercure = mercure_of(app)
    token = mercure.create_subscription_jwt("/books/{id}", {"user": 7})
    with closing(Stream(mercure.hub_url("/books/{id}"), **bearer(token))) as stream:
        assert stream.status == 200
        event_id = mercure.publish("/books/1", "x", private=True)
        event = stream.next()
        assert (event.id, event.data) == (event_id, "x")
        assert mercure.is_connected("/books/{id}", user=7)
        [one] = mercure.subscriptions("/books/{id}")
        assert mercure.get_subscriptions("/books/{id}", one["subscriber"])["id"] == one["id"]
    assert not mercure.is_connected("/nobody")


@pytest.mark.parametrize(
    "config",
    [{"MERCURE_ISSUER": "https://stranger.example"}, {"MERCURE_PUBLIC_HUB_URL": "https://other.example"}],
)
def test_a_token_that_names_others_is_refused_by_an_external_hub_of_1_0(
    external: tuple[str, str], config: dict[str, str]
) -> None:
    app = app_of(external, **config)
    mercure = mercure_of(app)
    if external[0] == "0.x":
        assert mercure.publish("/a", "x")
        return
    with pytest.raises(PublishError, match="answered 401"):
        mercure.publish("/a", "x")


def test_a_hub_on_this_machine_is_found_by_either_of_its_names() -> None:
    port = free_port()
    keys = ("--publisher-secret", "p" * 32, "--subscriber-secret", SECRET)
    options = ("--port", str(port), "--protocol", "1.0")
    with serving("flask_mercure_sse.server", *options, *keys, port=port, path=HUB):
        for host in ("localhost", "127.0.0.1"):
            app = app_of(("1.0", f"http://{host}:{port}{HUB}"))
            assert mercure_of(app).publish("/a", "x")
