"""Clean text: what topics, selectors, ids and event types are made of."""

from __future__ import annotations

import re
import unicodedata

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def is_plain(text: object) -> bool:
    """Tell whether `text` is printable ASCII, as most are: clean without a closer look."""
    return isinstance(text, str) and text.isascii() and text.isprintable()


def size_problem(text: str, limit: int) -> str | None:
    """Say that a text is too long, None when it is not.

    :param limit: bytes of its UTF-8.
    """
    if len(text) <= limit and (text.isascii() or len(text.encode(errors="replace")) <= limit):
        return None
    return f"is longer than {limit} bytes"


def shown(value: object) -> str:
    """Return a value as a message shows it: on one line, and not longer than a message should be."""
    if isinstance(value, str):
        return repr(value) if len(value) <= 80 else f"{value[:80]!r}..."
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:80]}..."


def words(text: str) -> list[str]:
    """Return what a setting lists in one text, between commas or spaces."""
    return text.replace(",", " ").split()


def text_problem(text: str) -> str | None:
    """Say why `text` is not clean text, None when it is.

    Clean text has no control character (U+0000-001F, U+007F-009F), no invisible format character
    (category ``Cf``) and can be written as UTF-8 (`Mercure 1.0, Terminology`).
    """
    if is_plain(text):
        return None
    if found := _CONTROL.search(text):
        return f"has the control character {found[0]!r} (line breaks and the like are not allowed)"
    for character in text:
        category = unicodedata.category(character)
        if category == "Cf":
            return f"has the invisible character U+{ord(character):04X}"
        if category == "Cs":
            return f"has the lone surrogate U+{ord(character):04X}, which UTF-8 cannot write"
    return None
