"""What must begin anew in a forked process, because a thread of the parent may be in the middle of it."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Renewable(Protocol):
    """Something with a lock."""

    def renew_after_fork(self) -> None:
        """Begin anew."""
        ...


_renewables: WeakSet[Renewable] = WeakSet()


def renew_in_children(renewable: Renewable) -> None:
    """Call ``renew_after_fork()`` of an object in each process that is forked while it lives."""
    _renewables.add(renewable)


def _renew_all() -> None:
    for renewable in list(_renewables):
        renewable.renew_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
