"""What `@mercure.model_topic` costs a commit.

    python benchmarks/model_topic.py [--url sqlite://] [--rows 1000] [--runs 15] [--cpu]

Prints the time of commits with the decorator (embedded hub, nobody subscribed) as ratios of the same commits
without it: of many inserts, of many updates, and of inserts of a model that is not bound while another is.
The two take turns, so that both see the same machine; the median of the pairs counts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from commits import Commits, asked, paired, show
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from flask_mercure_sse import MercureSSE

db = SQLAlchemy()
mercure = MercureSSE()


class Plain(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(100))
    done: Mapped[bool] = mapped_column(default=False)


@mercure.model_topic
class Bound(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(100))
    done: Mapped[bool] = mapped_column(default=False)


def without_bindings(measure: Callable[[], float]) -> float:
    """Return what a measurement gives while nothing is bound."""
    bindings = list(mercure.bindings)
    for binding in bindings:
        binding.disconnect()
    try:
        return measure()
    finally:
        for binding in bindings:
            binding.connect()


def main() -> None:
    options = asked(__doc__)
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="a secret that is long enough for HS256", SQLALCHEMY_DATABASE_URI=options.url
    )
    db.init_app(app)
    mercure.init_app(app)
    commits = Commits(db.session, options.clock)
    inserts = partial(commits.inserts, Plain, options.rows)
    with app.app_context():
        db.drop_all()
        db.create_all()
        for name, without, with_it in (
            ("inserts", inserts, partial(commits.inserts, Bound, options.rows)),
            (
                "updates",
                partial(commits.updates, Plain, options.rows),
                partial(commits.updates, Bound, options.rows),
            ),
            # With the bound model the listeners are there, and hear nothing of these rows.
            ("untouched", partial(without_bindings, inserts), inserts),
        ):
            show(name, paired(without, with_it, options.runs, db.session.remove), options.rows)
        db.drop_all()


if __name__ == "__main__":
    main()
