"""A small site: its pages listen to the hub with what the extension gives to views and templates."""

from __future__ import annotations

from flask import Flask, Response, jsonify, make_response, render_template_string, request

from flask_mercure_sse import MercureSSE

PAGE = """
<!doctype html>
<title>Site</title>
<link rel="icon" href="data:,">
<script>
  let address = {{ (address or mercure_hub_url(topics)) | tojson }};
  const hub = address.split("?")[0];
  const heard = [];
  let source;

  function listen(types, withCredentials) {
    source = new EventSource(address, {withCredentials});
    const keep = ({type, data, lastEventId}) => heard.push([type, data, lastEventId]);
    source.onmessage = keep;
    for (const type of types) source.addEventListener(type, keep);
    return new Promise((resolve) => {
      source.onopen = () => resolve("open");
      source.onerror = () => resolve(source.readyState === EventSource.CLOSED ? "refused" : "lost");
    });
  }

  async function discover(url, names) {
    const links = (await fetch(url)).headers.get("Link");
    const [, hub, last] = links.match(/<([^>]*)>; rel="mercure"; last-event-id="([^"]*)"/);
    const [, topic] = links.match(/<([^>]*)>; rel="self"/);
    address = `${hub}?${new URLSearchParams({[names.topic]: topic, [names.cursor]: last})}`;
  }

  async function ask(url, options, names) {
    try {
      const signal = AbortSignal.timeout(15000);
      const answer = await fetch(url, {credentials: "include", cache: "no-store", signal, ...options});
      const read = names.map((name) => answer.headers.get(name));
      const isStream = answer.headers.get("Content-Type") === "text/event-stream";
      const text = isStream ? "a stream" : await answer.text();
      if (isStream) await answer.body.cancel();
      return [answer.status, text, ...read];
    } catch (error) {
      return [0, error.name];
    }
  }
</script>
"""


def create_app(**config: object) -> Flask:
    app = Flask("site")
    app.config.update(config)
    mercure = MercureSSE(app)

    def page(address: str | None = None) -> Response:
        topics = request.args.getlist("topic")
        return make_response(render_template_string(PAGE, address=address, topics=topics))

    @app.get("/public")
    def public() -> Response:
        """Anybody may look."""
        return page()

    @app.get("/members")
    def members() -> Response:
        """Whoever comes here may read the private updates of the grants, without any of all topics."""
        return mercure.set_authz_cookie(page(), request.args.getlist("grant") or None)

    @app.get("/left")
    def left() -> Response:
        """Whoever comes here is no member any more."""
        return mercure.delete_authz_cookie(page())

    @app.get("/rooms")
    def rooms() -> Response:
        """Who comes here is shown by name to those who come to see who is there."""
        topics = request.args.getlist("topic")
        payload = {"name": request.args["name"]}
        return page(mercure.authentified_hub_url(topics, payload, with_subscriptions="watch" in request.args))

    @app.get("/articles/<name>")
    def article(name: str) -> Response:
        """Whoever reads it may go on from there."""
        return mercure.add_link(jsonify(name), f"/articles/{name}", last_event_id=request.args["last"])

    @app.get("/writers")
    def writers() -> Response:
        """Whoever comes here may publish on the guestbook."""
        token = mercure.create_jwt("publisher_secret_key", publish=["/guestbook"])
        return mercure.set_authz_cookie(page(), jwt=token)

    return app
