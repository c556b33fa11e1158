"""The embedded hub takes no more streams than its server can carry, and each gives its place back."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Pool, event, text
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from flask_mercure_sse import MercureSSE
from flask_mercure_sse.server import open_streams
from flask_mercure_sse.server.stream import Stream
from tests.conftest import SECRET
from tests.server.processes import Stream as HttpStream
from tests.tokens import encode_token

HUB = "/.well-known/mercure"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_streams, "PROBE_TIME", 0.01)
    monkeypatch.setattr(open_streams, "PAUSE", 0.0)


@pytest.fixture
def app(app: Flask) -> Flask:
    """An app whose hub takes one stream."""
    app.config.update(
        MERCURE_HUB_MAX_STREAMS=1,
        MERCURE_HUB_ALLOW_PUBLISH=True,
        MERCURE_CORS_ORIGINS="https://page.example",
    )
    return app


Subscribe = Callable[..., TestResponse]


@pytest.fixture
def open_stream(app: Flask, mercure: MercureSSE) -> Iterator[Subscribe]:
    opened: list[TestResponse] = []

    def subscribe(**headers: str) -> TestResponse:
        opened.append(app.test_client().get(f"{HUB}?topic=/a", headers=headers, buffered=False))
        return opened[-1]

    yield subscribe
    for response in opened:
        response.close()


def bearer(**claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {encode_token({'mercure': claims}, SECRET)}"}


def test_a_stream_too_many_is_refused_for_a_while(open_stream: Subscribe) -> None:
    assert open_stream().status_code == 200
    refused = open_stream()
    assert (refused.status_code, refused.text) == (503, "Too many streams are open\n")
    assert refused.headers["Retry-After"] == "5"


def test_pages_of_other_origins_may_read_that_a_stream_is_refused(open_stream: Subscribe) -> None:
    open_stream()
    refused = open_stream(Origin="https://page.example")
    assert refused.headers["Access-Control-Allow-Origin"] == "https://page.example"
    assert refused.headers["X-Content-Type-Options"] == "nosniff"


def test_the_log_tells_once_that_streams_are_refused(
    open_stream: Subscribe, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(4):
        open_stream()
    [warning] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "as this server may carry, 1: MERCURE_HUB_MAX_STREAMS says so" in warning
    assert "python -m flask_mercure_sse.server" in warning


def test_what_is_no_stream_is_not_limited(app: Flask, open_stream: Subscribe) -> None:
    open_stream()
    client = app.test_client()
    published = client.post(HUB, data={"topic": "/a"}, headers=bearer(publish=["*"]))
    listed = client.get(f"{HUB}/subscriptions", headers=bearer(subscribe=["*"]))
    asked = client.head(f"{HUB}?topic=/a")
    options = client.options(HUB)
    answers = (published, listed, asked, options)
    assert [answer.status_code for answer in answers] == [200, 200, 200, 204]


def test_a_request_that_asks_for_no_valid_stream_takes_no_place(app: Flask, open_stream: Subscribe) -> None:
    for query in ("", "?topic=/a&authorization=garbage"):
        assert app.test_client().get(HUB + query).status_code in (400, 401)
    assert open_stream().status_code == 200


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_stream_that_the_server_closes_gives_its_place_back(
    has_begun: bool, open_stream: Subscribe
) -> None:
    response = open_stream()
    if has_begun:
        next(response.iter_encoded())
    response.close()
    assert open_stream().status_code == 200


def test_a_response_that_the_app_drops_gives_its_place_back(app: Flask, open_stream: Subscribe) -> None:
    answers = iter(["fail", "succeed"])

    @app.after_request
    def fail(response: Any) -> Any:
        if next(answers) == "fail":
            raise RuntimeError("on its way")
        return response

    with pytest.raises(RuntimeError):
        open_stream()
    gc.collect()
    assert open_stream().status_code == 200


def test_a_stream_that_the_app_ends_gives_its_place_back(mercure: MercureSSE, open_stream: Subscribe) -> None:
    response = open_stream(Authorization=f"Bearer {mercure.create_subscription_jwt('/a', {'user': 7})}")
    pieces = response.iter_encoded()
    next(pieces)
    mercure.close_streams(user=7)
    assert list(pieces) == []
    response.close()
    assert open_stream().status_code == 200


def test_a_refused_stream_does_not_stay_in_memory(
    open_stream: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: weakref.WeakSet[Stream] = weakref.WeakSet()
    original = Stream.__init__

    def note(self: Stream, *arguments: Any) -> None:
        original(self, *arguments)
        made.add(self)

    monkeypatch.setattr(Stream, "__init__", note)
    kept = open_stream()
    for _ in range(5):
        assert open_stream().status_code == 503
    assert len(made) == 1
    kept.close()


def test_an_open_stream_holds_no_database_connection_although_its_request_used_one() -> None:
    app = Flask("with a database")
    app.config.update(SECRET_KEY=SECRET, SQLALCHEMY_DATABASE_URI="sqlite://")
    app.config["MERCURE_HUB_KEEPALIVE_INTERVAL"] = 0.1  # so that the server's thread ends soon
    MercureSSE(app)
    db = SQLAlchemy(app)
    in_use: list[object] = []
    uses: list[int] = []

    @app.before_request
    def query() -> None:
        db.session.execute(text("SELECT 1"))
        uses.append(len(in_use))

    with app.app_context():
        pool: Pool = db.engine.pool
    event.listen(pool, "checkout", lambda connection, *_: in_use.append(connection))
    event.listen(pool, "checkin", lambda connection, *_: in_use.remove(connection))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    stream = HttpStream(f"http://127.0.0.1:{server.port}{HUB}?topic=/a")
    try:
        assert stream.status == 200
        assert (uses, in_use) == ([1], [])
        assert not stream.ended.is_set()
    finally:
        stream.close()
        server.shutdown()
        thread.join(10)
        server.server_close()
        with app.app_context():
            db.engine.dispose()
