"""From a change of a row to updates: who knew the row, who knows it now, and what each is told."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .body import BodyWriter
from .changes import Change
from .content import compose, encoded, own_data, sender_options, topics_of
from .failures import report
from .muting import is_muted
from .options import Arguments, Constant
from .outlets import Held, Outlet
from .related import data_of, is_attribute, relations_of
from .scope import Scope
from .settings import EventSettings

if TYPE_CHECKING:
    from .models import ModelBinding

logger: logging.Logger = logging.getLogger(__name__)


class Audience(NamedTuple):
    """Who may know of a row.

    :param topics: the row's topics, the canonical one first.
    :param private: whether only those who are granted one of them.
    """

    topics: tuple[str, ...]
    private: bool


class ModelWriter:
    """Writes the updates of one binding and transaction.

    :param outlet: what the binding publishes through.
    :param scope: what the updates share.
    """

    def __init__(self, binding: ModelBinding, outlet: Outlet, scope: Scope) -> None:
        self.binding = binding
        self.outlet = outlet
        self.settings: EventSettings = outlet.settings
        self._encode = outlet.encode
        self.body: BodyWriter = BodyWriter(self._encode, scope)
        self._options = binding.options

    def add_to(self, held: list[Held], change: Change) -> None:
        """Add the updates that a change becomes to a list, in an error none of them."""
        if not change.muted or not is_muted(change.muted, self.binding, change.model):
            held.extend(self.updates(change))

    def updates(self, change: Change) -> Sequence[Held]:
        """Return the updates that a change becomes."""
        if change.event == "refresh":
            return self._refreshed(change)
        if change.reason == "bulk" and self.binding.bulk != "rows":
            return ()
        if change.event == "insert":
            after = self._audience(change.object, change)
            return () if after is None else self._tell(change, after, "insert", change.reason)
        if change.event == "delete":
            before = self._audience(_subject(change), change)
            return () if before is None else self._tell(change, before, "delete", change.reason)
        return self._updated(change)

    def _updated(self, change: Change) -> Sequence[Held]:
        after = self._audience(change.object, change)
        before = self._audience_before(change, after) if self._may_move(change) else after
        if before is None and after is None:
            return ()
        if before != after or after is None:
            return self._moved(change, before, after)
        if self.binding.cares_for(change.changed, relations_of(change.model)):
            return self._tell(change, after, "update", change.reason)
        return self._tell(change, after, "update", "touch") if change.touched else ()

    def _moved(self, change: Change, before: Audience | None, after: Audience | None) -> Sequence[Held]:
        """Tell those who no longer see a row that it is gone, and those who see it now that it is there."""
        left, entered, stayed = before, after, None
        if before is not None and after is not None and before.private == after.private:
            left = _without(before, after)
            entered = _without(after, before)
            stayed = _without(after, entered)
        return [
            *(self._tell(change, left, "delete", "leave") if left else ()),
            *(self._tell(change, entered, "insert", "enter") if entered else ()),
            *(self._tell(change, stayed, "update", change.reason) if stayed else ()),
        ]

    # Who may know

    def _may_move(self, change: Change) -> bool:
        """Tell whether a change can have altered who may know of the row."""
        if self._options.when is not None or "private" in self._options.computed:
            return True
        fields = self.binding.topic_fields
        # A field that is no column, such as a property, may depend on any.
        return fields is None or any(
            name in change.changed or not is_attribute(change, name) for name in fields
        )

    def _audience(self, subject: Any, change: Change) -> Audience | None:
        """Return who may know of a row, None where nobody may.

        :param subject: the row, as it is or as it was.
        """
        arguments: Arguments = {"change": change}
        if self._options.when is not None and not self._options.when(subject, arguments):
            return None
        topics = self._options.topic(subject, arguments)
        if not topics:
            return None
        return Audience(topics_of(topics), self._is_private(subject, arguments))

    def _audience_before(self, change: Change, after: Audience | None) -> Audience | None:
        try:
            return self._audience(change.previous if change.old else change.object, change)
        except Exception as error:
            what = f"{self.binding!r}: who knew of a row before is not known"
            report(logger, what, error, sender=self.binding)
            return after

    def _is_private(self, subject: Any, arguments: Arguments) -> bool:
        if self._options.private is None:
            return self.settings.model_private
        private = self._options.private(subject, arguments)
        return private is None or bool(private)

    # What they are told

    def _tell(self, change: Change, audience: Audience, event: str, reason: str | None) -> Sequence[Held]:
        """Return the update that tells an audience of an event, none where it is not chosen."""
        if event not in self.binding.events and event != "refresh":
            return ()
        parts: dict[str, Any] = dict(self._options.constants)
        for name, computed in self._options.computed.items():
            if name != "private":
                parts[name] = computed(_subject(change), {"change": change})
        parts["private"] = audience.private
        return self._made(change, audience, self._body(change, event, reason), parts)

    def _made(self, change: Change, audience: Audience, body: str, parts: dict[str, Any]) -> Sequence[Held]:
        if self._options.marshaler or self._options.callback or sender_options(change.model):
            parts.update(topic=audience.topics, data=body)
            return tuple(self.binding.finish(self.outlet, parts, change.model, change.key))
        if parts["type"] is None and self.settings.type_is_topic:
            parts["type"] = self.binding.implied_type(audience.topics)
        update = compose(audience.topics, body, **parts)
        self.outlet.check(update)
        return ((change.key, self.binding, self.outlet, update),)

    def _body(self, change: Change, event: str, reason: str | None) -> str:
        data = self.data_member(change) if self.binding.carries_data and event != "delete" else ""
        body = self.body.write(change, event, reason, data)
        if fits(body, self.binding.max_bytes):
            return body
        self.binding.truncated += 1
        return self.body.truncated(change, event, reason)

    def data_member(self, change: Change) -> str:
        """Return the member of a body that has the data, nothing where there is none."""
        try:
            data = self._options.data(change.object, {"change": change})
            names = self.binding.data_names
            if not names:
                data = own_data(data)
            elif not relations_of(change.model).isdisjoint(names):
                data = data_of(change, data)
            return "" if data is None else f', "data": {encoded(data, self._encode)}'
        except Exception as error:
            what = f"{self.binding!r}: no data could be made; the update carries the identity alone"
            report(logger, what, error, sender=self.binding)
            return ""

    def _refreshed(self, change: Change) -> Sequence[Held]:
        """Return what tells of a row by hand, or of rows that are not known one by one."""
        if change.object is not None:
            audience = self._audience(change.object, change)
            return () if audience is None else self._tell(change, audience, "refresh", None)
        bulk = self.binding.bulk
        if change.reason == "bulk" and (bulk is None or (change.by_row and bulk == "rows")):
            return ()
        private = self._options.private
        if private is None:
            is_private = self.settings.model_private
        else:
            # For which rows it would be private cannot be asked.
            is_private = bool(private.value) if isinstance(private, Constant) else True
        audience = Audience(self.binding.collection_of(change.model), is_private)
        parts = {"id": None, "type": None, "retry": None, **self._options.constants, "private": is_private}
        return self._made(change, audience, self.body.write(change, "refresh", change.reason), parts)


def fits(body: str, most: int) -> bool:
    """Tell whether a text has not more bytes than that."""
    return len(body) <= most and (body.isascii() or len(body.encode()) <= most)


def _subject(change: Change) -> Any:
    """Return the row as callables get it: of a delete, as it was."""
    if change.event == "delete" and (change.old or change.object is None):
        return change.previous
    return change.object


def _without(audience: Audience, other: Audience | None) -> Audience | None:
    topics = tuple(topic for topic in audience.topics if other is None or topic not in other.topics)
    return Audience(topics, audience.private) if topics else None
