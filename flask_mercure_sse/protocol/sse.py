"""Updates as server-sent events, the bytes that every subscriber gets, and the way back."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .update import MAX_RETRY, Update

CONTENT_TYPE = "text/event-stream"

COMMENT = b":\n"
"""A comment line: it opens a stream (so that ``onopen`` fires) and keeps an idle one alive."""

MAX_RETRY_DIGITS = 20
"""Digits of a reconnection time that are read: more of them say no more than "not soon"."""

_LINE_BREAK = re.compile("\r\n|\r|\n")
_LINE_END = re.compile(b"\r\n|\n|\r(?!\\Z)")  # a CR at the very end may be half of a CRLF
_MARK = b"\xef\xbb\xbf"


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


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: what of an update goes over the wire.

    :param data: the lines of its data, joined with LF.
    :param id: the id of the last event that had one, itself included; empty before the first.
    :param type: its name, None where it has none.
    """

    data: str
    id: str
    type: str | None = None


class Decoder:
    """Reads an event stream as browsers do (`HTML, Interpreting an event stream`).

    What it does not know it passes over, and an event that its stream does not end is none.

    :param last_event_id: the id of the last event of an earlier connection.
    """

    def __init__(self, last_event_id: str = "") -> None:
        self.retry: int | None = None
        """The reconnection time that the hub asked for, in milliseconds."""
        self._id = last_event_id
        self._type = ""
        self._data: list[str] = []
        self._rest: list[bytes] = []
        self._begun = False

    def feed(self, received: bytes) -> list[Event]:
        """Return the events that are complete with these bytes, however the stream was cut."""
        if not received:
            return []
        # Only the end of what came before can change how a line ends: a long line is joined once.
        if not (b"\n" in received or b"\r" in received or (self._rest and self._rest[-1].endswith(b"\r"))):
            self._rest.append(received)
            return []
        *lines, rest = _LINE_END.split(b"".join([*self._rest, received]))
        self._rest = [rest] if rest else []
        return [event for line in lines if (event := self._take(line))]

    def _take(self, line: bytes) -> Event | None:
        if not self._begun:
            self._begun = True
            line = line.removeprefix(_MARK)
        if not line:
            return self._dispatch()
        name, _colon, value = line.decode("utf-8", "replace").partition(":")
        self._process(name, value.removeprefix(" "))
        return None

    def _process(self, name: str, value: str) -> None:
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = min(int(value[:MAX_RETRY_DIGITS]), MAX_RETRY)

    def _dispatch(self) -> Event | None:
        lines, self._data = self._data, []
        type, self._type = self._type, ""
        return Event("\n".join(lines), self._id, type or None) if lines else None
