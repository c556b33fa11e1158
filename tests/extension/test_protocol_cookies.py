"""Mercure 1.0: tokens of browsers go into a cookie, and what an app may say in 1.0 alone."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest
from flask import Response, redirect

from flask_mercure_sse import (
    ConfigurationError,
    InvalidUpdate,
    match_exact,
    match_urlpattern,
)

from .protocols import DETAIL, HUB, PUBLIC, cookies, details, in_1_0, make, mercure_of, read, topics


@pytest.mark.parametrize(
    ("protocol", "base_url", "name", "secure"),
    [
        ("0.x", "http://example.com", "mercureAuthorization", {}),
        ("0.x", "https://example.com", "mercureAuthorization", {"Secure": True}),
        ("1.0", "http://example.com", "mercure_access_token", {}),
        ("1.0", "https://example.com", "__Secure-mercure_access_token", {"Secure": True}),
        ("both", "http://example.com", "mercure_access_token", {}),
        ("both", "https://example.com", "__Secure-mercure_access_token", {"Secure": True}),
    ],
)
def test_the_cookie_has_the_versions_name_and_is_for_the_hub_alone(
    protocol: str, base_url: str, name: str, secure: dict[str, bool]
) -> None:
    app = make(protocol)
    with app.test_request_context(base_url=base_url):
        [(given, _token, attributes)] = cookies(mercure_of(app).set_authz_cookie(Response(), "/a"))
        taken = cookies(mercure_of(app).delete_authz_cookie(Response()))
    assert given == name
    lasts = {} if protocol == "0.x" else {"Max-Age": "86398"}
    assert {key: value for key, value in attributes.items() if key != "Expires"} == {
        "HttpOnly": True,
        "Path": HUB,
        "SameSite": "Strict",
        **lasts,
        **secure,
    }
    assert name in [gone for gone, _, _ in taken]
    for gone, nothing, of_gone in taken:
        assert (nothing, of_gone["Path"], of_gone["Max-Age"]) == ("", HUB, "0")
        assert ("Secure" in of_gone) is (bool(secure) or gone.startswith("__Secure-"))


@pytest.mark.parametrize(
    ("name_in", "names"),
    [
        ("0.x", ["push"]),
        ("1.0", ["push", "__Secure-mercure_access_token", "mercure_access_token"]),
        ("both", ["push", "__Secure-mercure_access_token", "mercure_access_token"]),
    ],
)
def test_logging_out_takes_every_token_back_that_the_hub_would_read(name_in: str, names: list[str]) -> None:
    app = make(name_in, MERCURE_AUTHZ_COOKIE_NAME="push")
    with app.test_request_context():
        taken = cookies(mercure_of(app).delete_authz_cookie(Response()))
    assert [name for name, _, _ in taken] == names


@pytest.mark.parametrize(
    ("name_in", "name"),
    [("0.x", "push"), ("1.0", "push"), ("both", "mercure_access_token")],
)
def test_the_name_may_be_another_but_two_versions_have_two(name_in: str, name: str) -> None:
    app = make(name_in, MERCURE_AUTHZ_COOKIE_NAME="push")
    with app.test_request_context():
        [(given, _, _)] = cookies(mercure_of(app).set_authz_cookie(Response(), "/a"))
    assert given == name


@pytest.mark.parametrize("options", [{}, {"secure": False}])
@pytest.mark.parametrize("name_in", ["0.x", "1.0"])
def test_a_name_that_browsers_take_for_https_alone_says_so(name_in: str, options: dict[str, bool]) -> None:
    app = make(name_in, MERCURE_AUTHZ_COOKIE_NAME="__Secure-push")
    with app.test_request_context():
        [(_, _, attributes)] = cookies(mercure_of(app).set_authz_cookie(Response(), "/a", **options))
        taken = cookies(mercure_of(app).delete_authz_cookie(Response(), **options))
    assert attributes["Secure"]
    assert taken[0][2]["Secure"]


@in_1_0
@pytest.mark.parametrize(
    ("config", "options", "name"),
    [
        ({}, {"secure": True}, "__Secure-mercure_access_token"),
        ({"MERCURE_PUBLIC_HUB_URL": PUBLIC}, {}, "__Secure-mercure_access_token"),
        ({"MERCURE_PUBLIC_HUB_URL": PUBLIC}, {"secure": False}, "mercure_access_token"),
    ],
)
def test_the_name_follows_whether_the_cookie_is_for_https_alone(
    protocol: str, config: dict[str, Any], options: dict[str, Any], name: str
) -> None:
    app = make(protocol, **config)
    with app.test_request_context():
        [(given, _, attributes)] = cookies(mercure_of(app).set_authz_cookie(Response(), "/a", **options))
    assert given == name
    assert ("Secure" in attributes) is (options.get("secure", "MERCURE_PUBLIC_HUB_URL" in config))


@in_1_0
def test_an_authentified_url_carries_no_token_and_the_response_does(protocol: str) -> None:
    app = make(protocol)
    app.add_url_rule("/page", "page", lambda: mercure_of(app).authentified_hub_url("/a", {"user": 7}))
    page = app.test_client().get("/page", base_url="https://example.com/prefix")
    [(name, token, attributes)] = cookies(page)
    assert page.text == f"https://example.com/prefix{HUB}?match=%2Fa"
    assert name == "__Secure-mercure_access_token"
    assert (attributes["HttpOnly"], attributes["Secure"], attributes["SameSite"]) == (True, True, "Strict")
    assert attributes["Path"] == f"/prefix{HUB}"
    assert details(token) == [
        {"type": DETAIL, "actions": ["subscribe"], "topics": [{"match": "/a"}], "payload": {"user": 7}}
    ]


@in_1_0
def test_what_several_calls_grant_is_granted_together(protocol: str) -> None:
    app = make(protocol)
    mercure = mercure_of(app)

    @app.get("/page")
    def page() -> str:
        mercure.authentified_hub_url(["/a", "/b"], {"user": 7, "role": "reader"})
        return mercure.authentified_hub_url(["/b", "/books/{id}"], {"role": "writer"})

    [(_, token, _)] = cookies(app.test_client().get("/page"))
    assert topics(token) == ["/a", "/b", "/books/:id", "/books/:id"]  # the pattern, and its text
    assert details(token)[0]["payload"] == {"user": 7, "role": "writer"}


@in_1_0
def test_a_call_without_topics_grants_all_whatever_the_others_do(protocol: str) -> None:
    app = make(protocol)
    mercure = mercure_of(app)

    @app.get("/page")
    def page() -> str:
        mercure.authentified_hub_url("/a")
        mercure.authentified_hub_url()
        return mercure.authentified_hub_url("/b")

    [(_, token, _)] = cookies(app.test_client().get("/page"))
    assert topics(token) == ["*"]


@in_1_0
def test_a_topic_that_is_spelled_like_a_template_is_granted_next_to_it(protocol: str) -> None:
    app = make(protocol)
    mercure = mercure_of(app)

    @app.get("/page")
    def page() -> str:
        return mercure.authentified_hub_url(
            ["/sets/{id}", match_exact("/sets/{id}"), match_urlpattern("/:x")]
        )

    [(_, token, _)] = cookies(app.test_client().get("/page"))
    assert topics(token) == ["/sets/:id", "/sets/{id}", "/:x"]


@in_1_0
def test_a_topic_that_is_spelled_like_one_of_another_call_is_granted_too(protocol: str) -> None:
    app = make(protocol)
    mercure = mercure_of(app)

    @app.get("/page")
    def page() -> str:
        mercure.authentified_hub_url("/sets/{id}")
        return mercure.authentified_hub_url(match_exact("/sets/{id}"))

    [(_, token, _)] = cookies(app.test_client().get("/page"))
    assert topics(token) == ["/sets/:id", "/sets/{id}"]


@in_1_0
def test_a_grant_ends_with_its_request(protocol: str) -> None:
    app = make(protocol)
    app.add_url_rule("/<name>", "page", lambda name: mercure_of(app).authentified_hub_url(f"/{name}"))
    app.add_url_rule("/", "plain", lambda: "no grant")
    browser = app.test_client()
    granted = [[topics(token) for _, token, _ in cookies(browser.get(path))] for path in ("/a", "/", "/b")]
    assert granted == [[["/a"]], [], [["/b"]]]


@in_1_0
def test_a_grant_ends_with_its_request_in_a_context_that_lasts(protocol: str) -> None:
    """As a fixture has it that yields the client within the app's context."""
    app = make(protocol)
    app.add_url_rule("/<name>", "page", lambda name: mercure_of(app).authentified_hub_url(f"/{name}"))
    with app.app_context():
        browser = app.test_client()
        granted = [[topics(token) for _, token, _ in cookies(browser.get(path))] for path in ("/a", "/b")]
    assert granted == [[["/a"]], [["/b"]]]


