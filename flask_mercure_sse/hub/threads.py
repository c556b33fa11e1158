"""Threads that belong to one process."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from .forks import renew_in_children


class _Forked(BaseException):
    """Ends what a greenlet of the parent is at in a forked process."""


class OwnThread(threading.Thread):
    """A daemon thread that no forked process goes on with.

    Where gevent has patched threads it is a greenlet, and those a child inherits with all that they are at.

    :param target: what it does.
    """

    def __init__(self, target: Callable[[], object], name: str) -> None:
        super().__init__(target=target, name=name, daemon=True)
        self._current: Any = None

    def run(self) -> None:
        process = os.getpid()
        self._current = _current_greenlet()
        renew_in_children(self)
        try:
            super().run()
        finally:
            if os.getpid() != process:
                # The threading module has forgotten it there, and would complain of its end.
                threading.Event().wait()

    def renew_after_fork(self) -> None:
        if self._current is not None:
            self._current.kill(_Forked, block=False)


def _current_greenlet() -> Any:
    """Return the greenlet of the caller, None where threads are threads."""
    monkey: Any = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("threading"):
        return None
    from gevent import getcurrent

    return getcurrent()
