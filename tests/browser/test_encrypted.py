"""The encrypted example in real windows: what the hub carries, only its reader opens."""

from __future__ import annotations

import base64
import importlib.util
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page
from werkzeug.serving import make_server

from flask_mercure_sse.encryption import Encryption
from tests.browser.board import expect

APP = Path(__file__).resolve().parents[2] / "examples" / "encrypted" / "app.py"
STOP_LIMIT = 10

CHANGED = "A letter is not shown: it was changed on its way, or encrypted with another key"
NOT_ENCRYPTED = "A letter is not shown: it is not encrypted as agreed"
REPEATED = "A letter is not shown: it was here already"
OLD = "A letter is not shown: it is from before this page was opened"
NO_KEY = "A letter is not shown: there is no key for it here"

WATCH_KEYS = """
window.imported = [];
const importKey = crypto.subtle.importKey.bind(crypto.subtle);
crypto.subtle.importKey = async (...args) => {
  const key = await importKey(...args);
  window.imported.push([key.extractable, ...key.usages]);
  return key;
};
"""

OPEN_SLOWER_FIRST = """
let wait = 400;
const decrypt = crypto.subtle.decrypt.bind(crypto.subtle);
crypto.subtle.decrypt = async (...args) => {
  await new Promise((resolve) => setTimeout(resolve, (wait -= 100)));
  return decrypt(...args);
};
"""


class Letters:
    """The example's server in this process, so that a test can be the hub's bad operator."""

    def __init__(self) -> None:
        spec = importlib.util.spec_from_file_location("encrypted_letters", APP)
        assert spec
        assert spec.loader
        self.example: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.example)
        self.app = self.example.create_app()
        self._server = make_server("127.0.0.1", 0, self.app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.port}/"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def key(self, name: str) -> dict[str, str]:
        """The newest key of a reader."""
        return self.example.READERS[name].all[0]

    def sealed(self, name: str, text: str, **other: str) -> str:
        """A letter to a reader, encrypted as the app does, or with another key."""
        return Encryption({**self.key(name), **other}).encrypt({"from": "Grace", "text": text})

    def carry(self, name: str, message: str, *, private: bool = True) -> None:
        """Send a reader's window this, whatever it is."""
        with self.app.app_context():
            self.example.mercure.publish(self.example.letters_topic(name), message, private=private)


class Window:
    """A window of one reader."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        """Uncaught errors, and what the console shows as errors or warnings."""
        page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        page.on("console", self._note)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text}")

    def send(self, to: str, text: str) -> None:
        self.page.get_by_label("To").select_option(to)
        self.page.get_by_label("Letter").fill(text)
        self.page.get_by_role("button", name="Send").click()

    @property
    def lines(self) -> Locator:
        """The letters and what is said of those that are not shown, the newest first."""
        return self.page.locator("#letters p")

    @property
    def hub_url(self) -> str:
        """Where the window listens."""
        return urljoin(self.page.url, self.page.locator("body").get_attribute("data-hub"))

    def cookies(self, url: str) -> dict[str, str]:
        """The window's cookies for a URL."""
        cookies = self.page.context.cookies(url)
        return {
            cookie["name"]: cookie["value"] for cookie in cookies if "name" in cookie and "value" in cookie
        }


Open = Callable[..., Window]


@pytest.fixture
def letters() -> Iterator[Letters]:
    letters = Letters()
    yield letters
    letters.close()


@pytest.fixture
def window(browser: Browser, letters: Letters) -> Iterator[Open]:
    """Open windows, each in a browser of its own: ``window("Ada")``. In none may be an uncaught error."""
    windows: list[Window] = []

    def open_window(name: str, script: str = "") -> Window:
        opened = Window(browser.new_context().new_page())
        windows.append(opened)
        opened.page.add_init_script(script)
        opened.page.goto(letters.url)
        opened.page.get_by_role("button", name=name).click()
        expect(opened.page.locator("#connection")).to_have_text("Live")
        return opened

    yield open_window
    for one in windows:
        one.page.context.close()
    assert not [problem for one in windows for problem in one.problems if problem.startswith("uncaught")]


def test_a_letter_appears_decrypted_in_its_readers_window(window: Open) -> None:
    ada, grace = window("Ada"), window("Grace")

    grace.send("Ada", "The cake is for Tim — 🎂")

    expect(ada.lines).to_have_text(["Grace: The cake is for Tim — 🎂"])


def test_letters_appear_in_their_order_however_long_each_takes(window: Open, letters: Letters) -> None:
    ada = window("Ada", OPEN_SLOWER_FIRST)

    for text in ("one", "two", "three"):
        letters.carry("Ada", letters.sealed("Ada", text))

    expect(ada.lines).to_have_text(["Grace: three", "Grace: two", "Grace: one"])


def test_what_the_hub_has_of_a_letter_is_its_ciphertext(window: Open, letters: Letters) -> None:
    ada = window("Ada")
    message = letters.sealed("Ada", "secret")

    letters.carry("Ada", message)
    ada.page.get_by_text("What the hub has of it").click()

    expect(ada.page.locator("#letters code")).to_have_text(message)


