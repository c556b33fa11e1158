"""Updates that are published together at the end of a block, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import groupby
from typing import Any, cast

from .app_state import AppState, Elsewhere
from .integrations.binding import Binding
from .integrations.outlets import Held, Outlet, holding
from .protocol.errors import PublishError
from .protocol.update import Update

Collected = tuple[Outlet, Update]


class Transaction:
    """The updates of one block.

    It belongs to the context that it was opened in. Threads, greenlets and tasks that are started in the
    block with a copy of that context take part until it ends; what they publish later goes out at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[Collected] | None = []

    def hold(self, held: Iterable[Collected]) -> bool:
        """Keep updates until the end; False when it is over."""
        with self._lock:
            if self._held is None:
                return False
            self._held.extend(held)
            return True

    def end(self) -> list[Collected]:
        """End it, and return what was held."""
        with self._lock:
            held, self._held = self._held or [], None
            return held


class _OfBindings(list[Held]):
    """Where bindings of signals put their updates, in place of publishing them."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__()
        self._transaction = transaction

    def append(self, held: Any, /) -> None:
        _key, binding, outlet, update = cast("Held", held)
        if isinstance(binding, Binding) and binding.waits_for_commit(held):
            return
        if not self._transaction.hold([(outlet, update)]):
            outlet.publish(update)


_current: ContextVar[Transaction | None] = ContextVar("transaction", default=None)


def held_back(outlet: Outlet, updates: Iterable[Update]) -> bool:
    """Hold updates back until the end of the current transaction; False where there is none."""
    transaction = _current.get()
    return transaction is not None and transaction.hold((outlet, update) for update in updates)


@contextmanager
def transaction() -> Generator[None, None, None]:
    """Hold back what is published in this context, and publish it at the end, in its order.

    An exception that leaves the block drops it. In another transaction the end hands it over to that one.

    :raises PublishError: a hub did not take an update; the updates for other hubs are published.
    """
    outer = _current.get()
    own = Transaction()
    token = _current.set(own)
    try:
        with holding(_OfBindings(own)):
            yield
    except BaseException:
        own.end()
        raise
    finally:
        _current.reset(token)
    held = own.end()
    if outer is None or not outer.hold(held):
        _publish(held)


def _publish(held: list[Collected]) -> None:
    failure: PublishError | None = None
    for _, group in groupby(held, key=lambda one: _way_of(one[0])):
        collected = list(group)
        try:
            _publish_on(collected[0][0], [update for _, update in collected])
        except PublishError as error:
            failure = failure or error
    if failure is not None:
        raise failure


def _way_of(outlet: Outlet) -> object:
    return outlet.way if isinstance(outlet, Elsewhere) else id(outlet)


def _publish_on(outlet: Outlet, updates: list[Update]) -> None:
    if isinstance(outlet, (AppState, Elsewhere)):
        outlet.publish_many(updates)
        return
    for update in updates:
        outlet.publish(update)
