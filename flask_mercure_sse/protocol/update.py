"""The update: what is published, and what every hub, transport and publisher passes on.

An update that exists is valid: each entrance (the Python API, HTTP, another node) makes one and gets the
same checks, so nothing behind it looks again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import InvalidUpdate
from .ids import new_urn
from .text import is_plain, shown, text_problem

EARLIEST = "earliest"
"""The reserved event id that asks for the whole history (`Mercure, Reconciliation`)."""

MAX_RETRY = 2**63 - 1

MAX_ID_LENGTH = 1024
"""Characters of an event id: it comes back in a header, and servers refuse headers that are long."""


@dataclass(frozen=True, slots=True)
class Update:
    """A new version of a resource, for whoever follows one of its topics.

    :param topics: at least one; the first is the canonical topic, the others are alternates.
    :param data: the body, any text.
    :param private: only subscribers whose token grants one of the topics get it.
    :param id: the event id, made up by default.
    :param type: the name of the server-sent event, None for ``message``.
    :param retry: the reconnection time for clients, in milliseconds.
    :raises InvalidUpdate: a field breaks a rule of the protocol (`Mercure, Publication`).
    """

    topics: tuple[str, ...]
    data: str = ""
    private: bool = False
    id: str = field(default_factory=new_urn)
    type: str | None = None
    retry: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.topics, tuple):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidUpdate("topic", f"is a {type(self.topics).__name__}; give a tuple of topics")
        if not self.topics:
            raise InvalidUpdate("topic", "is missing; an update needs at least one")
        for topic in self.topics:
            if not topic or not is_plain(topic):
                _check_topic(topic)
        if not (isinstance(self.data, str) and self.data.isascii()):  # pyright: ignore[reportUnnecessaryIsInstance]
            _check_data(self.data)
        if not is_plain(self.id) or self.id[:1] in ("", "#", "e") or len(self.id) > MAX_ID_LENGTH:
            _check_id(self.id)
        if self.type is not None:
            _check_type(self.type)
        if self.retry is not None:
            _check_retry(self.retry)

    @classmethod
    def trusted(
        cls,
        topics: tuple[str, ...],
        data: str,
        private: bool,
        id: str,
        type: str | None,
        retry: int | None,
    ) -> Update:
        """Return an update of parts that are known to be valid, without looking at them again.

        For many updates that differ in little: the checks take longer than all the rest.
        """
        update = _new(cls)
        _set_topics(update, topics)
        _set_data(update, data)
        _set_private(update, private)
        _set_id(update, id)
        _set_type(update, type)
        _set_retry(update, retry)
        return update

    @property
    def topic(self) -> str:
        """The canonical topic."""
        return self.topics[0]


_new = object.__new__
# Of a frozen class nothing else sets a field as fast.
_set_topics, _set_data, _set_private, _set_id, _set_type, _set_retry = (
    getattr(Update, name).__set__ for name in ("topics", "data", "private", "id", "type", "retry")
)


def _check_topic(topic: object) -> None:
    if not isinstance(topic, str):
        raise InvalidUpdate("topic", f"is a {type(topic).__name__}; give a text")
    if not topic:
        raise InvalidUpdate("topic", "is empty; give the URL or name of what changed")
    if problem := text_problem(topic):
        raise InvalidUpdate("topic", f"{shown(topic)} {problem}")


def _check_data(data: object) -> None:
    if not isinstance(data, str):
        raise InvalidUpdate("data", f"is a {type(data).__name__}; give a text")
    try:
        data.encode()
    except UnicodeEncodeError as error:
        raise InvalidUpdate("data", f"cannot be written as UTF-8: {error.reason}") from error


def _check_id(event_id: object) -> None:
    if not isinstance(event_id, str) or not event_id:
        raise InvalidUpdate("id", f"{event_id!r} is not a text; leave it out and the hub makes one")
    if problem := text_problem(event_id):
        raise InvalidUpdate("id", f"{shown(event_id)} {problem}")
    if len(event_id) > MAX_ID_LENGTH:
        raise InvalidUpdate("id", f"{shown(event_id)} is longer than {MAX_ID_LENGTH} characters")
    if event_id.startswith("#") or event_id == EARLIEST:
        raise InvalidUpdate("id", f"{event_id!r} is reserved; ids neither start with '#' nor are 'earliest'")


def _check_type(name: object) -> None:
    if not isinstance(name, str):
        raise InvalidUpdate("type", f"is a {type(name).__name__}; give the event's name")
    if not name:
        raise InvalidUpdate("type", "is empty; leave it out for an event without a name")
    if problem := text_problem(name):
        raise InvalidUpdate("type", f"{shown(name)} {problem}")


def _check_retry(retry: object) -> None:
    if isinstance(retry, bool) or not isinstance(retry, int) or not 0 <= retry <= MAX_RETRY:
        raise InvalidUpdate("retry", f"{retry!r} is not a number of milliseconds, zero or more")
