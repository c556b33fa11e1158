"""From what was recorded of rows to what really became of them, just before it is told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, selectin_polymorphic

from .changes import Change, Event
from .plans import Link, Plan, plan_for
from .rows import Identity, Key, RowReader, in_batches, model_of, reader_of, state_of

Changes = list[tuple[Key, Change]]


def settle(
    session: Session, recorded: Changes, known: Mapping[Key, Change], *, may_load: bool
) -> tuple[Changes, set[Key]]:
    """Return what became of rows, and which of them are only told because others changed.

    Objects are loaded where they must be, with one SELECT a model; what adds up to nothing is left out.

    :param recorded: what is to be told now.
    :param known: all changes of the transaction, by row.
    :param may_load: whether rows can still be loaded; else what is not known is left out.
    """
    if may_load:
        _load(session, recorded)
    settled: dict[Key, Change] = {}
    for key, change in recorded:
        if not (change.stale or change.doubtful or change.remade):
            settled[key] = change
        elif (may_load or change.object is not None) and (made := _settled(change)) is not None:
            settled[key] = made
    recorded_keys = set(settled)
    for key, change in _linked(session, settled, known, may_load=may_load).items():
        settled[key] = change
    return list(settled.items()), settled.keys() - recorded_keys


# Loading


def _load(session: Session, changes: Changes) -> None:
    """Load the rows that are not known, not complete or to be loaded with more, one SELECT a model."""
    by_model: dict[type, Changes] = defaultdict(list)
    for key, change in changes:
        if change.event in ("insert", "update"):
            by_model[change.model].append((key, change))
    for model, group in by_model.items():
        plan = plan_for(model)
        if plan is not None:
            _load_model(session, plan, group)
        else:
            _load_rows(session, reader_of(model), [one for one in group if one[1].stale], ())


def _load_model(session: Session, plan: Plan, group: Changes) -> None:
    options = plan.load
    several = len(group) > 1
    if several:
        options = (*plan.eager, *options)
    if not options:
        group = [
            (key, change)
            for key, change in group
            if change.stale or (several and _is_expired(plan, change)) or _is_in_doubt(change)
        ]
    _load_rows(session, plan.reader, group, options)


def _is_expired(plan: Plan, change: Change) -> bool:
    expired = state_of(change.object).expired_attributes
    return bool(expired) and not expired.isdisjoint(plan.reads)


def _is_in_doubt(change: Change) -> bool:
    """Tell whether values must be read to see what a row's steps add up to."""
    return (change.doubtful or change.remade) and not state_of(change.object).dict.keys() >= change.old.keys()


def _load_rows(session: Session, reader: RowReader, group: Changes, options: Iterable[Any]) -> None:
    if not group:
        return
    found = load_objects(session, reader, [change.identity for _key, change in group], options)
    for (_space, identity), change in group:
        item = found.get(identity)
        if item is not None:
            change.object = item
            change.model = type(item)
        elif change.stale:
            change.object = None


def load_objects(
    session: Session, reader: RowReader, identities: Iterable[Identity], options: Iterable[Any]
) -> dict[Identity, Any]:
    """Return the objects of rows as they are now, by identity."""
    mapper = reader.mapper
    several = [one.class_ for one in mapper.self_and_descendants if one is not mapper and not one.concrete]
    if several:
        options = [selectin_polymorphic(reader.model, several), *options]
    found: dict[Identity, Any] = {}
    for some in in_batches(identities):
        statement = select(reader.model).where(reader.chosen(some)).options(*options)
        for item in session.scalars(statement, execution_options={"populate_existing": True}).unique():
            found[reader_of(model_of(item)).identity_of(item)] = item
    return found


# What became of a row


