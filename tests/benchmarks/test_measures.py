"""The loads that hubs are measured with, on our own. They are small: nothing here says how fast it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from benchmarks.hubs.client import Client
from benchmarks.hubs.contender import RunningHub, running
from benchmarks.hubs.generator import run
from benchmarks.hubs.measures import MEASURES, Sizes
from benchmarks.hubs.options import read_options

KEY = "the key of all tokens, long enough for HS256"
SMALL = Sizes(subscribers=20, rate=50, seconds=0.2, topics=60, patterns=40, publishers=8)


@pytest.fixture(scope="module", params=["0.x", "1.0"])
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def hub(protocol: str) -> Iterator[RunningHub]:
    [ours] = read_options("", ["--protocol", protocol]).hubs
    with running(ours, KEY) as hub:
        yield hub


@pytest.mark.parametrize("measure", MEASURES)
def test_every_load_reaches_our_hub_and_all_of_it_arrives(
    hub: RunningHub, protocol: str, measure: str
) -> None:
    load = MEASURES[measure](Client(protocol, hub.url, KEY), SMALL, hub.pid)

    outcome = run(replace(load, settle=0))

    assert outcome.is_clean
    assert outcome.published > 0
    followers = 1 if measure.startswith(("topics", "patterns")) else len(load.subscribe)
    assert outcome.delivered == outcome.published * followers
    assert outcome.cpu is not None
    assert outcome.cpu > 0
    assert outcome.memory is not None
    assert len(outcome.latencies) == (outcome.delivered if load.rate else 0)


def test_a_token_of_its_own_is_another_one_for_each_subscriber(protocol: str) -> None:
    load = MEASURES["tokens"](Client(protocol, "http://127.0.0.1:1/.well-known/mercure", KEY), SMALL, None)

    assert len(set(load.subscribe)) == SMALL.subscribers


def test_the_many_topics_are_shared_by_as_many_subscribers_as_the_few() -> None:
    client = Client("0.x", "http://127.0.0.1:1/.well-known/mercure", KEY)
    many, few = (MEASURES[measure](client, SMALL, None) for measure in ("topics", "topics-few"))

    assert (len(many.topics), len(few.topics)) == (60, 20)
    assert len(many.subscribe) == len(few.subscribe) == 20
