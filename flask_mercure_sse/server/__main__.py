"""The hub on its own: ``python -m flask_mercure_sse.server``."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all(ssl=False)  # before anything makes a lock or a socket; TLS is a proxy's job

from .command import main  # noqa: E402


def _read_env_file() -> None:
    """Read ``.env`` where python-dotenv is installed, as Flask's own command does."""
    try:
        from dotenv import find_dotenv, load_dotenv
    except ImportError:
        return
    load_dotenv(find_dotenv(usecwd=True))


if __name__ == "__main__":
    _read_env_file()
    main(prog_name="python -m flask_mercure_sse.server")
