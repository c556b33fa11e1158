"""The outbox of an app: where its tables are, its way to the hubs, and the relay in a thread."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask

from .config import MercureConfig
from .hub.forks import renew_in_children
from .hub.threads import OwnThread
from .integrations.tracking import start_tracking
from .protocol.errors import ConfigurationError
from .protocol.update import Update
from .publishers.recording import recordings_of

if TYPE_CHECKING:
    from sqlalchemy import Engine, Table

    from .app_state import AppState
    from .extension import MercureSSE
    from .integrations.outbox import Outbox
    from .integrations.outbox_relay import Relay
    from .integrations.outbox_store import Store

_FIX = "give it with mercure.outbox_table(metadata, engine)"


@dataclass(frozen=True, slots=True, eq=False)
class OutboxPlace:
    """A table that an app has attached to its own.

    :param bind: the engine of its database, or a callable that returns it; None to ask Flask-SQLAlchemy.
    """

    table: Table
    bind: Any = None


def attach(metadata: Any, bind: Any, name: str) -> OutboxPlace:
    """Attach an outbox's table to an app's tables.

    :raises ConfigurationError: an argument is something else, or SQLAlchemy is not installed.
    """
    start_tracking()
    from sqlalchemy import MetaData

    from .integrations.outbox_table import outbox_table

    if not isinstance(metadata, MetaData):
        raise ConfigurationError(
            f"metadata: {metadata!r} is not the MetaData of tables; give db.metadata or Base.metadata"
        )
    return OutboxPlace(outbox_table(metadata, name), bind)


def build_outbox(app: Flask, places: Sequence[OutboxPlace], config: MercureConfig) -> Outbox | None:
    """Return the outbox of an app, None where it has none; nothing is opened or started.

    :param places: its tables; more may come.
    :raises ConfigurationError: SQLAlchemy is not installed, or there is a relay without an outbox.
    """
    if not config.outbox:
        if config.outbox_relay:
            raise ConfigurationError("MERCURE_OUTBOX_RELAY: there is no outbox; set MERCURE_OUTBOX, too")
        return None
    start_tracking()
    from .integrations.outbox import Outbox
    from .integrations.outbox_later import Later
    from .integrations.outbox_sending import Hubs

    of_app = weakref.ref(app)
    thread = RelayThread(of_app) if config.outbox_relay else None

    def send(hub: str | None, update: Update) -> object:
        state = _state(of_app)
        outlet = state.elsewhere(hub, None, repeats=True)
        outlet.check(update)  # it may be older than the app's version of the protocol
        event_id = outlet.publish(update)
        if event_id != update.id and update.id in state.incoming.published:
            note((event_id,))  # some hubs make their own
        return event_id

    def note(event_ids: Iterable[str]) -> None:
        _state(of_app).incoming.note_published(event_ids)

    def is_sent() -> bool:
        return not recordings_of(_state(of_app).instance)  # a test that captures wants all at once

    check_bindings_when_mapped(app)
    if thread is not None:
        # What a process before this one has left is not to wait for a commit.
        app.before_request(thread.ensure)
    return Outbox(
        Stores(of_app, places),
        Hubs(send),
        note=note,
        longest=0.0 if config.embedded else config.connect_timeout + config.read_timeout,
        # An embedded hub is not waited for.
        hand_over=thread.wake if thread is not None and not config.embedded else None,
        later=None if config.embedded or config.publish == "sync" else Later(config.flush_timeout, is_sent),
        close=None if thread is None else thread.stop,
    )


_apps: weakref.WeakSet[Flask] = weakref.WeakSet()
"""The apps that have an outbox."""


def check_bindings_when_mapped(app: Flask) -> None:
    """Check an app's bindings when its models are first used, and again when there are more."""
    from sqlalchemy import event
    from sqlalchemy.orm import Mapper

    _apps.add(app)
    if not event.contains(Mapper, "after_configured", _check_all):
        event.listen(Mapper, "after_configured", _check_all)


def _check_all() -> None:
    for app in list(_apps):
        if "mercure_sse" in app.extensions:
            check_bindings(app.extensions["mercure_sse"].instance)


