"""What the example board publishes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from flask_mercure_sse.testing import CapturedUpdates, HubStream
from tests.examples.conftest import Load


@pytest.fixture
def client(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    """Ada's, on a board of its own."""
    monkeypatch.setenv("BOARD_DATABASE", str(tmp_path / "board.sqlite"))
    monkeypatch.setenv("BOARD_SECRET_KEY", "a secret that is long enough for HS256")
    module = load("board")
    app = module.create_app()
    client = app.test_client()
    client.post("/sign-in", data={"name": "Ada"})
    client.get("/")  # gives the cookie for the hub
    yield client
    with app.app_context():
        module.db.engine.dispose()


@pytest.fixture
def updates(client: FlaskClient, mercure_updates: CapturedUpdates) -> CapturedUpdates:
    """Those since the board is there."""
    mercure_updates.clear()
    return mercure_updates


def test_a_new_card_is_told_to_all(client: FlaskClient, updates: CapturedUpdates) -> None:
    card = client.post("/api/cards", json={"title": "Test", "list_id": 1}).json
    assert card is not None
    update = updates.assert_published(f"/card/{card['id']}", private=False, times=1)
    assert (update.json["event"], update.json["data"]["title"]) == ("insert", "Test")
    assert update.type == "/card"


def test_a_card_that_is_moved_is_one_update(client: FlaskClient, updates: CapturedUpdates) -> None:
    client.patch("/api/cards/1", json={"list_id": 3})
    updates.assert_published("/card/1", having={"event": "update"}, times=1)
    assert len(updates) == 1


def test_a_card_for_which_a_list_has_no_room_is_no_update(
    client: FlaskClient, updates: CapturedUpdates
) -> None:
    while client.post("/api/cards", json={"title": "More", "list_id": 2}).status_code == 201:
        updates.clear()
    client.post("/api/cards", json={"title": "Too much", "list_id": 2})
    updates.assert_not_published()


def test_a_note_is_private(client: FlaskClient, updates: CapturedUpdates) -> None:
    client.post("/api/notes", json={"text": "Mine"})
    updates.assert_published("/users/Ada/notes", private=True, times=1)
    updates.assert_not_published(private=False)


def test_notes_reach_their_owner_alone(client: FlaskClient, mercure_stream: Callable[..., HubStream]) -> None:
    grace = client.application.test_client()
    grace.post("/sign-in", data={"name": "Grace"})
    grace.get("/")
    own, hers = (mercure_stream(reader, "/users/Ada/notes") for reader in (client, grace))
    client.post("/api/notes", json={"text": "Mine"})
    assert '"Mine"' in own.next().data
    hers.assert_nothing()
