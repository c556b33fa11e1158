"""The outbox through the extension: settings, Flask-SQLAlchemy, the thread and the commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from flask_mercure_sse import ConfigurationError, MercureSSE, Update
from tests.conftest import SECRET
from tests.publishers.test_http import FakeHub
from tests.server.processes import free_port
from tests.subscriber import Subscriber

PATIENCE = 20.0
ROOT = Path(__file__).parents[2]


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    yield hub
    hub.close()


class Site:
    """An app with Flask-SQLAlchemy, a model that is bound, and a hub over HTTP."""

    def __init__(self, path: Path, hub_url: str | None, **config: Any) -> None:
        self.app = Flask("site")
        self.app.config.update(
            {
                "SECRET_KEY": SECRET,
                "SQLALCHEMY_DATABASE_URI": f"sqlite:///{path}",
                "MERCURE_OUTBOX": True,
                "MERCURE_HUB_URL": hub_url,
                **config,
            }
        )
        self.db = SQLAlchemy(self.app)
        self.mercure = MercureSSE(self.app)
        self.table = self.mercure.outbox_table(self.db.metadata)

        @self.mercure.model_topic("/notes", data=["text"])
        class Note(self.db.Model):  # type: ignore[name-defined,misc]
            id: Mapped[int] = mapped_column(primary_key=True)
            text: Mapped[str]

        self.note = Note
        with self.app.app_context():
            self.db.create_all()

    def add(self, *texts: str) -> None:
        """Commit notes, and wait for what is sent of them."""
        with self.app.app_context():
            self.db.session.add_all([self.note(text=text) for text in texts])
            self.db.session.commit()
            assert self.mercure.flush(PATIENCE)

    def count(self) -> int:
        with self.app.app_context():
            return len(self.db.session.execute(select(self.table.c.id)).all())

    def run(self, *arguments: str) -> Result:
        return self.app.test_cli_runner().invoke(args=["mercure", *arguments])

    def follow(self) -> Subscriber:
        """Follow all topics of the embedded hub."""
        hub = self.app.extensions["mercure_sse"].hub
        return Subscriber(hub, hub.versions.oldest.subscribe_request([("topic", "*")], None))

    def close(self) -> None:
        self.app.extensions["mercure_sse"].outbox.close()
        for binding in self.mercure.bindings:
            binding.disconnect()
        with self.app.app_context():
            self.db.engine.dispose()


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def make(hub_url: str | None, **config: Any) -> Site:
        made.append(Site(tmp_path / "site.db", hub_url, **config))
        return made[-1]

    yield make
    for site in made:
        site.close()


MakeSite = Callable[..., Site]


def texts(hub: FakeHub) -> list[str]:
    bodies = [dict(fields)["data"] for _authorization, fields in hub.requests]
    return [json.loads(body)["data"]["text"] for body in bodies]


def nowhere() -> str:
    """Return the URL of a hub that is down."""
    return f"http://127.0.0.1:{free_port()}/.well-known/mercure"


def test_a_commit_reaches_the_hub_through_the_outbox(make_site: MakeSite, hub: FakeHub) -> None:
    site = make_site(hub.url)
    site.add("a", "b")
    assert texts(hub) == ["a", "b"]
    assert site.count() == 0


def test_a_commit_that_is_to_wait_for_the_hub_does(make_site: MakeSite, hub: FakeHub) -> None:
    site = make_site(hub.url, MERCURE_PUBLISH="sync")
    with site.app.app_context():
        site.db.session.add(site.note(text="a"))
        site.db.session.commit()
        assert texts(hub) == ["a"]
    assert site.count() == 0


def test_the_end_of_a_script_waits_for_what_it_committed(
    make_site: MakeSite, hub: FakeHub, tmp_path: Path
) -> None:
    hub.delay = 0.3
    site = make_site(hub.url)
    script = f"""
from flask import Flask
from flask_mercure_sse import MercureSSE
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column

app = Flask("script")
app.config.update(SECRET_KEY={SECRET!r}, SQLALCHEMY_DATABASE_URI="sqlite:///{tmp_path / "site.db"}")
app.config.update(MERCURE_HUB_URL={hub.url!r}, MERCURE_OUTBOX=True, MERCURE_FLUSH_TIMEOUT=20)
db = SQLAlchemy(app)
mercure = MercureSSE(app)
mercure.outbox_table(db.metadata)

