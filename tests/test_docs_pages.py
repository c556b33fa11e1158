"""The Python of the page on cookies runs as it is printed, and that of no page does not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from flask import Flask, redirect
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

from flask_mercure_sse import MercureSSE
from tests.conftest import SECRET

DOCS = Path(__file__).parents[1] / "docs"
RUN_ELSEWHERE = {"events.md", "outbox.md", "publishing.md", "testing.md"}
RUN_HERE = {"cookies.md"}


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def run(page: str, code: str, names: dict[str, Any]) -> None:
    exec(compile(code, page, "exec"), names)


def app_with(**config: Any) -> Flask:
    app = Flask("docs")
    app.config.update(SECRET_KEY=SECRET, **config)
    return app


def test_no_page_has_python_that_does_not_run() -> None:
    pages = {page.name for page in DOCS.glob("*.md") if "```python" in page.read_text()}
    assert pages <= RUN_ELSEWHERE | RUN_HERE


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
