"""The form that publishes an update: one for hubs of every version."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given, settings

from flask_mercure_sse.protocol.errors import ContentTooLarge, InvalidUpdate
from flask_mercure_sse.protocol.forms import Fields, parse_form
from flask_mercure_sse.protocol.limits import Limits
from flask_mercure_sse.protocol.publishing import read_update, write_update
from flask_mercure_sse.protocol.update import MAX_RETRY, Update

from .strategies import updates

LIMITS = Limits()


@pytest.mark.parametrize(
    ("update", "form"),
    [
        (Update(("/a",), id="7"), [("topic", "/a"), ("data", ""), ("id", "7")]),
        (
            Update(("/a", "/b"), "x\ny", True, "7", "book", 0),
            [
                ("topic", "/a"),
                ("topic", "/b"),
                ("data", "x\ny"),
                ("id", "7"),
                ("private", "on"),
                ("type", "book"),
                ("retry", "0"),
            ],
        ),
        (
            Update(("/a",), id="7", retry=MAX_RETRY),
            [("topic", "/a"), ("data", ""), ("id", "7"), ("retry", str(MAX_RETRY))],
        ),
    ],
)
def test_form_has_a_field_for_what_an_update_has(update: Update, form: Fields) -> None:
    """Mercure, Publication: the id goes along, so that a retried request is the same update."""
    assert write_update(update) == form


@settings(max_examples=100, deadline=None)
@given(updates())
def test_written_form_is_read_as_the_same_update(update: Update) -> None:
    """Mercure, Publication."""
    assert read_update(write_update(update), LIMITS) == update
    assert read_update(parse_form(urlencode(write_update(update)).encode()), LIMITS) == update


def test_topics_are_counted_before_they_are_looked_at() -> None:
    """Mercure 1.0, Publication: a form that is too large costs little."""
    form: Fields = [("topic", "")] * 3
    with pytest.raises(InvalidUpdate):
        read_update(form, Limits(topics=3))
    with pytest.raises(ContentTooLarge, match="topic: is given 3 times, more than 2"):
        read_update(form, Limits(topics=2))


def test_same_topic_twice_counts_twice() -> None:
    """Mercure 1.0, Publication."""
    with pytest.raises(ContentTooLarge):
        read_update([("topic", "/a"), ("topic", "/a")], Limits(topics=1))