@mercure.model_topic("/notes", data=["text"])
class Note(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]

with app.app_context():
    for text in "abc":
        db.session.add(Note(text=text))
        db.session.commit()
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=PATIENCE)
    assert texts(hub) == ["a", "b", "c"]
    assert site.count() == 0


def test_the_embedded_hub_is_published_on_through_the_outbox(make_site: MakeSite) -> None:
    site = make_site(None)
    subscriber = site.follow()
    site.add("a")
    assert [body["data"] for body in subscriber.json] == [{"text": "a"}]
    assert site.count() == 0


def test_without_the_key_nothing_is_written(make_site: MakeSite, hub: FakeHub) -> None:
    site = make_site(nowhere(), MERCURE_CONNECT_TIMEOUT=0.5)
    plain = Flask("plain")
    plain.config.update(SECRET_KEY=SECRET, MERCURE_OUTBOX=False)
    MercureSSE(plain)
    assert plain.extensions["mercure_sse"].outbox is None
    assert site.app.extensions["mercure_sse"].outbox is not None


def test_the_mode_outbox_writes_what_waits_for_a_commit(make_site: MakeSite) -> None:
    site = make_site(nowhere(), MERCURE_PUBLISH="outbox", MERCURE_OUTBOX=None)
    site.add("of a model")
    with site.app.app_context():
        site.db.session.begin()
        site.mercure.publish("/a", "by hand", on_commit=site.db.session)
        site.db.session.commit()
    assert site.count() == 2


def test_in_the_mode_outbox_other_updates_go_in_the_background_and_wait_for_no_commit(
    make_site: MakeSite, hub: FakeHub
) -> None:
    hub.first = [(503, {})]  # who waited for it would be told
    site = make_site(hub.url, MERCURE_PUBLISH="outbox", MERCURE_OUTBOX=None)
    with site.app.app_context():
        site.db.session.add(site.note(text="never"))
        site.db.session.flush()
        site.mercure.publish("/a", "x")
        assert site.mercure.flush(PATIENCE)
        assert {update.data for update in hub.updates} == {"x"}
        site.db.session.rollback()
    assert site.count() == 0


def test_an_update_for_another_hub_is_written_with_its_url(
    make_site: MakeSite, hub: FakeHub, tmp_path: Path
) -> None:
    site = make_site(nowhere())
    with site.app.app_context():
        site.db.session.begin_nested()
        site.mercure.publish("/other", {"text": "a"}, hub_url=hub.url, on_commit=site.db.session)
        site.db.session.commit()
        assert site.mercure.flush(PATIENCE)
    assert [dict(fields)["topic"] for _authorization, fields in hub.requests] == ["/other"]
    assert site.count() == 0


def test_an_update_with_a_token_of_its_own_is_never_written(make_site: MakeSite, hub: FakeHub) -> None:
    site = make_site(hub.url, MERCURE_PUBLISH="sync")
    hub.status = 503
    with site.app.app_context():
        site.db.session.begin()
        site.mercure.publish("/other", "x", jwt="a.b.c", on_commit=site.db.session)
        site.db.session.commit()
    assert [authorization for authorization, _fields in hub.requests] == ["Bearer a.b.c"]
    assert site.count() == 0


def test_a_second_database_has_an_outbox_of_its_own(hub: FakeHub, tmp_path: Path) -> None:
    app = Flask("binds")
    app.config.update(
        SECRET_KEY=SECRET,
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / 'one.db'}",
        SQLALCHEMY_BINDS={"archive": f"sqlite:///{tmp_path / 'archive.db'}"},
        MERCURE_HUB_URL=nowhere(),
        MERCURE_OUTBOX=True,
    )
    db = SQLAlchemy(app)
    mercure = MercureSSE(app)
    mercure.outbox_table(db.metadata)
    archive = mercure.outbox_table(db.metadatas["archive"])

    @mercure.model_topic("/files", data=["text"])
    class File(db.Model):  # type: ignore[name-defined,misc]
        __bind_key__ = "archive"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str]

    with app.app_context():
        db.create_all()
        db.session.add(File(text="a"))
        db.session.commit()
        assert mercure.flush(PATIENCE)
        with db.engines["archive"].connect() as connection:
            assert len(connection.execute(select(archive)).all()) == 1
        listed = app.test_cli_runner().invoke(args=["mercure", "outbox"]).output
        assert "2:1 " in listed
        assert "1 deleted" in app.test_cli_runner().invoke(args=["mercure", "outbox", "drop", "2:1"]).output
        for engine in db.engines.values():
            engine.dispose()
    for binding in mercure.bindings:
        binding.disconnect()


