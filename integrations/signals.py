"""The one door for events: any blinker signal bound to topics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blinker import ANY, Signal

from .binding import Binding, Outlet, signal_name
from .changes import model_changed
from .models import ModelBinding


def publish_signal(
    outlet: Callable[[], Outlet],
    signal: Signal,
    topic: object = None,
    data: object = None,
    signal_name_as_type: bool = False,
    signal_kwargs_as_data: bool = False,
    marshaler: Callable[[Any], Any] | None = None,
    callback: Callable[[dict[str, Any]], Any] | None = None,
    *,
    type: object = None,
    sender: object = ANY,
    **options: Any,
) -> Binding:
    """Bind a signal: each send becomes an update. Return the connected binding.

    :param outlet: returns, at each send, what to publish through.
    :param options: see :class:`~.binding.Binding`; those before it as in ``MercureSSE.publish_signal``.
    """
    if type is None and signal_name_as_type:
        type = signal_name(signal)
    if data is None and signal_kwargs_as_data:
        data = _all_arguments
    kind = ModelBinding if signal is model_changed else Binding
    binding = kind(
        signal,
        outlet,
        topic=topic,
        data=data,
        type=type,
        sender=sender,
        marshaler=marshaler,
        callback=callback,
        **options,
    )
    binding.connect()
    return binding


def _all_arguments(_sender: object, **arguments: Any) -> dict[str, Any]:
    return arguments
