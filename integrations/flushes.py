"""What one flush does to the rows that somebody listens to."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy.orm import InstanceState, LoaderCallableStatus, Session

from .changes import Change
from .failures import describe
from .muting import Muted, muted_now
from .plans import Plan, plan_for
from .rows import Identity, Key, RowReader, model_of, reader_of, state_of

logger: logging.Logger = logging.getLogger(__name__)

Fetched = Mapping[Key, Mapping[str, Any]]
"""Values from before the flush that no object had loaded, by row."""

_NOTHING: Mapping[str, Any] = {}


class _Plans(dict[type, "Plan | None"]):
    """The plan for each class; asked once a flush."""

    def __missing__(self, model: type) -> Plan | None:
        plan = self[model] = plan_for(model)
        return plan


# Before the flush


def remember(session: Session) -> dict[Key, dict[str, Any]]:
    """Return what rows that are about to change hold and no object has loaded, with one SELECT a model."""
    wanted: dict[RowReader, tuple[set[Identity], set[str]]] = {}
    plans = _Plans()
    for items, of in ((session.deleted, _unknown_of_deleted), (session.dirty, _unknown_of_changed)):
        for item in items:
            plan = plans[type(item)]
            if plan is None:
                continue
            state = state_of(item)
            if state.identity is not None and (names := of(plan, state)):
                identities, all_names = wanted.setdefault(plan.reader, (set(), set()))
                identities.add(tuple(state.identity))
                all_names |= names
    found: dict[Key, dict[str, Any]] = {}
    for reader, (identities, names) in wanted.items():
        try:
            rows = reader.fetch(session, identities, sorted(names))
        except Exception as error:
            logger.debug("What rows of %s were could not be read: %s", reader.model.__name__, describe(error))
            continue
        found.update({(reader.space, identity): values for identity, values in rows.items()})
    return found


def _unknown_of_deleted(plan: Plan, state: InstanceState[Any]) -> set[str]:
    if not plan.looks_back:
        return set()
    unknown = state.unloaded & plan.reader.columns.keys()
    return unknown | _set_unseen(plan, state)


def _unknown_of_changed(plan: Plan, state: InstanceState[Any]) -> set[str]:
    unknown = _set_unseen(plan, state)
    if not plan.reader.relations.isdisjoint(state.committed_state):
        # Its foreign key may be about to change, or it is about to be deleted as an orphan.
        unknown |= state.unloaded & plan.reader.columns.keys()
    return unknown


def _set_unseen(plan: Plan, state: InstanceState[Any]) -> set[str]:
    """Return the attributes that were set before they had been loaded."""
    return {
        name
        for name, value in state.committed_state.items()
        if value.__class__ is LoaderCallableStatus and name in plan.reader.columns
    }


# After the flush


def collect(session: Session, fetched: Fetched) -> list[tuple[Key, Change]]:
    """Return the rows that a flush has changed, each behind the key that tells it from all others."""
    plans = _Plans()
    muted = muted_now()
    changes: list[tuple[Key, Change]] = []
    # Deletes first: a row that is deleted and added again in one flush is one UPDATE.
    for item in session.deleted:
        if plan := plans[type(item)]:
            changes.append(_delete(plan, item, fetched, muted))
            if plan.reverse:
                changes += _other_ends(plan, item, muted, deleted=True)
    for item in session.new:
        if plan := plans[type(item)]:
            reader = plan.reader
            identity = reader.identity_of(item)
            if None not in identity:  # a flush of chosen objects leaves others without a key
                change = Change("insert", reader.model, item, identity)
                if muted:
                    change.muted = muted
                changes.append(((reader.space, identity), change))
                if plan.reverse:
                    changes += _other_ends(plan, item, muted)
    for item in session.dirty:
        if plan := plans[type(item)]:
            changes += _update(plan, item, fetched, muted)
            if plan.reverse:
                changes += _other_ends(plan, item, muted)
    return changes


def collect_orphan(item: object, fetched: Fetched) -> tuple[Key, Change] | None:
    """Return the delete of an object that nobody deleted by itself."""
    plan = plan_for(type(item))
    return None if plan is None else _delete(plan, item, fetched, muted_now())


def _delete(plan: Plan, item: object, fetched: Fetched, muted: Muted) -> tuple[Key, Change]:
    reader, state = plan.reader, state_of(item)
    key = (reader.space, tuple(state.identity or ()))
    loaded, before, read = state.dict, state.committed_state, fetched.get(key, _NOTHING)
    old: dict[str, Any] = {}
    for name in reader.columns:
        value = before.get(name, loaded.get(name, LoaderCallableStatus.NO_VALUE))
        if value.__class__ is not LoaderCallableStatus:
            old[name] = value
        elif name in read:
            old[name] = read[name]
    old |= {name: list(loaded[name]) for name in plan.touched if name in loaded}
    return key, Change("delete", reader.model, item, key[1], old=old, muted=muted)


def _update(plan: Plan, item: object, fetched: Fetched, muted: Muted) -> Iterator[tuple[Key, Change]]:
    reader, state = plan.reader, state_of(item)
    if not state.committed_state:
        return
    before: Identity = tuple(state.identity or ())
    changed, old = _differences(plan, state, fetched.get((reader.space, before), _NOTHING))
    if not changed:
        return
    # An expired key would be loaded to be read, one row at a time.
    identity = before if state.committed_state.keys().isdisjoint(reader.keys) else reader.identity_of(item)
    if identity == before:
        key = (reader.space, identity)
        yield key, Change("update", reader.model, item, identity, frozenset(changed), old, muted=muted)
    else:
        yield _delete(plan, item, fetched, muted)
        yield (reader.space, identity), Change("insert", reader.model, item, identity, muted=muted)


def _differences(
    plan: Plan, state: InstanceState[Any], fetched: Mapping[str, Any]
) -> tuple[set[str], dict[str, Any]]:
    """Return the names of what really changed, and the values from before as far as they are known."""
    changed: set[str] = set()
    old: dict[str, Any] = {}
    reader, loaded = plan.reader, state.dict
    for name, before in state.committed_state.items():
        if name not in reader.columns:
            if name in plan.collections and state.attrs[name].history.has_changes():
                changed.add(name)
            continue
        if before.__class__ is LoaderCallableStatus:
            before = fetched.get(name, before)
        known = before.__class__ is not LoaderCallableStatus
        if known and name in loaded and reader.equal(name, before, loaded[name]):
            continue
        if known:
            old[name] = before
        changed.add(name)
    if plan.to_one:
        changed |= {name for name, columns in plan.to_one.items() if not changed.isdisjoint(columns)}
    return changed, old


def _other_ends(
    plan: Plan, item: object, muted: Muted, *, deleted: bool = False
) -> Iterator[tuple[Key, Change]]:
    """Give the rows at the other ends of associations that this flush makes or ends.

    :param deleted: whether the item is, and with it all of its associations.
    """
    state = state_of(item)
    for attribute, names in plan.reverse.items():
        if attribute not in state.dict:
            continue
        history = state.attrs[attribute].history
        ends = [*(history.added or ()), *(history.deleted or ())]
        if deleted:
            ends += history.unchanged or ()
        for end in ends:
            reader = reader_of(model_of(end))
            identity = reader.identity_of(end)
            if None not in identity and plan_for(reader.model) is not None:
                change = Change("update", reader.model, end, identity, frozenset(names), muted=muted)
                yield (reader.space, identity), change
