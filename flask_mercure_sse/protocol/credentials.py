"""Where a request presents its token."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)

MIN_TOKEN = 41
"""Characters below which no text is a signed token."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token as a request presents it.

    :param token: the token, not verified yet.
    :param from_cookie: whether the browser sent it by itself, so that another site's page may be behind it.
    """

    token: str = field(repr=False)
    from_cookie: bool = False


def is_access_token(declared_type: object) -> bool:
    """Tell whether a token's ``typ`` is that of an OAuth access token (`RFC 9068, Header`)."""
    return isinstance(declared_type, str) and declared_type.lower() in ("at+jwt", "application/at+jwt")


@lru_cache(maxsize=1024)
def bearer_token(authorization: str) -> str | None:
    """Return the token of an ``Authorization`` header, None when it holds none (`RFC 6750`).

    A header that was sent twice is joined with a comma, which no token has. A publisher sends the same one
    again and again.
    """
    found = _BEARER.fullmatch(authorization.strip())
    return found[1] if found and len(found[1]) >= MIN_TOKEN else None
