"""Bindings that publish nothing for a while: during imports, seeds and tests.

What is muted holds for the running greenlet or task alone, so a request beside it goes on publishing.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

EVERYTHING = "everything"
"""Stands for all bindings."""

Muted = frozenset[object]
"""Bindings and models, or :data:`EVERYTHING`."""

NOTHING: Muted = frozenset()

_muted: ContextVar[Muted] = ContextVar("muted", default=NOTHING)


@contextmanager
def muted(*targets: object) -> Generator[None, None, None]:
    """Let bindings publish nothing of what is sent or flushed in this block.

    :param targets: bindings and models (with their subclasses); all bindings where none is given.
    """
    token = _muted.set(_muted.get() | (frozenset(targets) or {EVERYTHING}))
    try:
        yield
    finally:
        _muted.reset(token)


def muted_now() -> Muted:
    """Return what is muted here."""
    return _muted.get()


def is_muted(muted: Muted, binding: object, model: type | None = None) -> bool:
    """Tell whether a binding is muted, by itself or for a model."""
    if not muted:
        return False
    if EVERYTHING in muted or binding in muted:
        return True
    return model is not None and not muted.isdisjoint(model.__mro__)
