"""Updates that are captured in place of being published, and what tests claim of them."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from blinker import Signal
from flask import Flask

from flask_mercure_sse import InvalidUpdate, MercureSSE, Update, update_published
from flask_mercure_sse.testing import CapturedUpdates, captured_updates
from tests.conftest import SECRET
from tests.subscriber import Subscriber

NOWHERE = "http://127.0.0.1:1/.well-known/mercure"


@pytest.fixture
def external() -> tuple[Flask, MercureSSE]:
    """An app whose hub and further hub nobody runs."""
    app = Flask("external")
    app.config.update(TESTING=True, SECRET_KEY=SECRET, MERCURE_HUB_URL=NOWHERE, MERCURE_PUBLISH="sync")
    app.config["MERCURE_HUBS"] = {"archive": "http://127.0.0.1:2/.well-known/mercure"}
    return app, MercureSSE(app)


def failure(check: Callable[[], object]) -> str:
    with pytest.raises(AssertionError) as caught:
        check()
    return str(caught.value)


class TestCapturing:
    def test_what_is_captured_reaches_nobody_and_what_comes_after_does(
        self, mercure: MercureSSE, subscribe: Callable[..., Subscriber]
    ) -> None:
        subscriber = subscribe("/a")
        with mercure.captured() as updates:
            mercure.publish("/a", "in the block")
        mercure.publish("/a", "after it")
        assert subscriber.data == ["after it"]
        assert [update.data for update in updates] == ["in the block"]

    def test_no_external_hub_is_needed(self, external: tuple[Flask, MercureSSE]) -> None:
        _, mercure = external
        with mercure.captured() as updates:
            ids = [mercure.publish("/a"), *mercure.publish_many([{"topic": "/b"}, Update(("/c",))])]
            ids.append(mercure.publish("/d", wait=True))
        assert [update.id for update in updates] == ids
        assert updates.topics == ["/a", "/b", "/c", "/d"]

    def test_each_update_tells_the_hub_that_it_was_for(
        self, external: tuple[Flask, MercureSSE], mercure: MercureSSE
    ) -> None:
        app, other = external
        with captured_updates() as updates, app.app_context():
            other.publish("/own")
            other.publish("/own", jwt="a.b.c")
            other.publish("/named", hub="archive")
            other.publish("/far", hub_url="http://127.0.0.1:3/.well-known/mercure")
        with mercure.captured() as embedded:
            mercure.publish("/embedded")
        hubs = [update.hub for update in updates]
        assert hubs == ["default", "default", "archive", "http://127.0.0.1:3/.well-known/mercure"]
        assert embedded[0].hub == "embedded"

    def test_an_extension_captures_its_own_updates_alone(
        self, external: tuple[Flask, MercureSSE], mercure: MercureSSE
    ) -> None:
        _, other = external
        with other.captured() as others, mercure.captured() as own:
            mercure.publish("/a")
        assert own.topics == ["/a"]
        assert len(others) == 0

    def test_blocks_in_one_another_capture_the_same(self, mercure: MercureSSE) -> None:
        with captured_updates() as outer:
            with mercure.captured() as inner:
                mercure.publish("/a")
            mercure.publish("/b")
        assert inner.topics == ["/a"]
        assert outer.topics == ["/a", "/b"]

    def test_other_threads_are_captured(self, mercure: MercureSSE) -> None:
        with mercure.captured() as updates:
            thread = threading.Thread(target=mercure.publish, args=["/a"])
            thread.start()
            thread.join()
        updates.assert_published("/a")

    def test_bound_signals_are_captured(self, app: Flask, mercure: MercureSSE) -> None:
        saved = Signal()
        binding = mercure.publish_signal(saved, "/saved", private=True)
        with mercure.captured() as updates, app.app_context():
            saved.send("it")
        binding.disconnect()
        updates.assert_published("/saved", private=True, times=1)

    def test_a_transaction_that_is_dropped_leaves_nothing(self, mercure: MercureSSE) -> None:
        def fail() -> None:
            with mercure.transaction():
                mercure.publish("/a")
                raise RuntimeError

        with mercure.captured() as updates:
            with pytest.raises(RuntimeError):
                fail()
            updates.assert_not_published()
            with mercure.transaction():
                mercure.publish("/b")
        assert updates.topics == ["/b"]

    def test_an_update_that_the_hub_would_refuse_is_refused(self, mercure: MercureSSE) -> None:
        with mercure.captured() as updates:
            with pytest.raises(InvalidUpdate):
                mercure.publish("/a", id="#1")
            updates.assert_not_published()

    def test_receivers_hear_of_it_as_of_a_published_one(self, app: Flask, mercure: MercureSSE) -> None:
        heard: list[Update] = []

        def hear(_sender: Flask, update: Update) -> None:
            heard.append(update)

        with mercure.captured() as updates, update_published.connected_to(hear, app):
            mercure.publish("/a")
        assert heard == [update.update for update in updates]

    def test_the_end_of_a_block_is_an_end_after_an_error_too(self, mercure: MercureSSE) -> None:
        with pytest.raises(RuntimeError), mercure.captured() as updates:
            raise RuntimeError
        mercure.publish("/a")
        updates.assert_not_published()


@pytest.fixture
def updates(mercure: MercureSSE, mercure_updates: CapturedUpdates) -> CapturedUpdates:
    """Three updates, as the plugin's fixture captures them."""
    mercure.publish(["/todos/1", "/todos"], {"event": "insert", "id": 1})
    mercure.publish("/users/7", "secret", private=True, type="note")
    mercure.publish("/todos/1", {"event": "update", "id": 1})
    return mercure_updates


