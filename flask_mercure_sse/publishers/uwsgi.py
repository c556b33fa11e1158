"""What uWSGI does unlike other servers: how it forks, and how its workers end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any


def is_uwsgi() -> bool:
    """Tell whether this process is one of uWSGI's."""
    return _uwsgi() is not None


def forks_later() -> bool:
    """Tell whether uWSGI forks this process without regard to its threads.

    That is its master, while it imports the app and later. A worker that is forked while another thread of
    the master runs Python waits for that thread for ever. With the option ``py-call-uwsgi-fork-hooks`` uWSGI
    forks as Python does.
    """
    uwsgi = _uwsgi()
    return (
        uwsgi is not None
        and uwsgi.masterpid() == os.getpid()
        and not uwsgi.opt.get("py-call-uwsgi-fork-hooks")
    )


def call_at_end_of_worker(function: Callable[[], None]) -> None:
    """Let uWSGI call a function when a worker ends; it calls nothing else in its gevent mode.

    What the app has set to be called is called before.
    """
    uwsgi = _uwsgi()
    if uwsgi is None:
        return
    before: Callable[[], object] | None = getattr(uwsgi, "atexit", None)

    def end() -> None:
        try:
            if before is not None:
                before()
        finally:
            function()

    uwsgi.atexit = end


def _uwsgi() -> Any:
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi if hasattr(uwsgi, "masterpid") else None  # packages of stubs have the same name
