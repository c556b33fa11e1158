"""What is to be finished before a process ends."""

from __future__ import annotations

import atexit
import os
import threading
from typing import Protocol
from weakref import WeakSet

from .ends import call_at_other_ends
from .sigterm import exit_at_sigterm


class Closing(Protocol):
    """Something that takes a while to close."""

    def begin_to_close(self) -> None:
        """Set the time limit."""
        ...

    def finish_closing(self) -> None:
        """Wait until it is closed, within the limit."""
        ...


class _Process:
    """What this process has to close."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a handler of signals may come in between
        self._open: WeakSet[Closing] = WeakSet()
        self.id: int = os.getpid()
        self.is_prepared: bool = False
        self.is_closing: bool = False
        self.is_ending: bool = False

    def add(self, closing: Closing) -> None:
        with self._lock:
            self._open.add(closing)

    def take(self) -> list[Closing]:
        with self._lock:
            taken = list(self._open)
            self._open.clear()
        return taken


_process = _Process()


def close_at_exit(closing: Closing) -> None:
    """Close something when this process ends, unless it is gone by then.

    That is when the interpreter exits, at the other ends that :func:`~.ends.call_at_other_ends` knows, and at
    SIGTERM where the process would just die of it: then it exits with the status 143 instead.
    """
    if _process.id != os.getpid():  # some servers fork without telling Python
        _begin_anew()
    _process.add(closing)
    if not _process.is_prepared:
        _process.is_prepared = True
        call_at_other_ends(close_all)
    exit_at_sigterm(close_all, _is_closing)


def close_all() -> None:
    """Close everything; all share the time that the slowest has."""
    if _process.id != os.getpid():
        return  # what is open is the parent's
    waiting = _process.take()
    _process.is_ending = _process.is_closing = True
    try:
        for closing in waiting:
            closing.begin_to_close()
        for closing in waiting:
            closing.finish_closing()
    finally:
        _process.is_closing = False


def _is_closing() -> bool:
    return _process.is_closing


def is_ending() -> bool:
    """Tell whether everything in this process was closed, so that what opens now is closed by nobody else."""
    return _process.is_ending and _process.id == os.getpid()


def _begin_anew() -> None:
    global _process
    _process = _Process()


atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
