"""SIGTERM where a process would just die of it: what is open is closed before."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from ..hub.threads import are_greenlets
from .uwsgi import is_uwsgi

STATUS = 128 + signal.SIGTERM

HEARING = 1.0
"""Seconds that a child's main thread has to hear of the signal."""


def exit_at_sigterm(close: Callable[[], None], is_closing: Callable[[], bool]) -> None:
    """Let SIGTERM end this process with the status 143, after closing, unless something else handles it.

    A handler of signals can be set in the main thread alone, so only the call of that thread sets it.

    :param is_closing: tells whether it closes already; it has its time limit, and the signal is no news.
    """
    global _handler
    if threading.current_thread() is not threading.main_thread() or not _dies_of_it():
        return
    handler = _Handler(close, is_closing)
    with suppress(ValueError):  # mod_wsgi's interpreters may not
        signal.signal(signal.SIGTERM, handler)
        _handler = handler
        if _is_child_of_multiprocessing() and not are_greenlets():
            handler.watch()


class _Handler:
    def __init__(self, close: Callable[[], None], is_closing: Callable[[], bool]) -> None:
        self._close = close
        self._is_closing = is_closing
        self._is_heard = False
        self._pipe: tuple[int, int] | None = None

    def __call__(self, number: int, _frame: object) -> None:
        self._is_heard = True
        if self._is_closing():
            return
        if _is_child_of_multiprocessing():
            self._close()  # it may be ending already, and then another exception would end it at once
        if not threading.main_thread().is_alive():  # it waits for other threads, and hears of no exception
            self._close()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        sys.exit(STATUS)

    def watch(self) -> None:
        """End the process also where its main thread does not hear of the signal.

        The interpreter runs handlers between two instructions. A signal that comes just before the main
        thread begins to wait for a lock of another process is heard when it has the lock, and a pool that is
        being terminated, which signals once, would wait for ever.
        """
        pipe = os.pipe()
        os.set_blocking(pipe[1], False)
        others = signal.set_wakeup_fd(pipe[1], warn_on_full_buffer=False)
        if others != -1:  # an event loop's
            signal.set_wakeup_fd(others)
            _close_both(pipe)
            return
        self._pipe = pipe
        threading.Thread(target=self._listen, args=(pipe[0],), name="mercure-sigterm", daemon=True).start()

    def _listen(self, reading: int) -> None:
        while signal.SIGTERM not in (heard := os.read(reading, 64)):
            if not heard:
                return
        until = time.monotonic() + HEARING
        while not self._is_heard and time.monotonic() < until:
            time.sleep(0.05)
        if not self._is_heard:
            self._close()
            os._exit(STATUS)

    def forget(self) -> None:
        """Leave a forked process its own end; called there."""
        with suppress(ValueError):
            if signal.getsignal(signal.SIGTERM) is self:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
            if self._pipe is not None:
                if (others := signal.set_wakeup_fd(-1)) != self._pipe[1]:
                    signal.set_wakeup_fd(others)
                _close_both(self._pipe)


_handler: _Handler | None = None


_masks: dict[int, Iterable[int]] = {}
"""What threads that fork block else, by the thread."""


def _hold_back() -> None:
    """Let the signal wait while a process is forked: the interpreter drops what a child is sent before it is
    one, where a handler of ours is set.
    """
    if _handler is not None:
        _masks[threading.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _let_through() -> None:
    mask = _masks.pop(threading.get_ident(), None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _forget() -> None:
    global _handler
    handler, _handler = _handler, None
    if handler is not None:
        handler.forget()
    _let_through()
    _masks.clear()


def _close_both(pipe: tuple[int, int]) -> None:
    for end in pipe:
        os.close(end)


def _dies_of_it() -> bool:
    # uWSGI's handlers are not Python's: a handler of ours would keep its workers from their end.
    return signal.getsignal(signal.SIGTERM) is signal.SIG_DFL and not is_uwsgi()


def _is_child_of_multiprocessing() -> bool:
    multiprocessing: Any = sys.modules.get("multiprocessing.process")
    return multiprocessing is not None and multiprocessing.parent_process() is not None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold_back, after_in_parent=_let_through, after_in_child=_forget)
