"""The short way of bindings that ask nothing of a row but its key and data: commits of many rows are felt."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from urllib.parse import quote

from flask_mercure_sse.protocol.ids import urn_series
from flask_mercure_sse.protocol.update import Update

from .changes import Change
from .content import sender_options
from .options import as_text, is_dots
from .outlets import Held
from .related import relations_of
from .writing import ModelWriter, fits

Take = Callable[[Change], None]
"""Takes a change and adds the updates that it becomes to a list."""


class PlainTaker:
    """Adds the same updates as a writer to a list, faster for the common changes of a plain binding.

    A plain binding has the default topic, and no option that is computed except the data; the primary key
    is one column. What its updates share is found out once.

    :param writer: writes what is not common.
    :param held: the list of updates.
    """

    def __init__(self, writer: ModelWriter, model: type, held: list[Held]) -> None:
        binding, constants = writer.binding, writer.binding.options.constants
        self._writer = writer
        self._binding = binding
        self._outlet = writer.outlet
        self._held = held
        self._table = table = binding.table_topic(model)
        unsaid = binding.options.private is None
        self._private = writer.settings.model_private if unsaid else bool(constants["private"])
        self._type = constants["type"] or (table if writer.settings.type_is_topic else None)
        self._retry = constants["retry"]
        self._outlet.check(Update((f"{table}/0", table), type=self._type))
        self._next_id = urn_series().__next__
        self._most = binding.max_bytes
        self._sure = self._most // 4  # no character takes more bytes
        self._end = writer.body.end
        self._carries_data = binding.carries_data
        self._starts = {
            event: f'{{"event": "{event}", "model": "{model.__name__}", "id": ' for event in binding.events
        }
        self._relations = relations_of(model)
        self._changed: dict[frozenset[str], str | None] = {}

    def __call__(self, change: Change) -> None:
        if change.reason is not None or change.muted or change.touched or change.event == "refresh":
            self._writer.add_to(self._held, change)
            return
        start = self._starts.get(change.event)
        if start is None:
            return
        changed: str | None = ""
        if change.event == "update":
            try:
                changed = self._changed[change.changed]
            except KeyError:
                changed = self._changed[change.changed] = self._names(change.changed)
            if changed is None:
                return
        [key] = change.identity
        if type(key) is int:
            text = encoded = str(key)
        else:
            text, encoded = quote(as_text(key), safe=""), self._writer.body.key_of(change.identity)
            if is_dots(text):
                self._writer.add_to(self._held, change)
                return
        data = ""
        if self._carries_data and change.event != "delete":
            data = self._writer.data_member(change)
        body = f"{start}{encoded}{changed}{data}{self._end}"
        if len(body) > self._sure and not fits(body, self._most):
            self._binding.truncated += 1
            body = self._writer.body.truncated(change, change.event)
        topics = (f"{self._table}/{text}", self._table)
        update = Update.trusted(topics, body, self._private, self._next_id(), self._type, self._retry)
        self._held.append((change.key, self._binding, self._outlet, update))

    def _names(self, changed: frozenset[str]) -> str | None:
        """Return the part of a body that names what changed, None where the binding does not care."""
        if not self._binding.cares_for(changed, self._relations):
            return None
        return f', "changed": {json.dumps(sorted(changed))}' if changed else ""


def taker(writer: ModelWriter, model: type, keys: int, held: list[Held]) -> Take:
    """Return what adds the updates of a model's changes to a list, in the shortest way that there is.

    :param keys: columns of the model's primary key; of several, dots can lead to a topic of the hub's own.
    """
    binding = writer.binding
    safe = keys == 1 and not binding.table_topic(model).startswith("/.")
    if safe and binding.is_plain and not sender_options(model):
        return PlainTaker(writer, model, held)
    return partial(writer.add_to, held)
