"""Form-encoded text: query strings and publish bodies."""

from __future__ import annotations

from urllib.parse import parse_qsl

from .errors import InvalidRequest

Fields = list[tuple[str, str]]

MAX_FIELDS = 4096


class TooManyFields(InvalidRequest):
    """A form has more fields than any request needs."""


def parse_form(encoded: bytes) -> Fields:
    """Return the (name, value) pairs of a form in their order.

    :param encoded: ``application/x-www-form-urlencoded`` bytes.
    :raises InvalidRequest: they are not UTF-8.
    :raises TooManyFields: there are more than `MAX_FIELDS` pairs.
    """
    try:
        return parse_qsl(
            encoded.decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
            separator="&",
        )
    except UnicodeDecodeError as error:
        raise InvalidRequest("the form is not UTF-8") from error
    except ValueError as error:
        raise TooManyFields(f"the form has more than {MAX_FIELDS} fields") from error


def first(fields: Fields, name: str) -> str | None:
    """Return the first value of a field, None when it is not there."""
    return next((value for field, value in fields if field == name), None)
