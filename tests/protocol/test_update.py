"""An update that exists is valid: whoever makes one gets the same checks."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from flask_mercure_sse.protocol.errors import InvalidUpdate
from flask_mercure_sse.protocol.update import MAX_RETRY, Update

UNCLEAN = [
    "a\nb",
    "a\rb",
    "a\r\nevent: forged",
    "a\0b",
    "\x1f",
    "\x7f",
    "\x85",
    "\x9f",
    "zero\u200bwidth",
    "\u202eright to left",
    "\ufeffbyte order mark",
    "\ud800",
    "\udcff",
]


def field_at_fault(**fields: Any) -> str:
    topics = fields.pop("topics", ("/books/1",))
    with pytest.raises(InvalidUpdate) as refused:
        Update(topics, **fields)
    assert str(refused.value).startswith(f"{refused.value.field}: ")
    return refused.value.field


def test_first_topic_is_the_canonical_one() -> None:
    """Mercure 0.x, Publication."""
    assert Update(("/books/1", "/books", "/authors/7")).topic == "/books/1"


def test_update_needs_a_topic() -> None:
    """Mercure 0.x, Publication."""
    assert field_at_fault(topics=()) == "topic"


@pytest.mark.parametrize("topic", ["", None, 1, b"/books", ["/books"]])
def test_topic_is_a_text_that_is_not_empty(topic: Any) -> None:
    """Mercure 0.x, Publication."""
    assert field_at_fault(topics=(topic,)) == "topic"


@pytest.mark.parametrize("topic", UNCLEAN)
def test_every_topic_is_clean_text(topic: str) -> None:
    """Mercure 1.0, Terminology."""
    assert field_at_fault(topics=(topic,)) == "topic"
    assert field_at_fault(topics=("/books/1", topic)) == "topic"


def test_one_text_in_the_place_of_the_topics_is_refused() -> None:
    """Mercure 0.x, Publication: it would be published on one topic for each of its characters."""
    assert field_at_fault(topics="/books/1") == "topic"


@pytest.mark.parametrize("event_id", UNCLEAN)
def test_id_is_clean_text(event_id: str) -> None:
    """Mercure 1.0, Publication."""
    assert field_at_fault(id=event_id) == "id"


@pytest.mark.parametrize("event_id", ["#", "#7", "#earliest", "earliest"])
def test_ids_with_a_meaning_of_their_own_are_refused(event_id: str) -> None:
    """Mercure 0.x, Publication and Reconciliation: ``#…`` is the hub's, ``earliest`` asks for everything."""
    assert field_at_fault(id=event_id) == "id"


@pytest.mark.parametrize("event_id", ["Earliest", "earliest2", "a#b", "urn:x", "7", " "])
def test_ids_that_only_look_reserved_are_kept(event_id: str) -> None:
    """Mercure 0.x, Publication."""
    assert Update(("/books/1",), id=event_id).id == event_id


@pytest.mark.parametrize("event_id", [None, 7, b"7"])
def test_id_is_a_text(event_id: Any) -> None:
    """Mercure 0.x, Publication."""
    assert field_at_fault(id=event_id) == "id"


@pytest.mark.parametrize("name", UNCLEAN)
def test_type_is_clean_text(name: str) -> None:
    """Mercure 1.0, Publication."""
    assert field_at_fault(type=name) == "type"


@pytest.mark.parametrize("name", [7, b"book", ["book"]])
def test_type_is_a_text(name: Any) -> None:
    """Mercure 0.x, Publication."""
    assert field_at_fault(type=name) == "type"


@pytest.mark.parametrize("retry", [0, 1, 3000, MAX_RETRY])
def test_retry_is_a_number_of_milliseconds(retry: int) -> None:
    """Mercure 0.x, Publication."""
    assert Update(("/books/1",), retry=retry).retry == retry


@pytest.mark.parametrize("retry", [-1, MAX_RETRY + 1, True, False, 1.5, "3000", "1\nid: 7", float("nan")])
def test_retry_that_is_no_number_of_milliseconds_is_refused(retry: Any) -> None:
    """Mercure 0.x, Publication."""
    assert field_at_fault(retry=retry) == "retry"


@pytest.mark.parametrize(
    "data", ["", "é", "\0", "line\nbreaks\r\nof\rall kinds", "\u2028", "\ufeff", '{"a": 1}', "x" * 1_000_000]
)
def test_data_is_any_text(data: str) -> None:
    """Mercure 0.x, Publication: the data is opaque."""
    assert Update(("/books/1",), data=data).data == data


@pytest.mark.parametrize("data", ["\ud800", "é\udfff"])
def test_data_is_what_utf8_can_write(data: str) -> None:
    """Mercure 0.x, Publication."""
    assert field_at_fault(data=data) == "data"


@pytest.mark.parametrize("data", [None, b"bytes", b"\xff", 7, {"a": 1}])
def test_data_that_is_no_text_is_refused(data: Any) -> None:
    """Mercure 0.x, Publication: later, on its way to many subscribers, there is nobody to tell."""
    assert field_at_fault(data=data) == "data"


def test_error_shows_the_value_without_its_line_breaks() -> None:
    """Mercure 1.0, Server-Sent Events Field Injection: whoever logs the error is safe, too."""
    with pytest.raises(InvalidUpdate) as refused:
        Update(("/books/1\nid: 7",))
    assert str(refused.value).isprintable()


def test_update_cannot_become_invalid_later() -> None:
    """Mercure 0.x, Publication."""
    update = Update(("/books/1",))
    with pytest.raises(FrozenInstanceError):
        update.id = "a\nb"  # type: ignore[misc]


def test_update_without_an_id_gets_one() -> None:
    """Mercure 0.x, Publication."""
    first, second = Update(("/books/1",)), Update(("/books/1",))
    assert first.id.startswith("urn:uuid:")
    assert first.id != second.id
