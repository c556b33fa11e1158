"""Takes the picture of the README: two people at the board, a moment after one of them moved a card.

Run by hand, ``python -m tests.browser.picture docs/board.png``; the picture shows the fonts of the machine.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright

from tests.browser.board import Board, Window
from tests.browser.conftest import QUIET, find_chromium

SIZE: ViewportSize = {"width": 648, "height": 658}
MOVED = "Write the release notes"

MORE_CARDS = [
    ("Tim", 1, "Check the sign-up page on phones"),
    ("Tim", 3, "New photos for the team page"),
]

SCENE = """
<!doctype html>
<style>
  * { box-sizing: border-box; margin: 0; }
  body {
    display: grid; grid-template-columns: repeat(2, 648px); justify-content: center; gap: 28px;
    width: 1400px; padding: 38px 0 44px;
    background: linear-gradient(120deg, #dfe3fb, #efe3f3 55%, #fbe9dd);
    font: 500 12.5px Inter, "Helvetica Neue", Arial, sans-serif;
  }
  figure { border-radius: 14px; overflow: hidden; box-shadow: 0 18px 44px rgb(50 40 90 / .26), 0 0 0 1px rgb(50 40 90 / .1); }
  header { display: flex; align-items: center; gap: 7px; height: 38px; padding: 0 15px; background: #fbfafc; color: #6b6973; }
  i { width: 11px; height: 11px; border-radius: 50%; background: #d8d5de; }
  span { margin: 0 auto; padding: 4px 60px; border-radius: 8px; background: #eeedf1; transform: translateX(-24px); }
  .dark header { background: #26262e; color: #a3a1ae; }
  .dark i { background: #484753; }
  .dark span { background: #33333d; }
  img { display: block; }
</style>
<figure><header><i></i><i></i><i></i><span>localhost:5000</span></header><img src="data:image/png;base64,ADA"></figure>
<figure class="dark"><header><i></i><i></i><i></i><span>localhost:5000</span></header><img src="data:image/png;base64,GRACE"></figure>
"""


def open_window(browser: Browser, board: Board, name: str, scheme: Literal["light", "dark"]) -> Window:
    context = browser.new_context(viewport=SIZE, color_scheme=scheme)
    context.request.post(f"{board.url}sign-in", form={"name": name})
    window = Window(context.new_page())
    window.open(board.url)
    return window


def take(browser: Browser, board: Board, target: Path) -> None:
    ada = open_window(browser, board, "Ada", "light")
    grace = open_window(browser, board, "Grace", "dark")
    for name, list_id, title in MORE_CARDS:
        request = browser.new_context().request
        request.post(f"{board.url}sign-in", form={"name": name})
        request.post(f"{board.url}api/cards", data={"list_id": list_id, "title": title})
        expect(ada.page.locator(".card", has_text=title)).to_be_visible()
        expect(grace.page.locator(".card", has_text=title)).to_be_visible()
    for window in (ada, grace):
        expect(window.page.locator(".changed")).to_have_count(2)
        window.page.evaluate(
            "for (const card of document.querySelectorAll('.changed')) card.className = 'card'"
        )

    ada.move(MOVED, "to Doing")
    moved = grace.page.locator(".card.changed", has_text=MOVED)
    expect(moved).to_be_visible()
    # The ring fades and the card glides: hold both.
    grace.page.evaluate(
        "for (const one of document.getAnimations())"
        " if (one.animationName === 'changed') { one.pause(); one.currentTime = 400 } else one.finish()"
    )
    ada.page.locator(".card", has_text=MOVED).hover(position={"x": 60, "y": 20})
    pictures = [ada.page.screenshot(animations="disabled"), grace.page.screenshot()]

    shots = [base64.b64encode(picture).decode() for picture in pictures]
    page = browser.new_page(viewport={"width": 1400, "height": 700})
    page.set_content(SCENE.replace("ADA", shots[0]).replace("GRACE", shots[1]))
    page.screenshot(path=target, full_page=True)


def main() -> None:
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        board = Board(Path(folder))
        board.start()
        try:
            browser = playwright.chromium.launch(executable_path=find_chromium(playwright), args=QUIET)
            take(browser, board, target)
            browser.close()
        finally:
            board.close()


if __name__ == "__main__":
    main()
