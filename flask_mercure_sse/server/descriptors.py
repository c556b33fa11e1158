"""How many open files the system allows: each connection is one."""

from __future__ import annotations

import logging
from contextlib import suppress

try:
    import resource
except ImportError:  # not every system has such limits
    resource = None

logger: logging.Logger = logging.getLogger(__name__)

RESERVE = 100
"""Open files that are kept for all that is no connection: logs, key sets, storage, the admin port."""

LOWER = (65536, 10240)
"""What is tried where the most is refused: some systems have a second, lower limit."""


def raise_limit() -> int | None:
    """Raise the number of open files to the most that this process may have.

    :returns: what it may have now, None where the system has no such limit.
    """
    if resource is None:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, *(number for number in LOWER if number > soft)):
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            break
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def connections_for(files: int | None, wanted: int) -> int:
    """Return how many connections there may be.

    :param files: open files that this process may have, None for any number.
    :param wanted: 0 for as many as possible.
    :returns: 0 for any number.
    """
    if files is None:
        return wanted
    possible = max(1, files - min(RESERVE, files // 4))
    if wanted > possible:
        logger.warning(
            "The system allows %d open files, so %d connections and not %d: raise LimitNOFILE= of the "
            "systemd unit, or ulimit -n",
            *(files, possible, wanted),
        )
    return min(wanted, possible) if wanted else possible
