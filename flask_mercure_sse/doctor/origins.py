"""Whether pages of an origin may use the hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlsplit

from .finding import Finding
from .listener import Open

_ALLOW = (
    "MERCURE_CORS_ORIGINS for an embedded hub, --cors-origins for the standalone one, cors_origins for "
    "Mercure.rocks"
)


def check_origin(origin: str, public: str, open_stream: Open) -> Iterator[Finding]:
    """Give what stands between an origin's pages and the hub.

    :param origin: such as ``https://shop.example``.
    :param public: the hub's URL for browsers, or its path alone.
    """
    page, hub = urlsplit(origin), urlsplit(public)
    if page.scheme == "https" and hub.scheme == "http":
        yield Finding(
            "mixed content",
            "failed",
            f"pages of {origin} may not load {public}, which is not encrypted",
            "serve the hub by https, and set MERCURE_PUBLIC_HUB_URL to that",
        )
    if (page.scheme, page.netloc) == (hub.scheme, hub.netloc):
        yield Finding("CORS", "ok", f"{origin} is the hub's own origin and needs no permission")
        return
    with closing(open_stream(public, {"Origin": origin})) as listener:
        allowed = listener.headers.get("Access-Control-Allow-Origin")
        with_cookies = listener.headers.get("Access-Control-Allow-Credentials") == "true"
    permission = _permission(origin, allowed, with_cookies)
    if not hub.netloc:  # no setting tells where the app is
        yield (
            permission
            if permission.status != "failed"
            else replace(
                permission, status="warning", message=f"{permission.message}, unless the app is there itself"
            )
        )
        return
    yield permission
    if page.hostname != hub.hostname:
        yield Finding(
            "cookie's host",
            "warning",
            f"a cookie of {page.hostname} alone does not go to {hub.hostname}",
            "set_authz_cookie(response, domain=...) for a domain of both, or serve the hub at the app's host",
        )


def _permission(origin: str, allowed: str | None, with_cookies: bool) -> Finding:
    if allowed == origin and with_cookies:
        return Finding("CORS", "ok", f"pages of {origin} may use the hub, with cookies")
    if allowed in ("*", origin):
        return Finding(
            "CORS",
            "warning",
            f"pages of {origin} may use the hub without cookies, so they get no private updates",
            f"name the origin instead of '*': {_ALLOW}",
        )
    return Finding("CORS", "failed", f"the hub does not allow pages of {origin}", f"add the origin: {_ALLOW}")
