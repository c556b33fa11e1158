"""Ids that the hub and its publishers make up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count

_BATCH = 64
_spare: list[str] = []
"""Random digits that are not used yet: asking the system for each id costs more than all the rest of it."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_spare.clear)  # or parent and child would make the same ids


def urn_series() -> Iterator[str]:
    """Yield ``urn:uuid:`` and UUIDs of the custom kind (version 8): random digits, then a number.

    For many ids at once: one costs a fraction of a random one, and no two series have an id in common.
    """
    start = f"{new_urn()[:23]}8{new_urn()[24:33]}"
    return (f"{start}{number:012x}" for number in count())


def new_urn() -> str:
    """Return ``urn:uuid:`` and a random (version 4) UUID, never the same twice."""
    try:
        digits = _spare.pop()
    except IndexError:
        batch = os.urandom(16 * _BATCH).hex()
        digits, *others = (batch[start : start + 32] for start in range(0, len(batch), 32))
        _spare.extend(others)
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"urn:uuid:{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
