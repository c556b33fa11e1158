"""The Python of the docs runs as it is printed."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from blinker import Signal
from flask import Flask

from flask_mercure_sse import (
    MercureSSE,
    Update,
    publish_failed,
    receive_failed,
    subscriber_connected,
    subscriber_disconnected,
)
from flask_mercure_sse.publishers.recording import recording
from tests.server.processes import PATIENCE

DOCS = Path(__file__).parents[1] / "docs"


def blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def names() -> Any:
    """What the page on events has made when all of its blocks have run; its bindings end with the test."""
    names: dict[str, Any] = {"__name__": "events"}
    for block in blocks((DOCS / "events.md").read_text()):
        exec(compile(block, "events.md", "exec"), names)
    yield names
    for binding in names["mercure"].bindings:
        binding.disconnect()
    publish_failed.disconnect(names["note"])
    receive_failed.disconnect(names["count"])
    subscriber_connected.disconnect(names["came"])
    subscriber_disconnected.disconnect(names["went"])
    with names["app"].app_context():
        names["db"].engine.dispose()


def test_the_page_on_events_publishes_what_it_says(names: dict[str, Any]) -> None:
    updates = [frame.update for frame in names["app"].extensions["mercure_sse"].hub._history.updates]
    told = [(update.topic, *_what(update.data)) for update in updates]
    assert ("/projects/1/tasks/1", "delete", "leave") in told
    assert ("/projects/2/tasks/1", "insert", "enter") in told
    assert ("/projects/{project_id}", "refresh", None) not in told
    assert ("/task", "refresh", None) in told
    assert ("/orders/7", None, None) in told
    assert ("/shop/8", None, None) in told
    assert not any("imported" in update.data for update in updates)
    assert [update for update in updates if "4111" in update.data] == []


def test_the_page_on_events_hears_what_it_says(names: dict[str, Any]) -> None:
    hub = names["app"].extensions["mercure_sse"].hub
    assert 7 in names["cache"]
    with names["presence"], names["following"]:
        assert names["presence"].wait_until_connected(PATIENCE)
        assert names["following"].wait_until_connected(PATIENCE)
        with names["mercure"].subscribe_signal("/projects/1", Signal()):
            wait_for(lambda: [topic for topic, _ in names["there"]] == ["/projects/1"])
        wait_for(lambda: not names["there"])
        hub.publish(
            Update(("/projects/2/tasks/7",), '{"event": "update", "id": 7}')
        )  # as another process does
        wait_for(lambda: 7 not in names["cache"])


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _what(data: str) -> tuple[Any, Any]:
    body = json.loads(data) if data.startswith("{") else {}
    return body.get("event"), body.get("reason")


def test_the_page_names_all_public_names_of_the_event_layer() -> None:
    from flask_mercure_sse.events import Events
    from flask_mercure_sse.listening import Listening

    text = (DOCS / "events.md").read_text()
    methods = [name for name in (*vars(Events), *vars(Listening)) if not name.startswith("_")]
    signals = ["model_changed", "publish_failed", "receive_failed", "subscriber_connected"]
    public = {*methods, *signals, "subscriber_disconnected", "Change"} - {"outlet"}
    assert [name for name in public if name not in text] == []


def test_the_page_on_publishing_runs_block_by_block() -> None:
    captured: list[str] = []
    for block in blocks((DOCS / "publishing.md").read_text()):
        app = Flask("site")
        app.config.update(SECRET_KEY="s" * 32, MERCURE_HUB_URL="http://127.0.0.1:1")
        names: dict[str, Any] = {"app": app, "MercureSSE": MercureSSE, "order": 7, "ship": lambda order: None}
        if "MercureSSE(" not in block:
            names["mercure"] = MercureSSE(app)
        with recording() as recorded:
            exec(compile(block, "publishing.md", "exec"), names)
        captured += [f"{one.hub} {one.update.topic}" for one in recorded.kept]
    assert captured == [
        *("default /news", "default /news", "eu /news", "default /news/1", "default /news/2"),
        "default /orders/7",
    ]


def test_every_link_leads_to_a_file() -> None:
    for page in DOCS.glob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (DOCS / target).exists(), target
