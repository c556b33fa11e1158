"""Bindings that publish nothing for a while: during imports, seeds and tests.

What is muted holds for the running greenlet or task alone, so a request beside it goes on publishing. A task
that is started in the block has a copy of its context, and is muted as long as the block lasts.
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


class _Block:
    """A block and what it mutes; nothing any more once it has ended."""

    __slots__ = ("targets",)

    def __init__(self, targets: Muted) -> None:
        self.targets = targets


_blocks: ContextVar[tuple[_Block, ...]] = ContextVar("blocks", default=())


@contextmanager
def muted(*targets: object) -> Generator[None, None, None]:
    """Let bindings publish nothing of what is sent or flushed in this block.

    :param targets: bindings and models (with their subclasses); all bindings where none is given.
    """
    block = _Block(frozenset(targets) or frozenset({EVERYTHING}))
    token = _blocks.set((*_blocks.get(), block))
    try:
        yield
    finally:
        block.targets = NOTHING
        _blocks.reset(token)


def muted_now() -> Muted:
    """Return what is muted here."""
    blocks = _blocks.get()
    return NOTHING.union(*(block.targets for block in blocks)) if blocks else NOTHING


def is_muted(muted: Muted, binding: object, model: type | None = None) -> bool:
    """Tell whether a binding is muted, by itself or for a model."""
    if not muted:
        return False
    if EVERYTHING in muted or binding in muted:
        return True
    return model is not None and not muted.isdisjoint(model.__mro__)
