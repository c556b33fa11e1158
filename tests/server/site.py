"""A small site with the embedded hub, for real servers to serve."""

from __future__ import annotations

from flask import Flask, request

from flask_mercure_sse import MercureSSE

app = Flask(__name__)
app.config["SECRET_KEY"] = "a secret that is long enough for HS256"
app.config.from_prefixed_env("SITE")
mercure = MercureSSE(app)


@app.get("/")
def page() -> str:
    return "an ordinary page"


@app.post("/say/<text>")
def say(text: str) -> str:
    return mercure.publish("/said", text, private="private" in request.args)
