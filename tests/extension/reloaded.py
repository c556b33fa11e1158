"""An app that publishes, has an outbox with a relay and follows its hub, for a server that reloads it."""

from __future__ import annotations

import os
import signal
import sys

from blinker import Namespace
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_mercure_sse import MercureSSE

signal.signal(signal.SIGTERM, lambda *_: sys.exit())

app = Flask(__name__)
app.config.update(
    SECRET_KEY="a secret that is long enough for HS256",
    SQLALCHEMY_DATABASE_URI=f"sqlite:///{os.environ['SITE_FOLDER']}/site.db",
    MERCURE_OUTBOX=True,
    MERCURE_OUTBOX_RELAY=True,
)
app.config.from_prefixed_env("SITE")
db = SQLAlchemy(app)
mercure = MercureSSE()
mercure.outbox_table(db.metadata)
mercure.init_app(app)
mercure.subscribe_signal("/told", Namespace().signal("told"))
with app.app_context():
    db.create_all()
    db.engine.dispose()


@app.get("/idle")
def idle() -> str:
    return "an ordinary page"


@app.post("/publish")
def publish() -> str:
    for number in range(20):
        mercure.publish("/a", f"{number} by {os.getpid()}")
    return str(os.getpid())
