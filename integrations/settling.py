"""From what was recorded of rows to what really became of them, just before it is told."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, selectin_polymorphic

from .changes import Change, Event, Key
from .failures import describe
from .plans import Link, Plan, plan_for
from .rows import Identity, RowReader, in_batches, model_of, reader_of, state_of

logger: logging.Logger = logging.getLogger(__name__)


def settle(
    session: Session, recorded: list[Change], known: Mapping[Key, Change], *, may_load: bool
) -> tuple[list[Change], Set[Key]]:
    """Return what became of rows and of those that belong to them, and which the latter are.

    Objects are loaded where they must be, with one SELECT a model; what adds up to nothing is left out.

    :param recorded: what is to be told now.
    :param known: all changes of the transaction, by row.
    :param may_load: whether rows can still be loaded; else what is not known is left out.
    """
    groups = _by_model(recorded)
    if may_load:
        _load(session, groups)
    settled: list[Change] = []
    refreshes: list[Change] = []
    for change in recorded:
        if change.event == "refresh":
            refreshes.append(change)
        elif not (change.stale or change.doubtful or change.remade):
            settled.append(change)
        elif (may_load or change.object is not None) and (made := _settled(change)) is not None:
            settled.append(made)
    linked: dict[Key, Change] = {}
    if any(plan and (plan.links or plan.touched) for plan in map(plan_for, groups)):
        own = {change.key: change for change in settled}
        linked = _linked(session, own, known, may_load=may_load)
        settled = list({**own, **linked}.values())
    # A refresh comes last: whoever heard of rows before it loads what they have become.
    return [*settled, *refreshes], linked.keys()


def _by_model(changes: Iterable[Change]) -> dict[type, list[Change]]:
    groups: dict[type, list[Change]] = defaultdict(list)
    for change in changes:
        groups[change.model].append(change)
    return groups


# Loading


def _load(session: Session, groups: Mapping[type, list[Change]]) -> None:
    """Load the rows that are not known, not complete or to be loaded with more, one SELECT a model."""
    for model, group in groups.items():
        plan = plan_for(model)
        reader, options = reader_of(model), ()
        if plan is not None:
            options = (*plan.eager, *plan.load) if len(group) > 1 else plan.load
        if options or (plan is not None and (plan.reads or plan.touched or plan.looks_back)):
            asked = group
        else:
            # No value is read, so only rows that are not certain count.
            asked = [change for change in group if change.stale or change.doubtful or change.remade]
        wanted = [
            change
            for change in asked
            if _can_be_loaded(change)
            and (options or _must_be_loaded(plan, change, len(group)) or _is_elsewhere(session, plan, change))
        ]
        if wanted:
            _load_as_wanted(session, reader, wanted, options)


def _load_as_wanted(
    session: Session, reader: RowReader, changes: list[Change], options: Iterable[Any]
) -> None:
    """Load rows with options, or without them where they do not fit; other models lose nothing by it."""
    try:
        _load_rows(session, reader, changes, options)
    except Exception as error:
        if not options:
            raise
        what = "Rows of %s are loaded without the options that bindings ask for: %s"
        logger.error(what, reader.model.__name__, describe(error))
        _load_rows(session, reader, changes, ())


def _can_be_loaded(change: Change) -> bool:
    return change.event in ("insert", "update") or (change.event == "delete" and change.stale)


def _must_be_loaded(plan: Plan | None, change: Change, rows: int) -> bool:
    if change.stale:
        return True
    if change.doubtful or change.remade:
        # Values must be read to see what the steps add up to.
        return not state_of(change.object).dict.keys() >= change.old.keys()
    if plan is None or not plan.reads:
        return False
    # When they are read, many rows would be loaded one by one, and objects without a session not at all.
    state = state_of(change.object)
    expired = state.expired_attributes
    return bool(expired) and not expired.isdisjoint(plan.reads) and (rows > 1 or state.detached)


def _is_elsewhere(session: Session, plan: Plan | None, change: Change) -> bool:
    """Tell whether a change's object, whose values are asked for, is the row's no longer.

    It was taken out of the session, and may have become anything since.
    """
    if plan is not None and not (plan.reads or plan.touched or plan.looks_back or change.doubtful):
        return False
    state = state_of(change.object)
    return state.session is not session or state.identity != change.identity


def _load_rows(session: Session, reader: RowReader, changes: list[Change], options: Iterable[Any]) -> None:
    found: dict[Identity, Any] = {}
    locked: dict[bool, list[Identity]] = {True: [], False: []}
    for change in changes:
        locked[_is_locked(session, reader, change)].append(change.identity)
    for newest, identities in locked.items():
        found.update(load_objects(session, reader, identities, options, newest=newest))
    for change in changes:
        item = found.get(change.identity)
        if item is not None:
            change.object = item
            change.model = type(item)
        elif change.stale:
            # The row is gone; what its object had is the best that is known of it.
            had = {} if change.object is None else state_of(change.object).dict
            change.old = {**{name: had[name] for name in reader.columns if name in had}, **change.old}
            change.object = None


def _is_locked(session: Session, reader: RowReader, change: Change) -> bool:
    """Tell whether a statement has locked a row in a database whose SELECTs read a snapshot.

    A row that it set to what it was is not written, and the snapshot does not show what the statement saw.
    """
    if not (change.stale and change.old):
        return False
    return reader.connection(session).dialect.name in ("mysql", "mariadb")


def load_objects(
    session: Session,
    reader: RowReader,
    identities: Iterable[Identity],
    options: Iterable[Any],
    *,
    newest: bool = False,
) -> dict[Identity, Any]:
    """Return the objects of rows as they are now, by identity.

    :param newest: whether to read past the transaction's snapshot, for rows that are locked already.
    """
    mapper = reader.mapper
    several = [one.class_ for one in mapper.self_and_descendants if one is not mapper and not one.concrete]
    if several:
        options = [selectin_polymorphic(reader.model, several), *options]
    found: dict[Identity, Any] = {}
    changing = {state_of(item).identity for item in session.dirty if isinstance(item, reader.model)}
    wanted = list(identities)
    # What the app has set and not flushed stays.
    for chosen, fresh in (
        ([one for one in wanted if one not in changing], True),
        ([one for one in wanted if one in changing], False),
    ):
        for some in in_batches(chosen):
            statement = select(reader.model).where(reader.chosen(some)).options(*options)
            if newest:
                statement = statement.with_for_update(read=True)
            for item in session.scalars(statement, execution_options={"populate_existing": fresh}).unique():
                found[state_of(item).identity or ()] = item
    if len(session.dispatch.do_orm_execute) > 1:  # the app's own listeners may hide rows
        hidden = [one for one in wanted if one not in found]
        found.update(_load_hidden(session, reader, hidden, fresh=not changing))
    return found


def _load_hidden(
    session: Session, reader: RowReader, missing: list[Identity], *, fresh: bool
) -> dict[Identity, Any]:
    """Return the objects of rows that are there and that criteria of the app keep from being selected."""
    there = reader.fetch(reader.connection(session), missing, ())
    found: dict[Identity, Any] = {}
    for some in in_batches(there):
        # What an ORM statement has from a plain one is not filtered.
        rows = select(reader.mapper.persist_selectable).where(reader.chosen(some))
        statement = select(reader.model).from_statement(rows)
        for item in session.scalars(statement, execution_options={"populate_existing": fresh}):
            found[state_of(item).identity or ()] = item
    return found


# What became of a row


def _settled(change: Change) -> Change | None:
    """Return what a change is once its row is known, None when nothing happened."""
    event: Event = change.event
    if change.stale:
        if change.object is None:
            if event == "insert":
                return None
            event = "delete"
        elif event == "delete":
            event = "update"
    changed: frozenset[str] = _really_changed(change) if event == "update" else frozenset()
    if event == "update" and not changed and not change.remade:
        return None
    old = (
        change.old if event == "delete" else {name: change.old[name] for name in changed & change.old.keys()}
    )
    made = Change(
        event, change.model, change.object, change.identity, changed, old, change.reason, key=change.key
    )
    made.muted, made.touched = change.muted, change.touched
    return made


def _really_changed(change: Change) -> frozenset[str]:
    reader, values = reader_of(change.model), state_of(change.object).dict
    same = {
        name
        for name, before in change.old.items()
        if name in values and name in reader.columns and reader.equal[name](before, values[name])
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
        for parent in _parents(level.values()):
            key = parent.key
            before = reached.get(key) or linked.get(key) or settled.get(key) or known.get(key)
            if before is None or before.event == "update":
                reached[key] = parent if before is None else _joined(before, parent)
            elif before.event == "insert" and may_load:
                _forget_collections(session, before, parent.changed)
                if parent.changed and key not in settled:
                    reached[key] = before  # it was told before this row came
        if may_load:
            _load(session, _by_model(reached.values()))
        found = {key: change for key, change in reached.items() if change.object is not None}
        for change in found.values():
            if change.old:
                change.changed = _really_changed(change)
                change.old = {name: change.old[name] for name in change.changed & change.old.keys()}
        level = {key: change for key, change in found.items() if key not in linked and key not in settled}
        linked.update(found)
    return linked


def _forget_collections(session: Session, change: Change, names: Set[str]) -> None:
    """Let a new row's collections be loaded when they are read: rows have come by their foreign keys."""
    item = change.object
    if names and item is not None and item in session and not state_of(item).modified:
        session.expire(item, names)


