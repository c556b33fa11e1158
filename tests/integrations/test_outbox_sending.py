"""Sending updates of the outbox: order, faults, and hubs that are down."""

from __future__ import annotations

import time

import pytest

from flask_mercure_sse.integrations.outbox_sending import (
    MAX_ATTEMPTS,
    MAX_REST,
    MAX_STUMBLES,
    Hubs,
    Outcome,
    Row,
    delay,
)
from flask_mercure_sse.protocol.errors import ConfigurationError, InvalidUpdate, PublishError
from flask_mercure_sse.protocol.update import Update
from flask_mercure_sse.publishers.signals import publish_failed
from tests.integrations.outboxes import Hub

NEVER = float("inf")


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def hubs(hub: Hub) -> Hubs:
    return Hubs(hub.take)


def rows(*topics: str, attempts: int = 0) -> list[Row]:
    return [Row(number, None, Update((topic,)), attempts) for number, topic in enumerate(topics)]


def topics(some: list[Row]) -> list[str]:
    return [row.update.topic for row in some]


def test_updates_are_sent_in_their_order(hub: Hub, hubs: Hubs) -> None:
    outcome = hubs.deliver(rows("/b", "/a", "/c"), NEVER)
    assert hub.topics == topics(outcome.published) == ["/b", "/a", "/c"]


@pytest.mark.parametrize("status", [400, 403, 409, 413, 415, 422])
def test_what_a_hub_refuses_is_given_up_and_stops_nothing(status: int, hub: Hub, hubs: Hubs) -> None:
    hub.answer = lambda update: status if update.topic == "/bad" else 200
    outcome = hubs.deliver(rows("/bad", "/bad/2", "/good"), NEVER)
    assert [(row.update.topic, str(status) in error) for row, error in outcome.refused] == [("/bad", True)]
    assert topics(outcome.published) == ["/bad/2", "/good"]


def test_an_update_that_the_protocol_refuses_is_given_up() -> None:
    def send(_hub: str | None, _update: Update) -> None:
        raise InvalidUpdate("topic", "is the hub's own")

    outcome = Hubs(send).deliver(rows("/a"), NEVER)
    assert [error for _row, error in outcome.refused] == ["topic: is the hub's own"]


def test_what_is_given_up_is_told(hub: Hub, hubs: Hubs) -> None:
    hub.answer = lambda _update: 400
    told: list[tuple[object, Update, BaseException]] = []

    def tell(sender: object, update: Update, error: BaseException) -> None:
        told.append((sender, update, error))

    binding = object()
    row = Row(1, None, Update(("/a",)), binding=binding)
    with publish_failed.connected_to(tell):
        hubs.deliver([row], NEVER)
    [(sender, update, error)] = told
    assert (sender, update) == (binding, row.update)
    assert isinstance(error, PublishError)


@pytest.mark.parametrize("status", [None, 301, 401, 404, 405, 408, 421, 429, 502, 503, 504])
def test_a_hub_that_is_down_is_tried_once_and_left_alone(status: int | None, hub: Hub, hubs: Hubs) -> None:
    hub.answer = lambda _update: status
    outcome = hubs.deliver(rows("/a", "/b", "/c"), NEVER)
    assert topics([one.row for one in outcome.delayed]) == ["/a"]
    assert topics(outcome.left) == ["/b", "/c"]
    assert hubs.resting == [None]
    assert topics(hubs.deliver(rows("/d"), NEVER).left) == ["/d"]
    assert len(hub.tried) == 1


def test_a_setting_that_is_missing_is_no_updates_fault() -> None:
    def send(_hub: str | None, _update: Update) -> None:
        raise ConfigurationError("MERCURE_PUBLISHER_JWT: is missing")

    hubs = Hubs(send)
    outcome = hubs.deliver(rows("/a", "/b"), NEVER)
    assert (len(outcome.delayed), len(outcome.left)) == (1, 1)


def test_waiting_for_a_hub_that_is_down_counts_for_no_update(hub: Hub, hubs: Hubs) -> None:
    hub.is_down()
    [one] = hubs.deliver(rows("/a", attempts=3), NEVER).delayed
    assert one.attempts == 3


def test_another_row_is_the_first_to_be_tried_when_a_rest_is_over(hub: Hub, hubs: Hubs) -> None:
    hub.is_down()
    [one] = hubs.deliver(rows("/a"), NEVER).delayed
    rest = hubs._rests_until[None] - time.monotonic()
    assert one.seconds > rest


