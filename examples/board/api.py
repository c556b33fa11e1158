"""What the page asks of the server: JSON in, JSON out.

Each view checks, changes rows and commits. What the other windows see of it is not its business: the models
are bound to topics, and a change that is rolled back is published nowhere.
"""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar, cast

from flask import Blueprint, abort, g, request, session
from models import Base, Card, Note, TaskList, as_json, db
from sqlalchemy import func, select
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException

MAX_TITLE = 120
MAX_NOTE = 500
MAX_CARD_LIMIT = 99
MAX_ID = 2**63 - 1

Answer = tuple[dict[str, Any], int]
RowT = TypeVar("RowT", bound=Base)

api = Blueprint("api", __name__, url_prefix="/api")


@api.before_request
def admit() -> None:
    if "user" not in session:
        abort(401, "Pick a name first.")
    g.user = session["user"]
    # Another site's form cannot send JSON, and its script would have to ask for permission first (CORS).
    if request.method not in ("GET", "HEAD", "OPTIONS") and not request.is_json:
        abort(415, "Send JSON, with the Content-Type application/json.")


@api.errorhandler(HTTPException)
def tell(error: HTTPException) -> Answer:
    return {"error": error.description}, error.code or 500


@api.errorhandler(StaleDataError)
def lost_the_race(_error: StaleDataError) -> Answer:
    return {"error": "Somebody else changed this at the same moment. Please try again."}, 409


@api.get("/board")
def board() -> dict[str, Any]:
    """Return all that the user may see: what a window starts with and catches up with."""
    lists = db.session.scalars(select(TaskList))
    cards = db.session.scalars(select(Card))
    notes = db.session.scalars(select(Note).where(Note.owner == g.user))
    return {
        "user": g.user,
        "lists": [as_json(row) for row in lists],
        "cards": [as_json(row) for row in cards],
        "notes": [as_json(row) for row in notes],
    }


# Lists


@api.post("/lists")
def add_list() -> Answer:
    task_list = TaskList(title=_text("title", MAX_TITLE), card_limit=_card_limit())
    db.session.add(task_list)
    return _commit(task_list), 201


@api.patch("/lists/<int:list_id>")
def change_list(list_id: int) -> dict[str, Any]:
    task_list = _get(TaskList, list_id)
    body = _body()
    if "title" in body:
        task_list.title = _text("title", MAX_TITLE)
    if "card_limit" in body:
        task_list.card_limit = _card_limit()
    return _commit(task_list)


@api.delete("/lists/<int:list_id>")
def delete_list(list_id: int) -> dict[str, Any]:
    task_list = _get(TaskList, list_id)
    title = task_list.title
    db.session.delete(task_list)
    db.session.flush()
    if _count_cards(list_id):
        _roll_back(f"“{title}” still has cards. Move or delete them first.")
    db.session.commit()
    return {"id": list_id}


# Cards


@api.post("/cards")
def add_card() -> Answer:
    card = Card(title=_text("title", MAX_TITLE), touched_by=g.user)
    _place(card, _id("list_id"))
    db.session.add(card)
    _flush_within_limit(card.list_id)
    return _commit(card), 201


@api.patch("/cards/<int:card_id>")
def change_card(card_id: int) -> dict[str, Any]:
    """Rename a card (`title`), move it (`list_id`, and `before` for the id of the card it goes before)."""
    card = _get(Card, card_id)
    body = _body()
    card.touched_by = g.user
    if "title" in body:
        card.title = _text("title", MAX_TITLE)
    if "list_id" in body:
        came_from = card.list_id
        _place(card, _id("list_id"), body.get("before"))
        if card.list_id != came_from:
            _flush_within_limit(card.list_id)
    return _commit(card)


@api.delete("/cards/<int:card_id>")
def delete_card(card_id: int) -> dict[str, Any]:
    db.session.delete(_get(Card, card_id))
    db.session.commit()
    return {"id": card_id}


