"""All signals of a namespace bound at once, those that are still to come as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from blinker import NamedSignal, Namespace

from .binding import Binding, Bound

F = TypeVar("F", bound=Callable[..., Any])


class NamespaceBinding(Bound):
    """The bindings of a namespace's signals, with one handle.

    :param namespace: the signals by name; one that is made later is bound when it is made.
    :param bind: binds one signal.
    """

    def __init__(self, namespace: Namespace, bind: Callable[[NamedSignal], Binding]) -> None:
        self._bind = bind
        self._data: Callable[..., Any] | None = None
        self._bindings: dict[NamedSignal, Binding] = {}
        self.connected: bool = True
        for signal in namespace.values():
            self._add(signal)
        self._followers = _followers_of(namespace)
        self._followers.append(self._take)

    def __repr__(self) -> str:
        return f"<NamespaceBinding of {', '.join(binding.source for binding in self.bindings)}>"

    @property
    def bindings(self) -> tuple[Binding, ...]:
        return tuple(self._bindings.values())

    def __call__(self, data: F) -> F:
        self._data = data
        for binding in self.bindings:
            binding(data)
        return data

    def disconnect(self) -> None:
        self.connected = False
        if self._take in self._followers:
            self._followers.remove(self._take)
        for binding in self.bindings:
            binding.disconnect()

    def _add(self, signal: NamedSignal) -> None:
        binding = self._bindings[signal] = self._bind(signal)
        if self._data is not None:
            binding(self._data)

    def _take(self, signal: NamedSignal) -> None:
        if signal not in self._bindings:
            self._add(signal)


Follower = Callable[[NamedSignal], None]


class _Followed:
    """What a namespace inherits from once somebody follows it, for it tells nobody of its new signals.

    Its method ``signal`` may be held by others since before, as ``blinker.signal`` is: that it were replaced
    they would not notice.
    """

    _followers: list[Follower]

    def __setitem__(self, name: str, signal: NamedSignal) -> None:
        cast("Any", super()).__setitem__(name, signal)
        for take in list(self._followers):
            take(signal)

    def setdefault(self, name: str, signal: NamedSignal) -> NamedSignal:
        # blinker 1.8 adds signals by this.
        namespace = cast("Any", self)
        if name not in namespace:
            namespace[name] = signal
        return namespace[name]


def _followers_of(namespace: Namespace) -> list[Follower]:
    """Return those who get each signal that a namespace makes."""
    kind = type(namespace)
    if not issubclass(kind, _Followed):
        vars(namespace)["_followers"] = []
        namespace.__class__ = type(kind.__name__, (_Followed, kind), {"__module__": kind.__module__})
    return cast("Any", namespace)._followers