def test_who_listens_at_the_hub_with_all_rights_gets_no_plain_text(window: Open, letters: Letters) -> None:
    ada, grace = window("Ada"), window("Grace")
    wire = ""
    with requests.get(ada.hub_url, cookies=ada.cookies(ada.hub_url), stream=True, timeout=15) as stream:
        grace.send("Ada", "The cake is for Tim")
        expect(ada.lines).to_have_text(["Grace: The cake is for Tim"])
        letters.carry("Ada", "the end")
        for line in stream.iter_lines(chunk_size=1, decode_unicode=True):
            wire += f"{line}\n"
            if "the end" in line:
                break

    assert re.search(r"^data: ?[\w-]+\.\.[\w-]{16}\.[\w-]+\.[\w-]{22}$", wire, re.MULTILINE)
    assert "Grace" not in wire
    assert "cake" not in wire


def test_who_has_no_right_to_a_readers_topic_does_not_even_see_that_there_was_a_letter(
    window: Open, letters: Letters
) -> None:
    ada, grace = window("Ada"), window("Grace")

    with requests.get(ada.hub_url, cookies=grace.cookies(ada.hub_url), stream=True, timeout=15) as stream:
        grace.send("Ada", "secret")
        expect(ada.lines).to_have_count(1)
        letters.carry("Ada", "for all", private=False)
        data = next(line for line in stream.iter_lines(chunk_size=1) if line.startswith(b"data"))

    assert data.endswith(b"for all")


def test_a_stranger_gets_no_keys(letters: Letters) -> None:
    assert requests.get(f"{letters.url}keys", timeout=15).status_code == 401


def test_a_readers_keys_are_no_other_readers(window: Open, letters: Letters) -> None:
    grace = window("Grace")

    given = grace.page.evaluate("fetch('/keys').then((answer) => answer.json())")

    assert given["keys"] == [letters.key("Grace")]
    assert letters.key("Ada")["k"] not in str(given)


def test_keys_are_given_to_no_cache_and_no_other_site(letters: Letters) -> None:
    with requests.Session() as session:
        session.post(f"{letters.url}sign-in", {"name": "Ada"}, timeout=15)
        own = session.get(f"{letters.url}keys", timeout=15)
        foreign = [
            session.get(f"{letters.url}keys", headers={"Sec-Fetch-Site": site}, timeout=15)
            for site in ("cross-site", "same-site", "none")
        ]

    assert own.json()["keys"] == [letters.key("Ada")]
    assert own.headers["Cache-Control"] == "no-store"
    assert own.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in own.headers
    assert [answer.status_code for answer in foreign] == [403, 403, 403]


def test_scripts_can_use_the_key_for_opening_alone_and_cannot_read_it(window: Open, letters: Letters) -> None:
    ada = window("Ada", WATCH_KEYS)

    assert ada.page.evaluate("imported") == [[False, "decrypt"]]
    assert letters.key("Ada")["k"] not in ada.page.content()


def swapped(message: str, part: int, value: str) -> str:
    parts = message.split(".")
    parts[part] = value
    return ".".join(parts)


@pytest.mark.parametrize("part", [2, 3, 4], ids=["nonce", "content", "tag"])
def test_a_letter_that_was_tampered_with_is_refused(part: int, window: Open, letters: Letters) -> None:
    ada = window("Ada")
    first, second = (letters.sealed("Ada", text) for text in ("ten", "two"))

    letters.carry("Ada", swapped(first, part, second.split(".")[part]))

    expect(ada.lines).to_have_text([CHANGED])


def test_a_letter_whose_header_was_tampered_with_is_refused(window: Open, letters: Letters) -> None:
    ada = window("Ada")
    message = letters.sealed("Ada", "secret")
    header = base64.urlsafe_b64decode(message.split(".")[0] + "==")
    same_words = base64.urlsafe_b64encode(header + b" ").rstrip(b"=").decode()

    letters.carry("Ada", swapped(message, 0, same_words))

    expect(ada.lines).to_have_text([CHANGED])


def test_a_letter_that_was_encrypted_with_another_key_is_refused(window: Open, letters: Letters) -> None:
    ada = window("Ada")

    letters.carry("Ada", letters.sealed("Ada", "forged", k=Encryption.new_key()["k"]))

    expect(ada.lines).to_have_text([CHANGED])


def test_a_letter_for_somebody_else_is_refused(window: Open, letters: Letters) -> None:
    ada = window("Ada")

    letters.carry("Ada", letters.sealed("Grace", "secret"))

    expect(ada.lines).to_have_text([NO_KEY])


@pytest.mark.parametrize(
    "message",
    ["plain text", '{"from": "Grace", "text": "forged"}', "....", "e30....", "bnVsbA....", "é.é.é.é.é"],
)
def test_what_is_not_encrypted_is_refused(message: str, window: Open, letters: Letters) -> None:
    ada = window("Ada")

    letters.carry("Ada", message)

    expect(ada.lines).to_have_text([NOT_ENCRYPTED])


