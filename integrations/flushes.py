"""What one flush does to the rows that somebody listens to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ClauseElement
from sqlalchemy.orm import InstanceState, LoaderCallableStatus, PassiveFlag, Session

from .changes import UNKNOWN, Change, Key
from .failures import describe
from .muting import muted_now
from .plans import Plan, plan_for
from .rows import Identity, RowReader, model_of, reader_of, state_of

logger: logging.Logger = logging.getLogger(__name__)

Fetched = Mapping[Key, Mapping[str, Any]]
"""Values from before the flush that no object had loaded, by row."""

Computed = Mapping[Key, Collection[str]]
"""Attributes that the flush sets to what the database computes, by row."""

_NO_VALUE = LoaderCallableStatus.NO_VALUE

_PLAIN = frozenset({str, int, float, bool, bytes, type(None), date, datetime, time, timedelta, Decimal, UUID})
"""Types of values that are no SQL; asked first, for commits of many rows are felt."""

_AS_IT_IS: PassiveFlag = PassiveFlag.PASSIVE_NO_INITIALIZE | getattr(
    PassiveFlag, "INCLUDE_PENDING_MUTATIONS", PassiveFlag.PASSIVE_NO_INITIALIZE
)
"""How the history of a collection is read: without loading it, with what waits until it is loaded, where
SQLAlchemy tells that.
"""


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
            rows = reader.fetch(reader.connection(session), identities, sorted(names))
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


# Just before a row's UPDATE


def is_certain(item: object) -> bool:
    """Tell whether all values are known that a row's UPDATE changes, before and after: most are.

    It is asked of each row of all models, bound or not.
    """
    now = vars(item)
    for name, value in state_of(item).committed_state.items():
        if value.__class__ is LoaderCallableStatus or now.get(name).__class__ not in _PLAIN:
            return False
    return True


def look_again(item: object, fetched: Callable[[], Fetched]) -> tuple[Key, dict[str, Any], list[str]] | None:
    """Return a row that is about to be updated, what of its values only this moment can tell, and which of
    its attributes are set to SQL, of which the flush leaves no trace; None where nothing is to be noted.

    :param fetched: returns what is known already.
    """
    plan = plan_for(item.__class__)
    if plan is None:
        return None
    state = state_of(item)
    columns, now = plan.reader.columns, state.dict
    unsure: list[str] = []
    computed: list[str] = []
    for name, value in state.committed_state.items():
        if value.__class__ is LoaderCallableStatus and name in columns:
            unsure.append(name)
        if (new := now.get(name)).__class__ not in _PLAIN and name in columns and _is_sql(new):
            computed.append(name)
    if not unsure and not computed:
        return None
    key = (plan.reader.space, state.identity or ())
    before = {name: state.committed_state[name] for name in computed if name not in unsure}
    # What is not known yet was set after the flush began.
    known = fetched().get(key, UNKNOWN) if unsure else UNKNOWN
    missing = [name for name in unsure if name not in known]
    before.update(_read(plan, state, missing))
    return key, before, computed


def look_before_delete(item: object, fetched: Fetched) -> tuple[Key, Mapping[str, Any]]:
    """Return a row that is about to be deleted, and what of its values nobody has loaded: an orphan's.

    :param fetched: what is known already.
    """
    plan, state = plan_for(item.__class__), state_of(item)
    if plan is None or state.identity is None:
        return (), UNKNOWN
    key = (plan.reader.space, state.identity)
    missing = (_unknown_of_deleted(plan, state) or set()) - fetched.get(key, UNKNOWN).keys()
    return key, _read(plan, state, missing)


def _read(plan: Plan, state: InstanceState[Any], names: Collection[str]) -> Mapping[str, Any]:
    """Return what the row of an object has in the database, by attribute."""
    if not names or state.session is None or state.identity is None:
        return UNKNOWN
    connection = plan.reader.connection(state.session)
    return plan.reader.fetch(connection, [state.identity], sorted(names)).get(state.identity, UNKNOWN)


def _is_sql(value: object) -> bool:
    return isinstance(value, ClauseElement) or hasattr(value, "__clause_element__")


# After the flush


def collect(session: Session, deleting: list[object], fetched: Fetched, computed: Computed) -> list[Change]:
    """Return what a flush has done to the rows that concern somebody.

    :param deleting: the objects whose rows it has deleted. What the session knows is another thing: orphans
        are found in the flush, and a delete is called off when the object has found another parent.
    :param fetched: what :func:`remember` and those after it found.
    :param computed: what :func:`look_again` found.
    """
    plans = _Plans()
    collector = _Collector(fetched, computed)
    replaced, kept = _not_deleted(session, deleting)
    # Deletes first: a row that is deleted and added again in one flush is one UPDATE.
    for items, take, deleted in (
        ([*deleting, *replaced], collector.take_deleted, True),
        (session.new, collector.take_new, False),
        ([*session.dirty, *kept], collector.take_changed, False),
    ):
        for item in items:
            plan = plans[item.__class__]
            if plan is not None:
                take(plan, item)
                if plan.reverse:
                    collector.take_other_ends(plan, item, deleted=deleted)
    return collector.mute()


def _not_deleted(session: Session, deleting: list[object]) -> tuple[list[object], list[object]]:
    """Return the objects whose delete was not made: those whose rows became others' of the same key by an
    UPDATE, and those that have found another parent.
    """
    deleted = {id(item) for item in deleting}
    left = [item for item in session.deleted if id(item) not in deleted]
    added = session.new if left else ()
    new = {_key_of(item, reader_of(model_of(item)).identity_of(item)) for item in added}
    replaced = [item for item in left if _key_of(item, state_of(item).identity or ()) in new]
    return replaced, [item for item in left if not any(item is one for one in replaced)]


def _key_of(item: object, identity: Identity) -> Key:
    return reader_of(model_of(item)).space, identity


class _Collector:
    """Makes changes of a flush's objects.

    :param fetched: what :func:`remember` and :func:`look_again` found.
    :param computed: what :func:`look_again` found.
    """

    def __init__(self, fetched: Fetched, computed: Computed | None = None) -> None:
        self._fetched = fetched
        self._computed: Computed = computed or {}
        self._changes: list[Change] = []
        self._renumbered = False

    def mute(self) -> list[Change]:
        """Return the changes, each with what is muted now."""
        if self._renumbered:
            # A key that one row gave up may be another's now.
            self._changes.sort(key=lambda change: change.event != "delete")
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
        if identity is None:
            return
        reader, equal, now = plan.reader, plan.reader.equal, vars(item)
        key = (reader.space, identity)
        computed = self._computed.get(key, ()) if self._computed else ()
        if computed:
            before = {**dict.fromkeys(computed, _NO_VALUE), **before}
        if not before:
            return
        fetched = self._fetched.get(key, UNKNOWN) if self._fetched else UNKNOWN
        old: dict[str, Any] = {}
        unknown: list[str] = []
        for name, value in before.items():
            same = equal.get(name)
            if same is None:
                if name in plan.collections and state.get_history(name, _AS_IT_IS).has_changes():
                    unknown.append(name)
                continue
            if value.__class__ is LoaderCallableStatus:
                value = fetched.get(name, value)
                if value.__class__ is LoaderCallableStatus:
                    unknown.append(name)
                    continue
            if name not in now or not same(value, now[name]):
                old[name] = value
        if not old and not unknown:
            return
        changed = (*old, *unknown) if unknown else tuple(old)
        # An expired key would be loaded to be read, one row at a time.
        if not reader.key_names.isdisjoint(changed) and reader.identity_of(item) != identity:
            self._renumbered = True
            self.take_deleted(plan, item)
            self.take_new(plan, item)
            return
        change = Change("update", reader.model, item, identity, plan.named(changed), old, key=key)
        if computed:
            change.doubtful = True
        self._changes.append(change)

    def take_other_ends(self, plan: Plan, item: object, *, deleted: bool) -> None:
        """Take the rows at the other ends of associations that a flush makes or ends.

        :param deleted: whether the item is, and with it all of its associations.
        """
        state = state_of(item)
        for attribute, names in plan.reverse.items():
            history = state.get_history(attribute, _AS_IT_IS)
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
