"""Imports go only down the list of layers, and each layer keeps out what is not its business.

Every import counts, also one in a function or under TYPE_CHECKING: a reader follows them all.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "flask_mercure_sse"
PACKAGE = "flask_mercure_sse"

# From the top down; a module may import its own layer and those below. "" is the package's __init__.py.
LAYERS = (
    {
        *{
            "",
            "app_hub",
            "app_keys",
            "app_outbox",
            "app_state",
            "cli",
            "config",
            "cookies",
            "current",
            "describing",
            "doctor",
            "embedded",
            "encryption",
            "extension",
        },
        *{
            "cookie_renewal",
            "events",
            "external_hubs",
            "hub_tokens",
            "listening",
            "named_hubs",
            "request_scope",
        },
        *{"testing", "transaction", "urls"},
    },
    {"integrations"},
    {"publishers"},
    {"server"},
    {"hub"},
    {"protocol"},
)

# What else a room may not import; flask is only for the top layer anyway. The protocol does no I/O, waits
# for nothing and has no clock.
WAITS = {"asyncio", "gevent", "select", "selectors", "socket", "ssl", "threading"}
LIBRARIES = {"requests", "sqlalchemy", "werkzeug"}
BARRED = {
    "integrations": {"requests", "werkzeug"},
    "protocol": WAITS | LIBRARIES | {"os", "time"},
}
EXCEPTIONS = {
    ("protocol.ids", "os"),  # os.urandom, for the ids that are made up
}


def violations(root: Path) -> list[str]:
    """Return what the modules of a package import against the rules, one line each."""
    modules = dict(_modules(root))
    return [
        f"{module or '__init__'}:{line} imports {imported}: {problem}"
        for module, path in modules.items()
        for imported, line in _imports(path, module, set(modules))
        if (problem := _problem(module, imported))
    ]


def _problem(module: str, imported: str) -> str | None:
    room = module.partition(".")[0]
    library, _, other = imported.partition(".")
    if library == PACKAGE:
        own, theirs = _layer(room), _layer(other.partition(".")[0])
        if own is None or theirs is None:
            return "not in the list of layers"
        return "a higher layer" if theirs < own else None
    barred = BARRED.get(room, set()) | (set() if room in LAYERS[0] else {"flask"})
    return f"not for {room}" if library in barred and (module, library) not in EXCEPTIONS else None


def _layer(room: str) -> int | None:
    return next((number for number, rooms in enumerate(LAYERS) if room in rooms), None)


def _modules(root: Path) -> Iterator[tuple[str, Path]]:
    """Give each module's name below the package, and its file. Follows the link to the integrations."""
    for folder, _, names in os.walk(root, followlinks=True):
        for name in sorted(names):
            if name.endswith(".py"):
                path = Path(folder, name)
                parts = path.relative_to(root).with_suffix("").parts
                yield ".".join(part for part in parts if part != "__init__"), path


def _imports(path: Path, module: str, modules: set[str]) -> Iterator[tuple[str, int]]:
    """Give the full name of each module that a file imports, and the line."""
    full_name = [PACKAGE, *filter(None, module.split("."))]
    package = full_name if path.name == "__init__.py" else full_name[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *filter(None, [node.module])])
            for alias in node.names:
                member = f"{source}.{alias.name}"  # of a package it may be a module
                yield member if member.removeprefix(f"{PACKAGE}.") in modules else source, node.lineno


def test_imports_go_only_down_the_layers() -> None:
    assert violations(ROOT) == []


def test_every_room_is_looked_at() -> None:
    looked_at = {module.partition(".")[0] for module, _ in _modules(ROOT)}

    assert looked_at >= {"extension", "integrations", "publishers", "server", "hub", "protocol"}


@pytest.mark.parametrize(
    ("path", "source", "told"),
    [
        ("hub/hub.py", "import json\nfrom ..server.wsgi import x", "hub.hub:2 imports"),
        ("hub/hub.py", "from .. import server", "imports flask_mercure_sse.server: a higher layer"),
        ("hub/hub.py", "def f():\n    from ..config import x", "imports flask_mercure_sse.config: a higher"),
        ("hub/hub.py", "if TYPE_CHECKING:\n    from ..config import x", "a higher layer"),
        ("hub/hub.py", "from flask_mercure_sse import Update", "imports flask_mercure_sse: a higher layer"),
        ("hub/__init__.py", "from ..config import x", "hub:1 imports flask_mercure_sse.config: a higher"),
        ("integrations/models.py", "from flask_mercure_sse.config import x", "a higher layer"),
        ("integrations/models.py", "import requests", "requests: not for integrations"),
        ("server/wsgi.py", "from flask.json import dumps", "flask.json: not for server"),
        ("protocol/update.py", "import time", "time: not for protocol"),
        ("protocol/sse.py", "import os", "os: not for protocol"),
        ("cellar.py", "from .config import x", "not in the list of layers"),
        ("config.py", "from .cellar import x", "not in the list of layers"),
    ],
)
def test_an_import_against_the_rules_is_told(path: str, source: str, told: str, tmp_path: Path) -> None:
    _write_package(tmp_path, {path: source})

    [violation] = violations(tmp_path)

    assert told in violation


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("extension.py", "from flask import Flask\nfrom .config import x\nfrom .hub import hub"),
        ("__init__.py", "from .config import x"),
        ("server/wsgi.py", "from ..hub.hub import x\nfrom . import cors\nimport werkzeug, socket"),
        ("integrations/models.py", "import blinker\nfrom flask_mercure_sse.protocol.update import x"),
        ("protocol/ids.py", "import os"),
        ("protocol/v0.py", "from . import selectors\nfrom .selectors import x"),
    ],
)
def test_an_import_within_the_rules_is_not_told(path: str, source: str, tmp_path: Path) -> None:
    _write_package(tmp_path, {path: source})

    assert violations(tmp_path) == []


def _write_package(root: Path, sources: dict[str, str]) -> None:
    rooms = ["", "integrations", "server", "hub", "protocol"]
    empty = [Path(room, "__init__.py").as_posix() for room in rooms]
    for path, source in {**dict.fromkeys(empty, ""), "protocol/selectors.py": "", **sources}.items():
        file = root / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(source)
