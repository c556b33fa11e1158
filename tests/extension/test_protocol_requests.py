"""Mercure 1.0 over HTTP: status, challenges and the subscription API."""

from __future__ import annotations

from itertools import islice
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from flask_mercure_sse import (
    match_urlpattern,
)
from flask_mercure_sse.protocol.keys import read_key, sign
from tests.conftest import SECRET

from .protocols import API, FORM, HUB, METADATA_URL, PUBLIC, bearer, make, mercure_of, read


@pytest.fixture
def hub() -> FlaskClient:
    """A client of a hub of 1.0 with a URL, which lets nobody in without a token."""
    return make("1.0", MERCURE_PUBLIC_HUB_URL=PUBLIC, MERCURE_HUB_ALLOW_ANONYMOUS=False).test_client()


def token(hub: FlaskClient, **grants: Any) -> dict[str, str]:
    role = "publisher_secret_key" if "publish" in grants else "subscriber_secret_key"
    return bearer(mercure_of(hub.application).create_jwt(role, **grants))


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", f"{HUB}?match=/a"), ("QUERY", f"{HUB}?match=/a"), ("POST", HUB), ("GET", API)],
)
def test_a_request_without_a_token_is_told_where_the_hub_is_described(
    hub: FlaskClient, method: str, path: str
) -> None:
    """Mercure 1.0, Error Responses."""
    refused = hub.open(path, method=method)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == f'Bearer resource_metadata="{METADATA_URL}"'


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Basic dTpw", "Bearer a.b.c", f"Bearer {'x' * 50}, y"]
)
@pytest.mark.parametrize(("method", "path"), [("GET", f"{HUB}?match=/a"), ("POST", HUB), ("GET", API)])
def test_a_header_of_another_form_is_a_bad_request(
    hub: FlaskClient, method: str, path: str, authorization: str
) -> None:
    """Mercure 1.0, Authorization HTTP Header and Error Responses."""
    refused = hub.open(path, method=method, headers={"Authorization": authorization})
    assert (refused.status_code, refused.text) == (400, "Bad Request\n")
    challenge = f'Bearer error="invalid_request", resource_metadata="{METADATA_URL}"'
    assert refused.headers["WWW-Authenticate"] == challenge


@pytest.mark.parametrize(("method", "path"), [("GET", f"{HUB}?match=/a"), ("POST", HUB), ("GET", API)])
def test_a_bad_token_is_not_told_why(hub: FlaskClient, method: str, path: str) -> None:
    """Mercure 1.0, Error Responses."""
    old = sign({"mercure": {"publish": ["*"], "subscribe": ["*"]}}, read_key(SECRET))
    for bad in ("x" * 50, "not.a.token" * 5, old):
        refused = hub.open(path, method=method, headers=bearer(bad))
        assert (refused.status_code, refused.text) == (401, "Unauthorized\n")
        challenge = f'Bearer error="invalid_token", resource_metadata="{METADATA_URL}"'
        assert refused.headers["WWW-Authenticate"] == challenge


