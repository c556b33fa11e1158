"""Updates that an app would have published, and what a test claims of them."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast, overload

from ..integrations.content import topic_of
from ..protocol.update import Update
from ..publishers.recording import Recorded, Recording, recording

MAX_SHOWN = 200
"""Characters of an update's data that a failure shows."""

_ANY: Any = object()
"""Stands for what is not looked at; None is a value."""


@dataclass(frozen=True, slots=True)
class CapturedUpdate:
    """An update that was captured.

    :param update: the whole of it.
    :param hub: ``embedded``, ``default`` for the app's own external hub, the name of a further one, else
        its URL.
    """

    update: Update
    hub: str

    @property
    def topic(self) -> str:
        """The canonical topic."""
        return self.update.topic

    @property
    def topics(self) -> tuple[str, ...]:
        """All topics, the canonical one first."""
        return self.update.topics

    @property
    def data(self) -> str:
        """The body."""
        return self.update.data

    @property
    def json(self) -> Any:
        """The body, read as JSON.

        :raises ValueError: it is none.
        """
        return json.loads(self.update.data)

    @property
    def private(self) -> bool:
        """Whether only subscribers with a grant would have got it."""
        return self.update.private

    @property
    def id(self) -> str:
        """The event id."""
        return self.update.id

    @property
    def type(self) -> str | None:
        """The name of the event, None for ``message``."""
        return self.update.type

    def __str__(self) -> str:
        parts = [" ".join(self.topics), *(["private"] if self.private else [])]
        parts += [f"type={self.type}"] if self.type else []
        data = self.data if len(self.data) <= MAX_SHOWN else f"{self.data[:MAX_SHOWN]}…"
        return ", ".join([*parts, f"hub={self.hub}", f"data={data!r}"])


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What updates are looked for; arguments as for :meth:`CapturedUpdates.matching`."""

    topic: Any
    data: Any
    having: Mapping[str, Any] | None
    private: bool | None
    type: Any
    hub: str | None

    def fits(self, update: CapturedUpdate) -> bool:
        return (
            (self.topic is _ANY or topic_of(self.topic) in update.topics)
            and (self.data is _ANY or self._has_data(update))
            and (self.having is None or _has_items(_read(update.data), self.having))
            and self.private in (None, update.private)
            and self.type in (_ANY, update.type)
            and self.hub in (None, update.hub)
        )

    def _has_data(self, update: CapturedUpdate) -> bool:
        return (update.data if isinstance(self.data, str) else _read(update.data)) == self.data

    def __str__(self) -> str:
        named = {"data": self.data, "type": self.type}
        given = {name: value for name, value in named.items() if value is not _ANY}
        others = {"having": self.having, "private": self.private, "hub": self.hub}
        given |= {name: value for name, value in others.items() if value is not None}
        to = "" if self.topic is _ANY else f" to {topic_of(self.topic)}"
        return f"an update{to}" + "".join(f", {name}={value!r}" for name, value in given.items())


class CapturedUpdates(Sequence[CapturedUpdate]):
    """The updates that were captured, in the order in which they would have been published."""

    def __init__(self, own: Recording) -> None:
        self._recording = own

    @overload
    def __getitem__(self, index: int) -> CapturedUpdate: ...

    @overload
    def __getitem__(self, index: slice) -> list[CapturedUpdate]: ...

    def __getitem__(self, index: int | slice) -> CapturedUpdate | list[CapturedUpdate]:
        kept = self._recording.kept[index]
        return _captured(kept) if isinstance(kept, Recorded) else [_captured(one) for one in kept]

    def __len__(self) -> int:
        return len(self._recording.kept)

    def __iter__(self) -> Iterator[CapturedUpdate]:
        return map(_captured, self._recording.kept)

    def __repr__(self) -> str:
        return f"<CapturedUpdates: {self._listed()}>"

    @property
    def topics(self) -> list[str]:
        """The canonical topic of each."""
        return [update.topic for update in self]

    def clear(self) -> None:
        """Forget what was captured so far."""
        self._recording.kept.clear()

    def matching(
        self,
        topic: Any = _ANY,
        data: Any = _ANY,
        *,
        having: Mapping[str, Any] | None = None,
        private: bool | None = None,
        type: Any = _ANY,
        hub: str | None = None,
    ) -> list[CapturedUpdate]:
        """Return those that are as described; what is not given is not looked at.

        :param topic: one of the topics, spelled as it was published, or an object that has one.
        :param data: the whole body: a text, or what it is as JSON.
        :param having: items that the body has as a JSON object, among others.
        :param type: the event's name; None for those without.
        :param hub: see :class:`CapturedUpdate`.
        """
        wanted = _Wanted(topic, data, having, private, type, hub)
        return [update for update in self if wanted.fits(update)]

    def assert_published(
        self,
        topic: Any = _ANY,
        data: Any = _ANY,
        *,
        having: Mapping[str, Any] | None = None,
        private: bool | None = None,
        type: Any = _ANY,
        hub: str | None = None,
        times: int | None = None,
    ) -> CapturedUpdate:
        """Check that an update would have been published, and return the last such.

        :param times: how many there must be, at least one; any number by default.
        :raises AssertionError: there is none, or another number; the text lists what was captured.

        Other arguments as for :meth:`matching`.
        """
        __tracebackhide__ = True
        found = self.matching(topic, data, having=having, private=private, type=type, hub=hub)
        if not found or times not in (None, len(found)):
            wanted = _Wanted(topic, data, having, private, type, hub)
            expected = "" if times is None else f"; expected {times}"
            raise AssertionError(f"published {len(found)} times: {wanted}{expected}. {self._listed()}")
        return found[-1]

    def assert_not_published(
        self,
        topic: Any = _ANY,
        data: Any = _ANY,
        *,
        having: Mapping[str, Any] | None = None,
        private: bool | None = None,
        type: Any = _ANY,
        hub: str | None = None,
    ) -> None:
        """Check that no such update would have been published; without arguments none at all.

        :raises AssertionError: there is one; the text lists what was captured.

        Arguments as for :meth:`matching`.
        """
        __tracebackhide__ = True
        found = self.matching(topic, data, having=having, private=private, type=type, hub=hub)
        if found:
            wanted = _Wanted(topic, data, having, private, type, hub)
            raise AssertionError(f"published {len(found)} times: {wanted}; expected 0. {self._listed()}")

    def _listed(self) -> str:
        updates = list(self)
        if not updates:
            return "Nothing was captured"
        lines = [f"\n  {number}. {update}" for number, update in enumerate(updates, 1)]
        return f"Captured, {len(updates)} in all:{''.join(lines)}"


@contextmanager
def captured_updates(owner: object = None) -> Generator[CapturedUpdates, None, None]:
    """Capture what apps publish in a block, in place of publishing it.

    The signal ``update_published`` is sent as if a hub had taken it; figures do not count it. Blocks may be
    in one another: then each captures it.

    :param owner: the extension whose updates are captured; those of all by default.
    """
    with recording(owner) as own:
        yield CapturedUpdates(own)


def _captured(recorded: Recorded) -> CapturedUpdate:
    return CapturedUpdate(recorded.update, recorded.hub)


def _read(data: str) -> Any:
    """Return data as JSON; what is none is equal to nothing."""
    try:
        return json.loads(data)
    except ValueError:
        return _ANY


def _has_items(body: Any, wanted: Mapping[str, Any]) -> bool:
    items = cast("dict[str, Any]", body) if isinstance(body, dict) else None
    return items is not None and all(name in items and items[name] == value for name, value in wanted.items())
