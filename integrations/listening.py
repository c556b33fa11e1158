"""Updates from the hub as a signal of this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from typing import Any, NoReturn

from blinker import Signal

from flask_mercure_sse.protocol.errors import BindingError
from flask_mercure_sse.protocol.sse import Event
from flask_mercure_sse.protocol.version import ProtocolVersion

from .binding import signal_name
from .emitting import emit
from .incoming import Hearing, IncomingSubscription, Surroundings
from .recent_ids import RecentIds


class SignalSubscription(IncomingSubscription):
    """Sends what the hub has of some topics as a signal; made by ``subscribe_signal``.

    :param selectors: what is followed.
    :param signal: what is sent.
    :param own: whether updates that this process published are sent, too.
    :param hub: the name of the hub, None for the app's own.
    :raises BindingError: an argument cannot work.
    """

    def __init__(
        self,
        find: Callable[[], Hearing],
        selectors: tuple[str, ...],
        signal: Signal,
        *,
        own: bool = False,
        hub: str | None = None,
    ) -> None:
        super().__init__(find, hub)
        if not selectors:
            raise BindingError("topic_selector: there is none; give a topic or a selector, '*' for all")
        if not isinstance(signal, Signal):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BindingError(f"signal: {signal!r} is not a blinker signal")
        self.signal: Signal = signal
        self.own: bool = own
        self._selectors = selectors

    def __repr__(self) -> str:
        name = signal_name(self.signal) or "a signal without a name"
        return f"<{self.__class__.__name__} of {name} to {', '.join(self._selectors)}>"

    @property
    def key(self) -> Hashable:
        return self.signal, self.own

    def selectors(self, version: ProtocolVersion) -> tuple[str, ...]:
        return self._selectors

    def take(self, event: Event, around: Surroundings, published: RecentIds) -> None:
        if not self.own and event.id in published:
            return
        arguments = {"data": read_data(event.data), "text": event.data, "id": event.id, "type": event.type}
        with around.scope():
            emit(self.signal, around.sender, event, **arguments)


def read_data(text: str) -> Any:
    """Return what an update carries: its JSON decoded, another text as it is."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
