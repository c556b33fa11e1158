"""The hub: authorize, publish, subscribe, list subscriptions.

One lock makes one order: an update is kept and handed to its subscribers in one step, and a subscriber
joins between two updates. So what is replayed and what comes live join without a gap and without a repeat,
and every subscriber sees the same order as the history.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..protocol.errors import Forbidden, NotFound, Unauthorized
from ..protocol.ids import new_urn
from ..protocol.rights import ANONYMOUS, Rights
from ..protocol.selectors import Selector, any_matches
from ..protocol.subscriptions import ALL, SubscriptionFilter
from ..protocol.update import Update
from ..protocol.version import ProtocolVersion, SubscribeRequest
from ..protocol.versions import Versions
from .forks import renew_in_children
from .frame import Frame, SubscriptionFrame
from .history import History
from .replay import Missed, Replays, in_order
from .router import Router
from .subscriber import Deliver, Group, Subscriber, subscriptions_of
from .watching import may_watch


@dataclass(frozen=True, slots=True)
class Joined:
    """A subscriber that has joined.

    :param replay: what it missed, in order; everything later reaches its ``deliver``.
    :param last_event_id: the id before the first replayed event, None when it did not ask.
    """

    subscriber: Subscriber
    replay: Sequence[Frame]
    last_event_id: str | None


class Sizes(NamedTuple):
    """How much a hub holds at a moment.

    :param groups: subscribers who want and may read the same are one.
    :param selectors: different ones of all its subscribers.
    :param updates: kept for those who come back, subscription events among them.
    """

    subscribers: int
    groups: int
    selectors: int
    updates: int


class Hub:
    """A Mercure hub in this process's memory.

    :param versions: the versions of the protocol that it speaks.
    :param history_length: how many updates it keeps for those who come back.
    :param allow_anonymous: whether subscribers without a token get public updates.
    :param subscriptions: whether it tells who follows what.
    """

    def __init__(
        self,
        versions: Versions,
        *,
        history_length: int = 500,
        allow_anonymous: bool = True,
        subscriptions: bool = True,
    ) -> None:
        self.versions = versions
        self.allow_anonymous = allow_anonymous
        self.tells_subscriptions = subscriptions
        self._history = History(history_length)
        self.renew_after_fork()
        renew_in_children(self)

    def __repr__(self) -> str:
        names = " and ".join(version.name for version in self.versions)
        return f"<Hub {names}: {len(self._router)} subscribers>"

    def publish(self, update: Update) -> str:
        """Publish an update and return its id. Whoever calls this is trusted."""
        frame = Frame(update)
        with self._lock:
            self._spread((frame,))
        return update.id

    def publish_many(self, updates: Iterable[Update]) -> None:
        """Publish updates in their order, with no other between them. Whoever calls this is trusted."""
        frames = [Frame(update) for update in updates]
        with self._lock:
            self._spread(frames)

    def _spread(self, frames: Iterable[Frame]) -> None:
        keep, route = self._history.append, self._router.route
        for frame in frames:
            keep(frame)
            for group in route(frame.update):
                group.deliver(frame)
            self._missed_updates.forget_what_is_old()

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
            return self._history.find(last_event_id)[0]

    def renew_after_fork(self) -> None:
        """Begin anew in a forked process: subscribers and whoever held the lock are the parent's."""
        self._lock = threading.Lock()
        self._router = Router()
        self._missed_updates = Replays(self._history.updates)
        self._missed_events = Replays(self._history.subscription_events)

    def subscribe(
        self, request: SubscribeRequest, rights: Rights | None, deliver: Deliver | None = None
    ) -> Joined:
        """Let a subscriber join.

        :param rights: what its token grants, None when it has none.
        :param deliver: takes each later frame, see :class:`Subscriber`.
        :raises Unauthorized: it has no token, and anonymous subscribers are not let in.
        """
        self.admit(rights)
        rights = rights or ANONYMOUS
        subscriber_id = new_urn()
        came = self._subscription_events(request.selectors, rights, subscriber_id, active=True)
        with self._lock:
            cursor, missed = self._missed(request, rights)
            # Told before it joins: a subscriber is not told of itself.
            self._tell(came)
            subscriber = self._router.add(request, rights, deliver, subscriber_id)
        return Joined(subscriber, self._replay(missed, request, rights), cursor)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Let a subscriber leave; a second time does nothing."""
        left = self._subscription_events(
            subscriber.group.selectors, subscriber.rights, subscriber.id, active=False
        )
        with self._lock:
            if subscriber in self._router:
                self._router.remove(subscriber)
                self._tell(left)

    def probe(self, update: Update, deliver: Deliver) -> None:
        """Publish a private update to a subscriber that joins for it alone, to see whether that works.

        Nobody else gets it or is told of it, and it is not kept: it is over before anything else happens.

        :param update: with one topic, which no client knows.
        :param deliver: takes the frame, as for :meth:`subscribe`.
        """
        wanted = Selector(update.topic)
        request = SubscribeRequest(self.versions.newest, (wanted,))
        with self._lock:
            subscriber = self._router.add(request, Rights(subscribe=(wanted,)), deliver, new_urn())
            try:
                # Those who are granted every topic are found as well.
                if subscriber.group in self._router.route(update):
                    subscriber.group.deliver(Frame(update))
            finally:
                self._router.remove(subscriber)

    def sizes(self) -> Sizes:
        """Return how much the hub holds now."""
        with self._lock:
            router = self._router
            return Sizes(len(router), len(router.groups), router.selector_count, len(self._history))

    @property
    def last_event_id(self) -> str:
        """The id of the newest update, ``earliest`` before the first."""
        return self._history.last_event_id

    def subscriptions(
        self, version: ProtocolVersion, wanted: SubscriptionFilter = ALL
    ) -> tuple[dict[str, Any], str]:
        """Return a document of the subscription API and its last event id, for somebody who may read it.

        :param version: in which the document is written.
        :raises NotFound: there is no such subscription, or the hub does not tell them.
        """
        if not self.tells_subscriptions:
            raise NotFound("subscriptions are off")

        with self._lock:
            # What is told of them is made outside the lock: there may be many.
            tellable = [
                (selectors, list(group.members))
                for group in self._router.groups
                if (selectors := _told(group, version, wanted))
            ]
            last_event_id = self._history.last_event_id
        found = [
            subscription
            for selectors, members in tellable
            for one in members
            if wanted.subscriber in (None, one.id)
            for subscription in subscriptions_of(selectors, one.rights, one.id)
        ]
        if not wanted.is_single:
            return version.subscriptions_document(wanted, found, last_event_id), last_event_id
        if not found:
            raise NotFound("there is no such subscription")
        return version.subscription_document(found[0], last_event_id), last_event_id

    def subscriptions_with(
        self, rights: Rights | None, version: ProtocolVersion, wanted: SubscriptionFilter = ALL
    ) -> tuple[dict[str, Any], str]:
        """Return a document of the subscription API and its last event id, for somebody outside.

        :raises Unauthorized: there is no token.
        :raises Forbidden: the token does not grant the document's URL (`Mercure, Subscription API`).
        :raises NotFound: as :meth:`subscriptions`.
        """
        if not self.tells_subscriptions:
            raise NotFound("subscriptions are off")
        if rights is None:
            raise Unauthorized("the subscription API needs a token")
        if not any_matches(rights.subscribe, (version.subscriptions_url(wanted),)):
            raise Forbidden("the token does not grant the URL of the subscription API")
        return self.subscriptions(version, wanted)

    def _missed(
        self, request: SubscribeRequest, rights: Rights
    ) -> tuple[str | None, list[tuple[Replays, Missed]]]:
        if request.last_event_id is None:
            return None, []
        cursor, position = self._history.find(request.last_event_id)
        rows = [self._missed_updates]
        if may_watch(request.version, request.selectors, rights.subscribe):
            rows.append(self._missed_events)
        return cursor, [(replays, replays.missed(request, position)) for replays in rows]

    def _replay(
        self, missed: list[tuple[Replays, Missed]], request: SubscribeRequest, rights: Rights
    ) -> Sequence[Frame]:
        """Return what is replayed; patterns are tried outside the lock, for a history may be long."""
        rows: list[Sequence[Frame]] = []
        for replays, row in missed:
            if found := row.match():
                with self._lock:
                    replays.remember(found)
            rows.append(row.readable(request, rights))
        return in_order(rows)

    def _subscription_events(
        self, selectors: tuple[Selector, ...], rights: Rights, subscriber_id: str, *, active: bool
    ) -> list[SubscriptionFrame]:
        """Return the updates that tell of a subscriber; made outside the lock, they may be many.

        Each version tells of it in its own way, to its own subscribers.
        """
        if not self.tells_subscriptions:
            return []
        return [
            SubscriptionFrame(version, subscription, active=active)
            for subscription in subscriptions_of(selectors, rights, subscriber_id)
            for version in self.versions
            if subscription.selector.match_type in version.match_types
        ]

    def _tell(self, events: list[SubscriptionFrame]) -> None:
        for event in events:
            self._history.append(event)
            for group in self._router.route_subscription_event(event):
                group.deliver(event)
        self._missed_events.forget_what_is_old()


def _told(group: Group, version: ProtocolVersion, wanted: SubscriptionFilter) -> tuple[Selector, ...]:
    """Return the selectors of a group that a version tells and that are wanted."""
    return tuple(
        selector
        for selector in group.selectors
        if selector.match_type in version.match_types and wanted.admits(selector)
    )
