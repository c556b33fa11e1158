"""Which models somebody listens to, by themselves or by a class that they inherit from."""

from __future__ import annotations

import os
import threading
from typing import Protocol
from weakref import WeakKeyDictionary, WeakSet

from .changes import model_changed


class Declared(Protocol):
    """What a base class declares for itself and its subclasses: a binding."""

    @property
    def connected(self) -> bool:
        """Whether it listens."""
        ...

    def connect(self, sender: object = None) -> None:
        """Listen to one more sender."""
        ...


_lock = threading.RLock()
_declared: WeakKeyDictionary[type, list[Declared]] = WeakKeyDictionary()
_settled: WeakSet[type] = WeakSet()
"""Models that listen to all that their base classes declare."""


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)  # a thread of the parent may have held it


def declare(model: type, binding: Declared) -> None:
    """Let a model's binding hold for its subclasses, too; the model need not be mapped yet."""
    with _lock:
        bindings = _declared.setdefault(model, [])
        if binding not in bindings:
            bindings.append(binding)
        _settled.clear()


def is_watched(model: type) -> bool:
    """Tell whether anybody listens to a model's changes, after connecting what its base classes declare."""
    if model not in _settled:
        with _lock:
            for base in model.__mro__[1:]:
                for binding in _declared.get(base, ()):
                    if binding.connected:
                        binding.connect(model)
            _settled.add(model)
    return model_changed.has_receivers_for(model)
