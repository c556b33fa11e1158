"""What a hub counts, as Prometheus reads it."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import requests
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from flask_mercure_sse.protocol.errors import Refusal, TooManyConnections
from flask_mercure_sse.server.counters import refusal_word
from tests.tokens import encode_token

from .processes import PATIENCE, Stream
from .watched import MAX_BACKLOG, SECRET, Watched

MONITORING = (Path(__file__).parents[2] / "docs/monitoring.md").read_text()
FORGED = encode_token({"mercure": {"publish": ["*"]}}, "a secret that somebody else made up")
OPENMETRICS = "application/openmetrics-text"


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.stop()


def families(watched: Watched) -> dict[str, Metric]:
    """Return what the text format says, by the name that Prometheus stores."""
    found = read_text(watched.get("/metrics").text)
    return {family.name + ("_total" if family.type == "counter" else ""): family for family in found}


def value(watched: Watched, name: str, **labels: str) -> float:
    [sample] = [one for one in families(watched)[name].samples if one.labels == labels]
    assert sample.name == name
    return sample.value


def becomes(watched: Watched, name: str, wanted: float, **labels: str) -> None:
    """Wait until a metric has a value."""
    deadline = time.monotonic() + PATIENCE
    while [one.value for one in families(watched)[name].samples if one.labels == labels] != [wanted]:
        assert time.monotonic() < deadline, families(watched)[name]
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("mercure_connections_total", "counter"),
        ("mercure_connections_open", "gauge"),
        ("mercure_subscribers_total", "counter"),
        ("mercure_subscribers_connected", "gauge"),
        ("mercure_subscriber_disconnects_total", "counter"),
        ("mercure_updates_total", "counter"),
        ("mercure_updates_failed_total", "counter"),
        ("mercure_refusals_total", "counter"),
        ("mercure_history_updates", "gauge"),
        ("mercure_router_groups", "gauge"),
        ("mercure_router_selectors", "gauge"),
        ("mercure_backlog_bytes", "gauge"),
        ("process_open_fds", "gauge"),
        ("process_resident_memory_bytes", "gauge"),
        ("process_cpu_seconds_total", "counter"),
    ],
)
def test_each_metric_has_its_name_and_type(watched: Watched, name: str, kind: str) -> None:
    assert families(watched)[name].type == kind


def test_an_update_that_the_hub_takes_is_counted(watched: Watched) -> None:
    for _ in range(3):
        assert watched.publish(topic="/a").status_code == 200
    assert value(watched, "mercure_updates_total") == 3
    assert value(watched, "mercure_updates_failed_total") == 0
    assert value(watched, "mercure_history_updates") == 3


def test_an_update_that_the_hub_fails_to_take_is_counted_as_such(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(watched.hub._history, "append", lambda *_: 1 / 0)
        assert watched.publish(topic="/a").status_code == 500
    assert value(watched, "mercure_updates_total") == 0
    assert value(watched, "mercure_updates_failed_total") == 1


def test_a_refused_request_is_counted_by_its_status_and_reason(watched: Watched) -> None:
    for token in (FORGED, FORGED, "none"):
        assert watched.publish(token).status_code == 401
    assert watched.publish(data="without a topic").status_code == 400
    with closing(Stream(watched.url)) as stream:  # asks for nothing
        assert stream.status == 400
    assert value(watched, "mercure_refusals_total", status="401", reason="invalid_token") == 2
    assert value(watched, "mercure_refusals_total", status="401", reason="unauthorized") == 1
    assert value(watched, "mercure_refusals_total", status="400", reason="invalid_request") == 2
    assert value(watched, "mercure_updates_total") == 0
    assert value(watched, "mercure_updates_failed_total") == 0


def test_open_streams_are_subscribers_in_groups_with_selectors(watched: Watched) -> None:
    with ExitStack() as streams:
        for query in ("topic=/a", "topic=/a", "topic=/a&topic=/b/{id}"):
            streams.enter_context(closing(Stream(f"{watched.url}?{query}")))
        assert value(watched, "mercure_subscribers_total") == 3
        assert value(watched, "mercure_subscribers_connected") == 3
        assert value(watched, "mercure_router_groups") == 2
        assert value(watched, "mercure_router_selectors") == 2


def test_a_subscriber_that_leaves_is_counted_by_the_reason(watched: Watched) -> None:
    with closing(Stream(f"{watched.url}?topic=/a")):
        assert families(watched)["mercure_subscriber_disconnects_total"].samples == []
    becomes(watched, "mercure_subscriber_disconnects_total", 1, reason="left")
    assert value(watched, "mercure_subscribers_connected") == 0
    assert value(watched, "mercure_subscribers_total") == 1


def test_connections_are_counted_and_those_that_are_open_are_told(watched: Watched) -> None:
    host, port = watched.url.removeprefix("http://").partition("/")[0].split(":")
    with closing(Stream(f"{watched.url}?topic=/a")), socket.create_connection((host, int(port))):
        becomes(watched, "mercure_connections_open", 2)
        assert value(watched, "mercure_connections_total") == 2
    becomes(watched, "mercure_connections_open", 0)
    assert value(watched, "mercure_connections_total") == 2


def test_a_limit_that_is_reached_is_counted_by_its_name(watched: Watched) -> None:
    headers = {"Authorization": f"Bearer {encode_token({'mercure': {'subscribe': ['*']}}, SECRET)}"}
    with ExitStack() as streams:
        opened = [
            streams.enter_context(closing(Stream(f"{watched.url}?topic=/a", **headers))) for _ in range(3)
        ]
    assert [stream.status for stream in opened] == [200, 200, 429]
    assert value(watched, "mercure_refusals_total", status="429", reason="connections_per_token") == 1


def test_a_subscriber_with_too_many_selectors_is_counted_as_such(watched: Watched) -> None:
    query = "&".join(f"topic={number}" for number in range(1001))
    assert requests.get(f"{watched.url}?{query}", timeout=10).status_code == 400
    assert value(watched, "mercure_refusals_total", status="400", reason="too_many_selectors") == 1


def test_bytes_wait_for_a_subscriber_that_does_not_read_until_it_is_sent_home(watched: Watched) -> None:
    host, port = watched.url.removeprefix("http://").partition("/")[0].split(":")
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((host, int(port)))
        slow.sendall(b"GET /.well-known/mercure?topic=/a HTTP/1.1\r\nHost: hub\r\n\r\n")
        becomes(watched, "mercure_subscribers_connected", 1)
        size = MAX_BACKLOG // 2
        while not value(watched, "mercure_backlog_bytes"):
            assert watched.publish(topic="/a", data="x" * size).status_code == 200
        while value(watched, "mercure_subscribers_connected"):
            assert watched.publish(topic="/a", data="x" * size).status_code == 200
    assert value(watched, "mercure_backlog_bytes") == 0
    assert value(watched, "mercure_subscriber_disconnects_total", reason="slow") == 1


def test_nothing_that_a_client_chooses_is_in_the_metrics(watched: Watched) -> None:
    watched.publish(topic="/secret-topic", data="secret-data", id="secret-id", type="secret-type")
    watched.publish("secret-token", topic="/secret-topic")
    watched.publish(topic="secret\x00topic")
    with closing(Stream(f"{watched.url}?topic=/secret-{{selector}}")):
        text = watched.get("/metrics").text
    assert "secret" not in text
    assert SECRET not in text


def test_two_hubs_in_one_process_do_not_see_each_other(watched: Watched) -> None:
    other = Watched()
    try:
        assert watched.publish(topic="/a").status_code == 200
        assert other.publish(FORGED).status_code == 401
        assert (value(watched, "mercure_updates_total"), value(other, "mercure_updates_total")) == (1, 0)
        assert families(watched)["mercure_refusals_total"].samples == []
        assert len(families(other)["mercure_refusals_total"].samples) == 1
    finally:
        other.stop()


@pytest.mark.parametrize(
    "accept",
    [
        f"{OPENMETRICS};version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1",
        f"{OPENMETRICS}; version=one",
        f"text/html, {OPENMETRICS.title()}",
    ],
)
def test_who_asks_for_openmetrics_gets_it(watched: Watched, accept: str) -> None:
    """OpenMetrics 1.0, Protocol Negotiation."""
    watched.publish(topic="/a")
    watched.publish(FORGED)
    answer = watched.get("/metrics", Accept=accept)
    assert answer.headers["Content-Type"].startswith(f"{OPENMETRICS}; version=")
    names = {family.name: family for family in read_openmetrics(answer.text)}
    assert names["mercure_updates"].samples[0].value == 1
    assert names["mercure_refusals"].samples[0].value == 1


@pytest.mark.parametrize(
    "accept", ["", "*/*", "text/plain;version=0.0.4", "text/plain;version=x", "é, \x80;;,="]
)
def test_everybody_else_gets_the_text_format(watched: Watched, accept: str) -> None:
    """Prometheus, Exposition Formats."""
    answer = watched.get("/metrics", Accept=accept)
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert [family.name for family in read_text(answer.text)]


# The documentation


def documented(column: int, heading: str) -> list[tuple[str, ...]]:
    """Return the rows of the first table below a heading, up to a column, without their backticks."""
    section = MONITORING.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \|$", section, re.MULTILINE)
    return [tuple(cell.strip(" `") for cell in row.split("|")[:column]) for row in rows]


def test_the_documented_metrics_are_those_that_there_are(watched: Watched) -> None:
    own = {(name, family.type) for name, family in families(watched).items() if name.startswith("mercure_")}
    assert {(name.partition("{")[0], kind) for name, kind in documented(2, "Metrics")} == own


def test_the_documented_labels_are_those_that_there_are(watched: Watched) -> None:
    watched.publish(FORGED)
    with closing(Stream(f"{watched.url}?topic=/a")):
        pass
    becomes(watched, "mercure_subscriber_disconnects_total", 1, reason="left")
    labels = {name: set(family.samples[0].labels) for name, family in families(watched).items()}
    for (signature,) in documented(1, "Metrics"):
        name, _, listed = signature.rstrip("}").partition("{")
        assert labels[name] == set(listed.split(",")) - {""}


def test_every_reason_for_which_the_protocol_refuses_is_documented() -> None:
    kinds = _below(Refusal) - {Refusal, TooManyConnections}  # of the last the limit is told
    words = {(refusal_word(kind), str(kind.status)) for kind in kinds}
    assert words <= {(word, status) for word, status in documented(2, "Reasons of refusals")}


def _below(kind: type[Refusal]) -> set[type[Refusal]]:
    below = {one for sub in kind.__subclasses__() for one in _below(sub)}
    return {kind, *below} if kind.__module__.startswith("flask_mercure_sse.") else below