def _joined(own: Change, parent: Change) -> Change:
    joined = Change(
        "update",
        own.model,
        parent.object if own.object is None else own.object,
        own.identity,
        own.changed | parent.changed,
        own.old,
        own.reason if own.changed or own.old or own.reason == parent.reason else None,
        key=own.key,
    )
    joined.muted, joined.stale = own.muted & parent.muted, own.stale
    joined.touched = own.touched or parent.touched
    return joined


def _parents(changes: Iterable[Change]) -> Iterator[Change]:
    for change in changes:
        plan = plan_for(change.model)
        if plan is not None:
            for link in plan.links:
                yield from _through(link, change)
            for name in plan.touched:
                yield from _touched(name, change)


def _through(link: Link, change: Change) -> Iterator[Change]:
    for identity in _ends(link, change):
        parent = Change("update", link.parent.model, None, identity, key=(link.parent.space, identity))
        parent.muted, parent.stale = change.muted, True
        if link.name is None:
            parent.reason, parent.touched = "touch", True
        else:
            parent.changed = frozenset({link.name})
        yield parent


def _touched(name: str, change: Change) -> Iterator[Change]:
    # What a deleted row belonged to was noted when it was deleted.
    ends = change.old.get(name) if change.event == "delete" else getattr(change.object, name)
    for end in ends or ():
        reader = reader_of(model_of(end))
        identity = reader.identity_of(end)
        touched = Change("update", reader.model, end, identity, reason="touch", key=(reader.space, identity))
        touched.muted, touched.touched = change.muted, True
        yield touched


def _ends(link: Link, change: Change) -> set[Identity]:
    """Return the rows that a foreign key leads to, now and before, as far as that matters to them."""
    moved = not change.changed.isdisjoint(link.columns)
    if change.event == "update" and link.name is not None and not moved:
        return set()  # the row is still one of the same collection
    ends: list[Identity] = []
    if change.event != "delete":
        ends.append(tuple(getattr(change.object, column) for column in link.columns))
    if change.event == "delete" or moved:
        old, previous = change.old, change.previous
        ends.append(
            tuple(old[column] if column in old else getattr(previous, column) for column in link.columns)
        )
    return {end for end in ends if None not in end}
