"""Threads that belong to one process."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
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
        self._forking: Any = None

    def run(self) -> None:
        process = os.getpid()
        self._current = _current_greenlet()
        renew_in_children(self)
        try:
            super().run()
        finally:
            if os.getpid() != process:
                self._rest()

    def renew_after_fork(self) -> None:
        """End what the greenlet is at before it has another turn: it may be about to use a connection."""
        forking = _current_greenlet()
        if self._current is None or self._current is forking:
            return
        from greenlet import error

        self._forking = forking
        with suppress(error):  # its thread is not in the forked process
            self._current.throw(_Forked)

    def _rest(self) -> None:
        """Give the turn back and do nothing more.

        It must not end: the threading module has forgotten it in the forked process, and would complain.
        """
        if self._forking is not None:
            forking, self._forking = self._forking, None
            forking.switch()
        threading.Event().wait()


def are_greenlets() -> bool:
    """Tell whether gevent has patched threads, so that each is a greenlet."""
    monkey: Any = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def _current_greenlet() -> Any:
    """Return the greenlet of the caller, None where threads are threads."""
    if not are_greenlets():
        return None
    from gevent import getcurrent

    return getcurrent()
