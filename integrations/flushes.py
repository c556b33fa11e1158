"""What one flush does to the rows that somebody listens to."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import InstanceState, LoaderCallableStatus, Session

from .changes import UNKNOWN, Change, Key
from .failures import describe
from .muting import muted_now
from .plans import Plan, plan_for
from .rows import Identity, RowReader, model_of, reader_of, state_of

logger: logging.Logger = logging.getLogger(__name__)

Fetched = Mapping[Key, Mapping[str, Any]]
"""Values from before the flush that no object had loaded, by row."""

_NO_VALUE = LoaderCallableStatus.NO_VALUE


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
            plan = plans[item.__class__]
            if plan is not None and (names := of(plan, state := state_of(item))) and state.identity:
                identities, all_names = wanted.setdefault(plan.reader, (set(), set()))
                identities.add(state.identity)
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


def _unknown_of_deleted(plan: Plan, state: InstanceState[Any]) -> set[str] | None:
    if not plan.looks_back:
        return None
    return (state.unloaded & plan.reader.columns.keys()) | (_unknown_of_changed(plan, state) or set())


def _unknown_of_changed(plan: Plan, state: InstanceState[Any]) -> set[str] | None:
    columns, relations = plan.reader.columns, plan.reader.relations
    unknown: set[str] | None = None
    for name, value in state.committed_state.items():
        if value.__class__ is LoaderCallableStatus and name in columns:
            unknown = {name, *(unknown or ())}  # set before it had been loaded
        elif name in relations:
            # A foreign key may be about to change, or the row to be deleted as an orphan.
            unknown = {*(state.unloaded & columns.keys()), *(unknown or ())}
    return unknown


# After the flush


def collect(session: Session, fetched: Fetched) -> list[Change]:
    """Return what a flush has done to the rows that concern somebody."""
    plans = _Plans()
    collector = _Collector(fetched)
    # Deletes first: a row that is deleted and added again in one flush is one UPDATE.
    for items, take, deleted in (
        (session.deleted, collector.take_deleted, True),
        (session.new, collector.take_new, False),
        (session.dirty, collector.take_changed, False),
    ):
        for item in items:
            plan = plans[item.__class__]
            if plan is not None:
                take(plan, item)
                if plan.reverse:
                    collector.take_other_ends(plan, item, deleted=deleted)
    return collector.mute()


def collect_orphan(item: object, fetched: Fetched) -> list[Change]:
    """Return the delete of an object that nobody deleted by itself, none where it concerns nobody."""
    plan = plan_for(type(item))
    collector = _Collector(fetched)
    if plan is not None:
        collector.take_deleted(plan, item)
    return collector.mute()


class _Collector:
    """Makes changes of a flush's objects.

    :param fetched: what :func:`remember` found.
    """

    def __init__(self, fetched: Fetched) -> None:
        self._fetched = fetched
        self._changes: list[Change] = []

    def mute(self) -> list[Change]:
        """Return the changes, each with what is muted now."""
        if muted := muted_now():
            for change in self._changes:
                change.muted = muted
        return self._changes

    def take_deleted(self, plan: Plan, item: object) -> None:
        """Take the delete of an object's row, with all that the row had as far as it is known."""
        reader, state = plan.reader, state_of(item)
        identity: Identity = state.identity or ()
        key = (reader.space, identity)
        loaded, before, read = state.dict, state.committed_state, self._fetched.get(key, UNKNOWN)
        old: dict[str, Any] = {}
        for name in reader.columns:
            value = before.get(name, loaded.get(name, _NO_VALUE))
            if value.__class__ is not LoaderCallableStatus:
                old[name] = value
            elif name in read:
                old[name] = read[name]
        for name in plan.touched & loaded.keys():
            old[name] = list(loaded[name])
        self._changes.append(Change("delete", reader.model, item, identity, old=old, key=key))

    def take_new(self, plan: Plan, item: object) -> None:
        """Take the insert of an object's row."""
        reader = plan.reader
        identity = reader.identity_of(item)
        if None not in identity:  # a flush of chosen objects leaves others without a key
            key = (reader.space, identity)
            self._changes.append(Change("insert", reader.model, item, identity, key=key))

    def take_changed(self, plan: Plan, item: object) -> None:
        """Take the update of an object's row, none where nothing really changed."""
        state = state_of(item)
        before, identity = state.committed_state, state.identity
        if not before or identity is None:
            return
        reader, equal, now = plan.reader, plan.reader.equal, vars(item)
        key = (reader.space, identity)
        fetched = self._fetched.get(key, UNKNOWN) if self._fetched else UNKNOWN
        changed: list[str] = []
        old: dict[str, Any] = {}
        for name, value in before.items():
            same = equal.get(name)
            if same is None:
                if name in plan.collections and state.attrs[name].history.has_changes():
                    changed.append(name)
                continue
            if value.__class__ is LoaderCallableStatus:
                value = fetched.get(name, value)
            if value.__class__ is not LoaderCallableStatus:
                if name in now and same(value, now[name]):
                    continue
                old[name] = value
            changed.append(name)
        if not changed:
            return
        # An expired key would be loaded to be read, one row at a time.
        if not reader.key_names.isdisjoint(changed) and reader.identity_of(item) != identity:
            self.take_deleted(plan, item)
            self.take_new(plan, item)
            return
        names = plan.named(changed)
        self._changes.append(Change("update", reader.model, item, identity, names, old, key=key))

    def take_other_ends(self, plan: Plan, item: object, *, deleted: bool) -> None:
        """Take the rows at the other ends of associations that a flush makes or ends.

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
                    key = (reader.space, identity)
                    change = Change("update", reader.model, end, identity, frozenset(names), key=key)
                    self._changes.append(change)
