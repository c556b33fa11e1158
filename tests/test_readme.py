"""The README's Python runs as it is printed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_blocks_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "readme"}
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), names)
    app, db, todo = names["app"], names["db"], names["Todo"]
    with app.app_context():
        db.create_all()
        db.session.add(todo(title="read"))
        db.session.commit()
        hub = app.extensions["mercure_sse"].hub
        *_, newest = hub._history.updates
        db.drop_all()
        db.engine.dispose()
    body = json.loads(newest.update.data)
    assert body == {"event": "insert", "model": "Todo", "id": 1, "tx": ANY}
    assert "mercureAuthorization=" in app.test_client().get("/inbox").headers["Set-Cookie"]


def test_every_key_of_the_configuration_is_in_the_table() -> None:
    from flask_mercure_sse.config import KEYS

    assert set(re.findall(r"^\| `(MERCURE_\w+)` \|", README, re.MULTILINE)) == set(KEYS)


def test_the_two_commands_are_there_and_can_be_run() -> None:
    for command in re.findall(r"^(script/\w+)", README, re.MULTILINE):
        assert (ROOT / command).stat().st_mode & 0o111


def test_every_link_leads_to_a_file() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
