"""Which rows a transaction changed, told before it commits and published after.

Rules of this room (each was found by running SQLAlchemy, see the tests beside it):

1. What a flush changed belongs to the innermost savepoint that is open, or to the root transaction. A
   savepoint's changes join its parent's when it is released and vanish when it is rolled back.
2. Only ``after_transaction_end`` is certain to come: a session that is closed tells no rollback, and
   releasing a savepoint tells a commit. So a change set is marked in ``after_commit`` and settled at the end.
3. Changes are told in the root's ``before_commit``, after a flush of our own, because that is the last
   moment at which attributes may be loaded. Afterwards only finished updates are kept.
4. Updates are published when the root transaction has ended: the connection is back in the pool, and
   nothing that happens then can hurt the app's commit.
5. Nothing in here raises into the app, with one exception: a listener's SQL may break the transaction, so
   that its COMMIT would be a silent rollback. Then the commit fails with the listener's error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, cast

from sqlalchemy import Engine, ExceptionContext, event, inspect, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstanceState, Mapper, Session, SessionTransaction

from flask_mercure_sse.protocol.errors import PublishError

from .binding import Held, Outlet, holding
from .changes import Change, Event, model_changed
from .changeset import ChangeSet, Key
from .watching import is_watched

logger: logging.Logger = logging.getLogger(__name__)

_CHANGE_SETS = "flask_mercure_sse"
_MAX_TELLS = 3
"""How often the listeners of one transaction are told anew because they change rows themselves."""

_failures: ContextVar[list[BaseException] | None] = ContextVar("failures", default=None)
"""Errors of databases while listeners are told."""


def track() -> None:
    """Follow all sessions of this process; a second time does nothing."""
    if not event.contains(Session, "after_flush", _after_flush):
        event.listen(Session, "before_flush", _before_flush)
        event.listen(Session, "after_flush", _after_flush)
        event.listen(Session, "persistent_to_deleted", _persistent_to_deleted)
        event.listen(Session, "after_flush_postexec", _after_flush_postexec)
        event.listen(Session, "before_commit", _before_commit)
        event.listen(Session, "after_commit", _after_commit)
        event.listen(Session, "after_transaction_end", _after_transaction_end)
        event.listen(Engine, "handle_error", _note_failure)


# Finding change sets


def _current(session: Session) -> SessionTransaction | None:
    return session.get_nested_transaction() or session.get_transaction()


def _find(session: Session) -> ChangeSet | None:
    """Return the current change set, None where nothing has changed."""
    change_sets: dict[SessionTransaction, ChangeSet] | None = session.info.get(_CHANGE_SETS)
    transaction = _current(session) if change_sets else None
    return change_sets.get(transaction) if change_sets and transaction else None


def _find_or_make(session: Session) -> ChangeSet:
    transaction = _current(session)
    assert transaction is not None, "there is always one in a flush or commit"
    change_sets: dict[SessionTransaction, ChangeSet] = session.info.setdefault(_CHANGE_SETS, {})
    return change_sets.setdefault(transaction, ChangeSet())


# Collecting


def _before_flush(session: Session, _context: object, _instances: object) -> None:
    """Load what a deleted object has not loaded, while its row is still there to be read."""
    if not model_changed.receivers:
        return
    watched = _WatchedModels()
    for item in session.deleted:
        rows = watched[type(item)]
        # Only what is missing: a value that the app has set must stay.
        missing = rows.columns & _state(item).unloaded if rows else None
        if missing:
            try:
                session.refresh(item, attribute_names=missing)
            except SQLAlchemyError:
                logger.debug("A row to be deleted could not be loaded", exc_info=True)


def _after_flush(session: Session, _context: object) -> None:
    if not model_changed.receivers:
        return
    changes = list(_flushed(session))
    change_set = _find_or_make(session) if changes else _find(session)
    if change_set is None:
        return
    change_set.deleted = {id(item) for item in session.deleted}
    for key, change in changes:
        change_set.record(key, change)


def _flushed(session: Session) -> Iterator[tuple[Key, Change]]:
    watched = _WatchedModels()
    # Deletes first: a row that is deleted and added again in one flush is one UPDATE.
    for item in session.deleted:
        if rows := watched[type(item)]:
            yield rows.change("delete", item, _state(item).identity)
    for item in session.new:
        if rows := watched[type(item)]:
            identity = rows.identity_of(item)
            if None not in identity:  # a flush of chosen objects leaves others without a key
                yield rows.change("insert", item, identity)
    for item in session.dirty:
        if rows := watched[type(item)]:
            yield from _update_of(rows, item)


class _Rows:
    """How the rows of one model are told apart.

    :param mapper: the model's mapper.
    """

    def __init__(self, mapper: Mapper[Any]) -> None:
        self.columns = frozenset(attribute.key for attribute in mapper.column_attrs)
        self._model = mapper.class_
        self._keys = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
        # Tables that inherit share their keys, unless each is complete by itself.
        self._space = mapper if mapper.concrete else mapper.base_mapper

    def identity_of(self, item: object) -> tuple[Any, ...]:
        """Return the primary key of an object as it is now."""
        return tuple([getattr(item, key) for key in self._keys])

    def change(
        self, event: Event, item: object, identity: Any, changed: frozenset[str] = frozenset()
    ) -> tuple[Key, Change]:
        """Return what happened to a row, behind the key that tells the row from all others."""
        return (self._space, identity), Change(event, self._model, item, identity, changed)


class _WatchedModels(dict[type, "_Rows | None"]):
    """The rows of each class that somebody listens to, None for the others; asked once a flush."""

    def __missing__(self, model: type) -> _Rows | None:
        self[model] = _Rows(inspect(model)) if is_watched(model) else None
        return self[model]


def _update_of(rows: _Rows, item: object) -> Iterator[tuple[Key, Change]]:
    state = _state(item)
    changed = frozenset(name for name in rows.columns if state.attrs[name].history.has_changes())
    if not changed:
        return
    identity = rows.identity_of(item)
    if identity == state.identity:
        yield rows.change("update", item, identity, changed)
    else:
        yield rows.change("delete", item, state.identity)
        yield rows.change("insert", item, identity)


def _persistent_to_deleted(session: Session, item: object) -> None:
    """Record a delete that the unit of work decided itself, such as an orphan's."""
    if not model_changed.receivers or not is_watched(type(item)):
        return
    change_set = _find_or_make(session)
    if id(item) not in change_set.deleted:
        state = _state(item)
        change_set.record(*_Rows(state.mapper).change("delete", item, state.identity))


