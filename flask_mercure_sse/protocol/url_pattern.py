"""Does a topic match a URL pattern? (`Mercure 1.0, URL Pattern`; `WHATWG URL Pattern`)

Reading and matching is the work of the `urlpattern` library, whose time for a topic is linear, whatever the
pattern. What a pattern costs beyond that is bounded before it is compiled, see
:mod:`~flask_mercure_sse.protocol.pattern_cost`; how long a topic may be depends on the pattern's width, and a
longer one matches nothing.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol, cast
from weakref import WeakValueDictionary

from .outline import Ends, Outline
from .pattern_cost import (
    ENCODED_SIZE,
    HAS_SYNTAX,
    Refused,
    Survey,
    encoded_size,
    parse_part,
    rewritten_pattern,
)

MAX_TOPIC = 16 * 1024
"""Characters of a topic, percent-encoded, whatever the pattern."""
MAX_EFFORT = 64 * 1024
"""Characters of a topic times the width of the pattern."""
REMEMBERED = 128
"""Patterns, and texts that are none, that are kept though nobody uses them."""

_PROBLEM = "is no URL pattern, or one that costs too much"

_PARTS = ("protocol", "username", "password", "hostname", "port", "pathname", "search", "hash")


class _Library(Protocol):
    """What is used of the library's patterns, besides an attribute with the text of each part."""

    def test(self, input: str, base: str, /) -> bool: ...


def _library() -> Callable[[str, str], _Library]:
    # Imported late: some platforms have no wheel, and some hubs never see a URL pattern.
    return cast("Callable[[str, str], _Library]", importlib.import_module("urlpattern").URLPattern)


def is_available() -> bool:
    """Tell whether the library is installed; for some platforms there is none."""
    try:
        _library()
    except ImportError:
        return False
    return True


class UrlPattern:
    """A URL pattern and the hub's URL to which it is relative; make one with :func:`compile_pattern`."""

    __slots__ = ("__weakref__", "_base", "_library", "_longest", "outline", "size", "text")

    def __init__(self, text: str, base: str, library: _Library, longest: int, size: int) -> None:
        self.text: str = text
        self.size: int = size
        """What it cost to compile, in characters."""
        self.outline: Outline = _outline(cast(str, getattr(library, "pathname")))  # noqa: B009 - untyped
        self._base = base
        self._library = library
        self._longest = longest

    def __repr__(self) -> str:
        return f"<UrlPattern {self.text!r}>"

    def parts_of(self, topic: str) -> list[str]:
        """Return the parts of a topic as outlines of URL patterns have them: those of its URL's path."""
        found = None if len(topic) > MAX_TOPIC else _any_url(topic, self._base)
        return found.split("/") if found else []

    def matches(self, topic: str) -> bool:
        """Tell whether `topic`, relative to the hub's URL, matches; what is no URL never does."""
        if len(topic) * ENCODED_SIZE > self._longest and (
            len(topic) > self._longest or encoded_size(topic) > self._longest
        ):
            return False
        try:
            return self._library.test(topic, self._base)
        except Exception:
            return False  # it has a lone surrogate, so it is no URL


def compile_pattern(text: str, base: str) -> UrlPattern:
    """Read a URL pattern.

    :param base: The hub's URL, absolute.
    :raises ValueError: `text` is no URL pattern, or one that costs too much.
    """
    pattern = _known(text, base)
    if pattern is None:
        raise ValueError(_PROBLEM)
    return pattern


_in_use: WeakValueDictionary[tuple[str, str], UrlPattern] = WeakValueDictionary()


@lru_cache(maxsize=REMEMBERED)
def _known(text: str, base: str) -> UrlPattern | None:
    # One object for all that use a pattern: it takes 70 kB and more.
    pattern = _in_use.get((text, base))
    if pattern is None:
        try:
            pattern = _in_use.setdefault((text, base), _compile(text, base))
        except (Refused, TypeError, ValueError):
            return None
    return pattern


def _compile(text: str, base: str) -> UrlPattern:
    rewritten, size = rewritten_pattern(text)
    library = _library()(rewritten, base)
    survey = Survey()
    for name in _PARTS:
        part = cast(str, getattr(library, name))
        if part != "*" and HAS_SYNTAX.search(part):
            survey.add(parse_part(name, part))
    return UrlPattern(text, base, library, min(MAX_TOPIC, MAX_EFFORT // survey.width), size)


def _outline(path: str) -> Outline:
    """Return the outline of a pattern's path: up to the first part that may have a slash, or be optional."""
    parts: list[str | Ends] = []
    for part in path.split("/"):
        if _NAMED_PART.fullmatch(part):
            parts.append(Ends())
        elif HAS_SYNTAX.search(part) or "\\" in part:
            return Outline(tuple(parts), Ends(_LITERAL.findall(part)[0]))
        else:
            parts.append(part)
    return Outline(tuple(parts))


_LITERAL = re.compile(r"^[^\\:*(){}?+]*")
_NAMED_PART = re.compile(r":[A-Za-z_][A-Za-z0-9_]*")


def _any_url(topic: str, base: str) -> str | None:
    """Return the path of a topic's URL, None where it is none."""
    try:
        found = _everything()(topic, base)
    except Exception:
        return None  # it has a lone surrogate
    return found["pathname"]["input"] if found else None


@lru_cache(maxsize=1)
def _everything() -> Callable[[str, str], Any]:
    return cast("Any", _library())({}).exec
