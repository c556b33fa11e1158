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
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from sqlalchemy import Engine, event
from sqlalchemy.orm import Mapper, ORMExecuteState, Session, SessionTransaction, object_session
from sqlalchemy.orm.attributes import flag_dirty

from .bulk import on_statement
from .changes import Key, model_changed
from .changeset import ChangeSet
from .delivery import publish_all
from .failures import describe
from .flushes import Fetched, collect, is_certain, look_again, look_before_delete, remember
from .outbox import publish_written, written
from .plans import plan_for
from .telling import note_failure, tell

logger: logging.Logger = logging.getLogger(__name__)

_CHANGE_SETS = "flask_mercure_sse"
L = TypeVar("L", bound=Callable[..., None])

_MAX_FLUSHES = 10
"""How often a session is flushed before its changes are told; SQLAlchemy goes on by itself."""

_MAX_TELLS = 3
"""How often the listeners of one transaction are told anew because they change rows themselves."""


def track() -> None:
    """Follow all sessions of this process; a second time does nothing."""
    if not event.contains(Session, "after_flush", _after_flush):
        event.listen(Session, "before_flush", _before_flush)
        event.listen(Session, "after_flush", _after_flush)
        event.listen(Session, "after_flush_postexec", _after_flush_postexec)
        event.listen(Session, "do_orm_execute", _do_orm_execute)
        event.listen(Session, "before_commit", _before_commit)
        event.listen(Session, "after_commit", _after_commit)
        event.listen(Session, "after_transaction_end", _after_transaction_end)
        event.listen(Mapper, "before_update", _before_update)
        event.listen(Mapper, "before_delete", _before_delete)
        event.listen(Engine, "handle_error", note_failure)


# Finding change sets


def _current(session: Session) -> SessionTransaction | None:
    return session.get_nested_transaction() or session.get_transaction()


def _find(session: Session) -> ChangeSet | None:
    """Return the current change set, None where nothing has changed."""
    change_sets: dict[SessionTransaction, ChangeSet] | None = session.info.get(_CHANGE_SETS)
    transaction = _current(session) if change_sets else None
    return change_sets.get(transaction) if change_sets and transaction else None


def change_set_of(session: Session) -> ChangeSet:
    """Return the current change set of a session that is in a transaction."""
    transaction = _current(session)
    assert transaction is not None, "the session is in a transaction"
    change_sets: dict[SessionTransaction, ChangeSet] = session.info.setdefault(_CHANGE_SETS, {})
    return change_sets.setdefault(transaction, ChangeSet())


# Collecting


def _guarded(listener: L) -> L:
    """Return a listener whose errors end in the log: the app's flushes do not depend on it."""

    @wraps(listener)
    def guarded(*arguments: Any) -> None:
        try:
            listener(*arguments)
        except Exception as error:
            logger.error("Changes could not be followed: %s", describe(error))

    return cast("L", guarded)


@_guarded
def _before_flush(session: Session, _context: object, _instances: object) -> None:
    if not model_changed.receivers:
        return
    fetched = remember(session)
    change_set = change_set_of(session) if fetched else _find(session)
    if change_set is not None:
        change_set.forget_flush()  # the last one may have failed
        change_set.fetched = fetched


def _before_update(_mapper: object, _connection: object, item: object) -> None:
    if model_changed.receivers and not is_certain(item):
        _look_again(item)


@_guarded
def _look_again(item: object) -> None:
    def fetched() -> Fetched:
        session = object_session(item)
        change_set = _find(session) if session is not None else None
        return {} if change_set is None else change_set.fetched

    noted = look_again(item, fetched)
    session = None if noted is None else object_session(item)
    if noted is not None and session is not None:
        key, before, computed = noted
        change_set = change_set_of(session)
        change_set.note_fetched(key, before)
        change_set.computed[key] = computed


@_guarded
def _before_delete(_mapper: object, _connection: object, item: object) -> None:
    session = object_session(item)
    if session is None or not model_changed.receivers or plan_for(item.__class__) is None:
        return
    change_set = change_set_of(session)
    key, before = look_before_delete(item, change_set.fetched)
    if before:
        change_set.note_fetched(key, before)
    change_set.deleting.append(item)


