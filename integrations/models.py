"""Models bound to topics: what is declared of them, and what that needs to know of rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, cast
from urllib.parse import quote
from weakref import WeakSet

from flask_mercure_sse.protocol.errors import BindingError

from .binding import Binding
from .body import MAX_BYTES
from .changes import EVENTS, Change, model_changed
from .content import topics_of
from .failures import report
from .options import (
    Arguments,
    Constant,
    Option,
    as_text,
    fields_of,
    is_dots,
    names_in,
    names_option,
    parts_of,
)
from .outlets import Held, Outlet
from .related import COMPUTED, is_computed, key_names, name_problem, noticed_with, table_name
from .scope import current_scope
from .tracking import start_tracking
from .watching import declare, withdraw
from .writing import ModelWriter

logger: logging.Logger = logging.getLogger(__name__)

BULK = ("rows", "refresh", None)


class ModelBinding(Binding):
    """A model bound to topics: :class:`~.binding.Binding` of the signal ``model_changed``.

    Callables get the row's object first and ask for the :class:`~.changes.Change` by the name ``change``.
    What is about the row as it was, such as the topic of a delete, is asked of :attr:`.Change.previous`.

    By default an update goes to ``/{table}/{primary key}`` (canonical) and ``/{table}``, and its body is the
    identity alone, ``{"event": "update", "model": "Todo", "id": 42}``, with the names of what changed:
    columns leave the app only when `data` names them, and then under the key ``data``. A delete always
    carries the identity alone.

    :raises BindingError: an option cannot work. All are described at ``MercureSSE.model_topic``.
    """

    topic_is_optional = True  # a row whose foreign key is NULL belongs to no collection

    def __init__(
        self,
        signal: Any,
        outlet: Callable[[], Outlet],
        *,
        events: Iterable[str] = EVENTS,
        watch: object = None,
        ignore: object = None,
        load: object = None,
        touches: object = None,
        bulk: str | None = "rows",
        collection: object = None,
        max_bytes: int = MAX_BYTES,
        **options: Any,
    ) -> None:
        super().__init__(signal, outlet, **options)
        self.events: frozenset[str] = _checked_events(events)
        self.watch: frozenset[str] | None = None if watch is None else names_option("watch", watch)
        self.ignore: frozenset[str] = frozenset() if ignore is None else names_option("ignore", ignore)
        self.touches: frozenset[str] = frozenset() if touches is None else names_option("touches", touches)
        self.load: tuple[Any, ...] = _several(load)
        if bulk not in BULK:
            raise BindingError(f"bulk: {bulk!r} is none; use 'rows', 'refresh' or None")
        self.bulk = bulk
        if not isinstance(max_bytes, int) or max_bytes < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BindingError(f"max_bytes: {max_bytes!r} is not a number of bytes above zero")
        self.max_bytes = max_bytes
        self.truncated: int = 0
        """How many updates were too large and carried the identity alone."""
        self._has_topic = options.get("topic") is not None
        self.carries_data: bool = options.get("data") is not None
        self.data_names: tuple[str, ...] = names_in(options.get("data"))
        self._collection = None if collection is None else _collection_topics(collection)
        self._tables: dict[type, str] = {}
        self._learned: WeakSet[type] = WeakSet()
        self._check_names()

    # What it needs to know of rows

    @property
    def topic_fields(self) -> frozenset[str] | None:
        """The names that the topic reads of a row, None where only a callable knows."""
        return fields_of(self.options.topic) if self._has_topic else frozenset()

    @property
    def reads(self) -> frozenset[str] | None:
        """The names of attributes that are read of a row, None where only a callable knows."""
        computed = [fields_of(option) for option in (self.options.when, *self.options.computed.values())]
        if self.carries_data and not self.data_names:
            computed.append(None)
        names = {*self.data_names}
        for fields in (self.topic_fields, *computed):
            if fields is None:
                return None
            names |= fields
        return frozenset(names)

    @property
    def looks_back(self) -> bool:
        """Whether a row's audience can change, so that what the row was must be known."""
        return (
            self.options.when is not None
            or self.topic_fields != frozenset()
            or "private" in self.options.computed
        )

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked of a row but its key, and perhaps its data."""
        options = self.options
        chosen = self._has_topic or options.when or options.computed or options.marshaler or options.callback
        return not chosen and options.constants["id"] is None and options.constants["type"] is not True

    @property
    def source(self) -> str:
        return self.sender.__name__ if isinstance(self.sender, type) else super().source

    def connect(self, sender: object = None) -> None:
        super().connect(sender)
        for model in self.senders if sender is None else ():
            if isinstance(model, type):
                declare(model, self)

    def disconnect(self) -> None:
        super().disconnect()
        for model in self.senders:
            if isinstance(model, type):
                withdraw(model, self)

    def __call__(self, data: Any) -> Any:
        self.carries_data, self.data_names = True, ()
        return super().__call__(data)

    # What becomes of changes

    def build(self, outlet: Outlet, sender: Any, arguments: Arguments) -> Iterable[Held]:
        return ModelWriter(self, outlet, current_scope()).updates(arguments["change"])

    def cares_for(self, changed: frozenset[str], relations: frozenset[str]) -> bool:
        """Tell whether an update that changed these attributes is published, where its audience stays.

        :param relations: the model's relationships; what is not named of them is not cared for.
        """
        if changed and changed <= relations.difference(self.watch or (), self.data_names):
            return False
        if self.watch is not None and self.watch.isdisjoint(changed):
            return False
        return not self.ignore or not changed <= self.ignore

    # Topics

    def collection_of(self, model: type) -> tuple[str, ...]:
        """Return the topics of those who follow all rows of a model."""
        if self._collection is not None:
            return self._collection
        constant = [part.value for part in parts_of(self.options.topic) if isinstance(part, Constant)]
        return tuple(map(str, constant)) or (self.table_topic(model),)

    def usual_topics(self) -> tuple[str, ...]:
        model = self.sender
        if not isinstance(model, type) or not (keys := key_names(model)):
            return "/{table}/{primary key}", "/{table}"  # several models, or a class that others inherit from
        table = self.table_topic(model)
        return "/".join([table, *(f"{{{key}}}" for key in keys)]), table

    def _default_topic(self) -> Option:
        return self._row_and_table

    def _row_and_table(self, _item: object, arguments: Arguments) -> tuple[str, ...]:
        change: Change = arguments["change"]
        table, keys = self.table_topic(change.model), [_quoted(key) for key in change.identity]
        if any(map(is_dots, keys)):
            return (table,)  # the row's own would be another topic
        return f"{table}/{'/'.join(keys)}", table

    def table_topic(self, model: type) -> str:
        """Return the topic of a model's table, by which the class that declares the binding has it."""
        topic = self._tables.get(model)
        if topic is None:
            declared = self.sender if isinstance(self.sender, type) else model
            topic = self._tables[model] = f"/{_quoted(table_name(model, declared))}"
        return topic

    def implied_type(self, topics: tuple[str, ...]) -> str:
        # The collection's topic: a page can listen for its name, and not for the name of every row.
        return topics[-1]

    # Names

    def learn(self, model: type) -> None:
        """Take up what the binding's names are for a mapped model: a composite is changed with its columns.

        What is wrong with a name is logged and told, once a model; mappings may not be complete before.
        """
        if model in self._learned:
            return
        self._learned.add(model)
        if self.watch is not None:
            self.watch |= noticed_with(model, self.watch)
        self.ignore |= noticed_with(model, self.ignore)
        for option, name in self._names():
            problem = name_problem(model, option, name)
            if problem and (hasattr(model, name) or isinstance(self.sender, type)):
                error = BindingError(f"{option}: {model.__name__}.{name} {problem}")
                report(logger, repr(self), error, sender=self)

    def _names(self) -> list[tuple[str, str]]:
        """Return the names of attributes, each with its option."""
        named = {
            "watch": self.watch or (),
            "ignore": self.ignore,
            "touches": self.touches,
            "data": self.data_names,
        }
        return [(option, name) for option, names in named.items() for name in sorted(names)]

    def _check_names(self) -> None:
        """Find misspelt names, and those of what is computed, where the model is mapped already."""
        model = self.sender
        if not isinstance(model, type) or not hasattr(model, "__mapper__"):
            return
        for option, name in self._names():
            if not hasattr(model, name) and name != "change":
                raise BindingError(f"{option}: {model.__name__} has no attribute {name!r}")
            if option != "data" and is_computed(model, name):
                raise BindingError(f"{option}: {model.__name__}.{name} {COMPUTED}")


def _quoted(value: object) -> str:
    return str(value) if type(value) is int else quote(as_text(value), safe="")


def _checked_events(events: Iterable[str]) -> frozenset[str]:
    chosen = (events,) if isinstance(events, str) else tuple(events)
    if unknown := [event for event in chosen if event not in EVENTS]:
        raise BindingError(f"events: {unknown[0]!r} is none; use {', '.join(EVENTS)}")
    return frozenset(chosen)


def _collection_topics(collection: object) -> tuple[str, ...]:
    topics = topics_of(collection)
    if not topics or any("{" in topic or not topic for topic in topics):
        raise BindingError(
            f"collection: {collection!r} is not a topic without fields; it is for no single row"
        )
    return topics


def _several(value: object) -> tuple[Any, ...]:
    if isinstance(value, (list, tuple)):
        return tuple(cast("Iterable[Any]", value))
    return () if value is None else (value,)


@model_changed.receiver_connected.connect
def _start(_signal: object, **_connected: object) -> None:
    """Follow the sessions from the first listener on."""
    start_tracking()
