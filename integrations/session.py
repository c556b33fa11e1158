"""Which rows a transaction changed, told before it commits and published after.

Rules of this room (each was found by running SQLAlchemy, see the tests beside it):

1. What a flush changed belongs to the innermost savepoint that is open, or to the root transaction. A
   savepoint's changes join its parent's when it is released and vanish when it is rolled back.
2. Only ``after_transaction_end`` is certain to come: a session that is closed tells no rollback, and
   releasing a savepoint tells a commit. So a frame is marked in ``after_commit`` and settled at the end.
3. Changes are told in the root's ``before_commit``, after a flush of our own, because that is the last
   moment at which attributes may be loaded. Afterwards only finished updates are kept.
4. Updates are published when the root transaction has ended: the connection is back in the pool, and
   nothing that happens then can hurt the app's commit.
5. Nothing in here raises into the app, but for the flush that the app's own commit would have done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, cast

from sqlalchemy import event, inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstanceState, Mapper, Session, SessionTransaction

from flask_mercure_sse.protocol.errors import PublishError

from .binding import Held, holding
from .changes import Change, Event, model_changed
from .watching import is_watched

logger: logging.Logger = logging.getLogger(__name__)

_FRAMES = "flask_mercure_sse"
_MAX_REBUILDS = 3

Key = tuple["Mapper[Any]", tuple[Any, ...]]


class Frame:
    """What one transaction or savepoint has changed so far."""

    __slots__ = ("changes", "committed", "committing", "deleted", "held", "stale", "telling")

    def __init__(self) -> None:
        self.changes: dict[Key, Change] = {}
        self.held: list[Held] = []
        self.deleted: set[int] = set()
        """Objects whose delete the current flush has recorded already, by id."""
        self.stale: bool = False
        """Whether changes came that `held` does not show."""
        self.telling: bool = False
        self.committing: bool = False
        self.committed: bool = False

    def record(self, key: Key, change: Change) -> None:
        """Take one more change of a row into account."""
        before = self.changes.get(key)
        merged = change if before is None else merge(before, change)
        if merged is not None:
            self.changes[key] = merged  # a row keeps its place: the order is that of first changes
        else:
            del self.changes[key]
        self.stale = True

    def absorb(self, frame: Frame) -> None:
        """Take over the changes of a savepoint that was released."""
        for key, change in frame.changes.items():
            self.record(key, change)


def merge(before: Change, after: Change) -> Change | None:
    """Return what two changes of one row are together, None when they cancel each other."""
    if before.event == "insert":
        return None if after.event == "delete" else _as(after, "insert")
    if after.event == "insert":
        return _as(after, "update")
    if before.event == "update" and after.event == "update":
        return _as(after, "update", before.changed | after.changed)
    return after


def _as(change: Change, event: Event, changed: frozenset[str] = frozenset()) -> Change:
    return Change(event, change.model, change.object, change.identity, changed)


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


# Finding frames


def _frames(session: Session) -> dict[SessionTransaction, Frame]:
    return session.info.setdefault(_FRAMES, {})


def _current(session: Session) -> SessionTransaction | None:
    return session.get_nested_transaction() or session.get_transaction()


def _frame(session: Session) -> Frame | None:
    """Return the current frame, None where nothing has changed."""
    frames: dict[SessionTransaction, Frame] | None = session.info.get(_FRAMES)
    transaction = _current(session) if frames else None
    return frames.get(transaction) if frames and transaction else None


def _frame_for_changes(session: Session) -> Frame:
    transaction = _current(session)
    assert transaction is not None, "there is always one in a flush or commit"
    return _frames(session).setdefault(transaction, Frame())


# Collecting


def _before_flush(session: Session, _context: object, _instances: object) -> None:
    """Load what a deleted object has not loaded, while its row is still there to be read."""
    if not model_changed.receivers:
        return
    for item in session.deleted:
        state = _state(item)
        if is_watched(state.class_) and state.expired_attributes:
            try:
                session.refresh(item)
            except SQLAlchemyError:
                logger.debug("A row to be deleted could not be loaded", exc_info=True)


def _after_flush(session: Session, _context: object) -> None:
    if not model_changed.receivers:
        return
    changes = list(_flushed(session))
    frame = _frame_for_changes(session) if changes else _frame(session)
    if frame is None:
        return
    frame.deleted = {id(item) for item in session.deleted}
    for key, change in changes:
        frame.record(key, change)


def _flushed(session: Session) -> Iterator[tuple[Key, Change]]:
    watched = _WatchedMappers()
    # Deletes first: a row that is deleted and added again in one flush is one UPDATE.
    for item in session.deleted:
        if mapper := watched[type(item)]:
            yield _change("delete", mapper, item, _state(item).identity)
    for item in session.new:
        if mapper := watched[type(item)]:
            yield _change("insert", mapper, item, mapper.primary_key_from_instance(item))
    for item in session.dirty:
        if mapper := watched[type(item)]:
            yield from _update_of(mapper, item)


class _WatchedMappers(dict[type, "Mapper[Any] | None"]):
    """The mapper of each class that somebody listens to, None for the others; asked once a flush."""

    def __missing__(self, model: type) -> Mapper[Any] | None:
        self[model] = inspect(model) if is_watched(model) else None
        return self[model]


def _update_of(mapper: Mapper[Any], item: object) -> Iterator[tuple[Key, Change]]:
    state = _state(item)
    changed = frozenset(
        attribute.key for attribute in mapper.column_attrs if state.attrs[attribute.key].history.has_changes()
    )
    if not changed:
        return
    identity = tuple(mapper.primary_key_from_instance(item))
    if identity == state.identity:
        yield _change("update", mapper, item, identity, changed)
    else:
        yield _change("delete", mapper, item, state.identity)
        yield _change("insert", mapper, item, identity)


def _persistent_to_deleted(session: Session, item: object) -> None:
    """Record a delete that the unit of work decided itself, such as an orphan's."""
    if not model_changed.receivers or not is_watched(type(item)):
        return
    frame = _frame_for_changes(session)
    if id(item) not in frame.deleted:
        state = _state(item)
        frame.record(*_change("delete", state.mapper, item, state.identity))


