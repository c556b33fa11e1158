"""The services that tests need from the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from tests.services import mariadb, missing, postgresql


def test_postgresql_answers_at_the_url_and_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_POSTGRESQL_URL", raising=False)
    with postgresql() as url:
        engine = create_engine(url)
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
        engine.dispose()
    with pytest.raises(OperationalError):
        create_engine(url).connect()


def test_mariadb_answers_at_the_url_and_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_MARIADB_URL", raising=False)
    with mariadb() as url:
        engine = create_engine(url)
        with engine.connect() as connection:
            assert "MariaDB" in connection.scalar(text("SELECT version()"))
        engine.dispose()
        socket = Path(str(engine.url.query["unix_socket"]))
        assert socket.exists()
    assert not socket.exists()


def test_a_given_mariadb_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_MARIADB_URL", "mariadb+pymysql://somewhere/else")
    with mariadb() as url:
        assert url == "mariadb+pymysql://somewhere/else"


def test_a_given_postgresql_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_POSTGRESQL_URL", "postgresql+psycopg://somewhere/else")
    with postgresql() as url:
        assert url == "postgresql+psycopg://somewhere/else"


def test_a_missing_service_fails_under_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="The moon is missing: look up at night"):
        missing("The moon", "look up at night")


def test_a_missing_service_skips_on_a_laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="The moon is missing: look up at night"):
        missing("The moon", "look up at night")
