"""Selectors: which topics a subscriber asks for and which a token grants (`Mercure 0.x, Topic Selectors`)."""

from __future__ import annotations

from collections.abc import Iterable

from . import uri_template

EVERYTHING = "*"


class Selector:
    """One selector, compiled: ``*``, an exact topic, or a URI template.

    A template also selects the topic that is spelled like the template itself, and an invalid template is
    an exact topic.
    """

    __slots__ = ("selects_everything", "template", "text")

    def __init__(self, text: str) -> None:
        self.text: str = text
        self.selects_everything: bool = text == EVERYTHING
        self.template: uri_template.UriTemplate | None = uri_template.parse(text) if "{" in text else None

    def __repr__(self) -> str:
        return f"<Selector {self.text!r}>"

    def matches(self, topic: str) -> bool:
        """Tell whether `topic` is selected."""
        return (
            self.selects_everything
            or topic == self.text
            or (self.template is not None and self.template.matches(topic))
        )


def any_matches(selectors: Iterable[Selector], topics: Iterable[str]) -> bool:
    """Tell whether one of `selectors` matches one of `topics`."""
    topics = tuple(topics)
    return any(selector.matches(topic) for selector in selectors for topic in topics)
