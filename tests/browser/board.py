"""The example board as its own process, and windows on it."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Locator, Page, expect

APP = Path(__file__).resolve().parents[2] / "examples" / "board" / "app.py"
STOP_LIMIT = 10
PATIENCE = 15_000
"""Milliseconds until something must have happened in a window."""

expect.set_options(timeout=PATIENCE)


class Board:
    """The server: started, stopped and started again on the same port and database."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "board.sqlite"
        self.url = ""
        self._log = folder / "board.log"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        port = re.search(r":(\d+)/", self.url)
        settings = {
            "PORT": port[1] if port else "0",
            "BOARD_DATABASE": str(self.database),
            "BOARD_SECRET_KEY": "a secret that is long enough for HS256",
        }
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(APP)],
                env={**os.environ, **settings},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout
        line = self._process.stdout.readline()
        found = re.fullmatch(r"Board: (http://127\.0\.0\.1:\d+/)\n", line)
        if not found:
            self.close()
            raise AssertionError(f"the board did not start: {line!r} {self.log}")
        self.url = found[1]

    def stop(self) -> int:
        """End the server as a service manager does, and return its exit code."""
        assert self._process
        self._process.send_signal(signal.SIGTERM)
        return self._wait()

    def close(self) -> None:
        """End the server however it is; a second time does nothing."""
        if self._process:
            self._process.terminate()
            self._wait()

    def _wait(self) -> int:
        assert self._process
        with self._process as process:
            self._process = None
            try:
                return process.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                process.kill()
                raise

    @property
    def log(self) -> str:
        """What the server wrote to its standard error."""
        return self._log.read_text()

    def rename_behind_its_back(self, before: str, after: str) -> None:
        """Rename a card while the server is down, as another program would."""
        connection = sqlite3.connect(self.database)
        with connection:
            connection.execute(
                "UPDATE card SET title = ?, version = version + 1 WHERE title = ?", (after, before)
            )
        connection.close()


class Window:
    """A window on the board, with words for what a person does and sees in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        """Uncaught errors, and what the console shows as errors or warnings."""
        page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        page.on("console", self._note)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text}")

    def open(self, url: str) -> None:
        self.page.goto(url)
        self.expect_live()

    # Doing

    def add_card(self, list_title: str, title: str) -> None:
        field = self.page.get_by_label(f"New card in {list_title}")
        field.fill(title)
        field.press("Enter")

    def move(self, title: str, where: str) -> None:
        self.button(f"Move “{title}” {where}").click()

    def rename(self, title: str, wanted: str) -> None:
        self.button(f"Rename “{title}”").click()
        field = self.page.get_by_label(f"New title of “{title}”")
        field.fill(wanted)
        field.press("Enter")

    def delete(self, title: str) -> None:
        self.button(f"Delete “{title}”").click()

    def add_note(self, text: str) -> None:
        field = self.page.get_by_label("New note")
        field.fill(text)
        field.press("Enter")

    # Seeing

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def list(self, title: str) -> Locator:
        return self.page.get_by_role("region", name=title, exact=True)

    def cards(self, list_title: str) -> Locator:
        """The titles of a list's cards, in their order."""
        return self.list(list_title).locator(".card .title")

    def notes(self) -> Locator:
        return self.page.locator(".note p")

    def sees(self, text: str) -> bool:
        """Whether a text is anywhere on the page now, shown or not."""
        return text in self.page.content()

    def expect_live(self) -> None:
        self.expect_connection("live")

    def expect_connection(self, state: str) -> None:
        expect(self.page.locator("#connection")).to_have_attribute("data-state", state)

    def expect_toast(self, text: str) -> None:
        expect(self.page.locator(".toast")).to_have_text(text)