def test_a_right_that_is_missing_is_told(hub: FlaskClient) -> None:
    """Mercure 1.0, Error Responses."""
    for refused in (
        hub.post(HUB, data={"topic": ["/a", "/b"]}, headers=token(hub, publish=["/a"])),
        hub.get(API, headers=token(hub, subscribe=["/a"])),
        hub.get(API, headers=token(hub, subscribe=[f"{API}/{{t}}/{{m}}/{{s}}"])),
    ):
        assert (refused.status_code, refused.text) == (403, "Forbidden\n")
        challenge = f'Bearer error="insufficient_scope", resource_metadata="{METADATA_URL}"'
        assert refused.headers["WWW-Authenticate"] == challenge


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("match=/a", 200),
        ("match_exact=/a&match_urlpattern=/:a", 200),
        ("match=", 200),
        ("match=/a&topic=/b", 200),
        ("match=/a&authorization=x", 200),
        ("", 400),
        ("topic=/a", 400),
        ("match=/a&match_foo=/b", 400),
        ("Match=/a", 400),
        ("match_urlpattern=/(", 400),
        ("match=a%0Ab", 400),
        ("match=%FF", 400),
        (f"match={'x' * 4097}", 400),
        ("&".join(f"match=/{number}" for number in range(101)), 400),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_may_be_asked_of_a_hub(hub: FlaskClient, query: str, status: int) -> None:
    """Mercure 1.0, Subscription."""
    answer = hub.head(f"{HUB}?{query}", headers=token(hub, subscribe=["/a"]))
    assert answer.status_code == status
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"topic": "/a"}, 200),
        ({"topic": "/a", "private": "", "retry": "", "id": "", "type": ""}, 200),
        ({"data": "x"}, 400),
        ({"topic": "*"}, 400),
        ({"topic": ["/a", "*"]}, 400),
        ({"topic": f"{API}/exact/a/b"}, 400),
        ({"topic": "https://other.example/.well-known/%6Dercure"}, 400),
        ({"topic": "/a", "type": "mercure"}, 400),
        ({"topic": "/a", "id": "#7"}, 400),
        ({"topic": "/a", "id": "earliest"}, 400),
        ({"topic": "/a", "id": "a\nb"}, 400),
        ({"topic": "/a", "retry": "+1"}, 400),
        ({"topic": "/b"}, 403),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_may_be_published_on_a_hub(hub: FlaskClient, form: dict[str, Any], status: int) -> None:
    """Mercure 1.0, Publication: what nobody may publish is refused whatever the token."""
    answer = hub.post(HUB, data=form, headers=token(hub, publish=["/a"]))
    assert answer.status_code == status
    if status == 200:
        assert answer.content_type == "text/plain; charset=utf-8"
        assert answer.text
    assert mercure_of(hub.application).publish("/a", id="next") == "next"


def test_only_forms_are_published(hub: FlaskClient) -> None:
    """Mercure 1.0, Publication."""
    headers = token(hub, publish=["*"])
    assert hub.post(HUB, json={"topic": "/a"}, headers=headers).status_code == 400
    assert hub.post(HUB, data="topic=/a&data=%FF", content_type=FORM, headers=headers).status_code == 400
    assert hub.post(f"{HUB}?topic=/a", content_type=FORM, headers=headers).status_code == 400


def test_a_long_list_of_matchers_may_be_sent_in_the_body_of_a_query(hub: FlaskClient) -> None:
    """Mercure 1.0, Subscription: they are united with those of the URL."""
    mercure = mercure_of(hub.application)
    first = mercure.publish("/a", "before")
    mercure.publish("/b", "missed")
    answer = hub.open(
        f"{HUB}?match=/a",
        method="QUERY",
        data={"match_urlpattern": "/:b", "last_event_id": first},
        headers=token(hub, subscribe=["*"]),
    )
    mercure.publish("/c", "live")
    assert answer.headers["Mercure-Last-Event-ID"] == first
    assert read(answer) == ["missed", "live"]
    wrong = hub.open(HUB, method="QUERY", json={"match": "/a"}, headers=token(hub, subscribe=["*"]))
    assert wrong.status_code == 415


def test_a_hub_of_0_x_knows_no_query() -> None:
    """Mercure 0.x, Subscription."""
    client = make("0.x").test_client()
    assert client.open(f"{HUB}?topic=/a", method="QUERY").status_code == 405
    assert client.open(f"{HUB}?topic=/a", method="QUERY", json={}).status_code == 405


def test_a_hub_of_both_takes_a_query_of_1_0_alone_and_says_so() -> None:
    client = make("both").test_client()
    refused = client.open(f"{HUB}?topic=/a", method="QUERY")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize("protocol", ["0.x", "1.0", "both"])