@in_1_0
def test_a_redirect_carries_the_cookie_too(protocol: str) -> None:
    app = make(protocol)

    @app.get("/page")
    def page() -> Any:
        return redirect(mercure_of(app).authentified_hub_url("/a"))

    answer = app.test_client().get("/page")
    assert (answer.status_code, len(cookies(answer))) == (302, 1)


@in_1_0
def test_a_token_for_a_url_goes_into_the_cookie(protocol: str) -> None:
    app = make(protocol)
    mercure = mercure_of(app)

    @app.get("/page")
    def page() -> str:
        mercure.hub_url("/a", "TOKEN")
        return mercure.hub_url("/b", "TOKEN")

    page_ = app.test_client().get("/page")
    assert [token for _, token, _ in cookies(page_)] == ["TOKEN"]
    assert page_.text == f"http://localhost{HUB}?match=%2Fb"


@in_1_0
def test_two_tokens_for_one_response_are_an_error(protocol: str) -> None:
    app = make(protocol)
    mercure = mercure_of(app)
    with app.test_request_context():
        mercure.hub_url("/a", "ONE")
        with pytest.raises(ConfigurationError, match="subscriber_jwt: one response cannot carry two tokens"):
            mercure.hub_url("/b", "TWO")


@in_1_0
def test_a_token_next_to_other_grants_is_an_error(protocol: str) -> None:
    app = make(protocol)
    mercure = mercure_of(app)
    with app.test_request_context():
        mercure.authentified_hub_url("/a")
        with pytest.raises(ConfigurationError):
            mercure.hub_url("/b", "TOKEN")


