"""The pytest plugin, in projects that use it and in those that do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

CONFTEST = """
import pytest
from flask import Flask
from flask_mercure_sse import MercureSSE

mercure = MercureSSE()

@pytest.fixture
def app():
    app = Flask("shop")
    app.secret_key = "a secret that is long enough for HS256"
    mercure.init_app(app)
    app.add_url_rule("/", "order", lambda: mercure.publish("/orders", {"number": 7}))
    return app
"""


def run(folder: Path, test: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a project's test with the plugin."""
    (folder / "test_it.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(
        [*command, "-p", "flask_mercure_sse_pytest", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_both_fixtures_work_in_a_project(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    test = """
def test_captured(app, mercure_updates):
    app.test_client().get("/")
    mercure_updates.assert_published("/orders", {"number": 7}, times=1)

def test_read(app, mercure_stream):
    client = app.test_client()
    stream = mercure_stream(client, "/orders")
    client.get("/")
    assert stream.next().data == '{"number": 7}'
"""
    done = run(tmp_path, test)
    assert "2 passed" in done.stdout, done.stdout


def test_a_failure_shows_the_projects_line_and_what_was_captured(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    test = """
def test_captured(app, mercure_updates):
    app.test_client().get("/")
    mercure_updates.assert_published("/carts")
"""
    done = run(tmp_path, test)
    assert done.returncode == 1
    assert """1. /orders, hub=embedded, data='{"number": 7}'""" in done.stdout
    assert "captured.py" not in done.stdout


def test_a_project_without_the_fixtures_imports_nothing_of_it(tmp_path: Path) -> None:
    test = """
import sys

def test_nothing_is_there():
    assert "flask_mercure_sse_pytest" in sys.modules
    assert {"flask", "flask_mercure_sse", "requests", "werkzeug"} & set(sys.modules) == set()
"""
    done = run(tmp_path, test)
    assert done.returncode == 0, done.stdout
