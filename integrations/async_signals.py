"""Bindings on signals that are sent with ``await``."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from blinker import Signal

Receiver = Callable[..., Any]


def accept_async(signal: Signal) -> None:
    """Let ``signal.send_async()`` reach receivers that are no coroutine functions, as bindings are.

    blinker refuses them unless each send says how to call them, which is not the sender's business. A wrapper
    that a send does give is used.
    """
    if "send_async" in vars(signal):
        return
    send_async = signal.send_async

    async def send(sender: Any = None, /, *, _sync_wrapper: Any = None, **arguments: Any) -> Any:
        return await send_async(sender, _sync_wrapper=_sync_wrapper or _awaitable, **arguments)

    vars(signal)["send_async"] = send


def _awaitable(receiver: Receiver) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def call(sender: Any, **arguments: Any) -> Any:
        return receiver(sender, **arguments)

    return call
