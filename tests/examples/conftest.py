"""The apps of the examples, in this process: their modules are imported as their own command does."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

Load = Callable[[str], Any]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Import the module ``app`` of an example: ``load("board")``; it is forgotten with the test."""
    before = set(sys.modules)
    loaded: list[Any] = []

    def load_app(example: str) -> Any:
        monkeypatch.syspath_prepend(EXAMPLES / example)
        loaded.append(importlib.import_module("app"))
        return loaded[-1]

    yield load_app
    for module in loaded:
        for binding in module.mercure.bindings:
            binding.disconnect()
    for name in set(sys.modules) - before:
        if EXAMPLES in Path(getattr(sys.modules[name], "__file__", None) or "/").parents:
            del sys.modules[name]
