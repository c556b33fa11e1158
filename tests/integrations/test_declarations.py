"""How models are bound: stacked, inherited, mapped in any way; and which updates are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, String, Table
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    DynamicMapped,
    Mapped,
    MappedAsDataclass,
    Session,
    column_property,
    composite,
    mapped_column,
    object_session,
    registry,
    relationship,
    synonym,
)

from flask_mercure_sse.integrations.changes import Change, model_changed
from flask_mercure_sse.integrations.plans import plan_for
from flask_mercure_sse.integrations.signals import publish_signal
from flask_mercure_sse.integrations.watching import opt_out
from flask_mercure_sse.protocol.errors import BindingError
from tests.integrations.recorder import Recorder
from tests.integrations.schema import Document, Letter, Project, Task, bind


@dataclass
class Point:
    x: int
    y: int


@pytest.fixture
def task(tables: None, session: Session) -> Task:
    task = Task(id=1, title="write")
    session.add(task)
    session.commit()
    return task


def committed(engine: Engine, base: Any, *items: object) -> None:
    base.metadata.create_all(engine)
    try:
        with Session(engine) as session:
            session.add_all(items)
            session.commit()
    finally:
        base.metadata.drop_all(engine)


# Audiences


def test_each_binding_of_a_model_has_its_own_topic_payload_and_privacy(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, topic="/public/{id}", data=["title"])
    bind(recorder, topic="/staff/{id}", data=["title", "secret"], private=True)
    task.title = "read"
    session.commit()
    assert {(update.topic, update.private) for update in recorder.updates} == {
        ("/public/1", False),
        ("/staff/1", True),
    }
    for update, body in zip(recorder.updates, recorder.bodies, strict=True):
        assert ("secret" in body["data"]) == update.private


def test_models_are_private_where_the_app_says_so_and_a_binding_does_not(
    session: Session, task: Task
) -> None:
    recorder = Recorder(model_private=True)
    bind(recorder, topic="/default")
    bind(recorder, topic="/said", private=False)
    task.title = "read"
    session.commit()
    assert {update.topic: update.private for update in recorder.updates} == {"/default": True, "/said": False}


def test_the_id_and_the_reconnection_time_are_options_as_for_signals(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, id=lambda task, change: f"{change.event}-{task.id}", retry=1000)
    task.title = "read"
    session.commit()
    [update] = recorder.updates
    assert (update.id, update.retry) == ("update-1", 1000)


def test_one_binding_may_be_for_several_models_and_their_subclasses(
    recorder: Recorder, tables: None, session: Session
) -> None:
    publish_signal(recorder, model_changed, sender=[Document, Project])
    session.add_all([Letter(id=1), Project(id=2, name="p"), Task(id=3, title="t")])
    session.commit()
    assert sorted(recorder.topics) == [("/letter/1", "/letter"), ("/project/2", "/project")]


# Which updates


def test_only_updates_of_watched_attributes_are_published(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, watch=["title"])
    task.secret = "other"
    session.commit()
    task.title = "read"
    session.commit()
    session.delete(task)
    session.commit()
    assert recorder.bodies == [
        {"event": "update", "model": "Task", "id": 1, "changed": ["title"]},
        {"event": "delete", "model": "Task", "id": 1},
    ]


class Places(DeclarativeBase):
    pass


class Place(Places):
    __tablename__ = "place"
    id: Mapped[int] = mapped_column(primary_key=True)
    x: Mapped[int] = mapped_column(default=0)
    y: Mapped[int] = mapped_column(default=0)
    other: Mapped[int] = mapped_column(default=0)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("place.id"))
    owner: Mapped[Place | None] = relationship(remote_side="Place.id", back_populates="owned")
    owned: DynamicMapped[Place] = relationship(back_populates="owner")
    point: Mapped[Point] = composite("x", "y")
    across = synonym("x")
    twice = column_property(x * 2)

    @hybrid_property
    def double(self) -> int:
        return self.x * 2


@pytest.fixture
def place(engine: Engine) -> Iterator[Place]:
    Places.metadata.create_all(engine)
    with Session(engine) as session:
        place = Place(id=1)
        session.add(place)
        session.commit()
        yield place
    Places.metadata.drop_all(engine)


@pytest.mark.parametrize(("name", "changed"), [("across", "x"), ("point", "y"), ("owner", "owner_id")])
def test_a_synonym_a_composite_and_a_reference_change_with_their_columns(
    name: str, changed: str, recorder: Recorder, place: Place
) -> None:
    session = object_session(place)
    assert session is not None
    bind(recorder, Place, topic="/watched", watch=name)
    bind(recorder, Place, topic="/others", ignore=name)
    setattr(place, changed, 1)
    session.commit()
    place.other = 1
    session.commit()
    assert recorder.topics == [("/watched",), ("/others",)]


@pytest.mark.parametrize("option", ["watch", "ignore"])
def test_a_computed_attribute_is_no_change_to_follow(
    option: str, recorder: Recorder, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(BindingError, match=f"{option}: Place.double is computed, so"):
        bind(recorder, Place, **{option: "double"})
    # The mapping may not be complete yet when it is bound, so what only the mapping says is told later.
    bind(recorder, Place, **{option: "twice"})
    plan_for(Place)
    assert f"{option}: Place.twice is computed, so" in caplog.text


def test_what_is_touched_is_a_relationship_and_what_is_published_has_a_list(
    recorder: Recorder, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    bind(recorder, Place, touches="owner_id", data=["id", "owned"])
    plan_for(Place)
    plan_for(Place)
    assert [record.getMessage() for record in caplog.records] == [
        "<ModelBinding of Place>: touches: Place.owner_id is no relationship; name one to the rows to be "
        "touched",
        "<ModelBinding of Place>: data: Place.owned has no list of its rows to publish, as it is only queried; "
        "give a callable",
    ]


def test_an_update_of_ignored_attributes_alone_is_none(
    recorder: Recorder, session: Session, task: Task
) -> None:
    bind(recorder, ignore="secret")
    task.secret = "other"
    session.commit()
    assert recorder.updates == []
    task.title, task.secret = "read", "third"
    session.commit()
    assert recorder.bodies[0]["changed"] == ["secret", "title"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"watch": 7}, "watch: 7 is not a list of names"),
        ({"ignore": []}, r"ignore: \[\] does not consist of names"),
        ({"max_bytes": 0}, "max_bytes: 0 is not a number of bytes above zero"),
        ({"collection": "/tasks/{id}"}, "collection: '/tasks/{id}' is not a topic without fields"),
        ({"private": "yes"}, "private: 'yes' is neither bool nor a callable"),
    ],
)
def test_an_option_that_cannot_work_is_an_error_at_once(
    options: dict[str, Any], problem: str, recorder: Recorder
) -> None:
    with pytest.raises(BindingError, match=problem):
        bind(recorder, **options)


# The change


def test_callables_get_the_change_with_what_was(recorder: Recorder, session: Session, task: Task) -> None:
    changes: list[Change] = []
    bind(recorder, data=lambda task, change: changes.append(change))
    task.title = "read"
    session.commit()
    [change] = changes
    assert (change.event, change.model, change.object, change.identity) == ("update", Task, task, (1,))
    assert (change.changed, dict(change.old), change.previous.title) == (
        {"title"},
        {"title": "write"},
        "write",
    )
    assert [change.transaction] == recorder.transactions


def test_a_change_does_not_show_values_where_it_is_printed(
    recorder: Recorder, session: Session, task: Task
) -> None:
    printed: list[str] = []
    bind(recorder, data=lambda task, change: printed.append(repr(change)))
    task.secret = "hunter2"
    session.commit()
    assert printed == ["<Change update Task (1,) ['secret']>"]


def test_all_updates_of_a_transaction_carry_its_id(recorder: Recorder, session: Session, task: Task) -> None:
    bind(recorder)
    task.title = "read"
    session.add(Task(id=2, title="more"))
    session.commit()
    task.title = "write"
    session.commit()
    first, second, third = recorder.transactions
    assert first == second != third


def test_what_was_is_read_through_properties_methods_synonyms_and_composites(
    recorder: Recorder, engine: Engine
) -> None:
    class Base(DeclarativeBase):
        pass

    class Place(Base):
        __tablename__ = "place"
        id: Mapped[int] = mapped_column(primary_key=True)
        x: Mapped[int]
        y: Mapped[int]
        point: Mapped[Point] = composite("x", "y")
        across = synonym("x")

        @property
        def sum(self) -> int:
            return self.x + self.y

        @hybrid_property
        def double(self) -> int:
            return self.x * 2

        @cached_property
        def kept(self) -> int:
            return self.x

        def times(self, factor: int) -> int:
            return self.x * factor

    def topic(place: Place) -> str:
        values = place.point.x, place.across, place.sum, place.double, place.kept, place.times(3)
        return "/" + "-".join(map(str, values))

    bind(recorder, Place, topic=topic)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        place = Place(id=1, x=1, y=1)
        session.add(place)
        session.commit()
        recorder.clear()
        place.x = 2
        session.commit()
    Base.metadata.drop_all(engine)
    assert recorder.topics == [("/1-1-2-2-1-3",), ("/2-2-3-4-1-6",)]


# Inheritance and mappings


def test_mixins_and_abstract_bases_are_inherited_with_each_models_own_table(
    recorder: Recorder, engine: Engine
) -> None:
    class Base(DeclarativeBase):
        pass

    class Shared:
        pass

    class Numbered(Base):
        __abstract__ = True
        id: Mapped[int] = mapped_column(primary_key=True)

    class Cat(Shared, Numbered):
        __tablename__ = "cat"

    class Dog(Numbered):
        __tablename__ = "dog"

    bind(recorder, Shared, topic="/shared/{id}")
    bind(recorder, Numbered)
    committed(engine, Base, Cat(id=1), Dog(id=2))
    assert sorted(recorder.topics) == [("/cat/1", "/cat"), ("/dog/2", "/dog"), ("/shared/1",)]


def test_a_subclass_replaces_the_binding_of_the_same_name_alone(recorder: Recorder, engine: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class Animal(Base):
        __tablename__ = "animal"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012

    class Cat(Animal):
        __mapper_args__ = {"polymorphic_identity": "cat"}  # noqa: RUF012

    class Lion(Cat):
        __mapper_args__ = {"polymorphic_identity": "lion"}  # noqa: RUF012

    bind(recorder, Animal, topic="/zoo/{id}", name="public")
    bind(recorder, Animal, topic="/staff/{id}", name="staff")
    bind(recorder, Cat, topic="/cats/{id}", name="public")
    committed(engine, Base, Animal(id=1), Cat(id=2), Lion(id=3))
    assert sorted(recorder.topics) == [
        ("/cats/2",),
        ("/cats/3",),
        ("/staff/1",),
        ("/staff/2",),
        ("/staff/3",),
        ("/zoo/1",),
    ]


@pytest.mark.parametrize("owner", ["base", "subclass"])
def test_what_a_binding_has_replaced_is_back_when_it_is_disconnected(
    owner: str, recorder: Recorder, engine: Engine
) -> None:
    class Base(DeclarativeBase):
        pass

    class Animal(Base):
        __tablename__ = "animal"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Cat(Animal):
        pass

    bind(recorder, Animal if owner == "base" else Cat, topic="/zoo/{id}", name="public")
    with bind(recorder, Cat, topic="/cats/{id}", name="public"):
        committed(engine, Base, Cat(id=1))
    committed(engine, Base, Cat(id=2))
    assert recorder.topics == [("/cats/1",), ("/zoo/2",)]


@pytest.mark.parametrize("early", [True, False], ids=["before the first commit", "after it"])
def test_a_subclass_may_opt_out(early: bool, recorder: Recorder, engine: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class Page(Base):
        __tablename__ = "page"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "page"}  # noqa: RUF012

    class Draft(Page):
        __tablename__ = "draft"
        id: Mapped[int] = mapped_column(ForeignKey("page.id"), primary_key=True)
        __mapper_args__ = {"polymorphic_identity": "draft"}  # noqa: RUF012

    bind(recorder, Page)
    if not early:
        committed(engine, Base, Draft(id=1))
        assert recorder.events == [("insert", "Draft", 1)]
        recorder.clear()
    opt_out(Draft)
    committed(engine, Base, Page(id=1), Draft(id=2))
    assert recorder.events == [("insert", "Page", 1)]


def test_dataclass_mapped_models_are_bound(recorder: Recorder, engine: Engine) -> None:
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Spot(Base):
        __tablename__ = "point"
        id: Mapped[int] = mapped_column(primary_key=True)
        x: Mapped[int] = mapped_column(default=0)

    bind(recorder, Spot, data=["x"])
    committed(engine, Base, Spot(id=1, x=2))
    assert recorder.bodies == [{"event": "insert", "model": "Spot", "id": 1, "data": {"x": 2}}]


def test_imperatively_mapped_dataclasses_are_bound(recorder: Recorder, engine: Engine) -> None:
    mapping = registry()
    table = Table(
        "user", mapping.metadata, Column("user_id", Integer, primary_key=True), Column("name", String)
    )

    @dataclass
    class User:
        id: int
        name: str

    mapping.map_imperatively(User, table, properties={"id": table.c.user_id})
    bind(recorder, User, topic="/users/{id}", data=["name"])
    committed(engine, mapping, User(1, "ada"))
    assert recorder.bodies == [{"event": "insert", "model": "User", "id": 1, "data": {"name": "ada"}}]


def test_attributes_that_are_computed_by_the_database_are_carried_and_make_no_change(
    recorder: Recorder, engine: Engine
) -> None:
    class Base(DeclarativeBase):
        pass

    class Line(Base):
        __tablename__ = "line"
        id: Mapped[int] = mapped_column(primary_key=True)
        count: Mapped[int] = mapped_column()
        price: Mapped[int] = mapped_column()
        total: Mapped[int] = column_property(count * price)

    bind(recorder, Line, topic="/lines/{total}", data=["total"])
    committed(engine, Base, Line(id=1, count=2, price=3))
    assert (recorder.topics, recorder.bodies[0]["data"]) == ([("/lines/6",)], {"total": 6})
