"""What an app hears of its hub, as signals: how it is declared, and when it begins."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from blinker import Signal
from flask import Flask

from .integrations.content import topics_of
from .integrations.incoming import IncomingSubscription
from .integrations.listening import SignalSubscription
from .integrations.presence import PresenceSubscription
from .protocol.errors import MercureError

if TYPE_CHECKING:
    from .app_state import AppState

logger: logging.Logger = logging.getLogger(__name__)

SubscriptionT = TypeVar("SubscriptionT", bound=IncomingSubscription)


class Listening:
    """The part of ``MercureSSE`` that turns updates from the hub into signals."""

    def __init__(self) -> None:
        super().__init__()
        self._incoming: list[IncomingSubscription] = []

    def _state(self) -> AppState:
        raise NotImplementedError

    def subscribe_signal(
        self, topic_selector: Any, signal: Signal, *, own: bool = False, hub: str | None = None
    ) -> SignalSubscription:
        """Send a signal in this process for each update that the hub has of some topics.

        So workers, scripts and other instances of the app react to each other's events. Receivers get the
        app as sender, run in its context one after the other, and have these arguments: ``data``, what the
        update carries, with JSON decoded; ``text``, the same as it came; ``id`` and ``type``. An update's
        topics do not come along; what a receiver needs of them belongs into the data. An error of a receiver
        is logged and told by the signal ``receive_failed``. Bindings of the signal (:meth:`publish_signal`)
        publish nothing of it: it would go round for ever.

        It begins with the first request that a process serves (not with ``TESTING``), by ``start()``, or with
        a ``with`` statement; after a fork anew in the same way. From then on nothing is missed that the hub
        still has. Subscriptions to one signal share a connection; one that joins later goes on after the last
        update that came by it.

        :param topic_selector: a topic, a selector or an object, or several.
        :param signal: the signal; best one that the app does not send itself.
        :param own: whether it is sent for updates that this process published, too.
        :param hub: another hub that is followed, by its name in ``MERCURE_HUBS``.
        :return: the subscription, to start and to close.
        :raises BindingError: an argument cannot work.
        """
        selectors = () if topic_selector is None else topics_of(topic_selector)
        return self._declare(SignalSubscription(self._state, selectors, signal, own=own, hub=hub))

    def subscribe_presence(self, topics: Any = None, *, hub: str | None = None) -> PresenceSubscription:
        """Send ``subscriber_connected`` and ``subscriber_disconnected`` as the hub tells them.

        Their arguments are ``topic``, ``subscriber`` (the id of the subscriber's connection) and ``payload``.
        It begins as :meth:`subscribe_signal` does.

        :param topics: whose subscribers: one topic or several, as subscribers' selectors spell them; all by
            default.
        :param hub: another hub that tells, by its name in ``MERCURE_HUBS``.
        """
        wanted = () if topics is None else topics_of(topics)
        return self._declare(PresenceSubscription(self._state, wanted, hub))

    def _declare(self, subscription: SubscriptionT) -> SubscriptionT:
        self._incoming = [*(one for one in self._incoming if not one.closed), subscription]
        return subscription

    def _listen_with_requests(self, app: Flask) -> None:
        """Let the first request of each process start what is declared."""
        failed: set[IncomingSubscription] = set()

        @app.before_request
        def start() -> None:  # pyright: ignore[reportUnusedFunction]
            if not self._incoming or app.testing:
                return
            incoming = self._state().incoming
            for subscription in self._incoming:
                if subscription.closed or subscription in incoming or subscription in failed:
                    continue
                try:
                    subscription.start()
                except MercureError as error:
                    failed.add(subscription)  # tried once: the request is not its business
                    logger.error("%r cannot start: %s", subscription, error)
