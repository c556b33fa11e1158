"""Updates as server-sent events, the bytes that every subscriber gets."""

from __future__ import annotations

import re

from .update import Update

CONTENT_TYPE = "text/event-stream"

COMMENT = b":\n"
"""A comment line: it opens a stream (so that ``onopen`` fires) and keeps an idle one alive."""

_LINE_BREAK = re.compile("\r\n|\r|\n")


def encode(update: Update) -> bytes:
    """Return the frame of an update.

    Lines of the data end at CRLF, CR or LF and at nothing else, and each gets the space after ``data:``,
    so that leading spaces survive; empty data still has its line, or browsers drop the event
    (`Mercure, Publication`; `HTML, Parsing an event stream`).
    """
    head = f"event: {update.type}\n" if update.type else ""
    if update.retry:
        head += f"retry: {update.retry}\n"
    data = _LINE_BREAK.sub("\ndata: ", update.data)
    return f"{head}id: {update.id}\ndata: {data}\n\n".encode()
