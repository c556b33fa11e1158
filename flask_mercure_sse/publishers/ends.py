"""The ends of processes that the interpreter's own exit does not see."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from .uwsgi import call_at_end_of_worker


def call_at_other_ends(function: Callable[[], None]) -> None:
    """Call a function, which may be called several times, before this process ends without ``atexit``.

    So end children of ``multiprocessing`` and of Celery's ``billiard``, which shares its finalizers, the
    processes of Celery's pool, and uWSGI's workers. Other programs end with ``os._exit``, which nobody hears.
    """
    if (util := _loaded("multiprocessing.util")) is not None:
        util.Finalize(None, function, exitpriority=100)
    if (signals := _loaded("celery.signals")) is not None:

        def end(**_arguments: object) -> None:
            function()

        signals.worker_process_shutdown.connect(end, weak=False, dispatch_uid=__name__)
    call_at_end_of_worker(function)


def _loaded(module: str) -> Any:
    return sys.modules.get(module)