def test_hubs_rest_each_for_itself(hub: Hub, hubs: Hubs) -> None:
    hub.answer = lambda update: None if update.topic == "/down" else 200
    some = [Row(1, "http://down", Update(("/down",))), Row(2, None, Update(("/a",)))]
    outcome = hubs.deliver(some, NEVER)
    assert topics(outcome.published) == ["/a"]
    assert hubs.resting == ["http://down"]
    assert hubs.may_take(["http://down", None])
    assert not hubs.may_take(["http://down"])


def test_an_update_that_a_hub_fails_on_stops_only_its_topics(hub: Hub, hubs: Hubs) -> None:
    hub.answer = lambda update: 500 if update.topic == "/bad" else 200
    shared = Row(9, None, Update(("/other", "/bad")))
    outcome = hubs.deliver([*rows("/bad", "/bad", "/good"), shared], NEVER)
    assert [(one.row.id, one.attempts) for one in outcome.delayed] == [(0, 1)]
    assert [row.id for row in outcome.left] == [1, 9]
    assert topics(outcome.published) == ["/good"]


def test_an_update_that_a_hub_keeps_failing_on_is_given_up(hub: Hub, hubs: Hubs) -> None:
    hub.answer = lambda _update: 500
    outcome = hubs.deliver(rows("/bad", attempts=MAX_ATTEMPTS - 1), NEVER)
    assert len(outcome.refused) == 1


def test_a_hub_that_fails_on_everything_is_left_alone(hub: Hub, hubs: Hubs) -> None:
    hub.answer = lambda _update: 500
    outcome = hubs.deliver(rows("/a", "/b", "/c", "/d"), NEVER)
    assert len(outcome.delayed) == MAX_STUMBLES
    assert hubs.resting == [None]


def test_a_hub_whose_rest_is_over_is_asked_by_one_alone(hub: Hub, hubs: Hubs) -> None:
    hub.is_down()
    hubs.deliver(rows("/a"), NEVER)
    hubs._rests_until[None] = 0.0
    asked_too: list[list[str]] = []

    def answer(_update: Update) -> int:
        asked_too.append(topics(hubs.deliver(rows("/b"), NEVER).left))
        return 200

    hub.answer = answer
    hubs.deliver(rows("/a"), NEVER)
    assert asked_too == [["/b"]]
    assert hubs.resting == []


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_hub_that_answers_again_rests_no_more(status: int, hub: Hub, hubs: Hubs) -> None:
    hub.is_down()
    hubs.deliver(rows("/a"), NEVER)
    hubs._rests_until[None] = 0.0
    hub.answer = lambda _update: status
    hubs.deliver(rows("/a"), NEVER)
    assert hubs.resting == []


def test_those_who_fail_together_count_once(hub: Hub, hubs: Hubs) -> None:
    def answer(update: Update) -> None:
        if update.topic == "/a":
            hubs.deliver(rows("/b"), NEVER)  # as another thread does just now

    hub.answer = answer
    hubs.deliver(rows("/a"), NEVER)
    assert len(hub.tried) == 2
    assert hubs._failures[None] == 1


def test_no_update_is_begun_after_the_claim_is_nearly_over(hub: Hub, hubs: Hubs) -> None:
    outcome = hubs.deliver(rows("/a"), time.monotonic() - 1)
    assert topics(outcome.left) == ["/a"]
    assert hub.tried == []


def test_who_is_stopped_begins_no_more(hub: Hub, hubs: Hubs) -> None:
    hubs.stop()
    assert topics(hubs.deliver(rows("/a"), NEVER).left) == ["/a"]


def test_every_row_ends_in_one_list(hub: Hub, hubs: Hubs) -> None:
    answers = {"/ok": 200, "/bad": 400, "/ill": 500, "/down": None}
    hub.answer = lambda update: answers[update.topic]
    some = rows("/ok", "/bad", "/ill", "/ill", "/down", "/ok")
    outcome: Outcome = hubs.deliver(some, NEVER)
    ends = [
        *outcome.published,
        *(row for row, _error in outcome.refused),
        *(one.row for one in outcome.delayed),
        *outcome.left,
    ]
    assert sorted(row.id for row in ends) == [row.id for row in some]


def test_the_wait_grows_to_a_limit_and_is_never_the_same() -> None:
    assert delay(0) <= 1.0 < delay(3) <= 8.0
    assert MAX_REST / 2 <= delay(100) <= MAX_REST
    assert len({delay(3) for _ in range(10)}) > 1
