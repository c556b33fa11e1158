"""A strict reader of event streams: it parses as a browser does, and objects to what a hub must not send.

A browser's parser drops whatever it does not understand; here that is a failure, because a dropped line is a
lost update or a forged field (`HTML, Parsing an event stream`; `Mercure, Server-Sent Events Field Injection`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")  # a CR at the very end may be half of a CRLF
_DIGITS = re.compile("[0-9]+")


@dataclass(frozen=True)
class Event:
    """One event as a page gets it, and its lines as they came over the wire."""

    id: str
    type: str
    data: str
    retry: int | None
    lines: tuple[bytes, ...]

    @property
    def data_lines(self) -> tuple[bytes, ...]:
        return tuple(line for line in self.lines if line.startswith(b"data"))


class Reader:
    """Turns the bytes of a stream into events."""

    def __init__(self) -> None:
        self.comments = 0
        self._rest = b""
        self._lines: list[bytes] = []

    def feed(self, received: bytes) -> list[Event]:
        """Return the events that are complete with these bytes."""
        self._rest += received
        *lines, self._rest = _LINE_END.split(self._rest)
        return [event for line in lines if (event := self._take(line))]

    def _take(self, line: bytes) -> Event | None:
        if line.startswith(b":"):
            self.comments += 1
        elif line:
            self._lines.append(line)
        elif self._lines:
            block, self._lines = tuple(self._lines), []
            return _event(block)
        return None


def _event(lines: tuple[bytes, ...]) -> Event | None:
    fields: dict[str, list[str]] = {"event": [], "data": [], "id": [], "retry": []}
    for line in lines:
        name, _colon, value = line.decode().partition(":")
        assert name in fields, f"a line that no field begins: {line!r}"
        fields[name].append(value.removeprefix(" "))
    for name in ("event", "id", "retry"):
        assert len(fields[name]) <= 1, f"more than one {name} in one event: {lines}"
    for value in fields["retry"]:
        assert _DIGITS.fullmatch(value), f"retry is not a number: {lines}"
    if not fields["data"]:
        # Only the hub's own time of reconnection comes alone.
        assert not fields["event"] + fields["id"], f"without a data line browsers drop the event: {lines}"
        return None
    assert any(fields["id"]), f"an update without an id: {lines}"
    assert "\0" not in fields["id"][0], f"browsers ignore an id with NUL: {lines}"
    return Event(
        id=fields["id"][0],
        type="".join(fields["event"]) or "message",
        data="\n".join(fields["data"]),
        retry=int(fields["retry"][0]) if fields["retry"] else None,
        lines=lines,
    )
