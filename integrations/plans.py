"""What is to be done for the rows of a model: everything that its listeners need, found out once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast
from weakref import WeakKeyDictionary

from sqlalchemy import inspect
from sqlalchemy.orm import MANYTOMANY, MANYTOONE, ONETOMANY, Mapper, RelationshipProperty, selectinload

from .changes import model_changed
from .models import ModelBinding
from .related import has_list
from .rows import RowReader, reader_of
from .watching import declared_bindings, is_watched, version

Receiver = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Link:
    """A foreign key through which a row's change is a change of another row as well.

    :param parent: the other row's model.
    :param columns: the attributes that hold the other row's primary key.
    :param name: the other row's relationship that leads here; None where the other row is only touched.
    """

    parent: RowReader
    columns: tuple[str, ...]
    name: str | None = None


@dataclass(slots=True)
class Plan:
    """What the listeners to one model need.

    :param reader: reads the model's rows.
    :param bindings: the model's bindings.
    """

    reader: RowReader
    bindings: list[ModelBinding]
    looks_back: bool = False
    """Whether somebody asks what rows were before."""
    reads: frozenset[str] = frozenset()
    """The columns that bindings read of rows; all of them where only a callable knows."""
    load: tuple[Any, ...] = ()
    """Options for loading rows before listeners are told, as bindings ask for them."""
    eager: tuple[Any, ...] = ()
    """Options for relationships that bindings name, for loading several rows at once."""
    links: list[Link] = field(default_factory=list[Link])
    to_one: dict[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    """Named relationships to one object, and the attributes that hold the key."""
    collections: frozenset[str] = frozenset()
    """Named relationships through an association table."""
    reverse: dict[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    """Relationships whose other ends are named there, by the names that they have there."""
    touched: frozenset[str] = frozenset()
    """Relationships to several objects that are touched."""

    _names: dict[tuple[str, ...], frozenset[str]] = field(
        default_factory=dict["tuple[str, ...]", "frozenset[str]"]
    )

    def named(self, columns: tuple[str, ...]) -> frozenset[str]:
        """Return the names of what changes with these columns: themselves, and named relationships.

        Many rows change alike, and get the same set.
        """
        found = self._names.get(columns)
        if found is None:
            ends = (
                name for name, attributes in self.to_one.items() if not set(columns).isdisjoint(attributes)
            )
            found = self._names[columns] = frozenset({*columns, *ends})
        return found

    @property
    def bulk(self) -> str | None:
        """How bulk statements are to be told: ``rows``, ``refresh`` or not at all (None)."""
        modes = {binding.bulk for binding in self.bindings}
        if "rows" in modes or self.links or len(self.bindings) < len(receivers_of(self.reader.model)):
            return "rows"
        return "refresh" if "refresh" in modes else None


def receivers_of(model: type) -> list[Receiver]:
    """Return who listens to a model's changes."""
    return list(model_changed.receivers_for(model)) if is_watched(model) else []


def binding_of(receiver: Receiver) -> ModelBinding | None:
    """Return the binding whose method a receiver is, None where it is another's."""
    owner = getattr(receiver, "__self__", None)
    return owner if isinstance(owner, ModelBinding) else None


_plans: WeakKeyDictionary[type, Plan | None] = WeakKeyDictionary()
_made_for = -1


def plan_for(model: type) -> Plan | None:
    """Return the plan for a mapped class, None where its rows concern nobody."""
    global _made_for
    if _made_for != (now := version()):
        _plans.clear()
        _made_for = now
    try:
        return _plans[model]
    except KeyError:
        plan = _make(model)
        if version() == now:  # else it is made again for those who came meanwhile
            _plans[model] = plan
        return plan


