"""What the outbox costs a commit.

    python benchmarks/outbox.py [--url sqlite://] [--rows 1000] [--runs 15] [--cpu]

Prints the time of commits with `MERCURE_OUTBOX` as ratios of the same commits of the same model without it,
both with `@mercure.model_topic` and the embedded hub, nobody subscribed: of many inserts, of many updates,
and of one insert. With the outbox a commit writes its updates, publishes them and deletes them, and all of
that is counted; `written` is a commit whose updates stay for a relay, as with a relay in a thread. The two
take turns, so that both see the same machine; the median of the pairs counts.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from unittest.mock import patch

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from flask_mercure_sse import MercureSSE
from flask_mercure_sse.app_state import AppState
from flask_mercure_sse.integrations.outbox import Outbox

db = SQLAlchemy()
mercure = MercureSSE()
outbox = mercure.outbox_table(db.metadata)


@mercure.model_topic
class Row(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(100))
    done: Mapped[bool] = mapped_column(default=False)


Measure = Callable[[int], float]
clock = time.perf_counter


def inserts(rows: int) -> float:
    """Return the seconds that making and committing so many rows takes; the program keeps their objects."""
    gc.collect()
    began = clock()
    added = [Row(title=f"row {number}") for number in range(rows)]
    db.session.add_all(added)
    db.session.commit()
    return clock() - began


def updates(rows: int) -> float:
    """Return the seconds that changing and committing so many rows takes, once they are loaded."""
    loaded = db.session.scalars(select(Row).order_by(Row.id).limit(rows)).all()
    gc.collect()
    began = clock()
    for row in loaded:
        row.title += "!"
    db.session.commit()
    return clock() - began


def one_insert(_rows: int) -> float:
    """Return the seconds that a commit of one row takes."""
    return inserts(1)


def without_outbox() -> AbstractContextManager[object]:
    return patch.object(AppState, "settings", property(_settings))


def _settings(state: AppState) -> object:
    from dataclasses import replace

    return replace(_own_settings.fget(state), outbox=None)


_own_settings = AppState.settings


def left_to_a_relay() -> AbstractContextManager[object]:
    return patch.object(Outbox, "publish", lambda _outbox, _batch: None)


def ratio(
    measure: Measure, way: Callable[[], AbstractContextManager[object]], rows: int, runs: int
) -> tuple[float, float, float]:
    """Return the median seconds without and with the outbox, and the median of the pairs' ratios."""
    pairs: list[tuple[float, float]] = []
    ways = (without_outbox, way)
    for run in range(runs + 2):
        seconds: dict[bool, float] = {}
        for with_it in (True, False) if run % 2 else (False, True):
            with ways[with_it]():
                seconds[with_it] = measure(rows)
            db.session.remove()
            db.session.execute(delete(outbox))
            db.session.commit()
        if run > 1:  # the first ones warm up
            pairs.append((seconds[False], seconds[True]))
    without, with_it = (statistics.median(column) for column in zip(*pairs, strict=True))
    return without, with_it, statistics.median(after / before for before, after in pairs)


def main() -> None:
    global clock
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--url", default="sqlite://", help="database, emptied before and after")
    options.add_argument("--rows", type=int, default=1000)
    options.add_argument("--runs", type=int, default=15)
    options.add_argument("--cpu", action="store_true", help="measure CPU time: for a machine with other work")
    given = options.parse_args()
    clock = time.process_time if given.cpu else time.perf_counter
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="a secret that is long enough for HS256",
        SQLALCHEMY_DATABASE_URI=given.url,
        MERCURE_OUTBOX=True,
    )
    db.init_app(app)
    mercure.init_app(app)
    with app.app_context():
        db.drop_all()
        db.create_all()
        for name, measure, way in (
            ("inserts", inserts, nullcontext),
            ("updates", updates, nullcontext),
            ("one insert", one_insert, nullcontext),
            ("inserts, written", inserts, left_to_a_relay),
            ("updates, written", updates, left_to_a_relay),
            ("one insert, written", one_insert, left_to_a_relay),
        ):
            without, with_it, middle = ratio(measure, way, given.rows, given.runs)
            print(
                f"{name:20} without {without * 1e3:7.2f} ms  with {with_it * 1e3:7.2f} ms  ratio {middle:.3f}"
            )
        db.drop_all()


if __name__ == "__main__":
    main()
