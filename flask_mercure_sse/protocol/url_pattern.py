"""Stand-in until the real module is here."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.util import find_spec
from typing import Any


class UrlPattern:
    """A URL Pattern."""

    __slots__ = ("_base", "_pattern", "text")

    def __init__(self, text: str, base: str, pattern: Any) -> None:
        self.text = text
        self._base = base
        self._pattern = pattern

    def matches(self, topic: str) -> bool:
        """Tell whether `topic` is selected."""
        try:
            return len(topic) <= 4096 and self._pattern.test(topic, self._base)
        except Exception:
            return False


@lru_cache(maxsize=1024)
def compile_pattern(text: str, base: str) -> UrlPattern:
    """Compile a pattern."""
    import urlpattern  # pyright: ignore

    try:
        return UrlPattern(text, base, urlpattern.URLPattern(text, base))  # pyright: ignore
    except Exception:
        raise ValueError("is no URL Pattern") from None


def pattern_of_template(text: str) -> str:
    """Return the URL Pattern of a template."""
    return re.sub(r"\{(\w+)\}", r":\1", text)


def is_available() -> bool:
    """Tell whether the library is there."""
    return find_spec("urlpattern") is not None
