"""What an app hears of its hub: connections that are shared, opened late and closed in time."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, TypeVar
from weakref import WeakSet

from flask_mercure_sse.hub.forks import renew_in_children
from flask_mercure_sse.protocol.errors import BindingError, InvalidRequest
from flask_mercure_sse.protocol.sse import Event
from flask_mercure_sse.protocol.version import ProtocolVersion
from flask_mercure_sse.publishers.source import Source

from .failures import describe
from .follower import Follower
from .recent_ids import RecentIds

logger: logging.Logger = logging.getLogger(__name__)

PUBLISHED = 5000
"""Ids of updates of this process that are remembered, so that they are known when they come back."""

AT_EXIT = 2.0
"""Seconds that the end of the process waits for receivers, each connection's."""

S = TypeVar("S", bound="IncomingSubscription")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What hearing needs of its app.

    :param source: the hub.
    :param version: the version of the protocol that the app speaks to it.
    :param sender: the sender of the signals.
    :param scope: opens what receivers run in.
    """

    source: Source
    version: ProtocolVersion
    sender: object
    scope: Callable[[], AbstractContextManager[object]]


class Hearing(Protocol):
    """An app that hears."""

    @property
    def incoming(self) -> Incoming:
        """What it hears."""
        ...

    def surroundings(self, hub: str | None) -> Surroundings:
        """Return what hearing a hub needs of it.

        :param hub: the hub's name, None for the app's own.
        :raises ConfigurationError: there is none of this name.
        """
        ...


class IncomingSubscription(ABC):
    """What of a hub is heard; a handle that starts and closes it, in a ``with`` statement for a block.

    :param find: returns the app that hears.
    :param hub: the name of the hub, None for the app's own.
    """

    def __init__(self, find: Callable[[], Hearing], hub: str | None = None) -> None:
        self.closed: bool = False
        """Whether it was closed."""
        self.hub: str | None = hub
        self._find = find
        self._heard_by: WeakSet[Incoming] = WeakSet()

    @property
    @abstractmethod
    def key(self) -> Hashable:
        """What subscriptions to a hub have in common that take the same updates: they share a connection."""

    @abstractmethod
    def selectors(self, version: ProtocolVersion) -> tuple[str, ...]:
        """Return what is followed for it."""

    @abstractmethod
    def take(self, event: Event, around: Surroundings, published: RecentIds) -> None:
        """Take one update.

        :param published: the ids of what this process has published.
        """

    def start(self: S) -> S:
        """Begin to hear in this process, if it does not yet, and return the subscription.

        :raises BindingError: the hub could not read a selector.
        :raises ConfigurationError: the version of the protocol, or a setting, does not allow it.
        """
        app = self._find()
        app.incoming.add(self, lambda: app.surroundings(self.hub))
        self._heard_by.add(app.incoming)
        self.closed = False
        return self

    def close(self) -> None:
        """Hear no more; a second time does nothing."""
        self.closed = True
        for incoming in list(self._heard_by):
            incoming.remove(self)

    @property
    def connected(self) -> bool:
        """Whether the hub is connected now."""
        return self.wait_until_connected(0)

    def wait_until_connected(self, timeout: float | None = None) -> bool:
        """Wait for the connection to the hub and tell whether it stands; one that was not started does not.

        :param timeout: seconds to wait, None for as long as it takes.
        """
        follower = self._find().incoming.follower_of(self)
        return follower is not None and follower.connected.wait(timeout)

    def __enter__(self: S) -> S:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(slots=True, eq=False)
class _Shared:
    """A connection and whom it is for: what each of them selects."""

    follower: Follower
    selectors: dict[IncomingSubscription, tuple[str, ...]]

    def change(self) -> None:
        """Follow what is selected now."""
        self.follower.change(_united(self.selectors.values()))


class Incoming:
    """What one app hears in this process.

    An event stream does not say which of its selectors an update matched. So subscriptions share a connection
    just where that makes no difference: where they have the same key. In a forked process none is heard
    until it is started there; some servers fork without telling Python, so the process is looked at as well.
    """

    def __init__(self) -> None:
        self.published: RecentIds = RecentIds(PUBLISHED)
        """The ids of the updates that this process has published since it hears."""
        self._shared: dict[Hashable, _Shared] = {}
        self._lock = threading.Lock()
        self._process = os.getpid()
        renew_in_children(self)
        _ended_at_exit.add(self)

    def __contains__(self, subscription: IncomingSubscription) -> bool:
        return self.follower_of(subscription) is not None

    def note_published(self, event_ids: Iterable[str]) -> None:
        """Remember what this process publishes; before it is sent, for it may be back at once."""
        for event_id in event_ids if self._shared else ():
            self.published.add(event_id)

    def add(self, subscription: IncomingSubscription, surroundings: Callable[[], Surroundings]) -> None:
        """Hear a subscription; a second time does nothing. Errors as of its ``start()``."""
        self._look_at_process()
        with self._lock:
            if subscription in self:
                return
            around = surroundings()
            selectors = subscription.selectors(around.version)
            _check(selectors, around.version)
            key = _key_of(subscription)
            shared = self._shared.get(key)
            if shared is None:
                follower = Follower(around.source, _united([selectors]), self._taker(subscription, around))
                self._shared[key] = _Shared(follower, {subscription: selectors})
                follower.start()
            else:
                shared.selectors[subscription] = selectors
                shared.change()

    def remove(self, subscription: IncomingSubscription) -> None:
        """Hear a subscription no more."""
        self._look_at_process()
        with self._lock:
            shared = self._shared.get(_key_of(subscription))
            if shared is None or shared.selectors.pop(subscription, None) is None:
                return
            if shared.selectors:
                shared.change()
                return
            del self._shared[_key_of(subscription)]
        shared.follower.stop()  # outside the lock: a receiver may be at work that starts or closes another

    def _taker(self, subscription: IncomingSubscription, around: Surroundings) -> Callable[[Event], None]:
        def take(event: Event) -> None:
            try:
                subscription.take(event, around, self.published)
            except Exception as error:
                logger.error("The update %r was not taken: %s", event.id, describe(error))

        return take

    def follower_of(self, subscription: IncomingSubscription) -> Follower | None:
        """Return the connection of a subscription, None where it is not heard."""
        self._look_at_process()
        shared = self._shared.get(_key_of(subscription))
        return shared.follower if shared is not None and subscription in shared.selectors else None

    def close(self, patience: float = AT_EXIT) -> None:
        """Hear nothing any more.

        :param patience: seconds to wait for each connection's receivers.
        """
        self._look_at_process()
        with self._lock:
            followers = [shared.follower for shared in self._shared.values()]
            self._shared = {}
        for follower in followers:
            follower.end()
        for follower in followers:
            follower.stop(patience)

    def _look_at_process(self) -> None:
        if self._process != os.getpid():
            self.renew_after_fork()

    def renew_after_fork(self) -> None:
        """Hear nothing yet in a forked process: the connections are the parent's."""
        self._lock = threading.Lock()
        self._process = os.getpid()
        shared, self._shared = self._shared, {}
        for one in shared.values():
            one.follower.renew_after_fork()


def _key_of(subscription: IncomingSubscription) -> Hashable:
    return subscription.hub, subscription.key


def _united(selectors: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return selectors, each once; of equal texts each type says something else."""
    each = {(type(text), text): text for texts in selectors for text in texts}
    return tuple(each.values())


def _check(selectors: tuple[str, ...], version: ProtocolVersion) -> None:
    try:
        version.subscribe_request(version.url_query(selectors), None)
    except InvalidRequest as error:
        raise BindingError(f"topic_selector: {', '.join(map(repr, selectors))}: {error}") from error


_ended_at_exit: WeakSet[Incoming] = WeakSet()


@atexit.register
def _close_all() -> None:
    for incoming in list(_ended_at_exit):
        incoming.close()