class Base(DeclarativeBase):
    pass


class Plain(Base):
    __tablename__ = "plain"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


@pytest.mark.parametrize("as_callable", [False, True])
def test_plain_sqlalchemy_gives_its_engine(as_callable: bool, hub: FakeHub, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'plain.db'}")
    app = Flask("plain")
    app.config.update(SECRET_KEY=SECRET, MERCURE_HUB_URL=hub.url, MERCURE_OUTBOX=True)
    mercure = MercureSSE(app)
    mercure.outbox_table(Base.metadata, (lambda: engine) if as_callable else engine)
    with mercure.bind_model(Plain, "/plain", data=["text"]):
        Base.metadata.create_all(engine)
        with sessionmaker(engine)() as session:
            session.add(Plain(text="a"))
            session.commit()
    assert mercure.flush(PATIENCE)
    assert texts(hub) == ["a"]
    engine.dispose()


def test_flask_sqlalchemy_lite_gives_its_engine(hub: FakeHub, tmp_path: Path) -> None:
    from flask_sqlalchemy_lite import SQLAlchemy as Lite

    app = Flask("lite")
    app.config.update(
        SECRET_KEY=SECRET,
        SQLALCHEMY_ENGINES={"default": f"sqlite:///{tmp_path / 'lite.db'}"},
        MERCURE_HUB_URL=hub.url,
        MERCURE_OUTBOX=True,
    )
    db = Lite(app)
    mercure = MercureSSE(app)
    mercure.outbox_table(Base.metadata)
    with app.app_context(), mercure.bind_model(Plain, "/plain", data=["text"]):
        Base.metadata.create_all(db.engine)
        db.session.add(Plain(text="a"))
        db.session.commit()
        assert mercure.flush(PATIENCE)
        db.engine.dispose()
    assert texts(hub) == ["a"]


# What is wrong is told


def test_an_outbox_without_a_table_is_an_error_with_the_fix(tmp_path: Path) -> None:
    app = Flask("no table")
    app.config.update(SECRET_KEY=SECRET, MERCURE_OUTBOX=True)
    mercure = MercureSSE(app)
    engine = create_engine(f"sqlite:///{tmp_path / 'plain.db'}")
    Base.metadata.create_all(engine)
    with mercure.bind_model(Plain), Session(engine) as session:
        session.add(Plain(text="a"))
        with pytest.raises(ConfigurationError, match=r"MERCURE_OUTBOX.*has no outbox.*outbox_table"):
            session.commit()
    engine.dispose()


def test_a_model_of_a_database_without_an_outbox_is_told_when_models_are_first_used(tmp_path: Path) -> None:
    app = Flask("binds")
    app.config.update(
        SECRET_KEY=SECRET,
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / 'one.db'}",
        SQLALCHEMY_BINDS={"archive": f"sqlite:///{tmp_path / 'archive.db'}"},
        MERCURE_OUTBOX=True,
    )
    db = SQLAlchemy(app)
    mercure = MercureSSE(app)
    mercure.outbox_table(db.metadata)

    @mercure.model_topic
    class File(db.Model):  # type: ignore[name-defined,misc]
        __bind_key__ = "archive"
        id: Mapped[int] = mapped_column(primary_key=True)

    with pytest.raises(
        ConfigurationError, match=r"File is published.*outbox_table\(db\.metadatas\['archive'\]"
    ):
        select(File).compile()
    for binding in mercure.bindings:
        binding.disconnect()


def test_an_engine_that_is_not_known_is_an_error_with_the_fix(tmp_path: Path) -> None:
    app = Flask("no engine")
    app.config.update(SECRET_KEY=SECRET, MERCURE_OUTBOX=True, MERCURE_HUB_URL=nowhere())
    MercureSSE(app).outbox_table(Base.metadata)
    result = app.test_cli_runner().invoke(args=["mercure", "outbox"])
    assert result.exit_code == 1
    assert "the engine of mercure_outbox is not known; give it with" in result.output


