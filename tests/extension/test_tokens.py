"""Tokens, cookies and URLs for subscribers."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest
from flask import Flask, Response, render_template_string

from flask_mercure_sse import ConfigurationError, MercureSSE, MissingKeyError
from tests.conftest import SECRET

HUB = "/.well-known/mercure"
EXTERNAL = f"https://hub.example.com{HUB}"


def claims(token: str, key: str = SECRET) -> Any:
    return jwt.decode(token, key, algorithms=["HS256"])["mercure"]


def topics(url: str) -> list[str]:
    return [value for name, value in parse_qsl(urlsplit(url).query) if name == "topic"]


# Tokens


@pytest.mark.parametrize(
    ("given", "subscribe"),
    [
        ("/a", ["/a"]),
        (["/a", "/b/{id}"], ["/a", "/b/{id}"]),
        (None, ["*"]),
        (("/a",), ["/a"]),
        ({"/a": 1}.keys(), ["/a"]),
        (iter(["/a", "/b"]), ["/a", "/b"]),
    ],
)
def test_a_subscribers_token_grants_its_topics(given: Any, subscribe: list[str], mercure: MercureSSE) -> None:
    assert claims(mercure.create_subscription_jwt(given)) == {"subscribe": subscribe}


def test_no_topics_are_no_rights(app: Flask, mercure: MercureSSE) -> None:
    """A user without projects must not read everybody's."""
    assert claims(mercure.create_subscription_jwt([])) == {}
    with app.test_request_context():
        url = mercure.authentified_hub_url([])
        cookie = mercure.set_authz_cookie(Response(), topics=[]).headers["Set-Cookie"]
    assert claims(dict(parse_qsl(urlsplit(url).query))["authorization"]) == {}
    assert claims(cookie.partition("=")[2].partition(";")[0]) == {}


def test_the_apps_state_does_not_show_its_secrets(app: Flask) -> None:
    MercureSSE(app, subscriber_secret_key="s" * 32, publisher_secret_key="p" * 32)
    shown = repr(app.extensions["mercure_sse"])
    assert not [secret for secret in (SECRET, "s" * 32, "p" * 32) if secret in shown]


def test_the_payload_getters_result_is_overlaid_by_the_payload(mercure: MercureSSE) -> None:
    asked: list[list[str]] = []

    @mercure.payload_getter
    def payload(topics: list[str]) -> dict[str, Any]:
        asked.append(topics)
        return {"user": 1, "role": "reader"}

    assert payload(["x"]) == {"user": 1, "role": "reader"}
    token = mercure.create_subscription_jwt("/a", {"role": "writer"})
    assert claims(token) == {"subscribe": ["/a"], "payload": {"user": 1, "role": "writer"}}
    assert claims(mercure.create_subscription_jwt("/a"))["payload"] == {"user": 1, "role": "reader"}
    assert asked == [["x"], ["/a"], ["/a"]]


def test_tokens_are_signed_with_the_key_of_their_role(app: Flask) -> None:
    mercure = MercureSSE(app, subscriber_secret_key="s" * 32, publisher_secret_key="p" * 32)
    assert claims(mercure.create_subscription_jwt("/a"), "s" * 32) == {"subscribe": ["/a"]}
    assert claims(mercure.create_jwt("publisher_secret_key", publish=["/a"]), "p" * 32) == {"publish": ["/a"]}
    assert claims(mercure.create_jwt("subscriber_secret_key", a=1), "s" * 32) == {"a": 1}


def test_only_the_two_keys_can_sign(mercure: MercureSSE) -> None:
    with pytest.raises(ConfigurationError, match="key: 'secret_key' is none"):
        mercure.create_jwt("secret_key")  # pyright: ignore[reportArgumentType]


