"""A tab that is open for a day stays authorized: its cookie is given anew in time."""

from __future__ import annotations

import time
from collections.abc import Callable

import jwt
import pytest
from flask import Flask, session
from flask.testing import FlaskClient
from werkzeug.http import parse_cookie
from werkzeug.wrappers import Response

from flask_mercure_sse import ConfigurationError, MercureSSE
from flask_mercure_sse.cookie_renewal import MARK
from tests.conftest import SECRET

HUB = "/.well-known/mercure"
COOKIE = "mercureAuthorization"
LIFETIME = 3600


@pytest.fixture
def app(app: Flask) -> Flask:
    app.config.update(MERCURE_COOKIE_RENEW=True, MERCURE_TOKEN_LIFETIME=LIFETIME)
    return app


@pytest.fixture
def mercure(app: Flask) -> MercureSSE:
    """An app with users, each of whom may read their own notes."""
    mercure = MercureSSE(app)

    @mercure.cookie_renewer
    def give_cookie(response: Response) -> None:
        if "user" in session:
            mercure.set_authz_cookie(response, topics=[f"/notes/{session['user']}"])
        else:
            mercure.delete_authz_cookie(response)

    @app.post("/login/<user>")
    def login(user: str) -> Response:
        session["user"] = user
        response = Response("hello")
        give_cookie(response)
        return response

    @app.post("/forget")
    def forget() -> str:
        session.clear()
        return "gone"

    @app.get("/")
    def page() -> str:
        return "a page"

    @app.get("/shared")
    def shared() -> Response:
        return Response("for all", headers={"Cache-Control": "public"})

    return mercure


@pytest.fixture
def browser(app: Flask, mercure: MercureSSE) -> FlaskClient:
    browser = app.test_client()
    browser.post("/login/7")
    return browser


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let the app's clock be so many seconds ahead; the browser keeps its cookies."""
    real = time.time

    def set_ahead(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return set_ahead


def token_of(browser: FlaskClient) -> str | None:
    cookie = browser.get_cookie(COOKIE, path=HUB)
    return cookie.value if cookie else None


def test_in_the_first_half_of_its_life_the_cookie_stays(
    browser: FlaskClient, later: Callable[[float], None]
) -> None:
    later(LIFETIME * 0.4)
    assert "Set-Cookie" not in browser.get("/").headers


def test_in_the_second_half_any_response_brings_a_new_one(
    browser: FlaskClient, later: Callable[[float], None]
) -> None:
    later(LIFETIME * 0.6)
    browser.get("/")
    token = token_of(browser)
    assert token is not None
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False})
    assert claims["mercure"]["subscribe"] == ["/notes/7"]
    assert claims["exp"] >= time.time() + LIFETIME - 5
    assert "Set-Cookie" not in browser.get("/").headers


@pytest.mark.parametrize("lifetime", [4, 3600.5])
def test_browsers_have_no_cookie_any_more_when_its_token_ends(lifetime: float, app: Flask) -> None:
    """With one that has ended they would be refused for good, and come back no more."""
    app.config["MERCURE_TOKEN_LIFETIME"] = lifetime
    mercure = MercureSSE(app)
    mercure.cookie_renewer(mercure.set_authz_cookie)
    arrives = time.time() + 0.5
    with app.test_request_context():
        cookies = [
            parse_cookie(one) for one in mercure.renew_authz_cookie(Response()).headers.getlist("Set-Cookie")
        ]
    token = cookies[0][COOKIE]
    ends = jwt.decode(token, options={"verify_signature": False})["exp"]
    assert all(arrives + int(cookie["Max-Age"]) < ends for cookie in cookies)


def test_whoever_may_read_no_longer_loses_the_cookie(
    browser: FlaskClient, later: Callable[[float], None]
) -> None:
    browser.post("/forget")
    later(LIFETIME * 0.6)
    browser.get("/")
    assert (token_of(browser), browser.get_cookie(MARK)) == (None, None)


def test_a_browser_that_never_had_one_gets_none(app: Flask, mercure: MercureSSE) -> None:
    assert "Set-Cookie" not in app.test_client().get("/").headers


def test_a_response_that_caches_share_carries_no_cookie(
    browser: FlaskClient, later: Callable[[float], None]
) -> None:
    later(LIFETIME * 0.6)
    assert "Set-Cookie" not in browser.get("/shared").headers


def test_what_a_response_says_of_the_cookie_itself_stays(
    browser: FlaskClient, later: Callable[[float], None]
) -> None:
    later(LIFETIME * 0.6)
    cookies = browser.post("/login/8").headers.getlist("Set-Cookie")
    assert len([cookie for cookie in cookies if cookie.startswith(COOKIE)]) == 1


def test_a_page_that_does_nothing_but_wait_has_a_url_for_it(app: Flask, browser: FlaskClient) -> None:
    with app.test_request_context():
        url = app.jinja_env.from_string("{{ mercure_cookie_url() }}").render()
    answer = browser.post(url)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (204, "no-store")
    assert {cookie.partition("=")[0] for cookie in answer.headers.getlist("Set-Cookie")} >= {COOKIE, MARK}


def test_where_nothing_is_renewed_the_url_says_how_to_begin() -> None:
    app = Flask("without renewal")
    MercureSSE(app)
    with app.test_request_context(), pytest.raises(ConfigurationError, match="set MERCURE_COOKIE_RENEW"):
        app.jinja_env.from_string("{{ mercure_cookie_url() }}").render()


def test_the_mark_tells_scripts_nothing_and_goes_to_this_site_alone(app: Flask, mercure: MercureSSE) -> None:
    answer = app.test_client().post("/login/7", base_url="https://example.com")
    [mark] = [one for one in answer.headers.getlist("Set-Cookie") if one.startswith(MARK)]
    assert {"HttpOnly", "SameSite=Strict", "Secure", "Path=/"} <= set(mark.split("; "))


@pytest.mark.parametrize("mark", ["nonsense", "", "nan", "1e999"])
def test_a_mark_that_was_made_up_does_no_harm(mark: str, browser: FlaskClient) -> None:
    browser.set_cookie(MARK, mark)
    assert browser.get("/").status_code == 200


def test_an_error_while_renewing_does_not_break_the_page(
    mercure: MercureSSE,
    browser: FlaskClient,
    later: Callable[[float], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    @mercure.cookie_renewer
    def fail(_response: Response) -> None:
        raise ZeroDivisionError

    later(LIFETIME * 0.6)
    assert browser.get("/").data == b"a page"
    assert "could not be renewed" in caplog.text


def test_without_a_function_that_renews_the_first_cookie_is_an_error(app: Flask) -> None:
    mercure = MercureSSE(app)
    with app.test_request_context(), pytest.raises(ConfigurationError, match=r"@mercure\.cookie_renewer"):
        mercure.set_authz_cookie(Response(), topics=["/a"])


def test_tokens_without_an_end_have_nothing_to_renew() -> None:
    app = Flask("endless")
    app.config.update(SECRET_KEY=SECRET, MERCURE_COOKIE_RENEW=True)
    with pytest.raises(ConfigurationError, match=r"MERCURE_COOKIE_RENEW.*set MERCURE_TOKEN_LIFETIME"):
        MercureSSE(app)


def test_it_is_off_by_default() -> None:
    app = Flask("plain")
    app.config.update(SECRET_KEY=SECRET)
    mercure = MercureSSE(app)
    with app.test_request_context():
        cookies = mercure.set_authz_cookie(Response()).headers.getlist("Set-Cookie")
    assert len(cookies) == 1
    assert "/mercure/cookie" not in {rule.rule for rule in app.url_map.iter_rules()}
