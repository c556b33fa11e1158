"""A script that registers the extension in each way that there is, and tells what that has started.

It prints a line of JSON for each: its name, and what is there that was not there before.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import threading
from typing import Any

from blinker import Namespace
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column

from flask_mercure_sse import MercureSSE

SECRET = "a secret that is long enough for HS256"
HUB = "http://127.0.0.1:1/.well-known/mercure"
WAYS: dict[str, dict[str, Any]] = {
    "embedded hub": {},
    "embedded hub with everything": {
        "MERCURE_PROTOCOL": "1.0",
        "MERCURE_PUBLIC_HUB_URL": "http://localhost/.well-known/mercure",
        "MERCURE_HUB_ALLOW_PUBLISH": True,
        "MERCURE_COOKIE_RENEW": True,
        "MERCURE_TOKEN_LIFETIME": 600,
        "MERCURE_ISSUERS": {"https://ada.example": {"subscriber": "https://ada.example/keys"}},
    },
    "external hub": {"MERCURE_HUB_URL": HUB},
    "external hub that is waited for": {"MERCURE_HUB_URL": HUB, "MERCURE_PUBLISH": "sync"},
    "several hubs": {"MERCURE_HUB_URL": HUB, "MERCURE_HUBS": {"eu": "http://127.0.0.1:2"}},
    "outbox": {"MERCURE_HUB_URL": HUB, "MERCURE_OUTBOX": True},
    "outbox with a relay": {"MERCURE_HUB_URL": HUB, "MERCURE_OUTBOX": True, "MERCURE_OUTBOX_RELAY": True},
    "renewed cookies": {"MERCURE_HUB_URL": HUB, "MERCURE_COOKIE_RENEW": True, "MERCURE_TOKEN_LIFETIME": 600},
}


def state_of_process() -> dict[str, list[str]]:
    descriptors = {fd: _link(fd) for fd in os.listdir("/proc/self/fd")}
    return {
        "threads": sorted(str(thread) for thread in threading.enumerate()),
        "tasks": os.listdir("/proc/self/task"),
        "descriptors": sorted(f"{fd} {link}" for fd, link in descriptors.items() if link is not None),
        "handlers": [f"{number} {signal.getsignal(number)}" for number in sorted(signal.valid_signals())],
        "calls at exit": [str(atexit._ncallbacks())],  # pyright: ignore[reportAttributeAccessIssue]
    }


def _link(fd: str) -> str | None:
    """Return what a descriptor is of, None for the one that lists them."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:
        return None


def register(config: dict[str, Any]) -> None:
    """Make an app with everything that can be declared before the first request."""
    app = Flask("registering")
    app.config.update(config, SECRET_KEY=SECRET, SQLALCHEMY_DATABASE_URI="sqlite://")
    db = SQLAlchemy(app)
    mercure = MercureSSE()
    if "MERCURE_OUTBOX" in config:
        mercure.outbox_table(db.metadata)
    mercure.init_app(app)

    @mercure.model_topic
    class Todo(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)

    namespace = Namespace()
    mercure.publish_signal(namespace.signal("paid"))
    mercure.publish_signal(namespace)
    mercure.subscribe_signal("/a", namespace.signal("heard"))
    mercure.subscribe_presence()
    mercure.metrics_collector()
    kept.append((app, mercure, Todo))


kept: list[object] = []

if __name__ == "__main__":
    for name, config in WAYS.items():
        before = state_of_process()
        register(config)
        after = state_of_process()
        new = {what: sorted({*after[what]} - {*before[what]}) for what in after}
        print(json.dumps([name, {what: found for what, found in new.items() if found}]))
