"""Which other origins' pages may use the hub (`Fetch, CORS protocol`)."""

from __future__ import annotations

from werkzeug.wrappers import Response

METHODS = "GET, HEAD, POST"
REQUEST_HEADERS = "Authorization, Cache-Control, Last-Event-ID"


class Cors:
    """An allow-list of origins.

    :param origins: exact origins (``https://example.com``), which may send cookies and tokens; or ``*``,
        which lets every page read what needs no cookie. No origin is allowed by default.
    """

    def __init__(self, origins: tuple[str, ...] = ()) -> None:
        self._origins = frozenset(origins)

    def apply(self, origin: str | None, response: Response) -> None:
        """Add the headers that let `origin` use the response."""
        if not self._origins:
            return
        response.headers.add("Vary", "Origin")
        if origin is None:
            return
        if origin in self._origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Credentials"] = "true"
        elif "*" in self._origins:
            response.headers["Access-Control-Allow-Origin"] = "*"
        else:
            return
        response.headers["Access-Control-Allow-Methods"] = METHODS
        response.headers["Access-Control-Allow-Headers"] = REQUEST_HEADERS
        response.headers["Access-Control-Expose-Headers"] = "Last-Event-ID"
