"""An app that publishes when it is imported and at each request; for servers that fork."""

from __future__ import annotations

import os

from flask import Flask

from flask_mercure_sse import MercureSSE

app = Flask(__name__)
app.config.from_prefixed_env("SITE")
mercure = MercureSSE(app)
with app.app_context():
    mercure.publish("/a", f"imported by {os.getpid()}")


@app.post("/say/<text>")
def say(text: str) -> str:
    return mercure.publish("/a", f"{text} by {os.getpid()}")


@app.get("/")
def page() -> str:
    return "an ordinary page"
