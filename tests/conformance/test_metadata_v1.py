"""What a hub says of itself (`Mercure 1.0, Protected Resource Metadata`; `RFC 9728`)."""

from __future__ import annotations

from typing import Any

import pytest

from .client import Answer
from .hub import Hub
from .versions import AUTHORIZATION_DETAIL

pytestmark = [pytest.mark.should, pytest.mark.needs("metadata")]


def _path(hub: Hub) -> str:
    return f"/.well-known/oauth-protected-resource{hub.path}"


def _document(hub: Hub) -> dict[str, Any]:
    return _answer(hub).json()


def _answer(hub: Hub) -> Answer:
    return hub.ask(_path(hub))


def test_it_stands_between_the_host_and_the_path_of_the_hub(hub: Hub) -> None:
    """`RFC 9728, Obtaining Protected Resource Metadata`: open to all."""
    answer = _answer(hub)
    assert (answer.status, answer.content_type) == (200, "application/json")


def test_the_resource_is_the_audience_of_tokens(hub: Hub) -> None:
    """`Mercure 1.0, Protected Resource Metadata`."""
    assert _document(hub)["resource"] == (hub.audience or hub.url)


def test_it_names_the_type_of_details(hub: Hub) -> None:
    """`Mercure 1.0, Protected Resource Metadata`."""
    assert _document(hub)["authorization_details_types_supported"] == [AUTHORIZATION_DETAIL]


def test_it_names_the_header_as_the_way_to_present_a_token(hub: Hub) -> None:
    """`Mercure 1.0, Protected Resource Metadata`."""
    assert _document(hub)["bearer_methods_supported"] == ["header"]


def test_it_names_a_cookie_that_is_read(hub: Hub) -> None:
    """`Mercure 1.0, Protected Resource Metadata`: over plain HTTP it may be one without the prefix."""
    name = _document(hub)["mercure_cookie"]
    assert name == hub.cookie_name or hub.origin.startswith("http:")
    bad = ("Cookie", f"{name}={'rubbish.' * 10}")
    assert hub.subscribe(hub.exactly("x"), headers=[bad]).status == 401


def test_it_tells_whether_there_are_subscription_events(hub: Hub) -> None:
    """`Mercure 1.0, Protected Resource Metadata`: left out where there are none."""
    expected = True if "subscriptions" in hub.features else None
    assert _document(hub).get("mercure_subscriptions") is expected


def test_it_names_no_matcher_type_that_every_hub_has(hub: Hub) -> None:
    """`Mercure 1.0, Protected Resource Metadata`."""
    assert not {"exact", "urlpattern"} & set(_document(hub).get("mercure_matcher_types_supported", []))


def test_it_names_authorization_servers_only_where_there_are_some(hub: Hub) -> None:
    """`RFC 9728, Protected Resource Metadata`: a list is never empty."""
    assert _document(hub).get("authorization_servers", ["one"])


def test_it_tells_no_secret(hub: Hub) -> None:
    """`Mercure 1.0, Security Considerations`."""
    text = _answer(hub).text
    assert hub.publisher_key not in text
    assert hub.subscriber_key not in text


def test_a_strangers_host_header_does_not_make_the_resource(hub: Hub) -> None:
    """`Mercure 1.0, Protected Resource Metadata`: refused, or as ever."""
    headers = [("X-Forwarded-Host", "evil.example"), ("Forwarded", "host=evil.example")]
    answer = hub.ask(_path(hub), headers=headers)
    assert "evil.example" not in answer.text


def test_a_strangers_name_of_the_host_does_not_make_the_resource_either(hub: Hub) -> None:
    """`Mercure 1.0, Protected Resource Metadata`: refused, or as ever."""
    answer = hub.ask(_path(hub), headers=[("Host", "evil.example")])
    assert answer.status in (200, 400, 403, 404, 421)
    assert answer.status != 200 or answer.json()["resource"] == (hub.audience or hub.url)


def test_a_strangers_name_of_the_host_does_not_lead_to_strange_metadata(hub: Hub) -> None:
    """`Mercure 1.0, Error Responses`."""
    answer = hub.request("POST", headers=[("Host", "evil.example")], body=b"")
    assert 400 <= answer.status < 500
    assert "evil.example" not in str(answer.headers)


def test_a_page_may_read_it(hub: Hub) -> None:
    """`Mercure 1.0, Protected Resource Metadata`."""
    if "cors" in hub.features:
        answer = hub.ask(_path(hub), headers=[("Origin", hub.cors_origin)])
        assert answer.headers["Access-Control-Allow-Origin"] in (hub.cors_origin, "*")


def test_head_shows_its_head(hub: Hub) -> None:
    """`RFC 9110, HEAD`."""
    answer = hub.request("HEAD", _path(hub))
    assert (answer.status, answer.content_type, answer.body) == (200, "application/json", b"")
