"""The outline of a pattern: its path, part by part, for finding patterns without trying each.

A topic is read in the same way, so that a pattern can match only where its outline fits. To fit is not to
match: the pattern itself has the last word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Outline(NamedTuple):
    """What is known of the topics that a pattern matches.

    :param parts: what stands between slashes, from the beginning; None for a part that may be anything.
    :param is_open: whether any number of further parts may follow.
    """

    parts: tuple[str | None, ...]
    is_open: bool = False

    def fits_below(self, parts: Sequence[str]) -> bool:
        """Tell whether it fits a topic that begins with these parts and has more."""
        return (self.is_open or len(self.parts) > len(parts)) and all(
            own in (None, part) for own, part in zip(self.parts, parts, strict=False)
        )


ANYTHING = Outline((), is_open=True)