def test_a_relay_without_an_outbox_is_an_error_with_the_fix(app: Flask) -> None:
    app.config["MERCURE_OUTBOX_RELAY"] = True
    with pytest.raises(ConfigurationError, match=r"MERCURE_OUTBOX_RELAY: .* set MERCURE_OUTBOX, too"):
        MercureSSE(app)


def test_what_is_no_metadata_is_an_error(mercure: MercureSSE) -> None:
    with pytest.raises(ConfigurationError, match=r"metadata: .* give db\.metadata"):
        mercure.outbox_table(Base)


# The thread


def test_a_thread_of_the_app_publishes_and_no_commit_waits_for_the_hub(
    make_site: MakeSite, hub: FakeHub
) -> None:
    site = make_site(hub.url, MERCURE_OUTBOX_RELAY=True)
    hub.delay = 0.2
    site.add("a", "b")
    assert len(texts(hub)) < 2
    wait_until(lambda: texts(hub) == ["a", "b"] and site.count() == 0)


def test_no_thread_is_started_before_it_is_needed(make_site: MakeSite, hub: FakeHub) -> None:
    site = make_site(hub.url, MERCURE_OUTBOX_RELAY=True)
    assert "mercure-relay" not in {thread.name for thread in threading.enumerate()}
    site.app.test_client().get("/")
    assert "mercure-relay" in {thread.name for thread in threading.enumerate()}


def test_a_thread_publishes_what_a_process_before_it_has_left(make_site: MakeSite) -> None:
    site = make_site(None, MERCURE_OUTBOX_RELAY=True)
    subscriber = site.follow()
    [store] = site.app.extensions["mercure_sse"].outbox.stores
    with store.find_engine().begin() as connection:
        store.add(connection, "another process", [(None, Update(("/left",)))], 0.2)
    site.app.test_client().get("/")
    wait_until(lambda: site.count() == 0)
    assert [update.topic for update in subscriber.updates] == ["/left"]


# The commands


def test_the_relay_publishes_what_is_left(make_site: MakeSite, hub: FakeHub) -> None:
    site = make_site(hub.url)
    hub.status = 503
    site.add("a", "b")
    assert site.count() == 2
    hub.status = 200
    rested = site.run("outbox", "retry", "1").output
    assert "1 to be sent again" in rested
    site.app.extensions["mercure_sse"].outbox.hubs._rests_until.clear()
    result = site.run("relay", "--once")
    assert (result.exit_code, result.output) == (0, "2 published, 0 given up, 0 put off\n")
    assert texts(hub)[-2:] == ["a", "b"]


def test_the_relay_runs_until_it_is_stopped_and_tells_what_it_has_moved(
    make_site: MakeSite, hub: FakeHub, tmp_path: Path
) -> None:
    site = make_site(hub.url)
    hub.status = 503
    site.add("a")
    hub.status = 200
    (tmp_path / "relaying.py").write_text(
        f"""
from flask import Flask
from flask_mercure_sse import MercureSSE
from flask_sqlalchemy import SQLAlchemy

app = Flask("relaying")
app.config.update(SECRET_KEY={SECRET!r}, SQLALCHEMY_DATABASE_URI="sqlite:///{tmp_path / "site.db"}")
app.config.update(MERCURE_HUB_URL={hub.url!r}, MERCURE_OUTBOX=True)
db = SQLAlchemy(app)
MercureSSE(app).outbox_table(db.metadata)
"""
    )
    command = [sys.executable, "-m", "flask", "--app", str(tmp_path / "relaying.py"), "mercure", "relay"]
    command.append("--json")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    relay = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: site.count() == 0 or relay.poll() is not None)
        relay.send_signal(signal.SIGTERM)
        told, errors = relay.communicate(timeout=PATIENCE)
    finally:
        relay.kill()
    assert (relay.returncode, errors) == (0, b"")
    assert json.loads(told) == {"published": 1, "given_up": 0, "put_off": 0}
    assert texts(hub) == ["a", "a"]


def test_the_relay_tells_that_a_hub_is_down(make_site: MakeSite) -> None:
    site = make_site(nowhere())
    site.add("a")
    with site.app.app_context():
        site.db.session.execute(site.table.update().values(not_before=0.0))
        site.db.session.commit()
    site.app.extensions["mercure_sse"].outbox.hubs._rests_until.clear()
    result = site.run("relay", "--once")
    assert (result.exit_code, result.output) == (1, "0 published, 0 given up, 1 put off\n")
    result = site.run("relay", "--once", "--json")
    assert (result.exit_code, json.loads(result.output)) == (0, {"published": 0, "given_up": 0, "put_off": 0})


