"""Models bound to topics: what a change of a row becomes, once it is committed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, cast
from urllib.parse import quote

from flask_mercure_sse.protocol.errors import BindingError

from .binding import Binding, Held, Outlet
from .body import MAX_BYTES, BodyWriter
from .changes import EVENTS, Change, model_changed
from .content import compose, encoded, own_data, sender_options, topics_of
from .failures import report
from .muting import is_muted
from .options import Arguments, Constant, Option, fields_of, names_in, names_option, parts_of
from .plain import PlainTaker, Take, is_safe
from .related import data_of, is_attribute, table_name
from .scope import Scope, current_scope
from .tracking import start_tracking
from .watching import declare

logger: logging.Logger = logging.getLogger(__name__)

BULK = ("rows", "refresh", None)


class Audience(NamedTuple):
    """Who may know of a row.

    :param topics: the row's topics, the canonical one first.
    :param private: whether only those who are granted one of them.
    """

    topics: tuple[str, ...]
    private: bool


class Way:
    """What the updates of one transaction go through: looked up once, commits of many rows are felt.

    :param outlet: what a binding publishes through.
    :param scope: what the updates share.
    """

    __slots__ = ("body", "outlet", "settings")

    def __init__(self, outlet: Outlet, scope: Scope) -> None:
        self.outlet = outlet
        self.settings = outlet.settings
        self.body = BodyWriter(outlet.encode, scope)


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
        marshaler: Callable[[Any], Any] | None = None,
        callback: Callable[[dict[str, Any]], Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(signal, outlet, marshaler=marshaler, callback=callback, **options)
        self.events = _checked_events(events)
        self.watch: frozenset[str] | None = None if watch is None else names_option("watch", watch)
        self.ignore: frozenset[str] = frozenset() if ignore is None else names_option("ignore", ignore)
        self.touches: frozenset[str] = frozenset() if touches is None else names_option("touches", touches)
        self.load: tuple[Any, ...] = _sequence(load)
        if bulk not in BULK:
            raise BindingError(f"bulk: {bulk!r} is none; use 'rows', 'refresh' or None")
        self.bulk = bulk
        if not isinstance(max_bytes, int) or max_bytes < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BindingError(f"max_bytes: {max_bytes!r} is not a number of bytes above zero")
        self.max_bytes = max_bytes
        self.truncated: int = 0
        """How many updates were too large and carried the identity alone."""
        self._has_topic = options.get("topic") is not None
        self.carries_data = options.get("data") is not None
        self.data_names: tuple[str, ...] = names_in(options.get("data"))
        self._collection = None if collection is None else _collection_topics(collection)
        self._tables: dict[type, str] = {}
        # Such a binding asks nothing of a row but its key, and perhaps its data.
        self._is_plain = not (self._has_topic or self._when or self._computed or marshaler or callback)
        self._is_plain = (
            self._is_plain and self._constants["id"] is None and type(self._constants["type"]) is not bool
        )
        self._check_names()

    # What it needs to know of rows

    @property
    def topic_fields(self) -> frozenset[str] | None:
        """The names that the topic reads of a row, None where only a callable knows."""
        return fields_of(self._topic) if self._has_topic else frozenset()

    @property
    def reads(self) -> frozenset[str] | None:
        """The names of attributes that are read of a row, None where only a callable knows."""
        computed = [fields_of(option) for option in (self._when, *self._computed.values())]
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
        return self._when is not None or self.topic_fields != frozenset() or "private" in self._computed

    @property
    def source(self) -> str:
        return self.sender.__name__ if isinstance(self.sender, type) else super().source

    def connect(self, sender: object = None) -> None:
        super().connect(sender)
        if sender is None and isinstance(self.sender, type):
            declare(self.sender, self)

    def __call__(self, data: Any) -> Any:
        self.carries_data, self.data_names = True, ()
        return super().__call__(data)

    # From a change to updates

    def build(self, outlet: Outlet, sender: Any, arguments: Arguments) -> Iterable[Held]:
        return self.updates(Way(outlet, current_scope()), arguments["change"])

    def taker(self, way: Way, model: type, keys: int, held: list[Held]) -> Take:
        """Return what adds the updates of a model's changes to a list, in an error none of them.

        :param keys: columns of the model's primary key.
        """

        def take(change: Change) -> None:
            if not change.muted or not is_muted(change.muted, self, change.model):
                held.extend(self.updates(way, change))

        table = self._table_topic(model)
        if not self._is_plain or sender_options(model) or not is_safe(table, keys):
            return take
        return PlainTaker(self, way, model, table, held, otherwise=take)

    def shared(self, way: Way, table: str) -> tuple[bool, str | None, int | None]:
        """Return privacy, type and reconnection time, which all updates of a plain binding share.

        :param table: the topic of the table.
        """
        type = self._constants["type"]
        if type is None and way.settings.type_is_topic:
            type = table
        retry = self._constants["retry"]
        return self._is_private(way, None, {}), cast("str | None", type), cast("int | None", retry)

    def cares_for(self, changed: frozenset[str]) -> bool:
        """Tell whether an update that changed these attributes is published, where its audience stays."""
        if self.watch is not None and self.watch.isdisjoint(changed):
            return False
        return not self.ignore or not changed <= self.ignore

    def updates(self, way: Way, change: Change) -> Sequence[Held]:
        """Return the updates that a change becomes and what they go through."""
        if change.event == "refresh":
            return self._refreshed(way, change)
        if change.reason == "bulk" and self.bulk != "rows":
            return ()
        item, arguments = change.object, {"change": change}
        if change.event == "insert":
            after = self._audience(way, item, arguments)
            return () if after is None else self._tell(way, change, after, "insert", change.reason)
        if change.event == "delete":
            before = self._audience_before(way, change, arguments)
            return () if before is None else self._tell(way, change, before, "delete", change.reason)
        after = self._audience(way, item, arguments)
        if not self._may_move(change):
            before = after
        else:
            before = self._audience_before(way, change, arguments, otherwise=after)
        if before is None and after is None:
            return ()
        if before == after and after is not None:
            passes = change.reason == "touch" or self.cares_for(change.changed)
            return self._tell(way, change, after, "update", change.reason) if passes else ()
        return self._moved(way, change, before, after)

    def _moved(
        self,
        way: Way,
        change: Change,
        before: Audience | None,
        after: Audience | None,
    ) -> Sequence[Held]:
        """Tell those who no longer see a row that it is gone, and those who see it now that it is there."""
        left, entered, stayed = before, after, None
        if before is not None and after is not None and before.private == after.private:
            left = _without(before, after)
            entered = _without(after, before)
            stayed = _without(after, entered)
        return [
            *(self._tell(way, change, left, "delete", "leave") if left else ()),
            *(self._tell(way, change, entered, "insert", "enter") if entered else ()),
            *(self._tell(way, change, stayed, "update", change.reason) if stayed else ()),
        ]

    def _may_move(self, change: Change) -> bool:
        """Tell whether a change can have altered who may know of the row."""
        if self._when is not None or "private" in self._computed:
            return True
        fields = self.topic_fields
        # A field that is no column, such as a property, may depend on any.
        return fields is None or any(
            name in change.changed or not is_attribute(change, name) for name in fields
        )

    def _audience(self, way: Way, subject: Any, arguments: Arguments) -> Audience | None:
        """Return who may know of a row, None where nobody may."""
        if self._when is not None and not self._when(subject, arguments):
            return None
        topics = self._topic(subject, arguments)
        if not topics:
            return None
        return Audience(topics_of(topics), self._is_private(way, subject, arguments))

    def _audience_before(
        self, way: Way, change: Change, arguments: Arguments, otherwise: Audience | None = None
    ) -> Audience | None:
        if not change.old and change.object is not None:
            return self._audience(way, change.object, arguments)
        try:
            return self._audience(way, change.previous, arguments)
        except Exception as error:
            if change.event == "delete":
                raise
            report(logger, f"{self!r}: who knew of a row before is not known", error, sender=self)
            return otherwise

    def _is_private(self, way: Way, subject: Any, arguments: Arguments) -> bool:
        if self._private is None:
            return way.settings.model_private
        private = self._private(subject, arguments)
        return private is None or bool(private)

    def _tell(
        self,
        way: Way,
        change: Change,
        audience: Audience,
        event: str,
        reason: str | None,
    ) -> Sequence[Held]:
        """Return the update that tells an audience of an event, none where it is not chosen."""
        if event not in self.events and event != "refresh":
            return ()
        return self._held(way, change, audience, self._body_of(way, change, event, reason))

    def _body_of(self, way: Way, change: Change, event: str, reason: str | None) -> str:
        data = self.data_member(way, change) if self.carries_data and event != "delete" else ""
        body = way.body.write(change, event, reason, data)
        if len(body) > self.max_bytes or (not body.isascii() and len(body.encode()) > self.max_bytes):
            self.truncated += 1
            body = way.body.truncated(change, event, reason)
        return body

    def _held(self, way: Way, change: Change, audience: Audience, body: str) -> Sequence[Held]:
        options: dict[str, Any] = dict(self._constants)
        for name, computed in self._computed.items():
            if name != "private":
                subject = change.object if change.object is not None else change.previous
                options[name] = computed(subject, {"change": change})
        options["private"] = audience.private
        if self._marshaler or self._callback or sender_options(change.model):
            options.update(topic=audience.topics, data=body)
            made = self._finish(way.outlet, options, change.model)
            return [(change.key, *held[1:]) for held in made]
        if options["type"] is None and way.settings.type_is_topic:
            options["type"] = self._implied_type(audience.topics)
        update = compose(audience.topics, body, **options)
        way.outlet.check(update)
        return ((change.key, self, way.outlet, update),)

    def data_member(self, way: Way, change: Change) -> str:
        """Return the member of a body that has the data, nothing where there is none."""
        if change.event == "delete":
            return ""
        try:
            data = self._data(change.object, {"change": change})
            if self.data_names:
                data = data_of(change, data)
            data = own_data(data)
            return "" if data is None else f', "data": {encoded(data, way.outlet.encode)}'
        except Exception as error:
            what = f"{self!r}: no data could be made; the update carries the identity alone"
            report(logger, what, error, sender=self)
            return ""

    # Topics

    def _refreshed(self, way: Way, change: Change) -> Sequence[Held]:
        if change.object is not None:
            audience = self._audience(way, change.object, {"change": change})
            return () if audience is None else self._tell(way, change, audience, "refresh", None)
        if change.reason == "bulk" and (self.bulk is None or (change.by_row and self.bulk == "rows")):
            return ()
        # For which rows it would be private cannot be asked.
        private = self._private.value if isinstance(self._private, Constant) else self._private is not None
        private = way.settings.model_private if self._private is None else bool(private)
        audience = Audience(self.collection_of(change.model), private)
        options: dict[str, Any] = {name: self._constants.get(name) for name in ("type", "retry")}
        if options["type"] is None and way.settings.type_is_topic:
            options["type"] = self._implied_type(audience.topics)
        body = way.body.write(change, "refresh", change.reason)
        update = compose(audience.topics, body, private=audience.private, **options)
        way.outlet.check(update)
        return ((change.key, self, way.outlet, update),)

    def collection_of(self, model: type) -> tuple[str, ...]:
        """Return the topics of those who follow all rows of a model."""
        if self._collection is not None:
            return self._collection
        constant = [part.value for part in parts_of(self._topic) if isinstance(part, Constant)]
        return tuple(map(str, constant)) or (self._table_topic(model),)

    def _default_topic(self) -> Option:
        return self._row_and_table

    def _row_and_table(self, _item: object, arguments: Arguments) -> tuple[str, str]:
        change: Change = arguments["change"]
        table = self._table_topic(change.model)
        return f"{table}/{'/'.join(map(_quoted, change.identity))}", table

    def _table_topic(self, model: type) -> str:
        topic = self._tables.get(model)
        if topic is None:
            declared = self.sender if isinstance(self.sender, type) else model
            topic = self._tables[model] = f"/{_quoted(table_name(model, declared))}"
        return topic

    def _implied_type(self, topics: tuple[str, ...]) -> str:
        # The collection's topic: a page can listen for its name, and not for the name of every row.
        return topics[-1]

    def _check_names(self) -> None:
        """Find misspelt names where the model is mapped already."""
        model = self.sender
        if not isinstance(model, type) or not hasattr(model, "__mapper__"):
            return
        named = {
            "watch": self.watch or (),
            "ignore": self.ignore,
            "touches": self.touches,
            "data": self.data_names,
        }
        for option, names in named.items():
            for name in sorted(names):
                if not hasattr(model, name) and name != "change":
                    raise BindingError(f"{option}: {model.__name__} has no attribute {name!r}")


def _without(audience: Audience, other: Audience | None) -> Audience | None:
    topics = tuple(topic for topic in audience.topics if other is None or topic not in other.topics)
    return Audience(topics, audience.private) if topics else None


def _quoted(value: object) -> str:
    return str(value) if type(value) is int else quote(str(value), safe="")


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


def _sequence(value: object) -> tuple[Any, ...]:
    return (
        ()
        if value is None
        else tuple(cast("Sequence[Any]", value))
        if isinstance(value, (list, tuple))
        else (value,)
    )


@model_changed.receiver_connected.connect
def _start(_signal: object, **_connected: object) -> None:
    """Follow the sessions from the first listener on."""
    start_tracking()
