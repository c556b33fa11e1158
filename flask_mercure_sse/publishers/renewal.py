"""A token that is made anew before it ends."""

from __future__ import annotations

import time
from collections.abc import Callable


class RenewedToken:
    """Returns a token with at least half of its life before it; calling it costs a look at the clock.

    :param make: makes a token that is good for so many seconds.
    :param lifetime: how many.
    """

    def __init__(self, make: Callable[[float], str], lifetime: float) -> None:
        self._make = make
        self._lifetime = lifetime
        self._made: tuple[float, str] | None = None

    def __call__(self) -> str:
        """Return the token.

        :raises MissingKeyError: there is no key to sign it with.
        """
        now = time.time()
        made = self._made
        if made is None or not made[0] <= now < made[0] + self._lifetime / 2:
            made = self._made = (now, self._make(self._lifetime))
        return made[1]
