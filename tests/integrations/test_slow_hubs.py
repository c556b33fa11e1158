"""A hub that is slow or gone costs a commit nothing, and no connection to the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import QueuePool, event, select
from sqlalchemy.orm import Mapped, mapped_column

from flask_mercure_sse import MercureSSE
from tests.conftest import SECRET
from tests.publishers.fake_hub import FakeHub
from tests.server.processes import PATIENCE, free_port

COMMITS = 20
SLOWER = 2.0
"""Seconds by which all commits together may be slower while a hub fails; it fails for longer than that."""


class HangingHub(FakeHub):
    """Takes updates and answers when it is told to."""

    def __init__(self) -> None:
        self.asked_now, self.may_answer = threading.Event(), threading.Event()
        super().__init__()

    def answer_to(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked_now.set()
        assert self.may_answer.wait(PATIENCE)
        super().answer_to(handler)

    def close(self) -> None:
        self.may_answer.set()
        super().close()


class Site:
    """An app with one connection to its database, which is watched.

    :param outbox: whether what it publishes is written into an outbox first.
    :param in_background: whether a thread publishes it; else each commit does.
    """

    def __init__(self, path: Path, hub_url: str, *, outbox: bool, in_background: bool) -> None:
        self.app = Flask("site")
        self.app.config.update(
            SECRET_KEY=SECRET,
            SQLALCHEMY_DATABASE_URI=f"sqlite:///{path}/site.db",
            SQLALCHEMY_ENGINE_OPTIONS={
                "poolclass": QueuePool,
                "pool_size": 1,
                "max_overflow": 0,
                "pool_timeout": PATIENCE / 2,
            },
            MERCURE_HUB_URL=hub_url,
            MERCURE_FLUSH_TIMEOUT=0.1,
            MERCURE_OUTBOX=outbox,
            MERCURE_PUBLISH="background" if in_background else "sync",
        )
        self.db = SQLAlchemy(self.app)
        self.mercure = MercureSSE(self.app)
        if outbox:
            self.mercure.outbox_table(self.db.metadata)

        @self.mercure.model_topic
        class Note(self.db.Model):  # type: ignore[name-defined,misc]
            id: Mapped[int] = mapped_column(primary_key=True)
            text: Mapped[str] = mapped_column(default="")

        self.note = Note
        self.checked_out = 0
        with self.app.app_context():
            self.db.create_all()
            event.listen(self.db.engine, "checkout", lambda *_what: self._count(1))
            event.listen(self.db.engine, "checkin", lambda *_what: self._count(-1))

    def _count(self, more: int) -> None:
        self.checked_out += more

    def commit(self, times: int = 1) -> float:
        """Commit as often, and return the seconds that it took."""
        begun = time.monotonic()
        for _ in range(times):
            with self.app.app_context():
                self.db.session.add(self.note())
                self.db.session.commit()
        return time.monotonic() - begun

    def notes(self) -> int:
        with self.app.app_context():
            return len(self.db.session.scalars(select(self.note)).all())

    def close(self) -> None:
        outbox = self.app.extensions["mercure_sse"].outbox
        if outbox is not None:
            outbox.close()
        with self.app.app_context():
            self.db.engine.dispose()


SiteMaker = Callable[..., Site]


@pytest.fixture(params=[False, True], ids=["without an outbox", "with an outbox"])
def make_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SiteMaker]:
    made: list[Site] = []

    def make(hub_url: str, *, in_background: bool) -> Site:
        made.append(Site(tmp_path, hub_url, outbox=request.param, in_background=in_background))
        return made[-1]

    yield make
    for site in made:
        site.close()


@contextmanager
def hub_that(fails: str) -> Iterator[str]:
    if fails == "is not there":
        yield f"http://127.0.0.1:{free_port()}/hub"
        return
    hub = HangingHub()
    try:
        yield hub.url
        assert hub.asked_now.wait(PATIENCE)
    finally:
        hub.close()


@pytest.mark.parametrize("fails", ["hangs", "is not there"])
def test_commits_take_their_normal_time_while_a_hub_fails(fails: str, make_site: SiteMaker) -> None:
    with hub_that(fails) as url:
        site = make_site(url, in_background=True)
        with site.mercure.muted():
            usual = site.commit(COMMITS)
        failing = site.commit(COMMITS)
        assert failing < usual + SLOWER
        assert site.notes() == 2 * COMMITS


def test_no_connection_is_held_while_a_commit_waits_for_a_hub(make_site: SiteMaker) -> None:
    hub = HangingHub()
    try:
        site = make_site(hub.url, in_background=False)
        committing = threading.Thread(target=site.commit)
        committing.start()
        assert hub.asked_now.wait(PATIENCE)
        assert site.checked_out == 0
        assert site.notes() == 1  # the only connection is free
        assert committing.is_alive()
        hub.may_answer.set()
        committing.join(PATIENCE)
        assert not committing.is_alive()
    finally:
        hub.close()
    assert len(hub.requests) == 1
