"""Which models somebody listens to, by themselves or by a class that they inherit from."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any, Protocol
from weakref import WeakKeyDictionary, WeakSet

from .changes import model_changed


class Declared(Protocol):
    """What a class declares for itself and its subclasses: a binding."""

    name: str | None
    connected: bool

    def connect(self, sender: object = None) -> None:
        """Listen to one more sender."""
        ...

    def receive(self, sender: Any, /, **arguments: Any) -> None:
        """Take one send of the signal."""
        ...


_lock = threading.RLock()
_declared: WeakKeyDictionary[type, list[Declared]] = WeakKeyDictionary()
_opted_out: WeakSet[type] = WeakSet()
_settled: WeakSet[type] = WeakSet()
"""Models that listen to just what they inherit and declare."""
_version = 0


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
        _renew()


def withdraw(model: type, binding: Declared) -> None:
    """Let a model's binding hold no longer; what it has replaced is inherited again."""
    with _lock:
        bindings = _declared.get(model, [])
        if binding in bindings:
            bindings.remove(binding)
        _settled.clear()
        _renew()


def opt_out(model: type) -> None:
    """Let a model and its subclasses inherit no binding."""
    with _lock:
        _opted_out.add(model)
        _settled.clear()
        _renew()


@model_changed.receiver_connected.connect
@model_changed.receiver_disconnected.connect
def _renew(_signal: object = None, **_what: object) -> None:
    global _version
    _version += 1


def version() -> int:
    """Return a number that is another one whenever who listens to what has changed."""
    return _version


def is_watched(model: type) -> bool:
    """Tell whether anybody listens to a model's changes, after settling what it inherits."""
    if model not in _settled:
        with _lock:
            _settle(model)
            _settled.add(model)
    return model_changed.has_receivers_for(model)


def declared_bindings() -> Iterator[tuple[type, Declared]]:
    """Give all declared bindings that are connected, each with the class that declares it."""
    with _lock:
        found = [(model, binding) for model, bindings in _declared.items() for binding in bindings]
    return ((model, binding) for model, binding in found if binding.connected)


def _settle(model: type) -> None:
    wanted: list[Declared] = []
    for base in reversed(model.__mro__):
        if base in _opted_out:
            wanted.clear()
        for binding in _declared.get(base, ()):
            wanted = [other for other in wanted if other.name is None or other.name != binding.name]
            if binding.connected:
                wanted.append(binding)
    for base in model.__mro__:
        for binding in _declared.get(base, ()):
            if binding not in wanted:
                model_changed.disconnect(binding.receive, sender=model)
            else:
                binding.connect(model)
