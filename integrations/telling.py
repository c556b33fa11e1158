"""Telling listeners what a transaction did, before it commits."""

from __future__ import annotations

import logging
from collections.abc import Set
from contextvars import ContextVar
from functools import partial

from sqlalchemy import ExceptionContext
from sqlalchemy.orm import Session

from .alive import is_broken
from .changes import Change, Key, model_changed
from .changeset import ChangeSet
from .failures import describe, report
from .models import ModelBinding
from .outlets import Held, ServedByAnother, holding
from .plain import Take, taker
from .plans import Receiver, binding_of, receivers_of
from .pointed import pointing
from .rows import reader_of
from .scope import Scope, current_scope
from .settling import settle
from .writing import ModelWriter

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
        changes = change_set.changes
        recorded = list(pending.values())
        for change in recorded if change_set.vague else ():
            change.stale = change.stale or change.key[0] in change_set.vague
        settled, linked = _settle(session, recorded, changes, may_load)
        if change_set.held:
            change_set.drop(pending.keys() | linked)
        with pointing(session, settled):
            told = _tell_each(settled, change_set, linked)
    finally:
        _failures.reset(token)
    change_set.held += told
    if failures and is_broken(session, (change.model for change in changes.values())):
        raise failures[0]


def _tell_each(settled: list[Change], change_set: ChangeSet, linked: Set[Key]) -> list[Held]:
    """Tell changes one after the other, and return the updates that come of it.

    A listener may undo a change of another row: then that is not told, or its updates are dropped.
    """
    assert change_set.scope is not None
    told = _Round(change_set.scope)
    changes, transaction, undone = change_set.changes, change_set.scope.transaction, change_set.taken_back
    stray: list[Held] = []
    with holding(stray):
        for change in settled:
            if undone == change_set.taken_back or change.key in changes or change.key in linked:
                change.transaction = transaction
                told.tell(change)
                if stray:
                    told.keep(change.key, stray)
    if undone == change_set.taken_back:
        return told.held
    return [held for held in told.held if held[0] in changes or held[0] in linked]


def _settle(
    session: Session, recorded: list[Change], known: dict[Key, Change], may_load: bool
) -> tuple[list[Change], Set[Key]]:
    try:
        return settle(session, recorded, known, may_load=may_load)
    except Exception as error:
        logger.error("Rows could not be read before they are published: %s", describe(error))
        return [change for change in recorded if not (change.stale or change.doubtful)], frozenset()


class _Round:
    """One round of telling. What each needs is looked up once: commits of many rows are felt.

    :param scope: what the updates share.
    """

    def __init__(self, scope: Scope) -> None:
        self.held: list[Held] = []
        self._scope = scope
        self._takers: dict[type, list[tuple[object, Take]]] = {}
        self._writers: dict[ModelBinding, ModelWriter] = {}

    def tell(self, change: Change) -> None:
        """Tell one change to all who listen to its model."""
        takers = self._takers.get(change.model)
        if takers is None:
            takers = self._takers[change.model] = self._find(change.model)
        for binding, take in takers:
            try:
                take(change)
            except Exception as error:
                report(logger, f"{binding!r} could not publish", error, sender=binding)

    def keep(self, key: Key, stray: list[Held]) -> None:
        """Keep updates of other bindings that came of telling a row's change."""
        self.held += [(key, *held[1:]) for held in stray]
        stray.clear()

    def _find(self, model: type) -> list[tuple[object, Take]]:
        found: list[tuple[object, Take]] = []
        for receiver in [] if model_changed.is_muted else receivers_of(model):
            binding = binding_of(receiver)
            if binding is None:
                found.append((receiver, partial(_call, receiver)))
                continue
            try:
                writer = self._writers.get(binding)
                if writer is None:
                    writer = ModelWriter(binding, binding.find_outlet(), self._scope)
                    self._writers[binding] = writer
                found.append((binding, taker(writer, model, len(reader_of(model).keys), self.held)))
            except ServedByAnother:
                continue
            except Exception as error:
                report(logger, f"{binding!r} could not publish", error, sender=binding)
        return found


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