@_guarded
def _after_flush(session: Session, _context: object) -> None:
    if not model_changed.receivers:
        return
    change_set = _find(session) or ChangeSet()
    changes = collect(session, change_set.deleting, change_set.fetched, change_set.computed)
    if changes:
        change_set_of(session).record_all(changes)


def _do_orm_execute(state: ORMExecuteState) -> object:
    if state.is_select or not model_changed.receivers:
        return None
    result = on_statement(state, change_set_of)
    if result is not None:
        _tell_late(state.session, _find(state.session))
    return result


# Telling


def _before_commit(session: Session) -> None:
    if session.in_nested_transaction():
        return
    if model_changed.receivers:
        _flush_all(session)
    change_set = _find(session)
    if change_set is None:
        change_set = change_set_of(session)
    while change_set.pending and change_set.told < _MAX_TELLS:
        tell(session, change_set)
        _flush_all(session)  # a listener may have changed rows itself
    if change_set.pending:
        _give_up(change_set)
    change_set.committing = True
    write_outbox(session, change_set)


def _flush_all(session: Session) -> None:
    """Flush until nothing is left: other listeners may change objects after each flush."""
    for _ in range(_MAX_FLUSHES):
        session.flush()
        if not (session.new or session.dirty or session.deleted):
            return


def _after_flush_postexec(session: Session, _context: object) -> None:
    change_set = _find(session)
    if change_set is not None:
        change_set.forget_flush()
        _tell_late(session, change_set)


def _tell_late(session: Session, change_set: ChangeSet | None) -> None:
    """Tell what something else changed while the transaction commits."""
    if change_set is None or not change_set.committing:
        return
    if change_set.pending:
        if change_set.told < 2 * _MAX_TELLS:
            tell(session, change_set)
        else:
            _give_up(change_set)
    write_outbox(session, change_set)


def write_outbox(session: Session, change_set: ChangeSet) -> None:
    """Write the updates that wait into the outbox of their app, where it has one.

    :raises ConfigurationError: a database with changes has no outbox.
    """
    if change_set.held or change_set.deferred or change_set.written:
        change_set.written = written(session, change_set.written, change_set.updates())


def _give_up(change_set: ChangeSet) -> None:
    """Tell no more where listeners change rows each time they are told."""
    told: set[Key | None] = {held[0] for held in change_set.held}
    if untold := [key for key in change_set.pending if key not in told]:
        logger.error("Listeners keep changing rows; %d changes are not published", len(untold))
    change_set.pending = {}


# Settling


def _after_commit(session: Session) -> None:
    # One is made where nothing has changed: what is published from now on is committed, too.
    change_set = _find(session) or change_set_of(session)
    change_set.committed = True
    if change_set.pending and not session.in_nested_transaction():
        # The root was committed around an open savepoint, or a listener has released one meanwhile; what is
        # loaded can still be told.
        try:
            tell(session, change_set, may_load=False)
        except Exception as error:
            logger.error("Changes could not be told; they are committed: %s", describe(error))


def _after_transaction_end(session: Session, transaction: SessionTransaction) -> None:
    change_sets: dict[SessionTransaction, ChangeSet] | None = session.info.get(_CHANGE_SETS)
    change_set = change_sets.pop(transaction, None) if change_sets else None
    if change_sets is None or change_set is None or not change_set.committed:
        return
    parent = transaction.parent
    while parent is not None and parent.parent is not None and not parent.nested:
        parent = parent.parent
    if parent is None:
        updates, done = change_set.updates(), publish_written(change_set.written)
        publish_all([held for held in updates if id(held) not in done] if done else updates)
    else:
        joined = change_sets.setdefault(parent, ChangeSet())
        joined.absorb(change_set)
        if joined.committing:
            _ask_for_flush(session, joined)


def _ask_for_flush(session: Session, change_set: ChangeSet) -> None:
    """Let the session flush once more before it commits: a listener has released a savepoint meanwhile.

    At its end nothing can be loaded, so what it has changed is told after that flush.
    """
    for key in change_set.pending:
        item = change_set.changes[key].object
        if item is not None and item in session:
            flag_dirty(item)
            return
