"""How long to wait before the next attempt."""

from __future__ import annotations

import random

FIRST = 0.2
"""Seconds that the first wait may last; each further one may last twice as long."""

LONGEST = 10.0
"""Seconds that no wait exceeds which the hub has not asked for."""

LONGEST_ASKED = 300.0
"""Seconds that a hub is left alone at most when it asks for more."""

_MOST_DOUBLINGS = 16


class Backoff:
    """Waits that grow while a hub fails, each of a random length up to its limit.

    So the processes that lost the same hub do not come back to it all at once.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._random = random.Random()  # noqa: S311 - nothing secret depends on it

    def next(self, asked: float | None = None) -> float:
        """Return the seconds to wait after one more failure.

        :param asked: seconds for which the hub asked to be left alone.
        """
        limit = min(LONGEST, FIRST * 2 ** min(self._failures, _MOST_DOUBLINGS))
        self._failures += 1
        wait = self._random.uniform(0, limit)
        return wait if asked is None else min(asked, LONGEST_ASKED) + wait

    def reset(self) -> None:
        """Begin with short waits again."""
        self._failures = 0
