"""The example board in real windows: what one of them changes, the others see."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

import requests
from playwright.sync_api import APIResponse, Route

from tests.browser.board import Board, Window, expect

Open = Callable[..., Window]

COUNT_STREAMS = """
window.streams = [];
window.EventSource = class extends EventSource {
  constructor(...args) { super(...args); window.streams.push(this.url); }
};
"""


class RawStream:
    """The bytes of a hub's stream, read with the cookie of a window's user."""

    def __init__(self, board: Board, window: Window, topics: list[str]) -> None:
        self._hub = f"{board.url}.well-known/mercure"
        cookies = {cookie["name"]: cookie["value"] for cookie in window.page.context.cookies(self._hub)}
        assert "mercureAuthorization" in cookies
        self._response = requests.get(
            self._hub, params={"topic": topics}, cookies=cookies, stream=True, timeout=15
        )
        self._response.raise_for_status()

    def until(self, text: str) -> str:
        """Read on until a text has come, and return all that was read."""
        read = ""
        with self._response:
            for line in self._response.iter_lines(chunk_size=1, decode_unicode=True):
                read += f"{line}\n"
                if text in line:
                    return read
        raise AssertionError(f"the stream ended without {text!r}: {read}")


def test_who_leaves_and_picks_another_name_is_somebody_else_in_all_windows_of_the_browser(
    window: Open,
) -> None:
    first = window("Ada")
    second = window(beside=first)

    first.button("Leave").click()
    first.button("Grace").click()

    for one in (first, second):
        expect(one.page.locator(".me .name")).to_have_text("Grace")
        expect(one.notes()).to_have_text(["Surprise cake for Tim on launch day"])


def test_a_row_that_changes_in_one_window_appears_in_the_other(window: Open) -> None:
    ada, grace = window("Ada"), window("Grace")

    ada.rename("Write the release notes", "Write the release notes twice")

    expect(grace.cards("To do").first).to_have_text("Write the release notes twice")


def test_added_renamed_moved_and_deleted_cards_reach_the_other_window(window: Open) -> None:
    ada, grace = window("Ada"), window("Grace")

    ada.add_card("Done", "Oil the hinges")
    expect(grace.cards("Done").last).to_have_text("Oil the hinges")

    grace.rename("Oil the hinges", "Oil the door")
    expect(ada.cards("Done").last).to_have_text("Oil the door")

    ada.move("Oil the door", "up")
    expect(grace.cards("Done")).to_have_text(
        ["Dark colours for the reports", "Oil the door", "Move billing to the new service"]
    )

    grace.move("Oil the door", "to Doing")
    expect(ada.cards("Doing").last).to_have_text("Oil the door")
    expect(ada.cards("Done")).to_have_count(2)

    ada.delete("Oil the door")
    expect(grace.cards("Doing")).to_have_text(
        ["Faster search in the archive", "Welcome tour for new members"]
    )


def test_a_card_dragged_between_two_others_lies_there_in_the_other_window(window: Open) -> None:
    ada, grace = window("Ada"), window("Grace")

    dragged = ada.cards("To do").filter(has_text="Translate the help pages")
    dragged.drag_to(ada.cards("Done").last, target_position={"x": 5, "y": 1})

    expect(grace.cards("Done")).to_have_text(
        ["Dark colours for the reports", "Translate the help pages", "Move billing to the new service"]
    )


def test_a_card_can_be_moved_with_the_keyboard_alone_and_keeps_the_focus(window: Open) -> None:
    ada, grace = window("Ada"), window("Grace")
    title = "Write the release notes"

    ada.button(f"Move “{title}” to Doing").focus()
    ada.page.keyboard.press("Enter")

    expect(grace.cards("Doing").last).to_have_text(title)
    expect(ada.button(f"Move “{title}” to Done")).to_be_focused()


def test_added_and_changed_and_deleted_lists_reach_the_other_window(window: Open) -> None:
    ada, grace = window("Ada"), window("Grace")

    ada.button("New list").click()
    ada.page.get_by_label("Title").fill("Ideas")
    ada.button("Save").click()
    expect(grace.list("Ideas")).to_be_visible()

    grace.button("Edit list Ideas").click()
    grace.page.get_by_label("At most").fill("5")
    grace.button("Save").click()
    expect(ada.list("Ideas").locator(".count")).to_have_text("0 / 5")

    ada.button("Edit list Ideas").click()
    ada.button("Delete list").click()
    expect(grace.list("Ideas")).to_have_count(0)


def test_a_change_that_is_rolled_back_appears_nowhere(window: Open) -> None:
    ada, grace = window("Ada"), window("Grace")
    full = ["Faster search in the archive", "Welcome tour for new members", "Third card"]
    ada.add_card("Doing", "Third card")
    expect(grace.cards("Doing")).to_have_text(full)

    with ada.page.expect_response("**/api/cards") as added:
        ada.add_card("Doing", "One too many")
    with ada.page.expect_response("**/api/cards/*") as moved:
        ada.move("Book a room for launch day", "to Doing")
    assert added.value.status == moved.value.status == 409
    ada.expect_toast("“Doing” is full: it takes 3 cards. Finish one first.")
    ada.add_card("Done", "This one fits")

    # Updates come in order: whatever is published of the two before it would be there by now.
    expect(grace.cards("Done").last).to_have_text("This one fits")
    for one in (ada, grace):
        expect(one.cards("Doing")).to_have_text(full)
        expect(one.cards("To do").last).to_have_text("Book a room for launch day")
        assert not one.sees("One too many")


def test_what_was_typed_is_still_there_when_a_card_is_refused(window: Open) -> None:
    ada = window("Ada")
    ada.add_card("Doing", "Third card")
    expect(ada.cards("Doing")).to_have_count(3)

    ada.add_card("Doing", "One too many")

    expect(ada.page.get_by_label("New card in Doing")).to_have_value("One too many")


def test_of_the_last_free_place_in_a_list_two_windows_get_one(window: Open) -> None:
    ada, grace = window("Ada"), window("Grace")

    add = "fetch('/api/cards', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: %s})"
    body = "JSON.stringify({list_id: 2, title: 'Mine'})"
    statuses = ada.page.evaluate(
        f"Promise.all([...Array(6)].map(() => {add % body})).then(all => all.map(one => one.status).sort())"
    )

    assert statuses == [201, 409, 409, 409, 409, 409]
    expect(grace.cards("Doing")).to_have_count(3)


def test_a_private_note_reaches_all_windows_of_its_owner_whatever_the_name(window: Open) -> None:
    owner = "Zoë O'Neil / {x} 100%"
    first = window(owner)
    same_browser, other_browser = window(beside=first), window(owner)

    first.add_note("Nobody knows")

    for one in (first, same_browser, other_browser):
        expect(one.notes().first).to_have_text("Nobody knows")

    other_browser.button("Delete note “Nobody knows”").click()

    for one in (first, same_browser, other_browser):
        expect(one.notes().filter(has_text="Nobody knows")).to_have_count(0)


def test_a_private_note_never_reaches_somebody_else(window: Open, board: Board) -> None:
    ada, grace = window("Ada"), window("Grace")
    topics = ["/card", "/list", "/users/Ada/notes", "/users/{name}/notes"]
    streams = {name: RawStream(board, one, topics) for name, one in {"Ada": ada, "Grace": grace}.items()}

    ada.add_note("Nobody knows")
    expect(ada.notes().first).to_have_text("Nobody knows")
    ada.add_card("Done", "Everybody knows")

    expect(grace.cards("Done").last).to_have_text("Everybody knows")
    assert not grace.sees("Nobody knows")
    assert "Nobody knows" in streams["Ada"].until("Everybody knows")
    assert "Nobody knows" not in streams["Grace"].until("Everybody knows")


def test_the_right_to_read_notes_is_in_a_cookie_that_scripts_cannot_read(window: Open, board: Board) -> None:
    ada = window("Ada", script=COUNT_STREAMS)
    (cookie,) = (
        one
        for one in ada.page.context.cookies(f"{board.url}.well-known/mercure")
        if one["name"] == "mercureAuthorization"
    )

    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert cookie["path"] == "/.well-known/mercure"
    assert not ada.sees(cookie["value"])
    assert cookie["value"] not in str(ada.page.evaluate("streams"))


def test_one_event_source_carries_everything(window: Open) -> None:
    ada = window("Ada", script=COUNT_STREAMS)
    ada_elsewhere, grace = window("Ada"), window("Grace")

    grace.add_card("Done", "A card")
    grace.button("Edit list Done").click()
    grace.page.get_by_label("Title").fill("Finished")
    grace.button("Save").click()
    ada_elsewhere.add_note("A note")

    expect(ada.cards("Finished").last).to_have_text("A card")
    expect(ada.notes().first).to_have_text("A note")
    assert len(ada.page.evaluate("streams")) == 1
    for topic in ("/list", "/card", "/users/Ada/notes"):
        assert f"topic={quote(topic, safe='')}" in ada.page.evaluate("streams[0]")


def test_after_a_restart_the_windows_catch_up_without_a_reload(window: Open, board: Board) -> None:
    ada, grace = window("Ada"), window("Grace")
    for one in (ada, grace):
        one.page.evaluate("window.__marker = 'the same page'")

    assert board.stop() == 0
    ada.expect_connection("reconnecting")
    board.rename_behind_its_back("Write the release notes", "Changed while nobody looked")
    board.start()

    for one in (ada, grace):
        expect(one.cards("To do").first).to_have_text("Changed while nobody looked")
        one.expect_live()
    grace.add_card("Done", "Changed afterwards")
    expect(ada.cards("Done").last).to_have_text("Changed afterwards")
    for one in (ada, grace):
        assert one.page.evaluate("window.__marker") == "the same page"
    assert board.log == ""


def test_an_answer_that_ends_the_event_source_is_no_end_for_the_window(window: Open, board: Board) -> None:
    grace = window("Grace")
    page = grace.page.context.new_page()
    page.route(re.compile("/.well-known/mercure"), lambda route: route.fulfill(status=503), times=1)
    ada = Window(page)

    ada.open(board.url)

    grace.add_card("Done", "A card")
    expect(ada.cards("Done").last).to_have_text("A card")


def test_what_changes_while_a_window_fetches_the_state_is_not_lost(window: Open, board: Board) -> None:
    grace = window("Grace")
    page = grace.page.context.new_page()
    ada = Window(page)
    old_state: list[tuple[Route, APIResponse]] = []
    page.route("**/api/board", lambda route: old_state.append((route, route.fetch())), times=1)
    with page.expect_response(re.compile("/.well-known/mercure")):
        page.goto(board.url)

    grace.add_card("Done", "A new card")
    grace.delete("Write the release notes")
    expect(grace.cards("To do")).to_have_count(2)
    for route, answer in old_state:
        route.fulfill(response=answer)

    ada.expect_live()
    expect(ada.cards("Done").last).to_have_text("A new card")
    expect(ada.cards("To do")).to_have_text(["Translate the help pages", "Book a room for launch day"])
    assert len(old_state) == 1


def test_an_answer_that_comes_late_does_not_bring_a_deleted_card_back(window: Open) -> None:
    ada, grace = window("Ada"), window("Grace")
    answers: list[tuple[Route, APIResponse]] = []
    ada.page.route("**/api/cards/*", lambda route: answers.append((route, route.fetch())), times=1)

    ada.rename("Write the release notes", "Late")
    expect(grace.cards("To do").first).to_have_text("Late")
    grace.delete("Late")
    expect(ada.cards("To do")).to_have_count(2)
    with ada.page.expect_response("**/api/cards/*"):
        for route, answer in answers:
            route.fulfill(response=answer)

    grace.add_card("To do", "A new card")
    expect(ada.cards("To do")).to_have_text(
        ["Translate the help pages", "Book a room for launch day", "A new card"]
    )


def test_a_text_that_is_half_written_survives_that_somebody_else_moves_its_card(window: Open) -> None:
    ada, grace = window("Ada"), window("Grace")
    ada.button("Rename “Translate the help pages”").click()
    field = ada.page.get_by_label("New title of “Translate the help pages”")
    field.fill("Translate the")

    grace.move("Translate the help pages", "to Doing")
    expect(ada.page.locator("#news")).to_have_text("Grace moved “Translate the help pages” to Doing")

    expect(ada.list("Doing").get_by_label("New title of “Translate the help pages”")).to_be_focused()
    expect(field).to_have_value("Translate the")


def test_a_normal_run_leaves_the_consoles_and_the_servers_log_empty(window: Open, board: Board) -> None:
    ada, grace = window("Ada"), window("Grace")

    ada.add_card("Doing", "A card")
    grace.move("A card", "to Done")
    expect(ada.cards("Done").last).to_have_text("A card")  # two changes of a row at once would be refused
    ada.rename("A card", "The same card")
    ada.add_note("A note")
    grace.button("New list").click()
    grace.button("Cancel").click()
    expect(grace.cards("Done").last).to_have_text("The same card")
    expect(ada.cards("Done").last).to_have_text("The same card")
    grace.delete("The same card")
    expect(ada.cards("Done")).to_have_count(2)
    ada.button("Leave").click()
    expect(ada.page.get_by_role("heading", name="Who are you?")).to_be_visible()

    assert ada.problems == grace.problems == []
    assert board.log == ""


def test_a_wrong_request_is_refused_with_the_reason(board: Board) -> None:
    wrong: list[tuple[object, int, str]] = [
        ({"list_id": 1, "title": "  "}, 400, "The title is empty."),
        ({"list_id": 1, "title": "x" * 121}, 400, "The title is too long: 121 characters, 120 fit."),
        ({"list_id": 1, "title": "\ud800"}, 400, "The title is not valid Unicode."),
        ({"list_id": "1", "title": "A card"}, 400, "list_id is not a number."),
        ({"list_id": 10**30, "title": "A card"}, 404, "That is gone; somebody deleted it."),
        ([], 400, "Send a JSON object."),
    ]
    with requests.Session() as session:
        session.post(f"{board.url}sign-in", {"name": "Ada"})
        for body, status, reason in wrong:
            answer = session.post(f"{board.url}api/cards", json=body)
            assert (answer.status_code, answer.json()) == (status, {"error": reason})


def test_what_another_sites_page_could_send_is_refused(board: Board) -> None:
    with requests.Session() as session:
        session.post(f"{board.url}sign-in", {"name": "Ada"})
        form = session.post(f"{board.url}api/cards", {"list_id": 1, "title": "A card"})
        sign_out = session.post(f"{board.url}sign-out", headers={"Sec-Fetch-Site": "cross-site"})

    assert form.status_code == 415
    assert sign_out.status_code == 403
