"""Telling listeners what a transaction did, before it commits."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextvars import ContextVar

from sqlalchemy import ExceptionContext, inspect, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from .binding import Held, holding
from .changes import Change, model_changed
from .changeset import ChangeSet
from .failures import describe, report
from .models import ModelBinding, Way
from .muting import is_muted
from .plans import Receiver, binding_of, receivers_of
from .rows import Key
from .scope import Scope, current_scope
from .settling import Changes, settle

logger: logging.Logger = logging.getLogger(__name__)

_failures: ContextVar[list[BaseException] | None] = ContextVar("failures", default=None)
"""Errors of databases while listeners are told."""


def tell(session: Session, change_set: ChangeSet, *, may_load: bool = True) -> None:
    """Tell listeners of all changes that are pending, and keep the updates that come of it.

    :param may_load: whether the transaction can still be asked for rows.
    :raises SQLAlchemyError: a listener's SQL has broken the transaction.
    """
    pending, change_set.pending = change_set.pending, {}
    change_set.told += 1
    change_set.scope = change_set.scope or current_scope()
    failures: list[BaseException] = []
    token = _failures.set(failures)
    try:
        changes = [(key, change_set.changes[key]) for key in pending]
        settled, others = _settle(session, changes, change_set, may_load)
        change_set.drop({*pending, *others})
        told = _Round(change_set.scope)
        for key, change in settled:
            if key in change_set.changes or key in others:  # else a listener has undone it meanwhile
                change.transaction = change_set.scope.transaction
                told.tell(key, change)
    finally:
        _failures.reset(token)
    change_set.held += [
        (key, held) for key, held in told.collected if key in change_set.changes or key in others
    ]
    if failures and _is_broken(session, change_set.changes.values()):
        raise failures[0]


def _settle(
    session: Session, changes: Changes, change_set: ChangeSet, may_load: bool
) -> tuple[Changes, set[Key]]:
    try:
        return settle(session, changes, change_set.changes, may_load=may_load)
    except Exception as error:
        logger.error("Rows could not be read before they are published: %s", describe(error))
        return [(key, change) for key, change in changes if not (change.stale or change.doubtful)], set()


class _Round:
    """One round of telling. What each needs is looked up once: commits of many rows are felt.

    :param scope: what the updates share.
    """

    def __init__(self, scope: Scope) -> None:
        self.collected: list[tuple[Key, Held]] = []
        self._scope = scope
        self._listeners: dict[type, list[tuple[Receiver, ModelBinding | None]]] = {}
        self._ways: dict[ModelBinding, Way] = {}

    def tell(self, key: Key, change: Change) -> None:
        """Tell one change to all who listen to its model."""
        model = change.model
        listeners = self._listeners.get(model)
        if listeners is None:
            receivers = [] if model_changed.is_muted else receivers_of(model)
            listeners = self._listeners[model] = [(one, binding_of(one)) for one in receivers]
        for receiver, binding in listeners:
            held: list[Held] = []
            with holding(held):
                if binding is None:
                    _call(receiver, change)
                elif not change.muted or not is_muted(change.muted, binding, model):
                    self._ask(binding, change, held)
            self.collected += [(key, one) for one in held]

    def _ask(self, binding: ModelBinding, change: Change, held: list[Held]) -> None:
        try:
            way = self._ways.get(binding)
            if way is None:
                way = self._ways[binding] = Way(binding.find_outlet(), self._scope)
            held += binding.updates(way, change)
        except Exception as error:
            report(logger, f"{binding!r} could not publish", error, sender=binding)


def _call(receiver: Receiver, change: Change) -> None:
    try:
        receiver(change.model, change=change)
    except Exception as error:
        logger.error("A receiver of model_changed failed; the commit goes on: %s", describe(error))


def note_failure(context: ExceptionContext) -> None:
    """Note an error of a database while listeners are told."""
    failures = _failures.get()
    if failures is not None:
        failures.append(context.sqlalchemy_exception or context.original_exception)


def _is_broken(session: Session, changes: Iterable[Change]) -> bool:
    """Tell whether the transaction has not survived an error: on PostgreSQL no error of its own is."""
    transaction = session.get_transaction()
    if transaction is None or not transaction.is_active:
        return True
    try:
        for model in {change.model for change in changes}:
            session.connection(bind_arguments={"mapper": inspect(model)}).execute(select(1))
    except SQLAlchemyError:
        return True
    return False
