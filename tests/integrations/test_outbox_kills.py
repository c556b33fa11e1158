"""Whoever is killed, and whenever: what was committed is received, and what was rolled back is not."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from tests.integrations.kills import PATIENCE, Base, Counter, Note

COMMITS = 100

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_every_committed_change_is_received_in_order_and_none_that_was_rolled_back(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    here = f"sqlite:///{tmp_path / 'site.db'}"
    url = here if kind == "sqlite" else request.getfixturevalue(f"{kind}_url")
    seed = random.randrange(10**6)
    print("seed", seed)
    command = [sys.executable, "-m", "tests.integrations.kills", url, str(tmp_path), str(COMMITS), str(seed)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE + 30)
    engine = create_engine(url)
    try:
        assert run.returncode == 0, run.stderr[-2000:]
        with Session(engine) as session:
            kept = set(session.scalars(select(Note.id)))
            last = session.scalars(select(Counter.value)).one()
    finally:
        Base.metadata.drop_all(engine)
        engine.dispose()
    taken = [json.loads(line) for line in (tmp_path / "taken").read_text().splitlines()]
    notes = [json.loads(one["data"])["data"] for one in taken if one["topic"] == "/notes"]
    assert {note["id"] for note in notes} == kept
    assert all(note["kept"] for note in notes)
    assert len(kept) == last == COMMITS
    assert _values_in_order(taken) == list(range(1, last + 1))


def _values_in_order(taken: list[dict[str, str]]) -> list[int]:
    """Return the counter's values as a client sees them that drops what it has had."""
    values: dict[str, int] = {}
    for one in taken:
        if one["topic"] != "/notes":
            values.setdefault(one["id"], json.loads(one["data"])["data"]["value"])
    return list(values.values())
