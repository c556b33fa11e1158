"""Models bound to topics: what a change of a row becomes, once it is committed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, cast
from urllib.parse import quote

from flask_mercure_sse.protocol.errors import BindingError, ConfigurationError

from .binding import Binding, Outlet
from .changes import EVENTS, Change, model_changed
from .content import encoded, own_data
from .options import Arguments, Option
from .watching import declare

logger: logging.Logger = logging.getLogger(__name__)


class ModelBinding(Binding):
    """A model bound to topics: :class:`~.binding.Binding` of the signal ``model_changed``.

    Callables get the row's object first and ask for the :class:`~.changes.Change` by the name ``change``.

    By default an update goes to ``/{table}/{primary key}`` (canonical) and ``/{table}``, and its body is the
    identity alone, ``{"event": "update", "model": "Todo", "id": 42}``: columns leave the app only when
    `data` names them, and then under the key ``data``. A delete always carries the identity alone.

    :param events: which of ``insert``, ``update`` and ``delete`` are published.
    """

    def __init__(
        self, signal: Any, outlet: Callable[[], Outlet], *, events: Iterable[str] = EVENTS, **options: Any
    ) -> None:
        events = (events,) if isinstance(events, str) else tuple(events)
        if unknown := [event for event in events if event not in EVENTS]:
            raise BindingError(f"events: {unknown[0]!r} is none; use {', '.join(EVENTS)}")
        super().__init__(signal, outlet, **options)
        self._events = frozenset(events)
        self._collections: dict[type, str] = {}
        self._names_data = options.get("data") is not None

    def build(self, outlet: Outlet, sender: Any, arguments: Arguments) -> Any:
        if arguments["change"].event not in self._events:
            return None
        return super().build(outlet, sender, arguments)

    def connect(self, sender: object = None) -> None:
        super().connect(sender)
        if sender is None and isinstance(self.sender, type):
            declare(self.sender, self)

    def __call__(self, data: Any) -> Any:
        self._names_data = True
        return super().__call__(data)

    def _default_topic(self) -> Option:
        return self._row_and_table

    def _row_and_table(self, _item: object, arguments: Arguments) -> tuple[str, str]:
        change: Change = arguments["change"]
        collection = self._collections.get(change.model)
        if collection is None:
            collection = self._collections[change.model] = self._collection(change.model)
        return f"{collection}/{'/'.join(map(_encoded, change.identity))}", collection

    def _collection(self, model: type) -> str:
        declared = self.sender if isinstance(self.sender, type) else model
        return f"/{_encoded(_table_name(model, declared))}"

    def _implied_type(self, topics: tuple[str, ...]) -> str:
        # The collection's topic: a page can listen for its name, and not for the name of every row.
        return topics[-1]

    def _subject(self, sender: Any, arguments: Arguments) -> Any:
        return arguments["change"].object

    def _body(self, outlet: Outlet, subject: Any, arguments: Arguments) -> str:
        change: Change = arguments["change"]
        identity = change.identity[0] if len(change.identity) == 1 else list(change.identity)
        key = str(identity) if type(identity) is int else _encoded_key(outlet, identity)
        body = f'{{"event": "{change.event}", "model": "{change.model.__name__}", "id": {key}'
        if self._names_data and change.event != "delete":
            body += self._encoded_data(outlet, subject, arguments)
        return body + "}"

    def _encoded_data(self, outlet: Outlet, subject: Any, arguments: Arguments) -> str:
        try:
            data = own_data(super()._body(outlet, subject, arguments))
            return "" if data is None else f', "data": {encoded(data, outlet.encode)}'
        except Exception:
            logger.exception("%r: no data could be made; the update carries the identity alone", self)
            return ""


def _encoded_key(outlet: Outlet, identity: object) -> str:
    try:
        return outlet.encode(identity)
    except (TypeError, ValueError):
        # A key that JSON does not know is the text that it is in the topic.
        composite = isinstance(identity, list)
        return outlet.encode(list(map(str, cast("list[object]", identity))) if composite else str(identity))


def _encoded(value: object) -> str:
    return str(value) if type(value) is int else quote(str(value), safe="")


def _table_name(model: type, declared: type) -> str:
    """Return the table of the class that declares a binding; the model's own where that has none for it."""
    from sqlalchemy import inspect
    from sqlalchemy.orm import Mapper

    own = cast("Mapper[Any]", inspect(model))
    mapper = own
    while mapper.class_ is not declared and mapper.inherits is not None and not mapper.concrete:
        mapper = mapper.inherits
    found = mapper if mapper.class_ is declared else own
    return getattr(found.local_table, "name", model.__name__)


@model_changed.receiver_connected.connect
def _start_tracking(_signal: object, **_connected: object) -> None:
    """Follow the sessions from the first listener on; without one SQLAlchemy is not even imported."""
    try:
        from .session import track
    except ModuleNotFoundError as error:
        if error.name != "sqlalchemy":
            raise
        raise ConfigurationError(
            "Following models needs SQLAlchemy 2: pip install flask-mercure-sse[sqlalchemy]"
        ) from error
    track()
