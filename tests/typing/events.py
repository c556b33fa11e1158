"""How an app with strict types declares its events; pyright reads it, and nothing runs it."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from blinker import Namespace
from flask import Flask
from sqlalchemy import ForeignKey, create_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    mapped_column,
    relationship,
    scoped_session,
    sessionmaker,
)
from typing_extensions import assert_type

from flask_mercure_sse import Binding, Bound, Change, MercureSSE, model_changed, publish_signal

app = Flask(__name__)
mercure = MercureSSE(app)
current = scoped_session(sessionmaker(create_engine("sqlite://")))
shop = Namespace()
paid = shop.signal("order-paid")


class Base(DeclarativeBase):
    pass


def topics(task: Task, change: Change) -> list[str] | None:
    return [f"/tasks/{task.id}"] if change.event == "insert" else None


def body(task: Task, *, change: Change) -> dict[str, object]:
    return {"title": task.title, "was": change.old.get("title")}


class Kind:
    def __call__(self, task: Task) -> str:
        return "task"


@mercure.model_topic
class Project(Base):
    __tablename__ = "project"
    id: Mapped[int] = mapped_column(primary_key=True)


@mercure.model_topic(
    topics,
    body,
    private=lambda: True,
    type=Kind(),
    id=lambda task: f"task-{task.id}",
    retry=lambda task: 5,
    when=lambda task: task.deleted_at is None,
)
@mercure.model_topic(["/all", lambda task: "/some"], data=partial(body), touches="project")
@mercure.model_topic(lambda task, change: f"/{change.event}", data=lambda task, change: change.event)
class Task(Base):
    __tablename__ = "task"
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    project: Mapped[Project] = relationship()
    title: Mapped[str]
    deleted_at: Mapped[datetime | None]


@mercure.publish_signal(
    paid,
    "/orders/{number}",
    private=lambda sender, total: total > 1000,
    id=lambda sender, number, total: f"{number}-{total}",
    when=lambda sender, **arguments: "number" in arguments,
    on_commit=current,
)
def data(sender: str, total: int) -> dict[str, int]:
    return {"total": total}


@model_changed.connect
def changed(model: type, change: Change) -> None:
    assert_type(change.changed, frozenset[str])


assert_type(Task, type[Task])
assert_type(Task().title, str)
assert_type(data("till", 12), dict[str, int])
assert_type(
    publish_signal(shop, lambda sender: "/shop", data=lambda sender, **arguments: sorted(arguments)), Bound
)
assert_type(mercure.bind_model(Project, "/projects/{id}", when=lambda project: project.id > 0), Binding)