class TestClaims:
    @pytest.mark.parametrize(
        ("wanted", "positions"),
        [
            ({}, [0, 1, 2]),
            ({"topic": "/todos/1"}, [0, 2]),
            ({"topic": "/todos"}, [0]),
            ({"topic": "/todos/{id}"}, []),
            ({"data": "secret"}, [1]),
            ({"data": {"id": 1, "event": "insert"}}, [0]),
            ({"data": {"event": "insert"}}, []),
            ({"data": None}, []),
            ({"having": {"id": 1}}, [0, 2]),
            ({"having": {"id": 1, "event": "update"}}, [2]),
            ({"having": {"none": None}}, []),
            ({"private": True}, [1]),
            ({"private": False}, [0, 2]),
            ({"type": "note"}, [1]),
            ({"type": None}, [0, 2]),
            ({"hub": "embedded"}, [0, 1, 2]),
            ({"hub": "archive"}, []),
        ],
    )
    def test_what_is_not_given_is_not_looked_at(
        self, wanted: dict[str, object], positions: list[int], updates: CapturedUpdates
    ) -> None:
        assert updates.matching(**wanted) == [updates[position] for position in positions]

    def test_an_object_stands_for_its_topic(self, mercure: MercureSSE, updates: CapturedUpdates) -> None:
        class Todo:
            __mercure_sse_topic__ = "/todos/1"

        updates.assert_published(Todo(), times=2)

    def test_the_last_one_that_fits_is_returned(self, updates: CapturedUpdates) -> None:
        assert updates.assert_published("/todos/1").json == {"event": "update", "id": 1}

    def test_a_failure_lists_what_was_captured(self, updates: CapturedUpdates) -> None:
        text = failure(lambda: updates.assert_published("/todos/2", type="note", having={"id": 2}))
        assert text == (
            "published 0 times: an update to /todos/2, type='note', having={'id': 2}. Captured, 3 in all:"
            '\n  1. /todos/1 /todos, hub=embedded, data=\'{"event": "insert", "id": 1}\''
            "\n  2. /users/7, private, type=note, hub=embedded, data='secret'"
            '\n  3. /todos/1, hub=embedded, data=\'{"event": "update", "id": 1}\''
        )

    def test_a_failure_shows_the_beginning_of_long_data(
        self, mercure: MercureSSE, mercure_updates: CapturedUpdates
    ) -> None:
        mercure.publish("/long", "x" * 10_000)
        text = failure(lambda: mercure_updates.assert_published("/short"))
        assert "x…" in text
        assert len(text) < 400

    def test_a_failure_says_that_nothing_was_captured(self, mercure_updates: CapturedUpdates) -> None:
        text = failure(lambda: mercure_updates.assert_published("/a", None, type=None))
        assert text == "published 0 times: an update to /a, data=None, type=None. Nothing was captured"

    def test_a_wrong_number_is_a_failure(self, updates: CapturedUpdates) -> None:
        assert "published 2 times: an update to /todos/1; expected 1." in failure(
            lambda: updates.assert_published("/todos/1", times=1)
        )
        updates.assert_published("/todos/1", times=2)

    def test_what_must_not_be_published_is_a_failure_when_it_is(self, updates: CapturedUpdates) -> None:
        updates.assert_not_published("/todos/2")
        assert "published 1 times: an update to /users/7; expected 0. Captured" in failure(
            lambda: updates.assert_not_published("/users/7")
        )
        assert failure(updates.assert_not_published).startswith("published 3 times: an update; expected 0.")

    def test_what_was_captured_so_far_can_be_forgotten(
        self, mercure: MercureSSE, updates: CapturedUpdates
    ) -> None:
        updates.clear()
        mercure.publish("/a")
        assert updates.topics == ["/a"]
        assert [update.topic for update in updates[-1:]] == ["/a"]
