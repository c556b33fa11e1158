"""What `@mercure.model_topic` costs a commit.

    python benchmarks/model_topic.py [--url sqlite://] [--rows 1000] [--runs 15] [--cpu]

Prints the time of commits with the decorator (embedded hub, nobody subscribed) as ratios of the same commits
without it: of many inserts, of many updates, and of inserts of a model that is not bound while another is.
The two take turns, so that both see the same machine; the median of the pairs counts.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from flask_mercure_sse import MercureSSE

db = SQLAlchemy()
mercure = MercureSSE()


class Plain(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    done: Mapped[bool] = mapped_column(default=False)


class Bound(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    done: Mapped[bool] = mapped_column(default=False)


Measure = Callable[[type[db.Model], int], float]
clock = time.perf_counter


def inserts(model: type[db.Model], rows: int) -> float:
    """Return the seconds that making and committing so many rows takes; the program keeps their objects."""
    gc.collect()
    began = clock()
    added = [model(title=f"row {number}") for number in range(rows)]
    db.session.add_all(added)
    db.session.commit()
    return clock() - began


def updates(model: type[db.Model], rows: int) -> float:
    """Return the seconds that changing and committing so many rows takes, once they are loaded."""
    loaded = db.session.scalars(select(model).order_by(model.id).limit(rows)).all()
    gc.collect()
    began = clock()
    for row in loaded:
        row.title += "!"
    db.session.commit()
    return clock() - began


def untouched(model: type[db.Model], rows: int) -> float:
    """Return the seconds of inserts of the model without a binding, whichever is given.

    With the bound one the listeners are there, and hear nothing of these rows.
    """
    if model is Bound:
        return inserts(Plain, rows)
    with_listeners = list(mercure.bindings)
    for binding in with_listeners:
        binding.disconnect()
    try:
        return inserts(Plain, rows)
    finally:
        for binding in with_listeners:
            binding.connect()


def ratio(measure: Measure, rows: int, runs: int) -> tuple[float, float, float]:
    """Return the median seconds without and with a binding, and the median of the pairs' ratios."""
    pairs: list[tuple[float, float]] = []
    for run in range(runs + 2):
        order = (Plain, Bound) if run % 2 else (Bound, Plain)
        seconds = {model: measure(model, rows) for model in order}
        db.session.remove()
        if run > 1:  # the first ones warm up
            pairs.append((seconds[Plain], seconds[Bound]))
    without, bound = (statistics.median(column) for column in zip(*pairs, strict=True))
    return without, bound, statistics.median(with_it / without_it for without_it, with_it in pairs)


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
    app.config.update(SECRET_KEY="a secret that is long enough for HS256", SQLALCHEMY_DATABASE_URI=given.url)
    db.init_app(app)
    mercure.init_app(app)
    mercure.model_topic(Bound)
    with app.app_context():
        db.drop_all()
        db.create_all()
        for name, measure in (("inserts", inserts), ("updates", updates), ("untouched", untouched)):
            without, bound, middle = ratio(measure, given.rows, given.runs)
            per_row = (bound - without) / given.rows * 1e6
            print(
                f"{name:10} without {without * 1e3:7.2f} ms  with {bound * 1e3:7.2f} ms"
                f"  ({per_row:5.1f} us a row)  ratio {middle:.3f}"
            )
        db.drop_all()


if __name__ == "__main__":
    main()