def _place(card: Card, list_id: int, before: object = None) -> None:
    """Put a card into a list, at its end or before another card.

    The position lies between the neighbours', so a move changes one row and is one update. Only when no
    number is left between them are all rows of the list numbered anew.
    """
    _get(TaskList, list_id)
    in_order = select(Card).where(Card.list_id == list_id).order_by(Card.position, Card.id)
    with db.session.no_autoflush:
        others = [other for other in db.session.scalars(in_order) if other is not card]
    index = next((index for index, other in enumerate(others) if other.id == before), len(others))
    low = others[index - 1].position if index > 0 else None
    high = others[index].position if index < len(others) else None
    card.list_id = list_id
    if low is None or high is None:
        card.position = high - 1 if high is not None else low + 1 if low is not None else 0
        return
    card.position = (low + high) / 2
    if not low < card.position < high:
        for position, other in enumerate([*others[:index], card, *others[index:]]):
            other.position = position


def _flush_within_limit(list_id: int) -> None:
    """Write the change, then look whether the list holds it; if not, take the change back.

    In this order because writing takes SQLite's lock: nobody can fill the list between count and commit.
    """
    db.session.flush()
    task_list = db.session.get(TaskList, list_id, populate_existing=True)
    if task_list is None:
        db.session.rollback()
        abort(404, "That list is gone.")
    limit = task_list.card_limit
    if limit is not None and _count_cards(list_id) > limit:
        cards = "1 card" if limit == 1 else f"{limit} cards"
        _roll_back(f"“{task_list.title}” is full: it takes {cards}. Finish one first.")


def _count_cards(list_id: int) -> int:
    return db.session.scalar(select(func.count()).select_from(Card).where(Card.list_id == list_id)) or 0


# Notes


@api.post("/notes")
def add_note() -> Answer:
    note = Note(owner=g.user, text=_text("text", MAX_NOTE))
    db.session.add(note)
    return _commit(note), 201


@api.delete("/notes/<int:note_id>")
def delete_note(note_id: int) -> dict[str, Any]:
    note = _get(Note, note_id)
    if note.owner != g.user:
        _not_found()  # the same answer as for no note at all: ids of others' notes tell nothing
    db.session.delete(note)
    db.session.commit()
    return {"id": note_id}


# Reading requests


def _get(model: type[RowT], row_id: int) -> RowT:
    row = db.session.get(model, row_id) if row_id <= MAX_ID else None
    return row or _not_found()


def _not_found() -> NoReturn:
    abort(404, "That is gone; somebody deleted it.")


def _body() -> dict[str, Any]:
    body = request.get_json()
    if not isinstance(body, dict):
        abort(400, "Send a JSON object.")
    return cast("dict[str, Any]", body)


def _text(name: str, longest: int) -> str:
    given = _body().get(name)
    text = " ".join(given.split()) if isinstance(given, str) else ""
    if not text:
        abort(400, f"The {name} is empty.")
    if len(text) > longest:
        abort(400, f"The {name} is too long: {len(text)} characters, {longest} fit.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        abort(400, f"The {name} is not valid Unicode.")
    return text


def _id(name: str) -> int:
    given = _body().get(name)
    if not isinstance(given, int) or isinstance(given, bool):
        abort(400, f"{name} is not a number.")
    return given


def _card_limit() -> int | None:
    given = _body().get("card_limit")
    if given is None:
        return None
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= MAX_CARD_LIMIT:
        abort(400, f"The limit is not a number from 1 to {MAX_CARD_LIMIT}.")
    return given


def _commit(row: TaskList | Card | Note) -> dict[str, Any]:
    db.session.flush()
    answer = as_json(row)  # before the commit, after which another request may have deleted the row
    db.session.commit()
    return answer


def _roll_back(reason: str) -> NoReturn:
    db.session.rollback()
    abort(409, reason)
