"""How long to wait before a connection is tried again."""

from __future__ import annotations

import random


class Backoff:
    """Waits that grow with each failure, with full jitter: what fails at once must not come back at once.

    :param first: seconds up to which the first wait may last.
    :param most: seconds up to which any may last.
    """

    def __init__(self, first: float = 1.0, most: float = 30.0) -> None:
        self._first = first
        self._most = most
        self._failures = 0

    def succeeded(self) -> None:
        """Begin again with the first wait."""
        self._failures = 0

    def next_wait(self, least: float = 0.0) -> float:
        """Return the seconds of the next wait.

        :param least: seconds that the other side asks for; what is longer than the longest wait is cut to it.
        """
        ceiling = min(self._most, self._first * 2**self._failures)
        self._failures = min(self._failures + 1, 30)
        return min(least, self._most) + random.uniform(0, ceiling)  # noqa: S311 - no secret
