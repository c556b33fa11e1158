"""A small site with the embedded hub, for real servers to serve.

It can tell what is still held of the requests that opened streams.
"""

from __future__ import annotations

import gc
from weakref import WeakSet

from flask import Flask, g, request

from flask_mercure_sse import MercureSSE

app = Flask(__name__)
app.config["SECRET_KEY"] = "a secret that is long enough for HS256"
app.config.from_prefixed_env("SITE")
mercure = MercureSSE(app)

requests_of_streams: WeakSet[object] = WeakSet()
kept_beside_them: WeakSet[object] = WeakSet()


class KeptInContext:
    """Something that an app keeps for the time of a request."""


@app.before_request
def note() -> None:
    if "topic" in request.args:
        g.kept = KeptInContext()
        kept_beside_them.add(g.kept)
        requests_of_streams.add(request._get_current_object())  # type: ignore[attr-defined]


@app.get("/")
def page() -> str:
    return "an ordinary page"


@app.post("/say/<text>")
def say(text: str) -> str:
    return mercure.publish("/said", text, private="private" in request.args)


@app.get("/held")
def held() -> dict[str, int]:
    gc.collect()
    return {"requests": len(requests_of_streams), "contexts": len(kept_beside_them)}
