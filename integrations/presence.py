"""Who comes and goes, as signals of this process."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from blinker import NamedSignal, Namespace

from flask_mercure_sse.protocol.sse import Event
from flask_mercure_sse.protocol.version import ProtocolVersion

from .emitting import emit
from .incoming import Hearing, IncomingSubscription, Surroundings
from .recent_ids import RecentIds

_signals = Namespace()
_ARGUMENTS = (
    "Sender: the app. Arguments: `topic`, what is followed, as the subscriber's selector spells it; "
    "`subscriber`, the id of the subscriber's connection; `payload`, what its token says of the subscriber."
)

subscriber_connected: NamedSignal = _signals.signal(
    "subscriber_connected", f"Sent when somebody begins to follow a topic of the hub. {_ARGUMENTS}"
)
subscriber_disconnected: NamedSignal = _signals.signal(
    "subscriber_disconnected", f"Sent when somebody ceases to follow a topic of the hub. {_ARGUMENTS}"
)


class PresenceSubscription(IncomingSubscription):
    """Sends ``subscriber_connected`` and ``subscriber_disconnected``; made by ``subscribe_presence``.

    It has a connection of its own, which follows nothing but the hub's own topics: what arrives there nobody
    else can have published.

    :param topics: whose subscribers count, as their selectors spell it; all where there is none.
    :param hub: the name of the hub, None for the app's own.
    """

    def __init__(
        self, find: Callable[[], Hearing], topics: tuple[str, ...] = (), hub: str | None = None
    ) -> None:
        super().__init__(find, hub)
        self._topics = topics

    def __repr__(self) -> str:
        return f"<{self.__class__.__name__} of {', '.join(self._topics) or 'all topics'}>"

    @property
    def key(self) -> Hashable:
        return PresenceSubscription

    def selectors(self, version: ProtocolVersion) -> tuple[str, ...]:
        return tuple(version.subscription_topic(topic) for topic in self._topics or (None,))

    def take(self, event: Event, around: Surroundings, published: RecentIds) -> None:
        told = around.version.subscription_event(event.type, event.data)
        if told is None:
            return
        signal = subscriber_connected if told.active else subscriber_disconnected
        with around.scope():
            emit(
                signal,
                around.sender,
                event,
                topic=told.topic,
                subscriber=told.subscriber,
                payload=told.payload,
            )