def test_without_a_key_public_updates_flow_and_tokens_name_the_key_to_set() -> None:
    app = Flask("no key")
    mercure = MercureSSE(app)
    with app.test_request_context():
        assert mercure.publish("/a", "x")
        for make in (
            lambda: mercure.create_subscription_jwt("/a"),
            lambda: mercure.create_jwt("subscriber_secret_key"),
            lambda: mercure.set_authz_cookie(Response()),
            lambda: mercure.authentified_hub_url("/a"),
        ):
            with pytest.raises(
                MissingKeyError, match=r"MERCURE_SUBSCRIBER_SECRET_KEY .* flask mercure gen-secret-key"
            ):
                make()


def test_the_apps_secret_key_may_be_set_after_the_extension() -> None:
    app = Flask("late")
    mercure = MercureSSE(app)
    app.secret_key = SECRET
    assert claims(mercure.create_subscription_jwt("/a")) == {"subscribe": ["/a"]}


# URLs


def test_the_embedded_hub_is_at_the_requests_host(app: Flask, mercure: MercureSSE) -> None:
    with app.test_request_context(base_url="https://example.com/prefix"):
        assert mercure.hub_base_url() == f"https://example.com/prefix{HUB}"
        assert mercure.hub_url("/a b", public=False) == f"https://example.com/prefix{HUB}?topic=%2Fa%20b"


def test_outside_a_request_the_embedded_hub_is_at_the_server_name(app: Flask, mercure: MercureSSE) -> None:
    assert mercure.hub_url("/a") == f"{HUB}?topic=%2Fa"
    app.config.update(SERVER_NAME="example.com", PREFERRED_URL_SCHEME="https", APPLICATION_ROOT="/prefix")
    assert mercure.hub_base_url() == f"https://example.com/prefix{HUB}"


def test_an_external_hub_may_have_a_public_and_an_internal_url(app: Flask) -> None:
    mercure = MercureSSE(app, "http://hub:3000", EXTERNAL)
    assert mercure.hub_base_url() == EXTERNAL
    assert mercure.hub_base_url(False) == f"http://hub:3000{HUB}"


def test_a_url_names_topics_token_and_subscriptions(app: Flask, mercure: MercureSSE) -> None:
    with app.test_request_context():
        url = mercure.hub_url(["/a", "b"], "TOKEN", True)
    assert url.startswith(f"http://localhost{HUB}?topic=%2Fa&topic=b&topic=")
    assert url.endswith("&authorization=TOKEN")
    assert topics(url)[2:] == [
        f"{HUB}/subscriptions/%2Fa/{{subscriber}}",
        f"{HUB}/subscriptions/b/{{subscriber}}",
    ]


def test_an_authentified_url_carries_a_token_for_its_topics(app: Flask, mercure: MercureSSE) -> None:
    with app.test_request_context():
        url = mercure.authentified_hub_url("/a", {"user": 1}, with_subscriptions=True)
        everything = mercure.authentified_hub_url()
    token = dict(parse_qsl(urlsplit(url).query))["authorization"]
    assert claims(token) == {"subscribe": topics(url), "payload": {"user": 1}}
    assert claims(dict(parse_qsl(urlsplit(everything).query))["authorization"]) == {"subscribe": ["*"]}


def test_a_hub_at_the_requests_host_is_found_by_browsers_from_the_request(app: Flask) -> None:
    mercure = MercureSSE(app, hub_url=True)
    with app.test_request_context(base_url="https://example.com"):
        assert mercure.hub_url("/a") == f"https://example.com{HUB}?topic=%2Fa"


def test_a_publishers_token_never_goes_to_a_host_that_a_request_made_up(app: Flask) -> None:
    mercure = MercureSSE(app, hub_url=True)
    with (
        app.test_request_context(base_url="https://evil.example"),
        pytest.raises(ConfigurationError, match="TRUSTED_HOSTS"),
    ):
        mercure.publish("/a", "x")
    with app.test_request_context(base_url="http://127.0.0.1:5000"):
        assert mercure.hub_base_url(public=False) == f"http://127.0.0.1:5000{HUB}"
        app.config["TESTING"] = False
        with pytest.raises(ConfigurationError, match="TRUSTED_HOSTS"):
            mercure.publish("/a", "x")
    with pytest.raises(ConfigurationError, match="no request"):
        mercure.publish("/a", "x")
    app.config["SERVER_NAME"] = "example.com"
    with app.test_request_context():
        assert mercure.hub_base_url(public=False) == f"http://example.com{HUB}"


