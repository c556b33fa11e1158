"""All signals of a namespace bound at once, those that are still to come as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

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
        self._follow(namespace)

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
        for binding in self.bindings:
            binding.disconnect()

    def _add(self, signal: NamedSignal) -> None:
        binding = self._bindings[signal] = self._bind(signal)
        if self._data is not None:
            binding(self._data)

    def _follow(self, namespace: Namespace) -> None:
        """Bind what the namespace makes from now on; it tells nobody, so its method is asked on the way."""
        make = namespace.signal

        def signal(name: str, doc: str | None = None) -> NamedSignal:
            made = make(name, doc)
            if self.connected and made not in self._bindings:
                self._add(made)
            return made

        vars(namespace)["signal"] = signal
