"""The Python of the pages on publishing and on cookies runs as it is printed, and does what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, redirect
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

from flask_mercure_sse import MercureSSE, Update, publish_failed
from tests.conftest import SECRET
from tests.publishers.fake_hub import FakeHub
from tests.server.processes import PATIENCE

DOCS = Path(__file__).parents[1] / "docs"
RUN_ELSEWHERE = {"README.md", "events.md", "outbox.md", "testing.md"}
RUN_HERE = {"publishing.md", "cookies.md"}


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def run(page: str, code: str, names: dict[str, Any]) -> None:
    exec(compile(code, page, "exec"), names)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    yield hub
    hub.close()


def app_with(**config: Any) -> Flask:
    app = Flask("docs")
    app.config.update(SECRET_KEY=SECRET, **config)
    return app


def sent(hub: FakeHub) -> list[tuple[str, str]]:
    return [(update.topic, update.data) for update in hub.updates]


def test_no_page_has_python_that_does_not_run() -> None:
    pages = {page.name for page in DOCS.glob("*.md") if "```python" in page.read_text()}
    assert pages <= RUN_ELSEWHERE | RUN_HERE


def test_the_page_on_publishing_publishes_what_it_says(hub: FakeHub) -> None:
    taken, signals, behind, named, together = blocks("publishing.md")
    app = app_with(MERCURE_HUB_URL=hub.url)
    names = {"app": app, "mercure": MercureSSE(app), "order": 7}
    names["ship"] = lambda order: names["mercure"].publish(f"/shipped/{order}", "on its way")
    try:
        run("publishing.md", signals, names)
        with app.app_context():
            run("publishing.md", taken, names)
            run("publishing.md", together, names)
            assert names["mercure"].flush(PATIENCE)
    finally:
        publish_failed.disconnect(names["tell"], sender=app)
    # What is waited for does not wait for what is sent in the background.
    assert sorted(sent(hub)) == [
        ("/news", "accepted"),
        ("/news", "taken"),
        ("/news/1", "one"),
        ("/news/2", "two"),
        ("/orders/7", "paid"),
        ("/shipped/7", "on its way"),
    ]
    for code, place in ((behind, "http://mercure:3000"), (named, "https://eu.example.com")):
        assert place in code
        app = app_with()
        names = {"app": app, "mercure": Late(app)}
        run("publishing.md", code.replace(place, hub.url), names)
        names["mercure"].publish("/last", place)
        assert names["mercure"].flush(PATIENCE)
    assert ("/news", "hello") in sent(hub)
    assert ("/last", "http://mercure:3000") in sent(hub)


def test_the_page_on_publishing_tells_of_what_nobody_got(
    hub: FakeHub, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_with(MERCURE_HUB_URL=hub.url)
    names: dict[str, Any] = {"app": app}
    run("publishing.md", blocks("publishing.md")[1], names)
    try:
        publish_failed.send(app, update=Update(("/news",), id="7"), error=RuntimeError("gone"))
    finally:
        publish_failed.disconnect(names["tell"], sender=app)
    assert caplog.messages == ["nobody got 7: gone"]


class Late:
    """The extension, which takes what has been configured when it is used first."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._mercure: MercureSSE | None = None

    def __getattr__(self, name: str) -> Any:
        self._mercure = self._mercure or MercureSSE(self._app)
        return getattr(self._mercure, name)


def test_the_page_on_cookies_gives_takes_and_renews_them() -> None:
    class User(UserMixin):
        id = "7"

    app = app_with()
    logins = LoginManager(app)
    logins.user_loader(lambda _id: User())
    names = {"app": app, "mercure": Late(app), "redirect": redirect, "current_user": current_user}
    names["logout_user"] = logout_user
    app.before_request(lambda: login_user(User()) and None)
    for block in blocks("cookies.md"):
        run("cookies.md", block, names)
    client = app.test_client()
    given = client.post("/login").headers["Set-Cookie"]
    assert given.startswith("mercureAuthorization=ey")
    deleted = client.post("/logout").headers.get_all("Set-Cookie")
    assert any(cookie.startswith("mercureAuthorization=;") for cookie in deleted)
