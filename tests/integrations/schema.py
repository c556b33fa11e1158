"""Tables that the tests of models share, and how they bind them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Column, ForeignKey, String, Table
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    mapped_column,
    relationship,
)

from flask_mercure_sse.integrations.changes import model_changed
from flask_mercure_sse.integrations.signals import publish_signal
from tests.integrations.recorder import Recorder


class Base(DeclarativeBase):
    type_annotation_map = {str: String(100)}  # noqa: RUF012


class Project(Base):
    __tablename__ = "project"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    tasks: Mapped[list[Task]] = relationship(back_populates="project", cascade="all, delete-orphan")


task_tag = Table(
    "task_tag",
    Base.metadata,
    Column("task_id", ForeignKey("task.id"), primary_key=True),
    Column("tag_id", ForeignKey("tag.id"), primary_key=True),
)


class Task(Base):
    __tablename__ = "task"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    tags: Mapped[list[Tag]] = relationship(secondary=task_tag, back_populates="tasks")
    secret: Mapped[str] = mapped_column(default="a secret")
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"))
    project: Mapped[Project | None] = relationship(back_populates="tasks")


class Tag(Base):
    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    tasks: Mapped[list[Task]] = relationship(secondary=task_tag, back_populates="tags")


class Account(Base):
    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]


class Member(Base):
    __tablename__ = "member"
    team: Mapped[str] = mapped_column(primary_key=True)
    user: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Note(Base):
    __tablename__ = "note"
    id: Mapped[str] = mapped_column(primary_key=True)


class Document(Base):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "document"}  # noqa: RUF012


class Letter(Document):
    __tablename__ = "letter"
    id: Mapped[int] = mapped_column(ForeignKey("document.id"), primary_key=True)
    address: Mapped[str] = mapped_column(default="")
    __mapper_args__ = {"polymorphic_identity": "letter"}  # noqa: RUF012


class Pet(Base):
    __tablename__ = "pet"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "pet"}  # noqa: RUF012


class Cat(Pet):
    lives: Mapped[int | None] = mapped_column(default=9)
    __mapper_args__ = {"polymorphic_identity": "cat"}  # noqa: RUF012


class Dog(Pet):
    __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012


class Folder(Base):
    __tablename__ = "folder"
    id: Mapped[int] = mapped_column(primary_key=True)
    files: Mapped[list[File]] = relationship(cascade="all, delete-orphan")


class File(Base):
    __tablename__ = "file"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str]
    folder_id: Mapped[int | None] = mapped_column(ForeignKey("folder.id"))


class Token(Base):
    __tablename__ = "token"
    id: Mapped[UUID] = mapped_column(primary_key=True)


class Worker(Base):
    __tablename__ = "worker"
    id: Mapped[int] = mapped_column(primary_key=True)


class Manager(Worker):
    __tablename__ = "manager"
    id: Mapped[int] = mapped_column(primary_key=True)
    __mapper_args__ = {"concrete": True}  # noqa: RUF012


def bind(recorder: Recorder, model: type = Task, **options: Any) -> Any:
    return publish_signal(recorder, model_changed, sender=model, **options)