def test_templates_have_the_helpers(app: Flask, mercure: MercureSSE) -> None:
    with app.test_request_context():
        assert render_template_string("{{ mercure_hub_url('a') }}") == f"http://localhost{HUB}?topic=a"
        assert "authorization=" in render_template_string("{{ mercure_authentified_hub_url('a') }}")
        token = render_template_string("{{ mercure_subscriber_jwt(['a']) }}")
        assert claims(token) == {"subscribe": ["a"]}
        assert render_template_string("{{ mercure_topic(7) }}") == "7"
        assert render_template_string("{{ mercure_subscription_topic('a', 'urn:x') }}") == (
            f"{HUB}/subscriptions/a/urn%3Ax"
        )
        assert render_template_string("{{ mercure_subscriptions('a') }}") == "[]"


# Cookies


def set_cookie(response: Response) -> tuple[str, dict[str, str | bool]]:
    first, *attributes = response.headers["Set-Cookie"].split("; ")
    pairs = (attribute.partition("=") for attribute in attributes)
    return first, {name: value or True for name, _, value in pairs}


def test_the_cookie_is_for_the_hub_alone_and_hidden_from_scripts(app: Flask, mercure: MercureSSE) -> None:
    with app.test_request_context():
        response = Response()
        assert mercure.set_authz_cookie(response, "/a") is response
    pair, attributes = set_cookie(response)
    name, _, token = pair.partition("=")
    assert name == "mercureAuthorization"
    assert claims(token) == {"subscribe": ["/a"]}
    assert attributes == {"HttpOnly": True, "Path": HUB, "SameSite": "Strict"}


def test_the_cookie_is_secure_on_https(app: Flask, mercure: MercureSSE) -> None:
    with app.test_request_context(base_url="https://example.com/prefix"):
        _, attributes = set_cookie(mercure.set_authz_cookie(Response(), "/a"))
        assert (attributes["Secure"], attributes["Path"]) == (True, f"/prefix{HUB}")
        _, attributes = set_cookie(mercure.set_authz_cookie(Response(), "/a", secure=False))
        assert "Secure" not in attributes


def test_the_cookie_takes_a_given_token_and_further_options(app: Flask, mercure: MercureSSE) -> None:
    with app.test_request_context():
        response = mercure.set_authz_cookie(
            Response(), None, "a.b.c", None, None, domain="example.com", max_age=60
        )
    pair, attributes = set_cookie(response)
    assert pair == "mercureAuthorization=a.b.c"
    assert (attributes["Domain"], attributes["Max-Age"]) == ("example.com", "60")


def test_the_cookies_name_can_be_configured(app: Flask) -> None:
    mercure = MercureSSE(app, authz_cookie_name="push")
    with app.test_request_context():
        assert set_cookie(mercure.set_authz_cookie(Response(), "/a"))[0].startswith("push=")


def test_a_token_that_no_cookie_can_hold_is_an_error_with_the_fix(app: Flask, mercure: MercureSSE) -> None:
    topics = [f"https://example.com/projects/{number}" for number in range(100)]
    with app.test_request_context(), pytest.raises(ConfigurationError, match=r"topics: .* URI templates"):
        mercure.set_authz_cookie(Response(), topics)


def test_deleting_the_cookie_names_the_same_path(app: Flask, mercure: MercureSSE) -> None:
    with app.test_request_context():
        response = mercure.delete_authz_cookie(Response())
    pair, attributes = set_cookie(response)
    assert pair == "mercureAuthorization="
    assert (attributes["Path"], attributes["Max-Age"]) == (HUB, "0")
