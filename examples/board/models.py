"""The board's tables. The decorators are all there is to do for server push: each committed change of a row
becomes an update, and nothing else in this app publishes."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import quote

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from flask_mercure_sse import MercureSSE

LIST = ["title", "card_limit", "version"]
CARD = ["list_id", "title", "position", "touched_by", "version"]
NOTE = ["text", "version"]


class Base(DeclarativeBase):
    """What every row has.

    Windows get changes from two sides, the stream and the answers to their own requests. The version lets
    them keep the newer of two states, and it makes SQLAlchemy refuse one of two changes made at once. An id
    is never used again, so a deleted row stays deleted whatever arrives late.
    """

    __table_args__: ClassVar[Any] = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.version}


# The models derive from Base and not from db.Model: type checkers know its columns.
db = SQLAlchemy(metadata=Base.metadata)
mercure = MercureSSE()


@mercure.model_topic(data=LIST)
class TaskList(Base):
    """A list of cards; updates go to ``/list/{id}`` and ``/list``."""

    __tablename__ = "list"

    title: Mapped[str]
    card_limit: Mapped[int | None]


@mercure.model_topic(data=CARD)
class Card(Base):
    """A card; updates go to ``/card/{id}`` and ``/card``."""

    __tablename__ = "card"

    list_id: Mapped[int] = mapped_column(ForeignKey("list.id"), index=True)
    title: Mapped[str]
    position: Mapped[float]
    touched_by: Mapped[str]


@mercure.model_topic(topic="/users/{owner}/notes", private=True, data=NOTE)
class Note(Base):
    """A private note; only who has a token for its owner's topic gets its updates."""

    __tablename__ = "note"

    owner: Mapped[str] = mapped_column(index=True)
    text: Mapped[str]


def notes_topic(owner: str) -> str:
    """Return the topic of a user's notes, with the name encoded as the binding's template encodes it."""
    return f"/users/{quote(owner, safe='')}/notes"


def as_json(row: TaskList | Card | Note) -> dict[str, Any]:
    """Return a row in the shape in which updates carry it: answers and updates merge alike."""
    names = LIST if isinstance(row, TaskList) else CARD if isinstance(row, Card) else NOTE
    return {"id": row.id, **{name: getattr(row, name) for name in names}}
