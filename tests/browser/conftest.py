"""Fixtures of the browser tests: the example board, a browser, and windows in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

IN_CI = os.environ.get("CI", "").lower() == "true"
"""There nothing may be skipped for want of a tool."""

if not IN_CI:
    pytest.importorskip("playwright", reason="Playwright is missing: pip install playwright")

from playwright.sync_api import Browser, BrowserContext, Playwright, ViewportSize, sync_playwright  # noqa: E402

from tests.browser.board import Board, Window  # noqa: E402

MISSING = (
    "Chromium is missing: sudo apt-get install chromium-headless-shell, or: python -m playwright install "
    "chromium (or set CHROMIUM to its path)"
)

SIZE: ViewportSize = {"width": 900, "height": 600}

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium(playwright: Playwright) -> str | None:
    # The first has no window around its pages to paint, which halves the time of the tests.
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    own = playwright.chromium.executable_path
    return found or (own if Path(own).exists() else None)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests in this folder.

    Not for the whole session: while it is there, so is Playwright's event loop, and other tests could not
    run one of their own.
    """
    with sync_playwright() as playwright:
        chromium = find_chromium(playwright)
        if chromium is None and IN_CI:
            pytest.fail(MISSING, pytrace=False)
        if chromium is None:
            pytest.skip(MISSING)
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    """The board's server, with a new database."""
    board = Board(tmp_path)
    board.start()
    yield board
    board.close()


@pytest.fixture
def window(browser: Browser, board: Board) -> Iterator[Callable[..., Window]]:
    """Open windows: ``window("Ada")`` in a browser of its own, or ``window(beside=other)`` in another's.

    In no test may a window have an uncaught error.
    """
    contexts: list[BrowserContext] = []
    windows: list[Window] = []

    def open_window(name: str = "", *, beside: Window | None = None, script: str = "") -> Window:
        if beside:
            context = beside.page.context
        else:
            context = browser.new_context(viewport=SIZE, reduced_motion="reduce")
            context.request.post(f"{board.url}sign-in", form={"name": name})
            contexts.append(context)
        opened = Window(context.new_page())
        windows.append(opened)
        opened.page.add_init_script(script)
        opened.open(board.url)
        return opened

    yield open_window
    uncaught = [problem for one in windows for problem in one.problems if problem.startswith("uncaught")]
    for context in contexts:
        context.close()
    assert not uncaught
