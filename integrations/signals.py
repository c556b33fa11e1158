"""The one door for events: any blinker signal bound to topics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blinker import ANY, Namespace, Signal

from flask_mercure_sse.protocol.errors import BindingError

from .binding import Binding, Bound, signal_name
from .changes import model_changed
from .models import ModelBinding
from .namespaces import NamespaceBinding
from .outlets import Outlet


def publish_signal(
    outlet: Callable[[], Outlet],
    signal: Signal | Namespace,
    topic: object = None,
    data: object = None,
    signal_name_as_type: bool = False,
    signal_kwargs_as_data: bool = False,
    marshaler: Callable[[Any], Any] | None = None,
    callback: Callable[[dict[str, Any]], Any] | None = None,
    *,
    on_bind: Callable[[Binding], None] | None = None,
    type: object = None,
    sender: object = ANY,
    **options: Any,
) -> Bound:
    """Bind a signal, or all of a namespace: each send becomes an update. Return the connected binding.

    :param outlet: returns, at each send, what to publish through.
    :param on_bind: gets each binding that is made.
    :param options: see :class:`~.binding.Binding`, and as in ``MercureSSE.publish_signal``.
    """

    if data is None and signal_kwargs_as_data:
        data = _all_arguments

    def bind(one: Signal) -> Binding:
        kind = ModelBinding if one is model_changed else Binding
        binding = kind(
            one,
            outlet,
            topic=topic,
            data=data,
            type=signal_name(one) if type is None and signal_name_as_type else type,
            sender=sender,
            marshaler=marshaler,
            callback=callback,
            **options,
        )
        binding.connect()
        if on_bind is not None:
            on_bind(binding)
        return binding

    if isinstance(signal, Namespace):
        return NamespaceBinding(signal, bind)
    if not isinstance(signal, Signal):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BindingError(f"signal: {signal!r} is neither a blinker signal nor a namespace of them")
    return bind(signal)


def _all_arguments(_sender: object, /, **arguments: Any) -> dict[str, Any]:
    return arguments
