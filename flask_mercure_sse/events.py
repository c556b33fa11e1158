"""What an app's events mean: signals and models bound to topics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from blinker import ANY, Namespace, Signal

from .app_outbox import OutboxPlace, attach
from .integrations.binding import Binding, Bound
from .integrations.body import MAX_BYTES
from .integrations.changes import EVENTS, model_changed
from .integrations.computed import DataOption, FlagOption, NamesOption, RetryOption, TextOption, TopicOption
from .integrations.muting import muted
from .integrations.outlets import Outlet
from .integrations.signals import publish_signal as bind_signal
from .integrations.watching import opt_out
from .protocol.errors import BindingError

if TYPE_CHECKING:
    from .app_state import AppState

ModelT = TypeVar("ModelT", bound=type)

shared_bindings: list[Binding] = []
"""Bindings that belong to whichever app is current when their signal is sent."""


class Events:
    """The part of ``MercureSSE`` that binds an app's events to topics."""

    def __init__(self) -> None:
        super().__init__()
        self._bindings: list[Binding] = []
        self.outbox_places: list[OutboxPlace] = []
        """The tables of the outbox."""

    def _state(self) -> AppState:
        raise NotImplementedError

    # Signals

    def publish_signal(
        self,
        signal: Signal | Namespace,
        topic: TopicOption = None,
        data: DataOption = None,
        signal_name_as_type: bool = False,
        signal_kwargs_as_data: bool = False,
        marshaler: Callable[[Any], Any] | None = None,
        callback: Callable[[dict[str, Any]], Any] | None = None,
        *,
        private: FlagOption = None,
        type: TextOption = None,
        id: TextOption = None,
        retry: RetryOption = None,
        when: FlagOption = None,
        sender: Any = ANY,
        on_commit: Any = None,
        jwt: str | None = None,
        hub_url: str | None = None,
        hub: str | None = None,
        **model_options: Any,
    ) -> Bound:
        """Bind a signal to topics: each send becomes an update. Return the binding.

        Topic, data, private, type, id, retry and when are each a value, a template (``/orders/{order.id}``,
        filled from the signal's arguments and the sender's attributes) or a callable in the shape of a
        blinker receiver: it gets the sender, then by name whatever its signature asks for of the signal's
        arguments. The binding is a decorator for the callable that makes the data, too.

        Nothing that goes wrong reaches the signal's sender: it is logged, and told by the signal
        ``publish_failed``. With the app's ``DEBUG`` or ``TESTING`` an error in a callable is raised as well.

        :param signal: the signal; or a namespace, for all of its signals, also those that it will have.
        :param topic: one topic or a list of them, the signal's name by default; None from a callable means
            no update.
        :param data: what the update carries; a list of names picks those arguments. The topic by default, so
            nothing of the signal's arguments leaves the app unless it is named.
        :param signal_name_as_type: whether the type is the signal's name.
        :param signal_kwargs_as_data: whether the data is all of the signal's arguments.
        :param marshaler: turns the data into what the update carries.
        :param callback: gets the options of one publication as a dictionary, may change them, and may return
            False for no update.
        :param private: whether the update is private. An error in a callable counts as private.
        :param when: whether there is an update.
        :param sender: only this sender's sends, or those of a list of senders.
        :param on_commit: a session; inside of its transaction updates wait for the commit, and vanish when
            it, or the savepoint that they were sent in, is rolled back. A Session, a scoped_session, their
            asynchronous kin, or a callable that returns one.
        :param jwt: publisher token for these updates, on an external hub.
        :param hub_url: another hub for these updates.
        :param hub: another hub for these updates, by its name in ``MERCURE_HUBS``.
        :param model_options: for the signal ``model_changed``, those of :meth:`model_topic`.
        :raises BindingError: an argument cannot work.
        """
        return bind_signal(
            lambda: self.outlet(hub_url, jwt, hub=hub),
            signal,
            topic,
            data,
            signal_name_as_type,
            signal_kwargs_as_data,
            marshaler,
            callback,
            on_bind=self._keep,
            private=private,
            type=type,
            id=id,
            retry=retry,
            when=when,
            sender=sender,
            on_commit=on_commit,
            **model_options,
        )

    # Models

    @overload
    def model_topic(self, topic: ModelT, /) -> ModelT: ...

    @overload
    def model_topic(
        self,
        topic: TopicOption | Literal[False] = None,
        data: DataOption = None,
        events: str | Iterable[str] = ...,
        private: FlagOption = None,
        type: TextOption = None,
        when: FlagOption = None,
        *,
        watch: NamesOption = None,
        ignore: NamesOption = None,
        load: Any = None,
        touches: NamesOption = None,
        bulk: Literal["rows", "refresh"] | None = "rows",
        collection: str | Sequence[str] | None = None,
        max_bytes: int = MAX_BYTES,
        name: str | None = None,
        id: TextOption = None,
        retry: RetryOption = None,
        hub: str | None = None,
    ) -> Callable[[ModelT], ModelT]: ...

    def model_topic(
        self,
        topic: Any = None,
        data: DataOption = None,
        events: str | Iterable[str] = EVENTS,
        private: FlagOption = None,
        type: TextOption = None,
        when: FlagOption = None,
        **options: Any,
    ) -> Any:
        """Publish a model's changes, each when its transaction has committed.

        A class decorator, bare or with arguments, above or below the mapping; stacked, it makes one
        publication for each audience. Subclasses inherit it, also from mixins and abstract bases;
        ``model_topic(False)`` lets a class inherit none. One update per row and transaction; nothing after a
        rollback. By default it goes to ``/{table}/{primary key}`` and ``/{table}`` and carries the identity
        alone: ``{"event": "update", "model": "Todo", "id": 42, "changed": ["title"], "tx": "..."}``.

        Arguments as for :meth:`publish_signal`, with the row's object in the sender's place; callables get
        the :class:`~flask_mercure_sse.integrations.changes.Change` where they ask for ``change``. When a
        change alters the topic, the privacy or `when`, those who knew the row are told that it is gone
        (``delete`` with the reason ``leave``), and those who know it now that it is there (``insert``,
        ``enter``).

        :param topic: one topic or a list of them, the canonical one first.
        :param data: what goes under the update's key ``data``; a list of names picks those attributes.
        :param events: which of ``insert``, ``update`` and ``delete``.
        :param private: as there; ``MERCURE_MODEL_PRIVATE`` by default.
        :param when: whether a row is shown at all; a soft delete is
            ``when=lambda row: row.deleted_at is None``.
        :param watch: names of attributes, relationships too; only an update that really changed one of them
            is published.
        :param ignore: names of attributes; an update that changed nothing else is not published.
        :param load: loader options; the rows are loaded with them, by one SELECT for a model and transaction.
        :param touches: names of relationships to rows that are published once when rows below them change.
        :param bulk: whether a bulk statement's rows are published one by one (``rows``, up to
            ``MERCURE_BULK_MAX``), as one ``refresh``, or not at all (None).
        :param collection: the topics of a ``refresh``, by default those of `topic` without fields, else
            ``/{table}``.
        :param max_bytes: bytes of a body; a larger one carries the identity and ``"truncated": true``.
        :param name: a subclass's binding of the same name replaces the inherited one.
        :param id: the event id, made up by default.
        :param retry: the reconnection time for browsers, in milliseconds.
        :param hub: another hub for these updates, by its name in ``MERCURE_HUBS``.
        :raises BindingError: an argument cannot work.
        :raises ConfigurationError: SQLAlchemy is not installed.
        """
        if isinstance(topic, _TYPE):
            if options or events != EVENTS or any(one is not None for one in (data, private, type, when)):
                raise BindingError(
                    f"topic: {topic.__name__} is a class, beside which nothing is taken; use bind_model for "
                    "it, or decorate it"
                )
            return self.model_topic()(topic)

        def decorate(model: ModelT) -> ModelT:
            if topic is False:
                opt_out(model)
                return model
            self.bind_model(model, topic, data, events, private, type, when, **options)
            return model

        return decorate

    def bind_model(
        self,
        model: type,
        topic: TopicOption = None,
        data: DataOption = None,
        events: str | Iterable[str] = EVENTS,
        private: FlagOption = None,
        type: TextOption = None,
        when: FlagOption = None,
        *,
        hub: str | None = None,
        **options: Any,
    ) -> Binding:
        """Publish the changes of a model that is not one's own, and return the binding.

        Arguments as for :meth:`model_topic`.
        """
        if not isinstance(model, _TYPE):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BindingError(f"model: {model!r} is not a class; give a mapped one")
        options.update(data=data, events=events, private=private, type=type, when=when)
        outlet = self._state if hub is None else lambda: self.outlet(hub=hub)
        bound = bind_signal(outlet, model_changed, topic, on_bind=self._keep, sender=model, **options)
        return bound.bindings[0]

    def refresh(self, target: Any, on_commit: Any = None) -> None:
        """Tell that a model's rows, or one row, have changed where no hook could see it.

        A page that follows the collection's topics gets ``{"event": "refresh", "model": "Todo"}`` and loads
        its list anew; for an object the followers of its row get a ``refresh`` with its identity and data.

        :param target: a model or one of its objects.
        :param on_commit: a session whose commit is waited for; an object's own by default.
        :raises BindingError: the model is not bound.
        :raises PublishError: a hub did not take it.
        """
        from .integrations.refreshing import refresh  # its import needs SQLAlchemy, this module's must not

        refresh(target, on_commit)

    def outbox_table(self, metadata: Any, bind: Any = None, name: str = "mercure_outbox") -> Any:
        """Attach the outbox's table to the app's own, and return it; ``MERCURE_OUTBOX`` needs it.

        Migrations and ``create_all()`` see it then. Each database whose changes are published needs one.

        :param metadata: the ``MetaData`` of the app's tables.
        :param bind: the engine of the database, or a callable that returns it; without it the engine is that
            of Flask-SQLAlchemy or Flask-SQLAlchemy-Lite.
        :raises ConfigurationError: an argument is something else, or SQLAlchemy is not installed.
        """
        place = attach(metadata, bind, name)
        if all(one.table is not place.table for one in self.outbox_places):
            self.outbox_places.append(place)
        return place.table

    # Bindings

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """The bindings that are connected."""
        return tuple(binding for binding in self._bindings if binding.connected)

    def muted(self, *targets: Bound | type) -> AbstractContextManager[None]:
        """Let bindings publish nothing in a block: for imports, seeds and tests.

        It holds for what is sent or flushed in the block, in this greenlet or task alone.

        :param targets: bindings and models; all bindings where none is given.
        """
        bindings = [one for target in targets if isinstance(target, Bound) for one in target.bindings]
        return muted(*bindings, *(target for target in targets if not isinstance(target, Bound)))

    def outlet(self, hub_url: str | None = None, jwt: str | None = None, *, hub: str | None = None) -> Outlet:
        """Return what the bindings of the current app publish through.

        :param hub_url: another hub than the app's.
        :param jwt: another publisher token than the app's.
        :param hub: another hub than the app's, by its name in ``MERCURE_HUBS``.
        """
        return self._state().outlet(hub, hub_url, jwt)

    def _keep(self, binding: Binding) -> None:
        self._bindings = [*(one for one in self._bindings if one.connected), binding]


_TYPE = type  # several methods have an argument of that name
