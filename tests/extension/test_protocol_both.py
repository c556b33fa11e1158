"""An app on its way from Mercure 0.x to 1.0: a hub that speaks both."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_mercure_sse.protocol.keys import read_key, sign
from tests.conftest import SECRET

from .protocols import API, HUB, METADATA_URL, PUBLIC, bearer, make, mercure_of, read


@pytest.fixture
def moving() -> Flask:
    """An app on its way from 0.x to 1.0."""
    return make("both", MERCURE_PUBLIC_HUB_URL="http://localhost")


def old_token(**claims: Any) -> dict[str, str]:
    return bearer(sign({"mercure": claims}, read_key(SECRET)))


def test_a_tab_that_was_opened_before_the_move_goes_on(moving: Flask) -> None:
    mercure, client = mercure_of(moving), moving.test_client()
    old = client.get(f"{HUB}?topic=/books/{{id}}", headers=old_token(subscribe=["/books/{id}"]))
    new = client.get(
        mercure.hub_url("/books/{id}"), headers=bearer(mercure.create_subscription_jwt("/books/{id}"))
    )
    mercure.publish("/books/1", "private", private=True)
    mercure.publish("/books/2", "public")
    assert read(old) == read(new) == ["private", "public"]


def test_the_cookie_of_the_old_version_goes_on_next_to_the_new_one(moving: Flask) -> None:
    mercure, client = mercure_of(moving), moving.test_client()
    client.set_cookie("mercureAuthorization", old_token(subscribe=["/a"])["Authorization"][7:], path=HUB)
    client.set_cookie("mercure_access_token", mercure.create_subscription_jwt("/b"), path=HUB)
    old, new = client.get(f"{HUB}?topic=/a&topic=/b"), client.get(f"{HUB}?match=/a&match=/b")
    for topic in ("/a", "/b"):
        mercure.publish(topic, topic, private=True)
    assert (read(old), read(new)) == (["/a"], ["/b"])


def test_publishers_of_both_versions_publish(moving: Flask) -> None:
    client = moving.test_client()
    new = bearer(mercure_of(moving).create_jwt("publisher_secret_key", publish=["/a"]))
    stream = client.get(f"{HUB}?match=/a")
    for headers in (old_token(publish=["/{x}"]), new):
        assert client.post(HUB, data={"topic": "/a", "data": "x"}, headers=headers).status_code == 200
        assert client.post(HUB, data={"topic": "/b/c"}, headers=headers).status_code == 403
    assert read(stream) == ["x", "x"]


def test_a_token_of_one_version_gives_no_rights_in_the_other(moving: Flask) -> None:
    client, old = moving.test_client(), old_token(subscribe=["*"])
    new = bearer(mercure_of(moving).create_subscription_jwt())
    assert client.get(f"{HUB}?match=/a", headers=old).status_code == 401
    assert client.get(f"{HUB}?topic=/a", headers=new).status_code == 401


def test_a_request_in_two_versions_is_refused(moving: Flask) -> None:
    refused = moving.test_client().get(f"{HUB}?topic=/a&match=/b")
    assert refused.status_code == 400
    assert "two versions" in refused.text


def test_the_api_answers_in_the_version_of_the_token(moving: Flask) -> None:
    mercure, client = mercure_of(moving), moving.test_client()
    new = bearer(mercure.create_subscription_jwt())
    with client.get(f"{HUB}?topic=/a&topic=/{{x}}"), client.get(mercure.hub_url(["/b", "/{y}"])):
        found = [client.get(API, headers=headers) for headers in (old_token(subscribe=["*"]), new)]
    documents = [answer.get_json(force=True) for answer in found]
    assert [answer.content_type for answer in found] == ["application/ld+json", "application/json"]
    assert [one["topic"] for one in documents[0]["subscriptions"]] == ["/a", "/{x}", "/b"]
    assert [one["match"] for one in documents[1]["subscriptions"]] == ["/a", "/b", "/:y"]


def test_documents_of_two_versions_are_never_taken_for_each_other(moving: Flask) -> None:
    """RFC 9110, ETag: a browser that moves on must not keep what it has from before."""
    client = moving.test_client()
    tag = client.get(API, headers=old_token(subscribe=["*"])).headers["ETag"]
    new = bearer(mercure_of(moving).create_subscription_jwt())
    assert client.get(API, headers={**new, "If-None-Match": tag}).status_code == 200


def test_an_old_tab_goes_on_where_both_versions_share_a_cookie() -> None:
    """The app sets MERCURE_AUTHZ_COOKIE_NAME, and another tab of the same browser has the new page."""
    app = make("both", MERCURE_AUTHZ_COOKIE_NAME="push")
    app.add_url_rule("/page", "page", lambda: mercure_of(app).authentified_hub_url("/a"))
    browser = app.test_client()
    browser.set_cookie("push", old_token(subscribe=["/a"])["Authorization"][7:], path=HUB)
    assert browser.head(f"{HUB}?topic=/a").status_code == 200
    browser.get("/page")
    assert browser.head(f"{HUB}?topic=/a").status_code == 200


def test_a_token_in_the_url_counts_before_a_cookie(moving: Flask) -> None:
    """Mercure 0.x, Authorization: what is lower is ignored."""
    browser = moving.test_client()
    browser.set_cookie("mercure_access_token", mercure_of(moving).create_subscription_jwt("/a"), path=HUB)
    url = f"{API}?authorization={old_token(subscribe=['*'])['Authorization'][7:]}"
    assert browser.get(url).status_code == 200


@pytest.mark.parametrize("path", [HUB, API])
def test_every_challenge_tells_where_the_hub_is_described(path: str) -> None:
    """Mercure 1.0, Error Responses: it does no harm in 0.x."""
    client = make("both", MERCURE_PUBLIC_HUB_URL=PUBLIC).test_client()
    refused = client.open(path, method="POST" if path == HUB else "GET")
    assert refused.headers["WWW-Authenticate"] == f'Bearer resource_metadata="{METADATA_URL}"'