def _make(model: type) -> Plan | None:
    receivers = receivers_of(model)
    bindings = [binding for receiver in receivers if (binding := binding_of(receiver))]
    reader = reader_of(model)
    for binding in bindings:
        binding.learn(model)
    plan = Plan(reader, bindings)
    _look_up(plan, reader.mapper)
    if not receivers and not plan.links and not plan.reverse:
        return None
    others = len(receivers) > len(bindings)
    plan.looks_back = others or bool(plan.links) or any(binding.looks_back for binding in bindings)
    for binding in bindings:
        reads = binding.reads
        # A name that is no column, such as a property, may read any.
        known = reads is not None and reads <= reader.columns.keys() | reader.relations
        plan.reads |= reads if reads is not None and known else reader.columns.keys()
    _take_names(plan, reader.mapper)
    return plan


def _look_up(plan: Plan, mapper: Mapper[Any]) -> None:
    """Find relationships of other models that lead here and are named there."""
    reverse: dict[str, tuple[str, ...]] = {}
    for owner, relation in _named_relations():
        if not mapper.isa(relation.mapper):
            continue
        if relation.direction is ONETOMANY:
            columns = _foreign_key(relation, plan.reader)
            if columns:
                plan.links.append(Link(owner, columns, relation.key))
        elif relation.direction is MANYTOMANY and relation.back_populates:
            names = reverse.get(relation.back_populates, ())
            reverse[relation.back_populates] = (*names, relation.key)
    plan.reverse = reverse


def _named_relations() -> Iterator[tuple[RowReader, RelationshipProperty[Any]]]:
    """Give the relationships that bindings watch or publish, with the reader of their model."""
    found: dict[RelationshipProperty[Any], RowReader] = {}
    for model, binding in declared_bindings():
        mapper = cast("Mapper[Any] | None", inspect(model, raiseerr=False))
        names = (
            {*(binding.watch or ()), *binding.data_names} if isinstance(binding, ModelBinding) else set[str]()
        )
        for one in mapper.self_and_descendants if mapper is not None and names else ():
            for name in names & reader_of(one.class_).relations:
                found.setdefault(one.relationships[name], reader_of(one.class_))
    return ((reader, relation) for relation, reader in found.items())


def _foreign_key(relation: RelationshipProperty[Any], child: RowReader) -> tuple[str, ...] | None:
    """Return the child's attributes that hold the parent's primary key, None where none do."""
    child_column = dict(relation.local_remote_pairs or ())
    try:
        columns = [child_column[column] for column in relation.parent.primary_key]
        return tuple(child.mapper.get_property_by_column(column).key for column in columns)
    except Exception:  # another key than the primary one, or columns that are not mapped
        return None


def _take_names(plan: Plan, mapper: Mapper[Any]) -> None:
    """Take up the relationships that the model's own bindings name."""
    watched: set[str] = set()
    published: set[str] = set()
    touched: set[str] = set()
    load: list[Any] = []
    for binding in plan.bindings:
        fields = binding.topic_fields or frozenset()
        watched |= {*(binding.watch or ()), *binding.data_names, *fields}
        published |= {*binding.data_names, *fields}
        touched |= binding.touches
        load += binding.load
    relations = mapper.relationships
    for name in sorted(watched & plan.reader.relations):
        if relations[name].direction is MANYTOONE and (to_one := plan.reader.many_to_one.get(name)):
            plan.to_one[name] = to_one[1]
    plan.collections = frozenset(
        name for name in watched & plan.reader.relations if relations[name].direction is MANYTOMANY
    )
    for name in sorted(touched & plan.reader.relations):
        to_one = plan.reader.many_to_one.get(name)
        if not any(is_watched(one.class_) for one in relations[name].mapper.self_and_descendants):
            continue  # nobody would hear of it
        if to_one:
            plan.links.append(Link(reader_of(to_one[0].class_), to_one[1]))
        else:
            plan.touched |= {name}
    plan.looks_back = plan.looks_back or bool(plan.links)
    for link in plan.links:
        plan.reads |= {*link.columns}
    plan.load = tuple(load)
    plan.eager = tuple(
        selectinload(getattr(plan.reader.model, name))
        for name in sorted(published & plan.reader.relations)
        if has_list(mapper, name)
    )