def _state(item: object) -> InstanceState[Any]:
    return cast("InstanceState[Any]", inspect(item))


# Telling


def _before_commit(session: Session) -> None:
    if session.in_nested_transaction() or not model_changed.receivers:
        return
    session.flush()
    change_set = _find_or_make(session)
    while change_set.pending and change_set.told < _MAX_TELLS:
        _tell(session, change_set)
        session.flush()  # a listener may have changed rows itself
    if change_set.pending:
        _give_up(change_set)
    change_set.committing = True


def _after_flush_postexec(session: Session, _context: object) -> None:
    """Tell what something else changed while the transaction commits."""
    change_set = _find(session)
    if change_set is None or not change_set.committing or not change_set.pending:
        return
    if change_set.told < 2 * _MAX_TELLS:
        _tell(session, change_set)
    else:
        _give_up(change_set)


def _give_up(change_set: ChangeSet) -> None:
    """Tell no more where listeners change rows each time they are told."""
    told = {key for key, _held in change_set.held}
    if untold := [key for key in change_set.pending if key not in told]:
        logger.error("Listeners keep changing rows; %d changes are not published", len(untold))
    change_set.pending = {}


def _tell(session: Session, change_set: ChangeSet) -> None:
    pending, change_set.pending = change_set.pending, {}
    change_set.told += 1
    change_set.drop(pending)
    receivers: dict[type, list[Callable[..., Any]]] = {}
    failures: list[BaseException] = []
    token = _failures.set(failures)
    collected: list[Held] = []
    owners: list[Key] = []
    try:
        with holding(collected):
            for key in pending:
                change = change_set.changes.get(key)
                if change is None:
                    continue  # a listener has undone it meanwhile
                model = change.model
                if model not in receivers:
                    receivers[model] = _receivers(model)
                for receiver in receivers[model]:
                    _call(receiver, change)
                while len(owners) < len(collected):
                    owners.append(key)
    finally:
        _failures.reset(token)
    change_set.held += [
        (key, held) for key, held in zip(owners, collected, strict=True) if key in change_set.changes
    ]
    if failures and _is_broken(session, change_set):
        raise failures[0]


def _receivers(model: type) -> list[Callable[..., Any]]:
    # Looked up once, so not by send(), which would do it for each row.
    return [] if model_changed.is_muted else list(model_changed.receivers_for(model))


def _call(receiver: Callable[..., Any], change: Change) -> None:
    try:
        receiver(change.model, change=change)
    except Exception:
        logger.exception("A receiver of model_changed failed; the commit goes on")


def _note_failure(context: ExceptionContext) -> None:
    """Note an error of a database while listeners are told."""
    failures = _failures.get()
    if failures is not None:
        failures.append(context.sqlalchemy_exception or context.original_exception)


def _is_broken(session: Session, change_set: ChangeSet) -> bool:
    """Tell whether the transaction has not survived an error: on PostgreSQL no error of its own is."""
    transaction = session.get_transaction()
    if transaction is None or not transaction.is_active:
        return True
    try:
        for model in {change.model for change in change_set.changes.values()}:
            session.connection(bind_arguments={"mapper": inspect(model)}).execute(select(1))
    except SQLAlchemyError:
        return True
    return False


# Settling


def _after_commit(session: Session) -> None:
    change_set = _find(session)
    if change_set is None:
        return
    change_set.committed = True
    if change_set.pending and not change_set.committing and not session.in_nested_transaction():
        # The root was committed around an open savepoint; what is loaded can still be told.
        _tell_loaded(session, change_set)


def _tell_loaded(session: Session, change_set: ChangeSet) -> None:
    try:
        _tell(session, change_set)
    except Exception:
        logger.exception("Changes could not be told; they are committed")


def _after_transaction_end(session: Session, transaction: SessionTransaction) -> None:
    change_sets: dict[SessionTransaction, ChangeSet] | None = session.info.get(_CHANGE_SETS)
    change_set = change_sets.pop(transaction, None) if change_sets else None
    if change_sets is None or change_set is None or not change_set.committed:
        return
    parent = transaction.parent
    while parent is not None and parent.parent is not None and not parent.nested:
        parent = parent.parent
    if parent is None:
        _publish(change_set.updates())
    else:
        change_sets.setdefault(parent, ChangeSet()).absorb(change_set)


def _publish(held: list[Held]) -> None:
    silent: list[Outlet] = []
    for position, (outlet, update) in enumerate(held):
        if outlet in silent:
            continue
        try:
            outlet.publish(update)
        except PublishError as error:
            lost = 1
            if error.status is None:
                # Waiting for it again with each of many updates would hold up the app.
                silent.append(outlet)
                lost = sum(other is outlet for other, _update in held[position:])
            logger.error("%d updates of committed changes were not published: %s", lost, error)
        except Exception:
            logger.exception("An update of a committed change was not published")
