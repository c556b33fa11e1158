"""From what an app has at hand to an update: topics, text and the objects that know their own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, cast

from flask_mercure_sse.protocol.errors import InvalidUpdate
from flask_mercure_sse.protocol.ids import new_urn
from flask_mercure_sse.protocol.reserved import is_reserved
from flask_mercure_sse.protocol.update import Update
from flask_mercure_sse.protocol.version import HUB_PATH

Encode = Callable[[object], str]

SEVERAL = (list, tuple, AbstractSet, Iterator)
"""What holds several topics; a mapping is one object."""


_WITHOUT_VALUES = re.compile(
    r"Object of type \w+ is not JSON serializable|Circular reference detected"
    r"|Out of range float values are not JSON compliant(: -?(nan|inf))?"
)
"""What Python's own encoder says."""

MAX_DEPTH = 8
"""How often an object may give another that says its own data."""


def own_topic(item: object) -> str | None:
    """Return the topic that an object has in ``__mercure_sse_topic__``, None when it has none."""
    topic: object = getattr(item, "__mercure_sse_topic__", None)
    if callable(topic) and not isinstance(item, type):
        topic = topic()
    return None if topic is None else str(topic)


def topic_of(item: object) -> str:
    """Return the topic of a text or object; an object without one of its own is its ``str()``.

    :raises InvalidUpdate: the item is None, or bytes.
    """
    if isinstance(item, str):
        return item
    if item is None:
        raise InvalidUpdate("topic", "is None; give the URL or name of what changed")
    if isinstance(item, (bytes, bytearray)):
        raise InvalidUpdate("topic", "is of bytes; decode them to a text")
    own = own_topic(item)
    return str(item) if own is None else own


def topics_of(topic: object) -> tuple[str, ...]:
    """Return the topics of one item or of several: the first is the canonical topic."""
    if isinstance(topic, str):
        return (topic,)
    if isinstance(topic, SEVERAL):
        return tuple(map(topic_of, cast("Iterable[object]", topic)))
    return (topic_of(topic),)


def published(item: object) -> tuple[tuple[str, ...], object]:
    """Return the topics and the data of what is published without data.

    An object is both; without a topic of its own it goes to the name of its class. Of texts the first is
    the data.
    """
    if item is None or isinstance(item, (str, bytes, bytearray, *SEVERAL)):
        topics = topics_of(cast("object", item))
        return topics, topics[0] if topics else ""
    return (own_topic(item) or item.__class__.__name__,), item


def text_of(data: object, encode: Encode) -> str:
    """Return data as the text that an update carries: text as it stands, everything else as JSON.

    :raises InvalidUpdate: bytes are not UTF-8, or JSON cannot encode the data.
    """
    if not isinstance(data, str):
        data = own_data(data)
    return data if isinstance(data, str) else encoded(data, encode)


def own_data(data: object, depth: int = 0) -> object:
    """Return what an object gives in ``__mercure_sse_data__()``, bytes as text, and other data as it is.

    :raises InvalidUpdate: bytes are not UTF-8.
    """
    if isinstance(data, bytes):
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise InvalidUpdate("data", f"the bytes are not UTF-8 ({error}); encode them as text") from error
    own = None if isinstance(data, type) else getattr(data, "__mercure_sse_data__", None)
    if own is None:
        return data
    given: object = own() if callable(own) else own
    if given is data or depth > MAX_DEPTH:
        raise InvalidUpdate(
            "data", "__mercure_sse_data__() gives the object itself; give what JSON can encode"
        )
    return own_data(given, depth + 1)


def encoded(data: object, encode: Encode) -> str:
    """Return data as JSON.

    :raises InvalidUpdate: JSON cannot encode it.
    """
    try:
        return encode(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidUpdate(
            "data",
            f"JSON cannot encode it ({_why(error)}); give a text or JSON-able data, or let the object say "
            "its data in __mercure_sse_data__()",
        ) from error


def _why(error: Exception) -> str:
    """Return what an encoder says, as far as it cannot hold values: an app's own may name them."""
    said = str(error)
    return said if _WITHOUT_VALUES.fullmatch(said) else type(error).__name__


def compose(
    topics: tuple[str, ...],
    data: str,
    *,
    private: object = False,
    id: object = None,
    type: object = None,
    retry: int | None = None,
    type_is_topic: bool = False,
) -> Update:
    """Return the update of these parts.

    :param type: the event's name; True for the canonical topic.
    :param type_is_topic: whether an update without a type is named after its canonical topic.
    :raises InvalidUpdate: a part breaks a rule of the protocol.
    """
    for topic in topics:
        if "/" in topic and ("mercure" in topic or "%" in topic) and is_reserved(topic, HUB_PATH):
            raise InvalidUpdate("topic", f"{topic!r} is the hub's own; publish to a topic outside {HUB_PATH}")
    if type is True or (type is None and type_is_topic and topics):
        type = topics[0] if topics else None
    return Update(
        topics,
        data,
        bool(private),
        new_urn() if id is None else str(id),
        cast("str | None", type or None),
        retry,
    )


def plain_json(data: object) -> str:
    """Return data as JSON, for use without an app."""
    return json.dumps(data, allow_nan=False)


def sender_options(sender: object) -> Mapping[str, Any]:
    """Return the publish options that a signal's sender has in ``__mercure_publish__``."""
    options: object = getattr(sender, "__mercure_publish__", None)
    if options is None or not isinstance(options, Mapping):
        return {}
    return cast("Mapping[str, Any]", options)
