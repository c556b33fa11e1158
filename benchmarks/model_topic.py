"""What `@mercure.model_topic` costs a commit of many inserted rows.

    python benchmarks/model_topic.py [--rows 1000] [--runs 15]

Prints the time of a commit with the decorator (embedded hub, nobody subscribed) as a ratio of the same
commit without it. The two take turns, so that both see the same machine; the median of the pairs counts.
"""

from __future__ import annotations

import argparse
import statistics
import time

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column

from flask_mercure_sse import MercureSSE

app = Flask(__name__)
app.config.update(SECRET_KEY="a secret that is long enough for HS256", SQLALCHEMY_DATABASE_URI="sqlite://")
db = SQLAlchemy(app)
mercure = MercureSSE(app)


class Plain(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    done: Mapped[bool] = mapped_column(default=False)


@mercure.model_topic
class Bound(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    done: Mapped[bool] = mapped_column(default=False)


def commit_seconds(model: type[db.Model], rows: int) -> float:
    """Return the seconds that making and committing so many rows takes; the program keeps their objects."""
    began = time.perf_counter()
    added = [model(title=f"row {number}") for number in range(rows)]
    db.session.add_all(added)
    db.session.commit()
    return time.perf_counter() - began


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rows", type=int, default=1000)
    options.add_argument("--runs", type=int, default=15)
    given = options.parse_args()
    with app.app_context():
        db.create_all()
        pairs: list[tuple[float, float]] = []
        for run in range(given.runs + 2):
            order = (Plain, Bound) if run % 2 else (Bound, Plain)
            seconds = {model: commit_seconds(model, given.rows) for model in order}
            if run > 1:  # the first ones warm up
                pairs.append((seconds[Plain], seconds[Bound]))
    without, bound = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(with_it / without_it for without_it, with_it in pairs)
    per_row = (bound - without) / given.rows * 1e6
    print(f"without  {without * 1e3:8.2f} ms\nwith     {bound * 1e3:8.2f} ms  ({per_row:.1f} us a row)")
    print(f"ratio    {ratio:8.2f}")


if __name__ == "__main__":
    main()
