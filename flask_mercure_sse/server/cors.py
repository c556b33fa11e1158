"""Which other origins' pages may use the hub (`Fetch, CORS protocol`), and which publish with a cookie."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from ..protocol.text import shown, words

METHODS = "GET, HEAD, POST, QUERY"
REQUEST_HEADERS = "Authorization, Cache-Control, Content-Type, Last-Event-ID"
EXPOSED_HEADERS = "Link, Last-Event-ID, Mercure-Last-Event-ID, WWW-Authenticate"

ANY = "*"

_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+")

_VARY = [("Vary", "Origin")]
_WITH_CREDENTIALS = [("Access-Control-Allow-Credentials", "true")]
_ALLOWED = [
    ("Access-Control-Allow-Methods", METHODS),
    ("Access-Control-Allow-Headers", REQUEST_HEADERS),
    ("Access-Control-Expose-Headers", EXPOSED_HEADERS),
]


def origin_of(url: str) -> str | None:
    """Return the origin of a URL as browsers write it, None when it has none (`RFC 6454`)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(parts.hostname or ""):
        return None
    assert parts.hostname
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" if port in (None, default) else f"{parts.scheme}://{host}:{port}"


def checked_origins(given: str | Iterable[str], *, allow_any: bool = True) -> tuple[str, ...]:
    """Return origins, or raise ValueError with what is wrong with the first bad one.

    :param given: origins, or a text with them between commas or spaces.
    :param allow_any: whether ``*`` is one.
    """
    origins = words(given) if isinstance(given, str) else tuple(given)
    for origin in origins:
        if origin == ANY and allow_any:
            continue
        if not isinstance(origin, str) or origin_of(origin) != origin:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(
                f"has {shown(origin)}, which is no origin; give scheme, host and port as browsers do: "
                "https://example.com"
            )
    return tuple(origins)


class Cors:
    """An allow-list of origins.

    :param origins: exact origins (``https://example.com``), which may send cookies and tokens; or ``*``,
        which lets every page read what needs no cookie. No origin is allowed by default.
    """

    def __init__(self, origins: tuple[str, ...] = ()) -> None:
        self._origins = frozenset(origins)
        self._exact = self._origins - {ANY}

    def headers_for(self, origin: str | None) -> list[tuple[str, str]]:
        """Return the headers that let pages of `origin` use the response."""
        if not self._origins:
            return []
        if origin in self._exact:
            assert origin is not None
            return [*_VARY, ("Access-Control-Allow-Origin", origin), *_WITH_CREDENTIALS, *_ALLOWED]
        if origin is not None and ANY in self._origins:
            return [*_VARY, ("Access-Control-Allow-Origin", ANY), *_ALLOWED]
        return list(_VARY)


def comes_from(origins: frozenset[str], origin: str | None, referer: str | None) -> bool:
    """Tell whether a browser says that a request comes from a page of one of these origins.

    :param origin: the ``Origin`` header, which counts alone where it is given.
    :param referer: the ``Referer`` header; where neither is given, no page is known to be behind it.
    """
    if origin is not None:
        return origin in origins
    return referer is not None and origin_of(referer) in origins
