"""The hub on its own: ``python -m flask_mercure_sse.server``."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all(ssl=False)  # before anything makes a lock or a socket; TLS is a proxy's job

import logging  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from contextlib import suppress  # noqa: E402

from .command import main  # noqa: E402


def _read_env_file() -> None:
    """Read ``.env`` where python-dotenv is installed, as Flask's own command does."""
    try:
        from dotenv import find_dotenv, load_dotenv
    except ImportError:
        return
    load_dotenv(find_dotenv(usecwd=True))


def _status_of_main() -> int:
    try:
        main(prog_name="python -m flask_mercure_sse.server")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _end(status: int) -> None:
    """End the process without what Python does: it uses locks, of which older gevents complain by then."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # who read it may be gone
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    _read_env_file()
    _end(_status_of_main())