def test_the_outbox_lists_retries_and_drops(make_site: MakeSite, hub: FakeHub) -> None:
    site = make_site(hub.url)
    assert site.run("outbox").output == "The outbox is empty.\n"
    hub.status, hub.answer = 413, "too large"
    site.add("a", "b", "c")
    lines = site.run("outbox").output.splitlines()
    assert lines[0].split() == ["ID", "STATE", "TRIES", "AGE", "TOPIC", "ERROR"]
    assert lines[1].startswith("1   given up")
    assert "413: too large" in lines[1]
    assert '"a"' not in lines[1]
    assert site.run("outbox", "drop", "1").output == "1 deleted\n"
    assert site.run("outbox", "retry", "2").output == "1 to be sent again\n"
    assert [line.split()[1] for line in site.run("outbox", "list").output.splitlines()[1:]] == [
        "waits",
        "given",
    ]
    assert site.run("outbox", "drop", "--all").output == "1 deleted\n"
    assert site.count() == 1


def test_the_outbox_answers_in_json(make_site: MakeSite, hub: FakeHub) -> None:
    site = make_site(hub.url)
    assert json.loads(site.run("outbox", "--json").output) == []
    hub.status, hub.answer = 413, "too large"
    site.add("a", "b")
    first, second = json.loads(site.run("outbox", "list", "--json").output)
    assert (first["id"], first["state"], first["tries"], first["topic"]) == ("1", "given up", 0, "/notes")
    assert first["error"].endswith("413: too large")
    assert json.loads(site.run("outbox", "retry", "--json", first["id"]).output) == {"retried": 1}
    [again, _] = json.loads(site.run("outbox", "--json").output)
    assert (again["state"], again["error"]) == ("waits", None)
    assert json.loads(site.run("outbox", "drop", "--json", second["id"]).output) == {"dropped": 1}


def test_json_of_a_command_of_the_outbox_is_asked_of_that_command(make_site: MakeSite) -> None:
    result = make_site(None).run("outbox", "--json", "drop", "1")
    assert result.exit_code == 2
    assert "--json: give it after drop" in result.output


@pytest.mark.parametrize("arguments", [["drop"], ["retry"], ["drop", "--all", "1"]])
def test_what_is_dropped_or_sent_again_must_be_said(arguments: list[str], make_site: MakeSite) -> None:
    result = make_site(None).run("outbox", *arguments)
    assert result.exit_code == 2
    assert "ID: give some, or --all" in result.output


@pytest.mark.parametrize("wrong", ["x", "3:1", "0:1", "1:", ":1:1", "-1"])
def test_a_wrong_id_is_one_line(wrong: str, make_site: MakeSite) -> None:
    result = make_site(None).run("outbox", "drop", "--", wrong)
    assert result.exit_code == 2
    assert "is none; take one from the list" in result.output


def test_the_commands_need_the_key(app: Flask, mercure: MercureSSE) -> None:
    for command in (["relay"], ["outbox"], ["outbox", "retry", "1"], ["outbox", "drop", "1"]):
        result = app.test_cli_runner().invoke(args=["mercure", *command])
        assert result.exit_code == 1
        problem = "MERCURE_OUTBOX: is not set, so there is no outbox; set it to True"
        assert result.output == f"Error: {problem}\n"
        result = app.test_cli_runner().invoke(args=["mercure", *command, "--json"])
        assert (result.exit_code, json.loads(result.output)) == (1, {"error": problem})


def test_a_relay_of_its_own_cannot_reach_an_embedded_hub(make_site: MakeSite) -> None:
    result = make_site(None).run("relay")
    assert result.exit_code == 1
    assert "MERCURE_OUTBOX_RELAY" in result.output


def test_the_relay_needs_the_table(make_site: MakeSite, hub: FakeHub) -> None:
    site = make_site(hub.url)
    with site.app.app_context():
        site.table.drop(site.db.engine)
    for command in (["relay"], ["outbox"]):
        result = site.run(*command)
        assert result.exit_code == 1
        assert result.output.count("\n") == 1
