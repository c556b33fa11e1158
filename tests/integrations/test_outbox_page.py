"""The book's page on the outbox: its Python runs, and its migration makes the table that the package wants."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, create_engine, select

from flask_mercure_sse.integrations.outbox_table import outbox_table
from tests.publishers.test_http import FakeHub
from tests.server.processes import PATIENCE

PAGE = (Path(__file__).parents[2] / "docs" / "outbox.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
MIGRATION = re.search(r"```python migration\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    yield hub
    hub.close()


def test_the_page_publishes_what_it_says(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "outbox"}
    for block in BLOCKS:
        here = block.replace("http://127.0.0.1:5500/.well-known/mercure", hub.url)
        exec(compile(here, "outbox.md", "exec"), names)
    with names["app"].app_context():
        assert names["mercure"].flush(PATIENCE)
    sent = [dict(fields) for _authorization, fields in hub.requests]
    assert [(fields["topic"], json.loads(fields["data"]).get("data")) for fields in sent] == [
        ("/order", {"total": 42}),
        ("/sales", None),
    ]
    db = names["db"]
    with names["app"].app_context():
        assert db.session.execute(select(db.metadata.tables["mercure_outbox"])).all() == []
        db.engine.dispose()
    for binding in names["mercure"].bindings:
        binding.disconnect()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_the_migration_makes_the_table_that_the_package_wants(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    urls = {"sqlite": lambda: f"sqlite:///{tmp_path / 'site.db'}"}
    url = urls[kind]() if kind in urls else request.getfixturevalue(f"{kind}_url")
    engine = create_engine(url)
    metadata = MetaData()
    outbox_table(metadata)
    names: dict[str, Any] = {}
    assert MIGRATION is not None
    exec(compile(MIGRATION[1], "outbox.md", "exec"), names)
    try:
        with engine.begin() as connection:
            context = MigrationContext.configure(connection)
            with Operations.context(context):
                names["upgrade"]()
                assert compare_metadata(context, metadata) == []
                names["downgrade"]()
                assert compare_metadata(context, metadata) != []
    finally:
        metadata.drop_all(engine)
        engine.dispose()
