"""A task board that several people share: what one of them changes, all the others see at once.

Run it with ``python examples/board/app.py`` and open it in two windows.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
from pathlib import Path

from api import MAX_CARD_LIMIT, MAX_NOTE, MAX_TITLE, api
from flask import Flask, Response, abort, make_response, redirect, render_template, request, session, url_for
from models import db, mercure, notes_topic
from sample import add_sample
from sqlalchemy import URL, inspect
from werkzeug.serving import make_server
from werkzeug.wrappers import Response as AnyResponse

HERE = Path(__file__).resolve().parent
NAMES = ["Ada", "Grace", "Katherine", "Tim"]
MAX_NAME = 40

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def create_app() -> Flask:
    """Return the app, with its tables made."""
    app = Flask(__name__, root_path=str(HERE), instance_path=str(HERE / "instance"))
    instance = Path(app.instance_path)
    database = Path(os.environ.get("BOARD_DATABASE") or instance / "board.sqlite").absolute()
    database.parent.mkdir(parents=True, exist_ok=True)
    app.config.from_mapping(
        SECRET_KEY=os.environ.get("BOARD_SECRET_KEY") or kept_secret(instance / "secret_key"),
        SESSION_COOKIE_NAME="board",
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=64 * 1024,
        SQLALCHEMY_DATABASE_URI=URL.create("sqlite", database=str(database)),
        # Each update gets its topic as type, so one EventSource can tell the topics apart.
        MERCURE_TYPE_IS_TOPIC=True,
    )
    db.init_app(app)
    mercure.init_app(app)
    app.register_blueprint(api)
    app.add_url_rule("/", "board", show_board)
    app.add_url_rule("/sign-in", "sign_in", show_sign_in)
    app.add_url_rule("/sign-in", "signed_in", sign_in, methods=["POST"])
    app.add_url_rule("/sign-out", "sign_out", sign_out, methods=["POST"])
    app.before_request(refuse_other_sites)
    app.after_request(secure)
    with app.app_context():
        is_new = not inspect(db.engine).has_table("list")
        db.create_all()
        if is_new:
            add_sample()
    return app


def kept_secret(file: Path) -> str:
    """Return the secret in a file, made with the first call: sessions outlive a restart."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as new:
            new.write(secrets.token_urlsafe(48))
    return file.read_text()


# Pages


def show_board() -> AnyResponse:
    user = session.get("user")
    if user is None:
        return redirect(url_for("sign_in"))
    page = render_template(
        "board.html",
        user=user,
        notes_topic=notes_topic(user),
        max_title=MAX_TITLE,
        max_note=MAX_NOTE,
        max_card_limit=MAX_CARD_LIMIT,
    )
    # The right to read private updates travels in a cookie that no script can read and only the hub gets;
    # in a URL it would end up in logs and histories.
    return mercure.set_authz_cookie(make_response(page), topics=[notes_topic(user)])


def show_sign_in(problem: str | None = None) -> AnyResponse:
    page = render_template("sign_in.html", names=NAMES, max_name=MAX_NAME, problem=problem)
    return make_response(page, 400 if problem else 200)


def sign_in() -> AnyResponse:
    name = " ".join(request.form.get("name", "").split())
    if not name or len(name) > MAX_NAME:
        return show_sign_in(f"A name has 1 to {MAX_NAME} characters.")
    session["user"] = name
    return redirect(url_for("board"))


def sign_out() -> AnyResponse:
    session.clear()
    return mercure.delete_authz_cookie(redirect(url_for("sign_in")))


def refuse_other_sites() -> None:
    """Refuse what another site's page sends; browsers say so in this header (`Fetch Metadata`)."""
    origin = request.headers.get("Sec-Fetch-Site", "same-origin")
    if request.method not in ("GET", "HEAD", "OPTIONS") and origin not in ("same-origin", "none"):
        abort(403)


def secure(response: Response) -> Response:
    response.headers.update(SECURITY_HEADERS)
    if response.mimetype == "text/html":
        # A page holds a user's name and topic: going back after a change of user must not show it.
        response.headers["Cache-Control"] = "no-store"
    return response


# Serving


def main() -> None:
    """Serve the board on this machine until Ctrl-C or SIGTERM."""
    # The default action of SIGTERM would end the process with an error; this ends it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    try:
        server = make_server("127.0.0.1", int(os.environ.get("PORT", "5000")), create_app(), threaded=True)
        print(f"Board: http://127.0.0.1:{server.port}/", flush=True)
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
