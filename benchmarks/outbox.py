"""What the outbox costs a commit.

    python benchmarks/outbox.py [--url sqlite://] [--rows 1000] [--runs 15] [--cpu]

Prints the time of commits with `MERCURE_OUTBOX` as ratios of the same commits of the same model without it,
both with `@mercure.model_topic` and the embedded hub, nobody subscribed: of many inserts, of many updates,
and of one insert. With the outbox a commit writes its updates, publishes them and deletes them, and all of
that is counted; `written` is a commit whose updates stay for a relay, as with a relay in a thread. The two
take turns, so that both see the same machine; the median of the pairs counts.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from unittest.mock import patch

from commits import Commits, Measure, asked, paired, show
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import String, delete
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


Way = Callable[[], AbstractContextManager[object]]


def without_outbox() -> AbstractContextManager[object]:
    return patch.object(AppState, "settings", property(_settings))


def _settings(state: AppState) -> object:
    return replace(_own_settings.fget(state), outbox=None)


_own_settings = AppState.settings


def left_to_a_relay() -> AbstractContextManager[object]:
    return patch.object(Outbox, "publish", lambda _outbox, _batch: None)


def measured(way: Way, measure: Measure) -> float:
    with way():
        return measure()


def clean_up() -> None:
    db.session.remove()
    db.session.execute(delete(outbox))
    db.session.commit()


def main() -> None:
    options = asked(__doc__)
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="a secret that is long enough for HS256",
        SQLALCHEMY_DATABASE_URI=options.url,
        MERCURE_OUTBOX=True,
    )
    db.init_app(app)
    mercure.init_app(app)
    commits = Commits(db.session, options.clock)
    with app.app_context():
        db.drop_all()
        db.create_all()
        for suffix, way in (("", nullcontext), (", written", left_to_a_relay)):
            for name, measure, rows in (
                ("inserts", commits.inserts, options.rows),
                ("updates", commits.updates, options.rows),
                ("one insert", commits.inserts, 1),
            ):
                commit = partial(measure, Row, rows)
                without, with_it = partial(measured, without_outbox, commit), partial(measured, way, commit)
                show(name + suffix, paired(without, with_it, options.runs, clean_up), rows)
        db.drop_all()


if __name__ == "__main__":
    main()
