"""The header with which a busy server says when to come back."""

from __future__ import annotations

from datetime import timezone
from email.utils import parsedate_to_datetime

MAX_DIGITS = 9


def seconds_of(value: str | None, now: float) -> float | None:
    """Return for how many seconds a ``Retry-After`` header asks; None where it is missing or says nothing.

    :param now: the present, in seconds since the epoch, for a header with a date.

    Source: `RFC 9110, Retry-After`.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:MAX_DIGITS])
    try:
        date = parsedate_to_datetime(text)
        if date.tzinfo is None:  # an old form names no zone, and means the same
            date = date.replace(tzinfo=timezone.utc)
        return max(0.0, date.timestamp() - now)
    except (ValueError, OverflowError):
        return None
