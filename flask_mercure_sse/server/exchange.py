"""Requests to a hub and its responses, whatever server reads the one and writes the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Request:
    """A request whose head was read.

    :param method: as it was sent.
    :param path: decoded, below the root of the app.
    :param query: as it was sent.
    :param headers: by name in lower case; one that was sent several times is joined with commas, cookies
        with semicolons. Values are the bytes that were sent, as Latin-1.
    :param read_body: returns the body; raises a refusal where it is too large or badly framed.
    :param raw_path: the path as it was sent, still encoded, None where the server does not tell.
    :param root: the path of the app.
    :param address: the address that it came from, empty where nobody needs it.
    :param limit: a word for the limit that its connection is over, None where it is over none.
    """

    method: str
    path: str
    query: bytes
    headers: Mapping[str, str]
    read_body: Callable[[], bytes]
    raw_path: str | None = None
    root: str = ""
    address: str = ""
    limit: str | None = None

    def header_text(self, name: str) -> str | None:
        """Return a header that browsers write in UTF-8."""
        value = self.headers.get(name)
        return None if value is None else header_text(value)


@dataclass(slots=True)
class Response:
    """A response with a body of known length, or the head of one with a stream.

    :param headers: neither the length nor what concerns the connection alone.
    :param has_length: False for the head of a stream, whose length nobody knows.
    """

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    has_length: bool = True


def header_text(value: str) -> str:
    """Return the text of a header that holds UTF-8 as Latin-1."""
    return value.encode("latin-1").decode("utf-8", "replace")


def text_header(text: str) -> str:
    """Return a text as the header from which :func:`header_text` reads it."""
    return text.encode().decode("latin-1")
