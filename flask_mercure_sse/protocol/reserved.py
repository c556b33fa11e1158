"""Topics that only the hub itself may publish (`Mercure, Reserved Hub Namespace`).

A topic is resolved against the hub's URL as a browser would (`WHATWG URL`), because a page may follow a
topic that only looks different: ``/.well-known/%6Dercure/x`` and ``//other/.well-known/mercure`` count too.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import quote, unquote

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_SPECIAL_SCHEMES = {"http", "https", "ws", "wss", "ftp", "file"}
_KEPT = string.punctuation
_ABSOLUTE = ("/", "http://", "https://")
_AS_BASE = ("", " ", "?", "#")
"""How a reference begins that may lead to where the hub itself is."""

_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
_ENCODED = re.compile("%[0-9A-Fa-f]{2}")


def is_reserved(topic: str, hub_path: str) -> bool:
    """Tell whether `topic` lies at or below `hub_path`, on any scheme and any host."""
    hub_path, last_part = _canonical(hub_path)
    if last_part not in topic and topic.isascii() and "%" not in topic and _has_own_path(topic):
        return False  # as nearly all are: without its last part no path leads to the hub
    return any(
        path == hub_path or path.startswith(f"{hub_path}/")
        for path in _resolved_paths(topic.strip(" "), hub_path)
    )


def _has_own_path(topic: str) -> bool:
    """Tell whether a path is surely in a topic: a reference without one leads to the hub's own."""
    return topic.startswith(_ABSOLUTE) or (topic[:1] not in _AS_BASE and ":" not in topic)


@lru_cache(maxsize=64)
def _canonical(hub_path: str) -> tuple[str, str]:
    """Return the hub's path as topics' paths are compared with it, and its last part."""
    path = _normal(hub_path)
    return path, path.rpartition("/")[2]


def _resolved_paths(reference: str, hub_path: str) -> Iterator[str]:
    """Yield the path to which a reference leads, in each way that the hub's own scheme may make it read."""
    scheme = _SCHEME.match(reference)
    special = scheme is None or scheme[1].lower() in _SPECIAL_SCHEMES
    if scheme:
        reference = reference[scheme.end() :]
    reference = re.split("[?#]", reference, maxsplit=1)[0]
    if special:
        reference = reference.replace("\\", "/")
    elif not reference.startswith("/"):
        return  # an opaque path, such as urn:x:mercure, is never below another
    if special and (scheme or reference.startswith("//")):
        # Any number of slashes, even none, stands before the host.
        yield _after_host(reference.lstrip("/"))
        if scheme and scheme[1].lower() == "file":
            yield _after_host(reference[2:])  # of a file the host may be empty
    elif reference.startswith("//"):
        yield _after_host(reference[2:])
    if reference.startswith("/"):
        if not reference.startswith("//"):
            yield _normal(reference)
    elif scheme and scheme[1].lower() == "file":
        yield _normal(f"/{reference}")  # relative to no file
    elif special:
        # Relative, where the scheme is the hub's own or none is given.
        yield _normal(f"{hub_path.rpartition('/')[0]}/{reference}") if reference else hub_path


def _after_host(rest: str) -> str:
    _host, slash, path = rest.partition("/")
    return _normal(slash + path)


def _normal(path: str) -> str:
    """Decode the unreserved characters of a path once and remove its dot segments."""
    segments: list[str] = []
    path = quote(path, safe=_KEPT, errors="replace")
    for segment in _ENCODED.sub(_decode_unreserved, path).split("/")[1:]:
        if segment == "..":
            segments = segments[:-1]
        elif segment != ".":
            segments.append(segment)
    return "/" + "/".join(segments)


def _decode_unreserved(found: re.Match[str]) -> str:
    character = unquote(found[0])
    return character if character in _UNRESERVED else found[0].upper()