def _change(
    event: Event, mapper: Mapper[Any], item: object, identity: Any, changed: frozenset[str] = frozenset()
) -> tuple[Key, Change]:
    identity = tuple(identity)
    return (mapper.base_mapper, identity), Change(event, type(item), item, identity, changed)


def _state(item: object) -> InstanceState[Any]:
    return cast("InstanceState[Any]", inspect(item))


# Telling


def _before_commit(session: Session) -> None:
    if session.in_nested_transaction() or not model_changed.receivers:
        return
    session.flush()
    frame = _frame_for_changes(session)
    frame.committing = True
    for _ in range(_MAX_REBUILDS):
        if not frame.stale:
            break
        _tell(frame)
        session.flush()  # a listener may have changed rows itself
    frame.stale = False  # one that does so each time has had its turns


def _after_flush_postexec(session: Session, _context: object) -> None:
    """Tell again when something else changed rows while the transaction commits."""
    frame = _frame(session)
    if frame is not None and frame.committing and frame.stale and not frame.telling:
        _tell(frame)


def _tell(frame: Frame) -> None:
    frame.stale = False
    frame.telling = True
    frame.held = []
    receivers: dict[type, list[Callable[..., Any]]] = {}
    with holding(frame.held):
        for change in list(frame.changes.values()):
            model = change.model
            if model not in receivers:
                # Looked up once, so not by send(), which would do it for each row.
                receivers[model] = [] if model_changed.is_muted else list(model_changed.receivers_for(model))
            for receiver in receivers[model]:
                try:
                    receiver(model, change=change)
                except Exception:
                    logger.exception("A receiver of model_changed failed; the commit goes on")
    frame.telling = False


# Settling


def _after_commit(session: Session) -> None:
    frame = _frame(session)
    if frame is None:
        return
    frame.committed = True
    if frame.stale and not session.in_nested_transaction():
        # The root was committed around an open savepoint; what is loaded can still be told.
        _tell(frame)


def _after_transaction_end(session: Session, transaction: SessionTransaction) -> None:
    frames: dict[SessionTransaction, Frame] | None = session.info.get(_FRAMES)
    frame = frames.pop(transaction, None) if frames else None
    if frames is None or frame is None or not frame.committed:
        return
    parent = transaction.parent
    while parent is not None and parent.parent is not None and not parent.nested:
        parent = parent.parent
    if parent is None:
        _publish(frame.held)
    else:
        frames.setdefault(parent, Frame()).absorb(frame)


def _publish(held: list[Held]) -> None:
    for position, (outlet, update) in enumerate(held):
        try:
            outlet.publish(update)
        except PublishError as error:
            lost = len(held) - position
            if error.status is not None:
                logger.error("An update of a committed change was not published: %s", error)
                continue
            logger.error("%d updates of committed changes were not published: %s", lost, error)
            return
        except Exception:
            logger.exception("An update of a committed change was not published")
