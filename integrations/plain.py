"""The short way of bindings that ask nothing of a row but its key and data: commits of many rows are felt."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from flask_mercure_sse.protocol.ids import urn_series
from flask_mercure_sse.protocol.update import Update

from .changes import Change

if TYPE_CHECKING:
    from .binding import Held
    from .models import ModelBinding, Way

Take = Callable[[Change], None]
"""Takes a change and adds the updates that it becomes to a list."""


class PlainTaker:
    """Does the same as another taker, faster for the common changes of a plain binding's rows.

    A plain binding has the default topic, and no option that is computed except the data; the primary key
    is one column. What its updates share is found out once.

    :param table: the topic of the model's table.
    :param held: the list of updates.
    :param otherwise: takes what is not common.
    """

    def __init__(
        self, binding: ModelBinding, way: Way, model: type, table: str, held: list[Held], otherwise: Take
    ) -> None:
        self._binding = binding
        self._way = way
        self._table = table
        self._held = held
        self._otherwise = otherwise
        self._outlet = way.outlet
        self._private, self._type, self._retry = binding.shared(way, table)
        way.outlet.check(Update((f"{table}/0", table), type=self._type))
        self._next_id = urn_series().__next__
        self._most = binding.max_bytes // 8  # bytes of the longest text of so many characters, and more
        self._end = way.body.end
        self._starts = {
            event: f'{{"event": "{event}", "model": "{model.__name__}", "id": ' for event in binding.events
        }
        self._changed: dict[frozenset[str], str | None] = {}

    def __call__(self, change: Change) -> None:
        if change.reason is not None or change.muted or change.event == "refresh":
            self._otherwise(change)
            return
        start = self._starts.get(change.event)
        changed = "" if change.event != "update" else self._names(change.changed)
        if start is None or changed is None:
            return
        [key] = change.identity
        if type(key) is int:
            text = encoded = str(key)
        else:
            text, encoded = quote(str(key), safe=""), self._way.body.key_of(change.identity)
        data = self._binding.data_member(self._way, change) if self._binding.carries_data else ""
        body = f"{start}{encoded}{changed}{data}{self._end}"
        if len(body) > self._most:
            self._otherwise(change)
            return
        topics = (f"{self._table}/{text}", self._table)
        update = Update.trusted(topics, body, self._private, self._next_id(), self._type, self._retry)
        self._held.append((change.key, self._binding, self._outlet, update))

    def _names(self, changed: frozenset[str]) -> str | None:
        """Return the part of a body that names what changed, None where the binding does not care."""
        try:
            return self._changed[changed]
        except KeyError:
            cares = self._binding.cares_for(changed)
            names = f', "changed": {json.dumps(sorted(changed))}' if changed else ""
            self._changed[changed] = made = names if cares else None
            return made


def is_safe(table: str, keys: int) -> bool:
    """Tell whether no key of a table makes a topic of the hub's own, so that none need be looked at.

    :param table: the topic of the table.
    :param keys: columns of the primary key; of several, dots can lead to another path.
    """
    return keys == 1 and not table.startswith("/.")
