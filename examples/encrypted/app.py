"""Letters that the hub carries and cannot read.

Run it with ``python examples/encrypted/app.py``, and be Ada in one browser and Grace in another.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import time
from pathlib import Path
from typing import Any, cast

from flask import Flask, Response, abort, make_response, redirect, render_template, request, session, url_for
from werkzeug.serving import make_server
from werkzeug.wrappers import Response as AnyResponse

from flask_mercure_sse import MercureSSE
from flask_mercure_sse.encryption import Encryption

HERE = Path(__file__).resolve().parent
MAX_TEXT = 500

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

mercure = MercureSSE()


class Keys:
    """The keys of one reader, the newest first: it encrypts, and the one before opens what is on its way."""

    KEPT = 2

    def __init__(self) -> None:
        self.all = [Encryption.new_key()]

    def change(self) -> None:
        self.all = [Encryption.new_key(), *self.all][: self.KEPT]

    def encrypt(self, data: object) -> str:
        return Encryption(self.all[0]).encrypt(data)


READERS = {name: Keys() for name in ("Ada", "Grace")}


def letters_topic(reader: str) -> str:
    return f"/letters/{reader}"


def create_app() -> Flask:
    """Return the app."""
    app = Flask(__name__, root_path=str(HERE), instance_path=str(HERE / "instance"))
    app.config.from_mapping(
        SECRET_KEY=secrets.token_urlsafe(48),  # a restart makes new keys of all kinds: sign in again
        SESSION_COOKIE_NAME="letters",
        SESSION_COOKIE_SAMESITE="Strict",
        MAX_CONTENT_LENGTH=64 * 1024,
    )
    mercure.init_app(app)
    app.add_url_rule("/", "letters", show_letters)
    app.add_url_rule("/sign-in", "sign_in", sign_in, methods=["GET", "POST"])
    app.add_url_rule("/sign-out", "sign_out", sign_out, methods=["POST"])
    app.add_url_rule("/letters", "send", send, methods=["POST"])
    app.add_url_rule("/keys", "keys", give_keys)
    app.add_url_rule("/keys", "change_key", change_key, methods=["POST"])
    app.before_request(refuse_other_sites)
    app.after_request(secure)
    return app


# The keys and the letters


def give_keys() -> dict[str, Any]:
    """Give a reader the keys, past the hub: a JSON Web Key Set, and since when this reader is listening."""
    return {"keys": READERS[reader()].all, "now": int(time.time())}


def change_key() -> dict[str, Any]:
    READERS[reader()].change()
    return {}


def send() -> dict[str, Any]:
    """Publish a letter on its reader's topic, encrypted with its reader's key.

    It is private as well: without a token for the topic one does not even see that there was a letter.
    """
    body = request.get_json()
    fields = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    to, text = fields.get("to"), fields.get("text")
    if to not in READERS or not isinstance(text, str) or not 0 < len(text) <= MAX_TEXT:
        abort(400)
    letter = {"from": reader(), "text": text}
    mercure.publish(letters_topic(to), READERS[to].encrypt(letter), private=True)
    return {}


def reader() -> str:
    """Return who asks."""
    name = session.get("reader")
    if name not in READERS:
        abort(401)
    return name


# Pages


def show_letters() -> AnyResponse:
    if "reader" not in session:
        return redirect(url_for("sign_in"))
    topic = letters_topic(reader())
    page = render_template("page.html", reader=reader(), readers=READERS, topic=topic, max_text=MAX_TEXT)
    return mercure.set_authz_cookie(make_response(page), topics=[topic])


def sign_in() -> AnyResponse:
    if request.method == "POST":
        if request.form.get("name") not in READERS:
            abort(400)
        session["reader"] = request.form["name"]
        return redirect(url_for("letters"))
    return make_response(render_template("page.html", readers=READERS))


def sign_out() -> AnyResponse:
    session.clear()
    return mercure.delete_authz_cookie(redirect(url_for("sign_in")))


def refuse_other_sites() -> None:
    """Refuse what another site's page asks for, the keys before all; browsers tell (`Fetch Metadata`)."""
    reads = request.method in ("GET", "HEAD", "OPTIONS") and request.endpoint != "keys"
    if not reads and request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        abort(403)


def secure(response: Response) -> Response:
    response.headers.update(SECURITY_HEADERS)
    if request.endpoint != "static":
        # A key in a cache is a key given away, and going back must not show another reader's page.
        response.headers["Cache-Control"] = "no-store"
    return response


def main() -> None:
    """Serve the letters on this machine until Ctrl-C or SIGTERM."""
    # The default action of SIGTERM would end the process with an error; this ends it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    try:
        server = make_server("127.0.0.1", int(os.environ.get("PORT", "5000")), create_app(), threaded=True)
        print(f"Letters: http://127.0.0.1:{server.port}/", flush=True)
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
