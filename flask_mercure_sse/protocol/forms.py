"""Form-encoded text: query strings and publish bodies."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from .errors import InvalidRequest

Fields = list[tuple[str, str]]

MAX_FIELDS = 4096


class TooManyFields(InvalidRequest):
    """A form has more fields than any request needs."""


def parse_form(encoded: bytes) -> Fields:
    """Return the (name, value) pairs of a form in their order (`WHATWG URL, urlencoded parsing`).

    The standard library's parser gives the same; it takes a sixth of the time of a whole publication.

    :param encoded: ``application/x-www-form-urlencoded`` bytes.
    :raises InvalidRequest: they are not UTF-8.
    :raises TooManyFields: there are more than `MAX_FIELDS` pairs.
    """
    if encoded.count(b"&") >= MAX_FIELDS:
        raise TooManyFields(f"the form has more than {MAX_FIELDS} fields")
    fields: Fields = []
    try:
        for piece in encoded.split(b"&"):
            if piece:
                name, _equals, value = piece.partition(b"=")
                fields.append((_decoded(name), _decoded(value)))
    except UnicodeDecodeError as error:
        raise InvalidRequest("the form is not UTF-8") from error
    return fields


def _decoded(text: bytes) -> str:
    if b"+" in text:
        text = text.replace(b"+", b" ")
    return (unquote_to_bytes(text) if b"%" in text else text).decode()


def first(fields: Fields, name: str) -> str | None:
    """Return the first value of a field, None when it is not there."""
    return next((value for field, value in fields if field == name), None)
