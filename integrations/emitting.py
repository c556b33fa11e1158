"""Sending what came from a hub as a signal: each receiver on its own, and errors to where they are seen."""

from __future__ import annotations

import logging
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from blinker import NamedSignal, Namespace, Signal

from flask_mercure_sse.protocol.sse import Event

from .binding import Binding, signal_name
from .failures import describe

logger: logging.Logger = logging.getLogger(__name__)

receive_failed: NamedSignal = Namespace().signal(
    "receive_failed",
    "Sent when a receiver of an update from the hub raises. Sender: the signal that it received. Arguments: "
    "`error`, the exception, and `event`, what came from the hub.",
)


def emit(signal: Signal, sender: object, event: Event, **arguments: Any) -> None:
    """Send a signal for an update that came from a hub.

    An error of one receiver keeps the update from no other. Bindings of the signal get nothing: they would
    publish what a hub has just sent, and between two processes it would go round for ever.
    """
    if signal.is_muted:
        return
    for receiver in list(signal.receivers_for(sender)):
        if isinstance(getattr(receiver, "__self__", None), Binding):
            continue
        try:
            _call(receiver, sender, arguments)
        except (Exception, SystemExit) as error:
            _report(signal, receiver, error, event)


def _call(receiver: Callable[..., Any], sender: object, arguments: dict[str, Any]) -> None:
    if iscoroutinefunction(receiver):
        import asyncio  # only who has such receivers needs it

        asyncio.run(receiver(sender, **arguments))
    else:
        receiver(sender, **arguments)


def _report(signal: Signal, receiver: Callable[..., Any], error: BaseException, event: Event) -> None:
    name = signal_name(signal) or "a signal without a name"
    logger.error(
        "%s, a receiver of %s, failed with the update %r: %s",
        _name(receiver),
        name,
        event.id,
        describe(error),
    )
    try:
        receive_failed.send(signal, error=error, event=event)
    except Exception as failed:
        logger.error("A receiver of receive_failed failed: %s", describe(failed))


def _name(receiver: Callable[..., Any]) -> str:
    return getattr(receiver, "__qualname__", type(receiver).__name__)
