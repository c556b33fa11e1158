"""The bodies of HTTP/1.1 requests, taken in as they arrive."""

from __future__ import annotations

from typing import Protocol

from .heads import Refused

MAX_LINE = 4096
"""Bytes of the line that begins a chunk, and of all trailers."""

_HEX = b"0123456789abcdefABCDEF"
_MAX_SIZE_DIGITS = 8


class Body(Protocol):
    """A body that is being received."""

    def feed(self, data: bytes) -> bytes | None:
        """Take in what has arrived; return what follows the body, None while it is not whole.

        :raises Refused: it breaks a rule or a limit.
        """
        ...

    def content(self) -> bytes:
        """Return the body, when it is whole."""
        ...


class SizedBody:
    """A body whose length was told.

    :param size: bytes, at least one.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._missing = size
        self._content = bytearray()  # pieces of a few bytes would take many times their size

    def feed(self, data: bytes) -> bytes | None:
        """See :meth:`Body.feed`."""
        part = data[: self._missing]
        self._content += part
        rest = data[self._missing :]
        self._missing -= len(part)
        return None if self._missing else rest

    def content(self) -> bytes:
        """See :meth:`Body.content`."""
        return bytes(self._content)


class ChunkedBody:
    """A body in chunks (`RFC 9112, Chunked Transfer Coding`).

    :param max_size: bytes of all chunks together. What frames them may not outgrow them by much: chunks of a
        byte each are many lines for little content.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._framing = 0
        self._size = 0
        self._missing = 0  # bytes of the chunk that has begun
        self._content = bytearray()
        self._buffer = b""
        self._step = self._begin_chunk

    def feed(self, data: bytes) -> bytes | None:
        """See :meth:`Body.feed`."""
        self._buffer = self._buffer + data if self._buffer else data
        position = 0
        while True:
            after = self._step(position)
            if after is None:
                self._buffer = self._buffer[position:]
                return None
            position = after
            if self._step == self._end:
                return self._buffer[position:]

    def content(self) -> bytes:
        """See :meth:`Body.content`."""
        return bytes(self._content)

    # Each step reads one piece from a position and returns the position after it, None where it is not whole.

    def _begin_chunk(self, position: int) -> int | None:
        line, after = self._line(position)
        if line is None:
            return None
        digits = line.partition(b";")[0].rstrip(b" \t")
        if not digits or len(digits) > _MAX_SIZE_DIGITS or digits.strip(_HEX):
            raise Refused(400, "a chunk without its size")
        self._missing = int(digits, 16)
        self._size += self._missing
        if self._size > self._max_size:
            raise Refused(413, "a body that is too large", "body_size")
        self._step = self._read_chunk if self._missing else self._read_trailer
        return after

    def _read_chunk(self, position: int) -> int | None:
        part = self._buffer[position : position + self._missing]
        if not part:
            return None
        self._content += part
        self._missing -= len(part)
        if not self._missing:
            self._step = self._end_chunk
        return position + len(part)

    def _end_chunk(self, position: int) -> int | None:
        end = self._buffer[position : position + 2]
        if not b"\r\n".startswith(end):
            raise Refused(400, "a chunk that is longer than its size")
        if len(end) < 2:
            return None
        self._step = self._begin_chunk
        return position + 2

    def _read_trailer(self, position: int) -> int | None:
        line, after = self._line(position)
        if line is None:
            return None
        if not line:
            self._step = self._end
        return after

    def _end(self, _position: int) -> int | None:
        return None

    def _line(self, position: int) -> tuple[bytes | None, int]:
        """Return a line without its end and the position after it; None for one that has not arrived."""
        end = self._buffer.find(b"\n", position)
        size = (end + 1 if end >= 0 else len(self._buffer)) - position
        if size > MAX_LINE:
            raise Refused(400, "a line that does not end")
        if end < 0:
            return None, position
        line = self._buffer[position : end + 1]
        if not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line:
            raise Refused(400, "a bare line break or a NUL in the framing of a body")
        self._framing += size
        if self._framing > self._size + 4 * MAX_LINE:
            raise Refused(400, "a body that is mostly framing")
        return line[:-2], end + 1
