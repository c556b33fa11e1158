"""The outline of a pattern: its path, part by part, for finding patterns without trying each.

A topic is read in the same way, so that a pattern can match only where its outline fits. To fit is not to
match: the pattern itself has the last word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Ends(NamedTuple):
    """How a text begins and how it ends, with anything in between."""

    beginning: str = ""
    ending: str = ""

    def fit(self, text: str) -> bool:
        """Tell whether a text begins and ends like this."""
        return text.startswith(self.beginning) and text.endswith(self.ending)


class Outline(NamedTuple):
    """What is known of the topics that a pattern matches.

    :param parts: what stands between slashes, from the beginning.
    :param rest: where any number of further parts may follow, how the first of them begins and how the
        whole topic ends; None where none may follow.
    """

    parts: tuple[str | Ends, ...]
    rest: Ends | None = None

    def fits_below(self, parts: Sequence[str]) -> bool:
        """Tell whether it fits a topic that begins with these parts and has more."""
        if len(self.parts) <= len(parts):
            if self.rest is None:
                return False
            if len(self.parts) < len(parts) and not parts[len(self.parts)].startswith(self.rest.beginning):
                return False
        return all(
            own.fit(part) if isinstance(own, Ends) else own == part
            for own, part in zip(self.parts, parts, strict=False)
        )


ANYTHING = Outline((), Ends())