def test_other_methods_are_refused_with_those_that_are_not(protocol: str) -> None:
    client = make(protocol).test_client()
    methods = "GET, HEAD, POST" if protocol == "0.x" else "GET, HEAD, QUERY, POST"
    refused = client.put(HUB)
    assert refused.status_code == 405
    assert client.options(HUB).headers["Allow"] == f"{methods}, OPTIONS"


def test_an_event_of_who_comes_and_goes_has_its_type() -> None:
    """Mercure 1.0, Subscription Events."""
    app = make("1.0")
    mercure, client = mercure_of(app), app.test_client()
    topic = mercure.subscription_topic("/a")
    with client.get(mercure.hub_url(topic), headers=bearer(mercure.create_subscription_jwt(topic))) as stream:
        client.get(f"{HUB}?match=/a").close()
        opening, told = islice(stream.response, 2)
    assert opening == b":\n"
    assert told.count(b"event: mercure\n") == 2


# The subscription API of Mercure 1.0


def test_the_api_lists_who_follows_what(hub: FlaskClient) -> None:
    """Mercure 1.0, Subscription API."""
    reader = token(hub, subscribe=["https://example.com/{id}"], payload={"user": 7})
    everything = token(hub, subscribe=["*"])
    pattern = quote("https://example.com/:id", safe="")
    with hub.get(f"{HUB}?match_urlpattern={pattern}&match=/other", headers=reader):
        found = hub.get(f"{API}/urlpattern/{pattern}", headers=everything)
        assert (found.status_code, found.content_type) == (200, "application/json")
        assert found.json is not None
        [one] = found.json["subscriptions"]
        assert (found.json["id"], found.json["type"]) == (f"{API}/urlpattern/{pattern}", "subscriptions")
        assert (one["match_type"], one["match"]) == ("urlpattern", "https://example.com/:id")
        assert (one["payload"], one["active"]) == ({"user": 7}, True)
        assert hub.get(one["id"], headers=everything).json == one
        last = mercure_of(hub.application).publish("/a", id='"7"')
        link = hub.get(API, headers=everything).headers["Link"]
    assert link == (
        f'<https://example.com{HUB}>; rel="mercure"; last-event-id="\\"7\\""; type="mercure"; content-type="application/json"'
    )
    assert last == '"7"'
    assert hub.get(one["id"], headers=everything).status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("", 200),
        ("/exact/%2Fa", 200),
        ("/exact/%2Fa/urn%3Auuid%3A1", 404),
        ("/exact", 404),
        ("/exact/a/b/c", 404),
        ("/template/%2Fa", 400),
        ("/Exact/%2Fa", 400),
        ("/exact/%FF", 400),
    ],
)
def test_what_the_api_has(hub: FlaskClient, path: str, status: int) -> None:
    """Mercure 1.0, Subscription API."""
    assert hub.get(API + path, headers=token(hub, subscribe=["*"])).status_code == status


@pytest.mark.parametrize(
    "grant", [f"{API}/exact/%2Fa", f"{API}/{{type}}/{{match}}", match_urlpattern(f"{API}/*")]
)
def test_the_api_is_for_those_who_are_granted_its_path(hub: FlaskClient, grant: str) -> None:
    """Mercure 1.0, Subscription API: its path, without its query."""
    headers = token(hub, subscribe=[grant])
    assert hub.get(f"{API}/exact/%2Fa?x=y", headers=headers).status_code == 200
    assert hub.get(API, headers=headers).status_code == 403


def test_a_document_that_is_known_is_not_sent_again(hub: FlaskClient) -> None:
    """Mercure 1.0, Subscription API; RFC 9110, If-None-Match."""
    headers = token(hub, subscribe=["*"])
    tag = hub.get(API, headers=headers).headers["ETag"]
    again = hub.get(API, headers={**headers, "If-None-Match": tag})
    assert (tag, again.status_code, again.text) == ('"earliest"', 304, "")
    mercure_of(hub.application).publish("/a")
    assert hub.get(API, headers={**headers, "If-None-Match": tag}).status_code == 200
