"""The hub: authorize, publish, subscribe, list subscriptions.

One lock makes one order: an update is kept and handed to its subscribers in one step, and a subscriber
joins between two updates. So what is replayed and what comes live join without a gap and without a repeat,
and every subscriber sees the same order as the history.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from ..protocol.errors import Forbidden, NotFound, Unauthorized
from ..protocol.ids import new_urn
from ..protocol.selectors import any_matches
from ..protocol.tokens import Rights
from ..protocol.update import Update
from ..protocol.version import ProtocolVersion, SubscribeRequest
from .forks import renew_in_children
from .frame import Frame
from .history import History
from .router import Router
from .subscriber import Deliver, Subscriber


@dataclass(frozen=True, slots=True)
class Joined:
    """A subscriber that has joined.

    :param replay: what it missed, in order; everything later reaches its ``deliver``.
    :param last_event_id: the id before the first replayed event, None when it did not ask.
    """

    subscriber: Subscriber
    replay: list[Update]
    last_event_id: str | None


class Hub:
    """A Mercure hub in this process's memory.

    :param version: the version of the protocol that it speaks.
    :param history_length: how many updates it keeps for those who come back.
    :param allow_anonymous: whether subscribers without a token get public updates.
    :param subscriptions: whether it tells who follows what.
    """

    def __init__(
        self,
        version: ProtocolVersion,
        *,
        history_length: int = 500,
        allow_anonymous: bool = True,
        subscriptions: bool = True,
    ) -> None:
        self.version = version
        self.allow_anonymous = allow_anonymous
        self.tells_subscriptions = subscriptions
        self._history = History(history_length)
        self._router = Router()
        self._lock = threading.Lock()
        renew_in_children(self)

    def __repr__(self) -> str:
        return f"<Hub {self.version.name}: {len(self._router)} subscribers>"

    def publish(self, update: Update) -> str:
        """Publish an update and return its id. Whoever calls this is trusted."""
        with self._lock:
            self._dispatch(update)
        return update.id

    def publish_with(self, rights: Rights, update: Update) -> str:
        """Publish an update for somebody outside.

        :raises Forbidden: the rights do not cover every topic (`Mercure, Publishers`).
        """
        if not rights.may_publish(update.topics):
            raise Forbidden("the token does not grant every topic of the update")
        return self.publish(update)

    def admit(self, rights: Rights | None) -> None:
        """Check that somebody may subscribe at all.

        :raises Unauthorized: there is no token, and anonymous subscribers are not let in.
        """
        if rights is None and not self.allow_anonymous:
            raise Unauthorized("anonymous subscribers are not let in")

    def cursor(self, last_event_id: str) -> str:
        """Return the id before the first event that a subscriber with this last event id is sent."""
        with self._lock:
            return self._history.after(last_event_id)[0]

    def renew_after_fork(self) -> None:
        """Begin anew in a forked process: subscribers and whoever held the lock are the parent's."""
        self._lock = threading.Lock()
        self._router = Router()

    def subscribe(self, request: SubscribeRequest, rights: Rights | None, deliver: Deliver) -> Joined:
        """Let a subscriber join.

        :param rights: what its token grants, None when it has none.
        :param deliver: takes each later frame, see :class:`Subscriber`.
        :raises Unauthorized: it has no token, and anonymous subscribers are not let in.
        """
        self.admit(rights)
        subscriber = Subscriber(request.selectors, rights or Rights(), deliver, new_urn())
        came = self._subscription_events(subscriber, active=True)
        with self._lock:
            cursor, missed = None, []
            if request.last_event_id is not None:
                cursor, missed = self._history.after(request.last_event_id)
            # Told before it joins: a subscriber is not told of itself.
            self._tell(came)
            self._router.add(subscriber)
        # Matched outside the lock: what is missed is fixed, and a long history must not hold up the others.
        return Joined(subscriber, [update for update in missed if _is_for(subscriber, update)], cursor)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Let a subscriber leave; a second time does nothing."""
        left = self._subscription_events(subscriber, active=False)
        with self._lock:
            if subscriber in self._router:
                self._router.remove(subscriber)
                self._tell(left)

    def subscriptions(self, selector: str | None = None, subscriber: str | None = None) -> dict[str, Any]:
        """Return the subscription API's document, for somebody who may read it.

        :param selector: only the subscriptions with this selector.
        :param subscriber: only the one of this subscriber; needs `selector`.
        :raises NotFound: there is no such subscription, or the hub does not tell them.
        """
        if not self.tells_subscriptions:
            raise NotFound("subscriptions are off")
        with self._lock:
            found = [
                subscription
                for one in self._router
                for subscription in one.subscriptions
                if selector in (None, subscription.selector) and subscriber in (None, subscription.subscriber)
            ]
            last_event_id = self._history.last_event_id
        if subscriber is None:
            return self.version.subscriptions_document(selector, found, last_event_id)
        if not found:
            raise NotFound("there is no such subscription")
        return self.version.subscription_document(found[0], last_event_id)

    def subscriptions_with(
        self, rights: Rights | None, selector: str | None = None, subscriber: str | None = None
    ) -> dict[str, Any]:
        """Return the subscription API's document for somebody outside.

        :raises Unauthorized: there is no token.
        :raises Forbidden: the token does not grant the document's URL (`Mercure, Subscription API`).
        :raises NotFound: as :meth:`subscriptions`.
        """
        if not self.tells_subscriptions:
            raise NotFound("subscriptions are off")
        if rights is None:
            raise Unauthorized("the subscription API needs a token")
        url = self.version.subscriptions_url(selector, subscriber)
        if not any_matches(rights.subscribe, (url,)):
            raise Forbidden("the token does not grant the URL of the subscription API")
        return self.subscriptions(selector, subscriber)

    def _subscription_events(self, subscriber: Subscriber, *, active: bool) -> list[Update]:
        """Return the updates that tell of a subscriber; made outside the lock, they may be many."""
        if not self.tells_subscriptions:
            return []
        tell = self.version.subscription_update
        return [tell(subscription, active=active) for subscription in subscriber.subscriptions]

    def _tell(self, events: list[Update]) -> None:
        for event in events:
            self._dispatch(event, subscription_event=True)

    def _dispatch(self, update: Update, *, subscription_event: bool = False) -> None:
        self._history.append(update, subscription_event=subscription_event)
        if subscribers := self._router.route(update):
            frame = Frame(update)
            for subscriber in subscribers:
                subscriber.deliver(frame)


def _is_for(subscriber: Subscriber, update: Update) -> bool:
    return any_matches(subscriber.selectors, update.topics) and (
        not update.private or subscriber.rights.may_read(update.topics)
    )
