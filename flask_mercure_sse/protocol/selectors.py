"""Selectors: which topics a subscriber asks for and which a token grants.

What a text selects depends on its match type. The versions of the protocol share exact topics and ``*``;
0.x adds URI templates (`Mercure 0.x, Topic Selectors`), 1.0 URL patterns (`Mercure 1.0, Matcher Types`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from . import uri_template
from .outline import Outline

EVERYTHING = "*"

EXACT = "exact"
TEMPLATE = "template"
URL_PATTERN = "urlpattern"


class Pattern(Protocol):
    """Selects many topics."""

    @property
    def outline(self) -> Outline:
        """What is known of the topics that it selects."""
        ...

    def parts_of(self, topic: str) -> Sequence[str]:
        """Return the parts of a topic as outlines of patterns of this kind have them."""
        ...

    def matches(self, topic: str) -> bool:
        """Tell whether `topic` is selected."""
        ...


class Selector:
    """One selector, compiled.

    :param text: as it was given.
    :param match_type: how the text is read.
    :param pattern: what it selects beyond its own spelling, None for an exact topic.
    """

    __slots__ = ("key", "match_type", "pattern", "selects_everything", "text")

    def __init__(self, text: str, match_type: str = EXACT, pattern: Pattern | None = None) -> None:
        self.text: str = text
        self.match_type: str = match_type
        self.pattern: Pattern | None = pattern
        self.selects_everything: bool = text == EVERYTHING
        self.key: tuple[str, str] = (match_type, text)
        """What makes two selectors the same."""

    def __repr__(self) -> str:
        return f"<Selector {self.match_type} {self.text!r}>"

    @property
    def without_pattern(self) -> Selector:
        """The same for who only tells of it: a pattern takes much memory."""
        return self if self.pattern is None else Selector(self.text, self.match_type)

    @property
    def is_exact(self) -> bool:
        """Whether it selects the topic that is spelled like it and no other."""
        return self.pattern is None and not self.selects_everything

    def matches(self, topic: str) -> bool:
        """Tell whether `topic` is selected."""
        return (
            self.selects_everything
            or (topic == self.text and self.match_type != URL_PATTERN)
            or (self.pattern is not None and self.pattern.matches(topic))
        )


def template_selector(text: str) -> Selector:
    """Compile a selector of Mercure 0.x: ``*``, a URI template, or an exact topic.

    A template also selects the topic that is spelled like the template itself, and an invalid template is
    an exact topic (`Mercure 0.x, Topic Selectors`).
    """
    template = uri_template.parse(text) if "{" in text else None
    return Selector(text, TEMPLATE, template) if template else Selector(text)


def any_matches(selectors: Collection[Selector], topics: Iterable[str]) -> bool:
    """Tell whether one of `selectors` matches one of `topics`."""
    for topic in topics:
        for selector in selectors:
            if selector.matches(topic):
                return True
    return False


class match_exact(str):
    """A topic that is meant as it is spelled: ``match_exact("/sets/{1}")`` is no URI template."""


class match_urlpattern(str):
    """A URL Pattern, for hubs that speak Mercure 1.0: ``match_urlpattern("/books/:id(\\\\d+)")``."""