@in_1_0
def test_a_cookie_that_the_view_sets_keeps_its_grants(protocol: str) -> None:
    """The browser keeps the last of two."""
    app = make(protocol)
    mercure = mercure_of(app)

    @app.get("/page")
    def page() -> Response:
        return mercure.set_authz_cookie(Response(mercure.authentified_hub_url("/a")), "/b")

    *_, (_, token, _) = cookies(app.test_client().get("/page"))
    assert set(topics(token)) >= {"/a", "/b"}


@in_1_0
def test_without_a_request_there_is_no_response_to_carry_a_cookie(protocol: str) -> None:
    app = make(protocol)
    mercure = mercure_of(app)
    for make_url in (lambda: mercure.authentified_hub_url("/a"), lambda: mercure.hub_url("/a", "TOKEN")):
        with pytest.raises(ConfigurationError, match=r"no request .* call set_authz_cookie\(response\)"):
            make_url()
    assert mercure.hub_url("/a") == f"{HUB}?match=%2Fa"


@in_1_0
@pytest.mark.parametrize("payload", ["Ada", 7, ["Ada"]])
def test_a_payload_that_is_no_dictionary_is_an_error(protocol: str, payload: object) -> None:
    app = make(protocol)
    mercure = mercure_of(app)
    with app.test_request_context():
        for call in (mercure.authentified_hub_url, mercure.create_subscription_jwt):
            with pytest.raises(ConfigurationError, match=r"payload: .* dictionary; give one"):
                call("/a", payload)


@in_1_0
def test_a_grant_that_no_cookie_can_hold_is_an_error_with_the_fix(protocol: str) -> None:
    app = make(protocol)
    many = [f"https://example.com/projects/{number}" for number in range(90)]
    app.add_url_rule("/page", "page", lambda: mercure_of(app).authentified_hub_url(many))
    with pytest.raises(ConfigurationError, match=r"topics: .* grant URI templates"):
        app.test_client().get("/page")


def test_a_url_in_0_x_carries_its_token_and_the_response_has_no_cookie() -> None:
    app = make("0.x")
    app.add_url_rule("/page", "page", lambda: mercure_of(app).authentified_hub_url("/a"))
    page = app.test_client().get("/page")
    assert "authorization" in dict(parse_qsl(urlsplit(page.text).query))
    assert cookies(page) == []


# What an app may publish and grant


@in_1_0
@pytest.mark.parametrize(("topic", "options"), [("*", {}), (["/a", "*"], {}), ("/a", {"type": "mercure"})])
def test_what_only_the_hub_may_say_is_not_published_in_1_0(
    protocol: str, topic: Any, options: dict[str, str]
) -> None:
    app = make(protocol)
    stream = app.test_client().get(mercure_of(app).hub_url(match_urlpattern("*")))
    with pytest.raises(InvalidUpdate):
        mercure_of(app).publish(topic, "x", **options)  # type: ignore[arg-type]
    assert read(stream) == []


@in_1_0
def test_grants_that_only_0_x_has_are_an_error_in_1_0(protocol: str) -> None:
    app = make(protocol)
    with pytest.raises(ConfigurationError, match=r"targets: Mercure 1\.0 tokens have no such grant"):
        mercure_of(app).create_jwt("subscriber_secret_key", subscribe=["/a"], targets=["x"])


def test_selectors_that_only_1_0_has_are_an_error_in_0_x() -> None:
    app = make("0.x")
    mercure = mercure_of(app)
    for topic in (match_urlpattern("/:a"), match_exact("/{a}")):
        for call in (mercure.hub_url, mercure.create_subscription_jwt, mercure.is_connected):
            with pytest.raises(ConfigurationError, match="MERCURE_PROTOCOL"):
                call(topic)


@in_1_0
def test_tokens_end_after_a_day_or_as_set(protocol: str) -> None:
    for lifetime, seconds in ((None, 86400), (60, 60)):
        app = make(protocol, MERCURE_TOKEN_LIFETIME=lifetime)
        token = mercure_of(app).create_subscription_jwt("/a")
        claims = jwt.decode(token, options={"verify_signature": False})
        assert claims["exp"] - claims["iat"] == seconds
        assert abs(claims["iat"] - time.time()) < 5


def test_tokens_of_0_x_have_no_end_unless_it_is_set() -> None:
    for lifetime, ends in ((None, False), (60, True)):
        app = make("0.x", MERCURE_TOKEN_LIFETIME=lifetime)
        token = mercure_of(app).create_subscription_jwt("/a")
        assert ("exp" in jwt.decode(token, options={"verify_signature": False})) is ends
