"""Ids that the hub and its publishers make up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count

_BATCH = 64
_spare: dict[int, list[str]] = {}
"""Random digits that are not used yet, by process: parent and child would make the same ids of the same.

Asking the system for each id costs more than all the rest of it. Some servers fork without telling Python,
so that the number of the process is all there is to go by.
"""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_spare.clear)  # numbers of processes come back


def urn_series() -> Iterator[str]:
    """Yield ``urn:uuid:`` and UUIDs of the custom kind (version 8): random digits, then a number.

    For many ids at once: one costs a fraction of a random one, and no two series have an id in common.
    """
    start = f"{new_urn()[:23]}8{new_urn()[24:33]}"
    return (f"{start}{number:012x}" for number in count())


def new_urn() -> str:
    """Return ``urn:uuid:`` and a random (version 4) UUID, never the same twice."""
    process = os.getpid()
    spare = _spare.get(process)
    if spare is None:
        _spare.clear()
        spare = _spare.setdefault(process, [])
    try:
        digits = spare.pop()
    except IndexError:
        batch = os.urandom(16 * _BATCH).hex()
        digits, *others = (batch[start : start + 32] for start in range(0, len(batch), 32))
        spare.extend(others)
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"urn:uuid:{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
