"""The URL of a hub, as a setting gives it."""

from __future__ import annotations

from urllib.parse import urlsplit

from .text import shown
from .version import HUB_PATH

EXAMPLE = f"http://localhost:5500{HUB_PATH}"


def checked_hub_url(value: str, *, fixed_path: bool = True) -> str:
    """Return a hub's URL with its path, or raise ValueError with what is wrong: the end of a sentence.

    :param fixed_path: whether the path always ends as Mercure 0.x wants it (`Mercure 0.x, Discovery`); else
        any path is taken as it is, and the usual one only stands in for none.
    """
    fix = f"give an absolute http or https URL such as {EXAMPLE}"
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError as error:
        raise ValueError(f"is not a valid URL ({error}); {fix}") from error
    if url.scheme not in ("http", "https") or not url.hostname or port == 0:
        raise ValueError(f"is not a valid hub URL; {fix}")
    if any(character.isspace() or not character.isprintable() for character in value):
        raise ValueError(f"has a space or control character; {fix}")
    if url.query or url.fragment:
        raise ValueError(f"has a query or fragment, which the topics take; {fix}")
    if url.username or url.password:
        raise ValueError("has a user name or password, which browsers would see; use MERCURE_PUBLISHER_JWT")
    path = url.path.rstrip("/")
    if not path or (fixed_path and not path.endswith(HUB_PATH)):
        path += HUB_PATH
    return url._replace(path=path).geturl()


def shown_url(value: str) -> str:
    """Return a URL as an error tells it, which may have a password in a place where none belongs."""
    return "the value" if "@" in value else shown(value)
