"""What bindings publish through, and updates that wait for it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from flask_mercure_sse.protocol.errors import BindingError, ConfigurationError
from flask_mercure_sse.protocol.update import Update

from .changes import Key
from .content import plain_json
from .settings import DEFAULTS, EventSettings


class ServedByAnother(ConfigurationError):
    """The current app has another extension: what is bound in it is published by that one's bindings."""


class Outlet(Protocol):
    """What a binding needs of its surroundings."""

    @property
    def settings(self) -> EventSettings:
        """What the bindings that publish through it have in common."""
        ...

    @property
    def address(self) -> str | None:
        """The URL of the hub, where it is another than the app's own."""
        ...

    @property
    def never_fails(self) -> bool:
        """Whether each update is taken, so that many may be handed over at once."""
        ...

    @property
    def encode(self) -> Callable[[object], str]:
        """What returns data as JSON."""
        ...

    def check(self, update: Update, /) -> None:
        """Find out what would be wrong with an update here.

        :raises InvalidUpdate: a part of it.
        """
        ...

    def publish(self, update: Update, /) -> Any:
        """Publish an update that has been checked."""
        ...

    def publish_many(self, updates: Sequence[Update], /) -> Any:
        """Publish updates that have been checked, in their order."""
        ...

    def elsewhere(self, hub_url: str | None, jwt: str | None, /) -> Outlet:
        """Return the outlet for another hub or with another token, as a sender's options may ask."""
        ...


class PlainOutlet:
    """An outlet around a callable that publishes, for workers and scripts.

    :param publish: takes an update.
    :param encode: returns data as JSON.
    :param settings: what the bindings have in common.
    """

    address: str | None = None
    never_fails: bool = False

    def __init__(
        self,
        publish: Callable[[Update], object],
        *,
        encode: Callable[[object], str] = plain_json,
        settings: EventSettings = DEFAULTS,
    ) -> None:
        self.publish = publish
        self.encode = encode
        self.settings = settings

    def check(self, update: Update, /) -> None:
        """Each update is right here that is one."""

    def publish_many(self, updates: Sequence[Update], /) -> None:
        """Publish updates in their order."""
        for update in updates:
            self.publish(update)

    def elsewhere(self, hub_url: str | None, jwt: str | None, /) -> Outlet:
        if hub_url is not None or jwt is not None:
            raise BindingError("hub_url, jwt: there is one way to publish here; leave them out")
        return self


Held = tuple[Key | None, object, Outlet, Update]
"""An update that waits for a transaction: of which row it is, the binding that made it, and its way out."""


_held: ContextVar[list[Held] | None] = ContextVar("held", default=None)


def collected() -> list[Held] | None:
    """Return the list that updates are collected in here, None where they are published."""
    return _held.get()


@contextmanager
def holding(updates: list[Held]) -> Generator[None, None, None]:
    """Collect the updates of bindings in `updates` instead of publishing them, in this context."""
    token = _held.set(updates)
    try:
        yield
    finally:
        _held.reset(token)
