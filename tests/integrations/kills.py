"""An app, two relays and a hub that are killed at random: a program of its own.

    python -m tests.integrations.kills DATABASE-URL FOLDER COMMITS SEED

Two processes of the app commit and roll back, until the counter in the database is at COMMITS. The hub
writes each update that it takes into FOLDER/taken, one JSON text a line, before it answers. While all that
goes on, one process after another gets SIGKILL and is started again; at the end they are left alone until
the outbox is empty. Each process is a fork of this one, which loads everything once and has no threads.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from flask import Flask
from sqlalchemy import Engine, String, create_engine, event, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flask_mercure_sse import MercureSSE
from flask_mercure_sse.integrations.outbox_table import outbox_table

PATIENCE = 60.0


class Base(DeclarativeBase):
    pass


class Counter(Base):
    """One row, which all commits change: its updates have an order."""

    __tablename__ = "counter"
    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]


class Note(Base):
    """A row for each commit."""

    __tablename__ = "note"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    kept: Mapped[bool]


outbox = outbox_table(Base.metadata)


def make_engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url)
    engine = create_engine(url, connect_args={"timeout": PATIENCE})

    # SQLAlchemy's recipe; who will write says so at the start, or two who have read could not go on.
    @event.listens_for(engine, "connect")
    def leave_transactions_alone(connection: Any, _record: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def make_app(url: str, port: int) -> tuple[Flask, Engine]:
    app = Flask("site")
    app.config.update(
        SECRET_KEY="a secret that is long enough for HS256",
        MERCURE_HUB_URL=f"http://127.0.0.1:{port}/.well-known/mercure",
        MERCURE_OUTBOX=True,
        MERCURE_CONNECT_TIMEOUT=0.5,
        MERCURE_READ_TIMEOUT=0.5,
    )
    engine = make_engine(url)
    mercure = MercureSSE(app)
    mercure.outbox_table(Base.metadata, engine)
    mercure.bind_model(Counter, ["/counter", "/all"], data=["value"], events="update")
    mercure.bind_model(Note, "/notes", data=["id", "kept"])
    app.extensions["mercure_sse"].outbox.start_within = 0.5  # so that claims of the dead end soon
    return app, engine


# The processes


def commit(url: str, port: int, commits: int) -> None:
    _app, engine = make_app(url, port)
    while True:
        try:
            with Session(engine) as session:
                counter = session.scalars(select(Counter).with_for_update()).one()
                if counter.value >= commits:
                    return
                kept = random.random() < 0.8
                counter.value += 1
                session.add(Note(id=str(uuid4()), kept=kept))
                session.flush()
                if kept:
                    session.commit()
                else:
                    session.rollback()
        except OperationalError:
            time.sleep(0.01)  # a deadlock


def relay(url: str, port: int) -> None:
    app, _engine = make_app(url, port)
    app.test_cli_runner().invoke(args=["mercure", "relay"], catch_exceptions=False)


def take_updates(folder: Path, port: int) -> None:
    taken = os.open(folder / "taken", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:
                return  # who sends it was killed
            os.write(taken, (json.dumps(dict(parse_qsl(body.decode()))) + "\n").encode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


# The killing


class Cast:
    """The processes by name, each with what it does."""

    def __init__(self, roles: dict[str, Callable[[], None]]) -> None:
        self._roles = roles
        self._processes: dict[str, int] = {}
        for name in roles:
            self._start(name)

    def _start(self, name: str) -> None:
        process = os.fork()
        if process == 0:
            try:
                random.seed()
                self._roles[name]()
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        self._processes[name] = process

    def kill(self, name: str, *, again: bool = True) -> None:
        if name in self._processes:
            process = self._processes.pop(name)
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        if again:
            self._start(name)

    def are_done(self, *names: str) -> bool:
        """Tell whether processes have ended by themselves."""
        for name in names:
            process = self._processes.get(name)
            ended, status = (0, 0) if process is None else os.waitpid(process, os.WNOHANG)
            if ended:
                del self._processes[name]
                assert status == 0, f"{name} has failed"
        return not any(name in self._processes for name in names)

    def end(self) -> None:
        for name in list(self._processes):
            self.kill(name, again=False)


def main(url: str, folder: Path, commits: int, seed: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    engine = make_engine(url)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Counter(id=1, value=0))
        session.commit()
    engine.dispose()
    chance, apps = random.Random(seed), ("app 1", "app 2")
    cast = Cast(
        {
            "hub": lambda: take_updates(folder, port),
            **{name: lambda: commit(url, port, commits) for name in apps},
            **{name: lambda: relay(url, port) for name in ("relay 1", "relay 2")},
        }
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while not cast.are_done(*apps):
            assert time.monotonic() < deadline, "the app does not come to an end"
            time.sleep(chance.uniform(0.05, 0.3))
            cast.kill(chance.choice(["hub", "hub", "relay 1", "relay 2", *apps]))
        left = select(func.count()).select_from(outbox)
        while True:
            with engine.connect() as connection:
                if not connection.scalar(left):
                    break
            assert time.monotonic() < deadline, "the outbox does not get empty"
            time.sleep(0.1)
    finally:
        cast.end()
        engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
