"""Generated updates through the EventSource of a real browser."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.serving import make_server

from flask_mercure_sse import MercureSSE
from flask_mercure_sse.protocol.update import Update
from tests.browser.conftest import MISSING, QUIET, find_chromium
from tests.protocol.strategies import updates
from tests.services import missing

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is missing: pip install playwright")

NUMBER = 300

FOLLOW = """
([path, names, last]) => {
  window.seen = [];
  const source = new EventSource(path);
  const opened = new Promise((resolve) => (source.onopen = resolve));
  window.done = new Promise((resolve) => {
    const record = (event) => {
      if (!(event instanceof MessageEvent)) return;
      window.seen.push([event.type, event.lastEventId, event.data]);
      if (event.lastEventId === last) resolve(window.seen);
    };
    for (const name of names) source.addEventListener(name, record);
  });
  return opened.then(() => true);
}
"""


def generated() -> list[Update]:
    """Return updates of all kinds; retries are short, lest the page waits after all."""
    collected: list[Update] = []

    @settings(max_examples=NUMBER, database=None, derandomize=True)
    @given(updates(topics=st.just("/a")))
    def collect(update: Update) -> None:
        retry = None if update.retry is None else update.retry % 1000
        collected.append(Update(("/a",), update.data, id=update.id, type=update.type, retry=retry))

    collect()
    return collected


@pytest.fixture
def site() -> Iterator[tuple[MercureSSE, str]]:
    """An app with a blank page and a hub, and its URL."""
    app = Flask("site")
    app.config["SECRET_KEY"] = "a secret that is long enough for HS256"
    app.add_url_rule("/", view_func=lambda: "<!doctype html><title>blank</title>")
    mercure = MercureSSE(app)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True  # pyright: ignore[reportAttributeAccessIssue]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield mercure, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_a_browser_reads_every_update_as_it_was_published(site: tuple[MercureSSE, str]) -> None:
    """HTML, Server-sent events: type, id and data, in order, and nothing between them."""
    mercure, url = site
    published = generated()
    assert len(published) >= NUMBER * 0.9
    names = sorted({"message", *(update.type for update in published if update.type)})
    with sync_api.sync_playwright() as playwright:
        chromium = find_chromium(playwright)
        if chromium is None:
            missing("Chromium", MISSING)
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_page()
        page.goto(url)
        assert page.evaluate(FOLLOW, ["/.well-known/mercure?topic=/a", names, "the last"])
        for update in published:
            mercure.publish("/a", update.data, id=update.id, type=update.type, retry=update.retry)
        mercure.publish("/a", "", id="the last")
        seen = page.evaluate("window.done")
        browser.close()
    expected = [[one.type or "message", one.id, re.sub("\r\n|\r", "\n", one.data)] for one in published]
    assert seen == [*expected, ["message", "the last", ""]]
