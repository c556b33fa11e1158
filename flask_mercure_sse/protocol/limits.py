"""How much one request may ask of a hub."""

from __future__ import annotations

from dataclasses import dataclass

MAX_SELECTOR_LENGTH = 4096
"""Bytes of one selector, whether a client sends it or a token grants it."""

MAX_TOPIC_LENGTH = 4096
"""Characters of one topic: a longer one no selector could name."""

MAX_PATTERNS = 100
"""Patterns of one subscriber: unlike an exact topic, each costs time with every publication."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that whoever runs a hub may move.

    :param body_size: bytes of a request's body.
    :param topics: topics of one update.
    :param selectors: selectors of one subscriber; None for the version's own number.
    """

    body_size: int = 1024 * 1024
    topics: int = 1000
    selectors: int | None = None
