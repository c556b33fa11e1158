"""A small site with users, each of whom may read their own notes while they are logged in."""

from __future__ import annotations

from flask import Flask, Response, make_response, render_template_string, request, session

from flask_mercure_sse import MercureSSE
from tests.browser.site_app import PAGE

RENEW = 250
"""Milliseconds between two requests of a page that keeps its cookie."""

SCRIPT = """
<script>
  let opened = 0;
  const listening = listen;
  listen = (types, withCredentials) => {
    const first = listening(types, withCredentials);
    source.addEventListener("open", () => opened++);
    return first;
  };
  {% if way == "its url" %}
  setInterval(() => fetch({{ mercure_cookie_url() | tojson }}, {method: "POST"}), {{ pause }});
  {% elif way == "any response" %}
  setInterval(() => fetch("/ping"), {{ pause }});
  {% endif %}
</script>
"""


def create_app(**config: object) -> Flask:
    app = Flask("members")
    app.config.update(SECRET_KEY="the site's own secret, which the hub does not use", **config)
    mercure = MercureSSE(app)

    @mercure.cookie_renewer
    def give_cookie(response: Response) -> None:
        if "user" in session:
            user = session["user"]
            mercure.set_authz_cookie(response, topics=[f"/notes/{user}"], payload={"user": user})
        else:
            mercure.delete_authz_cookie(response)

    @app.get("/login")
    def login() -> Response:
        """Whoever comes here is this user, whose page asks for its cookie again by the way it is told."""
        session["user"] = user = request.args["user"]
        text = render_template_string(
            PAGE + SCRIPT, address=None, topics=[f"/notes/{user}"], way=request.args.get("way"), pause=RENEW
        )
        response = make_response(text)
        give_cookie(response)
        return response

    @app.get("/ping")
    def ping() -> str:
        """What pages ask for anyway."""
        return "pong"

    @app.post("/logout")
    def logout() -> Response:
        user = session.pop("user")
        response = mercure.delete_authz_cookie(Response("good bye"))
        response.call_on_close(lambda: mercure.close_streams(user=user))
        return response

    return app
