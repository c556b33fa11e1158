"""Real clients that nobody here wrote, on the embedded hub behind a real server."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from httpx_sse import connect_sse
from mercure_publisher import MercureConfig, MercurePublisher

from tests.conftest import SECRET
from tests.server.processes import Server, Stream, free_port, serving

HUB = "/.well-known/mercure"
AWKWARD = " leading\n\nempty line\ttab \u2028 \x0b é 🎈\n"


@pytest.fixture(scope="module")
def site() -> Iterator[Server]:
    port = free_port()
    options = ("--app", "tests.server.site:app", "run", "--port", str(port))
    with serving("flask", *options, port=port, SITE_MERCURE_HUB_ALLOW_PUBLISH="true") as server:
        yield server


@pytest.fixture
def publisher(site: Server) -> Iterator[MercurePublisher]:
    config = MercureConfig(
        hub_url=site.url + HUB, publisher_jwt_key=SECRET, publish_topics=["*"], jwt_ttl_seconds=60
    )
    with MercurePublisher(config) as publisher:
        yield publisher


def test_sseclient_reads_what_mercure_publisher_publishes(site: Server, publisher: MercurePublisher) -> None:
    stream = Stream(f"{site.url}{HUB}?topic=/a/%7Bid%7D")
    event_id = publisher.publish(topic=["/a/1", "/b"], data={"title": "é"}, type="changed", retry=2000)
    event = stream.next()
    stream.close()
    assert (event.id, event.event, event.data, event.retry) == (
        event_id,
        "changed",
        '{"title": "\\u00e9"}',
        "2000",
    )


def test_httpx_sse_reads_awkward_data_as_it_was_published(site: Server, publisher: MercurePublisher) -> None:
    with (
        httpx.Client(timeout=20) as client,
        connect_sse(client, "GET", f"{site.url}{HUB}?topic=/a") as source,
    ):
        events = source.iter_sse()
        publisher.publish(topic="/a", data=AWKWARD, id="my-id")
        event = next(events)
    assert (event.id, event.data) == ("my-id", AWKWARD)


def test_a_client_comes_back_with_its_last_event_id(site: Server, publisher: MercurePublisher) -> None:
    first = publisher.publish(topic="/resumed", data="first")
    publisher.publish(topic="/resumed", data="second")
    stream = Stream(f"{site.url}{HUB}?topic=/resumed", **{"Last-Event-ID": first})
    publisher.publish(topic="/resumed", data="third")
    assert stream.response.headers["Last-Event-ID"] == first
    assert [stream.next().data, stream.next().data] == ["second", "third"]
    stream.close()


def test_a_private_update_needs_a_grant(site: Server, publisher: MercurePublisher) -> None:
    stream = Stream(f"{site.url}{HUB}?topic=/a")
    publisher.publish(topic="/a", data="secret", private=True)
    publisher.publish(topic="/a", data="public")
    assert stream.next().data == "public"
    stream.close()