def _settled(change: Change) -> Change | None:
    """Return what a change is once its row is known, None when nothing happened."""
    event: Event = change.event
    if change.stale and change.object is None and event in ("insert", "update"):
        if event == "insert":
            return None
        event = "delete"
    changed: frozenset[str] = _really_changed(change) if event == "update" else frozenset()
    if event == "update" and not changed and not change.remade:
        return None
    return Change(
        event,
        change.model,
        change.object,
        change.identity,
        changed,
        change.old if event == "delete" else {name: change.old[name] for name in changed & change.old.keys()},
        change.reason,
        muted=change.muted,
    )


def _really_changed(change: Change) -> frozenset[str]:
    reader, values = reader_of(change.model), state_of(change.object).dict
    same = {
        name
        for name, before in change.old.items()
        if name in values and name in reader.columns and reader.equal(name, before, values[name])
    }
    changed: set[str] = {name for name in (*change.changed, *change.old) if name not in same}
    plan = plan_for(change.model)
    for name, columns in plan.to_one.items() if plan is not None else ():
        if changed.isdisjoint(columns):
            changed.discard(name)
        else:
            changed.add(name)
    return frozenset(changed)


# Rows that change because others do


def _linked(
    session: Session, settled: Mapping[Key, Change], known: Mapping[Key, Change], *, may_load: bool
) -> dict[Key, Change]:
    """Return what becomes of the rows that others belong to; a change of their own is taken in."""
    linked: dict[Key, Change] = {}
    level: Mapping[Key, Change] = settled
    while level:
        reached: dict[Key, Change] = {}
        for key, parent in _parents(level.values()):
            before = reached.get(key) or linked.get(key) or settled.get(key) or known.get(key)
            if before is None or before.event == "update":
                reached[key] = parent if before is None else _joined(before, parent)
        if may_load:
            _load(session, list(reached.items()))
        level = {
            key: change
            for key, change in reached.items()
            if key not in linked and key not in settled and change.object is not None
        }
        linked.update({key: change for key, change in reached.items() if change.object is not None})
    return linked


def _joined(own: Change, parent: Change) -> Change:
    return Change(
        "update",
        own.model,
        parent.object if own.object is None else own.object,
        own.identity,
        own.changed | parent.changed,
        own.old,
        own.reason if own.changed or own.reason == parent.reason else None,
        muted=own.muted & parent.muted,
        stale=own.stale,
    )


def _parents(changes: Iterable[Change]) -> Iterator[tuple[Key, Change]]:
    plans: dict[type, Plan | None] = {}
    for change in changes:
        if change.model not in plans:
            plan = plan_for(change.model)
            plans[change.model] = plan if plan and (plan.links or plan.touched) else None
        plan = plans[change.model]
        if plan is not None and change.event != "refresh":
            yield from _parents_of(plan, change)


def _parents_of(plan: Plan, change: Change) -> Iterator[tuple[Key, Change]]:
    for link in plan.links:
        for identity in _ends(link, change):
            parent = Change("update", link.parent.model, None, identity, muted=change.muted, stale=True)
            if link.name is None:
                parent.reason = "touch"
            else:
                parent.changed = frozenset({link.name})
            yield (link.parent.space, identity), parent
    for name in plan.touched:
        # What a deleted row belonged to was noted when it was deleted.
        ends = change.old.get(name) if change.event == "delete" else getattr(change.object, name)
        for end in ends or ():
            reader = reader_of(model_of(end))
            identity = reader.identity_of(end)
            touched = Change("update", reader.model, end, identity, reason="touch", muted=change.muted)
            yield (reader.space, identity), touched


def _ends(link: Link, change: Change) -> set[Identity]:
    """Return the rows that a foreign key leads to, now and before, as far as that matters to them."""
    moved = not change.changed.isdisjoint(link.columns)
    if change.event == "update" and link.name is not None and not moved:
        return set()  # the row is still one of the same collection
    ends: list[Identity] = []
    if change.event != "delete":
        ends.append(tuple(getattr(change.object, column) for column in link.columns))
    if change.event == "delete" or moved:
        old = change.old
        ends.append(
            tuple(
                old[column] if column in old else getattr(change.previous, column) for column in link.columns
            )
        )
    return {end for end in ends if None not in end}