@pytest.mark.parametrize("part", ["a wrapped key", "a sixth part", "another algorithm"])
def test_what_is_encrypted_otherwise_than_agreed_is_refused(
    part: str, window: Open, letters: Letters
) -> None:
    ada = window("Ada")
    message = letters.sealed("Ada", "secret")

    other = "eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0"  # {"alg":"A256KW","enc":"A256GCM"}
    changed = {
        "a wrapped key": swapped(message, 1, "AAAA"),
        "a sixth part": f"{message}.AAAA",
        "another algorithm": swapped(message, 0, other),
    }
    letters.carry("Ada", changed[part])

    expect(ada.lines).to_have_text([NOT_ENCRYPTED])


def test_a_letter_that_comes_again_is_refused(window: Open, letters: Letters) -> None:
    ada = window("Ada")
    message = letters.sealed("Ada", "pay ten euros")

    letters.carry("Ada", message)
    letters.carry("Ada", message)

    expect(ada.lines).to_have_text([REPEATED, "Grace: pay ten euros"])


def test_a_letter_from_before_the_page_was_opened_is_refused(
    window: Open, letters: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr("flask_mercure_sse.encryption.time.time", lambda: 1_700_000_000.0)
        kept = letters.sealed("Ada", "pay ten euros")
    ada = window("Ada")

    letters.carry("Ada", kept)

    expect(ada.lines).to_have_text([OLD])


def test_after_a_letter_that_is_refused_the_next_one_is_shown(window: Open, letters: Letters) -> None:
    ada, grace = window("Ada"), window("Grace")

    letters.carry("Ada", letters.sealed("Ada", "forged", k=Encryption.new_key()["k"]))
    grace.send("Ada", "Still here")

    expect(ada.lines).to_have_text(["Grace: Still here", CHANGED])
    assert ada.problems == []


def test_letters_under_a_new_key_are_read_without_a_reload(window: Open, letters: Letters) -> None:
    ada, grace = window("Ada"), window("Grace")
    old_key = letters.key("Ada")

    with ada.page.expect_response("**/keys"):
        ada.page.get_by_role("button", name="New key").click()
    grace.send("Ada", "Under the new one")

    expect(ada.lines).to_have_text(["Grace: Under the new one"])
    assert letters.key("Ada")["kid"] != old_key["kid"]


def test_a_letter_that_was_on_its_way_while_the_key_changed_is_read(window: Open, letters: Letters) -> None:
    ada, grace = window("Ada"), window("Grace")
    on_its_way = letters.sealed("Ada", "Under the old one")

    letters.example.READERS["Ada"].change()
    grace.send("Ada", "Under the new one")
    expect(ada.lines).to_have_count(1)
    letters.carry("Ada", on_its_way)

    expect(ada.lines).to_have_text(["Grace: Under the old one", "Grace: Under the new one"])


def test_made_up_keys_do_not_make_a_window_ask_for_keys_all_the_time(window: Open, letters: Letters) -> None:
    ada = window("Ada")
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url) if "/keys" in request.url else None)

    for number in range(3):
        letters.carry("Ada", letters.sealed("Ada", "forged", kid=f"made up {number}"))
    started = ada.page.evaluate("performance.now()")
    expect(ada.lines).to_have_text([NO_KEY] * 3)

    assert len(asked) == 3
    assert ada.page.evaluate("performance.now()") - started > 1500


def test_a_normal_run_leaves_the_console_empty(window: Open) -> None:
    ada, grace = window("Ada"), window("Grace")

    grace.send("Ada", "A letter")
    expect(ada.lines).to_have_count(1)
    with ada.page.expect_response("**/keys"):
        ada.page.get_by_role("button", name="New key").click()
    ada.send("Ada", "A letter to myself")
    expect(ada.lines).to_have_count(2)
    ada.page.get_by_role("button", name="Leave").click()
    expect(ada.page.get_by_role("heading", name="Who are you?")).to_be_visible()

    assert ada.problems == grace.problems == []


def test_no_script_runs_but_those_of_the_site(letters: Letters) -> None:
    page = requests.get(f"{letters.url}sign-in", timeout=15)

    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]


def test_one_command_serves_the_letters_and_sigterm_ends_them() -> None:
    command = subprocess.Popen(
        [sys.executable, str(APP)],
        env={**os.environ, "PORT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with command:
        try:
            assert command.stdout
            line = command.stdout.readline()
            url = re.fullmatch(r"Letters: (http://127\.0\.0\.1:\d+/)\n", line)
            page = requests.get(url[1], timeout=15).text if url else ""
            command.send_signal(signal.SIGTERM)
            _, log = command.communicate(timeout=STOP_LIMIT)
        finally:
            command.kill()

    assert "Who are you?" in page
    assert (command.returncode, log) == (0, "")