def check_bindings(mercure: MercureSSE) -> None:
    """Find out now which models would be published without an outbox, as far as metadata tells.

    :raises ConfigurationError: one would; the text has the fix.
    """
    from sqlalchemy import inspect

    if any(place.bind is not None for place in mercure.outbox_places):
        return  # what other engines reach is seen at the first commit
    keys = {place.table.metadata.info.get("bind_key") for place in mercure.outbox_places}
    for binding in mercure.bindings:
        model: Any = binding.sender
        mapper: Any = inspect(model, raiseerr=False)
        for table in getattr(mapper, "tables", ()):
            key = table.metadata.info.get("bind_key")
            if key not in keys:
                metadata = "db.metadata" if key is None else f"db.metadatas[{key!r}]"
                raise ConfigurationError(
                    f"MERCURE_OUTBOX: {model.__name__} is published, but its database has no outbox; "
                    f"call mercure.outbox_table({metadata})"
                )


def _state(of_app: weakref.ref[Flask]) -> AppState:
    app = of_app()
    assert app is not None
    return app.extensions["mercure_sse"]


class Stores:
    """The outbox's tables of an app, each with its engine; more may come."""

    def __init__(self, of_app: weakref.ref[Flask], places: Sequence[OutboxPlace]) -> None:
        self._of_app = of_app
        self._places = places
        self._stores: list[Store] = []

    def __call__(self) -> Sequence[Store]:
        from .integrations.outbox_store import Store

        for place in self._places[len(self._stores) :]:
            self._stores.append(Store(place.table, self._finder(place)))
        return self._stores

    def _finder(self, place: OutboxPlace) -> Callable[[], Engine]:
        found: list[Engine] = []

        def find() -> Engine:
            if not found:
                found.append(_engine(self._of_app, place))
            return found[0]

        return find


def _engine(of_app: weakref.ref[Flask], place: OutboxPlace) -> Engine:
    from sqlalchemy import Engine

    app = of_app()
    assert app is not None
    with app.app_context():
        bind = place.bind() if callable(place.bind) else place.bind
        if bind is None:
            bind = _engine_of_extension(app, place.table.metadata.info.get("bind_key"))
    bind = getattr(bind, "sync_engine", bind)
    if not isinstance(bind, Engine):
        raise ConfigurationError(f"MERCURE_OUTBOX: the engine of {place.table.fullname} is not known; {_FIX}")
    return bind


def _engine_of_extension(app: Flask, key: str | None) -> Any:
    """Return the engine of Flask-SQLAlchemy or Flask-SQLAlchemy-Lite, None where the app has neither."""
    engines: Any = getattr(app.extensions.get("sqlalchemy"), "engines", {})
    return engines.get(key, engines.get("default") if key is None else None)


class RelayThread:
    """The relay in a thread of the app, one for each process, started when it is first needed."""

    def __init__(self, of_app: weakref.ref[Flask]) -> None:
        self._of_app = of_app
        self._process = 0
        self._relay: Relay | None = None
        self._thread: threading.Thread | None = None
        self.renew_after_fork()
        renew_in_children(self)

    def renew_after_fork(self) -> None:
        self._lock = threading.Lock()  # a thread of the parent may have been starting it

    def ensure(self) -> None:
        """Start the thread where this process has none."""
        if self._process == os.getpid():
            return
        with self._lock:
            if self._process == os.getpid():
                return
            from .integrations.outbox_relay import Relay

            outbox = _state(self._of_app).outbox
            assert outbox is not None
            self._relay = Relay(outbox)
            self._thread = OwnThread(self._relay.run, "mercure-relay")
            self._thread.start()
            self._process = os.getpid()

    def wake(self) -> None:
        """Let it look now."""
        self.ensure()
        if self._relay is not None:
            self._relay.wake()

    def stop(self) -> None:
        """End the thread of this process, after the update that it is at; it is not started again."""
        if self._process == os.getpid() and self._relay is not None and self._thread is not None:
            self._relay.stop()
            self._thread.join()
