"""What the package's door offers, and what opening it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import flask_mercure_sse


def test_all_is_sorted_and_has_every_name_once() -> None:
    assert flask_mercure_sse.__all__ == sorted(set(flask_mercure_sse.__all__))


def test_all_has_just_the_names_that_the_door_gets_from_the_rooms() -> None:
    tree = ast.parse(Path(flask_mercure_sse.__file__).read_text())
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.level]
    names = {alias.asname or alias.name for node in imports for alias in node.names}

    assert set(flask_mercure_sse.__all__) == names


def test_every_name_of_all_is_there() -> None:
    assert [name for name in flask_mercure_sse.__all__ if not hasattr(flask_mercure_sse, name)] == []


def test_an_app_needs_three_names() -> None:
    from flask_mercure_sse import MercureSSE, mercure_publish, publish_signal

    assert callable(MercureSSE)
    assert callable(mercure_publish)
    assert callable(publish_signal)


def test_importing_the_package_loads_nothing_heavy_and_starts_no_thread() -> None:
    code = """
import sys, threading, flask_mercure_sse
print(sorted({"asyncio", "gevent", "sqlalchemy"} & set(sys.modules)), threading.active_count())
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "[] 1"
