"""A small site with the embedded hub, for real servers to serve.

Each of its requests uses the database, and it can tell what is still held of those that opened a stream.
"""

from __future__ import annotations

import gc
from weakref import WeakSet

from flask import Flask, g, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import QueuePool, text

from flask_mercure_sse import MercureSSE

app = Flask(__name__)
app.config["SECRET_KEY"] = "a secret that is long enough for HS256"
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"poolclass": QueuePool}
app.config.from_prefixed_env("SITE")
mercure = MercureSSE(app)
db = SQLAlchemy(app)

stream_requests: WeakSet[object] = WeakSet()
stream_contexts: WeakSet[object] = WeakSet()


class InContext:
    """Something that an app keeps for the time of a request."""


@app.before_request
def query() -> None:
    db.session.execute(text("SELECT 1"))
    if request.blueprint == "mercure_hub" and "topic" in request.args:
        g.kept = InContext()
        stream_contexts.add(g.kept)
        stream_requests.add(request._get_current_object())  # type: ignore[attr-defined]


@app.get("/")
def page() -> str:
    return "an ordinary page"


@app.post("/say/<text>")
def say(text: str) -> str:
    return mercure.publish("/said", text, private="private" in request.args)


@app.get("/held")
def held() -> dict[str, int]:
    db.session.remove()
    gc.collect()
    pool = db.engine.pool
    assert isinstance(pool, QueuePool)
    return {
        "requests": len(stream_requests),
        "contexts": len(stream_contexts),
        "connections": pool.checkedout(),
    }
