"""How many open files the system allows: each connection is one."""

from __future__ import annotations

import logging
from contextlib import suppress

from ..protocol.errors import ConfigurationError

try:
    import resource
except ImportError:  # not every system has such limits
    resource = None

logger: logging.Logger = logging.getLogger(__name__)

RESERVE = 100
"""Open files that are kept for all that is no connection: logs, key sets, storage, the admin port."""

OWN = 24
"""Open files that the hub needs for itself, whatever the limit."""

FEWEST = 64
"""Open files below which there is no use in a hub."""

LOWER = (65536, 10240)
"""What is tried where the most is refused: some systems have a second, lower limit."""

_RAISE_IT = "raise LimitNOFILE= of the systemd unit, or ulimit -n"


def raise_limit() -> int | None:
    """Raise the number of open files to the most that this process may have.

    :returns: what it may have now, None where the system has no such limit.
    :raises ConfigurationError: it is too low for a hub.
    """
    if resource is None:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, *(number for number in LOWER if number > soft)):
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            break
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    if soft < FEWEST:
        raise ConfigurationError(
            f"the system allows {soft} open files, and a hub needs {FEWEST}: {_RAISE_IT}"
        )
    return soft


def allowed_files() -> int | None:
    """Return how many open files may be connections in a process that is not the hub's own.

    :returns: None where the system has no such limit.
    """
    if resource is None:
        return None
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else max(0, soft - OWN)


def connections_for(files: int | None, wanted: int) -> int:
    """Return how many connections there may be.

    :param files: open files that this process may have, None for any number.
    :param wanted: 0 for as many as possible.
    :returns: 0 for any number.
    """
    if files is None:
        return wanted
    possible = files - min(RESERVE, max(OWN, files // 4))
    if wanted > possible:
        logger.warning(
            "The system allows %d open files, so %d connections and not %d: %s",
            *(files, possible, wanted, _RAISE_IT),
        )
    return min(wanted, possible) if wanted else possible
