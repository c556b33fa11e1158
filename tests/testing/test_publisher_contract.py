"""The contract of publishers finds what breaks it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flask_mercure_sse import PublishError, Update
from flask_mercure_sse.testing import PublisherContract, RemotePublisherContract


class Kept:
    """Keeps what it is given, as the contract wants it."""

    def __init__(self) -> None:
        self.updates: list[Update] = []
        self.closed = 0

    def publish(self, update: Update) -> str:
        self.updates.append(update)
        return update.id

    def close(self) -> None:
        self.closed += 1

    def received(self) -> list[Update]:
        return self.updates


class OtherIds(Kept):
    def publish(self, update: Update) -> str:
        super().publish(update)
        return "another"


class AllPublic(Kept):
    def publish(self, update: Update) -> str:
        return super().publish(replace(update, private=False))


class NothingEmpty(Kept):
    def publish(self, update: Update) -> str:
        return super().publish(update) if update.data else update.id


class NewestFirst(Kept):
    def publish(self, update: Update) -> str:
        self.updates.insert(0, update)
        return update.id


class Twice(Kept):
    def publish(self, update: Update) -> str:
        super().publish(update)
        return super().publish(update)


class Forgetful(Kept):
    def close(self) -> None:
        self.updates.clear()


class ClosedOnce(Kept):
    def close(self) -> None:
        super().close()
        if self.closed > 1:
            raise OSError("closed already")


class ClosedForGood(Kept):
    def publish(self, update: Update) -> str:
        if self.closed:
            raise OSError("closed")
        return super().publish(update)


BROKEN: list[tuple[type[Kept], str]] = [
    (OtherIds, "test_it_returns_the_id_under_which_the_hub_knows_the_update"),
    (AllPublic, "test_an_update_arrives_as_a_whole"),
    (NothingEmpty, "test_an_update_without_data_arrives"),
    (NewestFirst, "test_updates_arrive_in_their_order"),
    (Twice, "test_what_threads_publish_arrives_once_and_in_the_order_of_each"),
    (NewestFirst, "test_what_threads_publish_arrives_once_and_in_the_order_of_each"),
    (Forgetful, "test_what_was_accepted_arrives_though_it_is_closed"),
    (ClosedOnce, "test_it_may_be_closed_unused_and_more_than_once"),
    (ClosedForGood, "test_a_closed_one_begins_anew"),
]


@pytest.mark.parametrize(("broken", "name"), BROKEN)
def test_what_breaks_a_promise_fails(broken: type[Kept], name: str) -> None:
    with pytest.raises((AssertionError, OSError)):
        run(PublisherContract(), name, broken())
    run(PublisherContract(), name, Kept())


def run(contract: PublisherContract, name: str, publisher: Kept) -> None:
    test: Callable[..., None] = getattr(contract, name)
    if "closed_unused" in name:
        test(publisher)
    else:
        test(publisher, publisher.received)


class Failing(Kept):
    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self.error = error

    def publish(self, update: Update) -> str:
        if self.error is not None:
            raise self.error
        return super().publish(update)


DOWN, REFUSES = PublishError("http://hub", None, "no"), PublishError("http://hub", 403, "no")
TELLS = PublishError("http://hub", 403, "the data is not allowed")

FAILING: list[tuple[Exception | None, Exception, str]] = [
    (None, DOWN, "test_a_hub_that_is_down_is_an_error_that_may_pass"),
    (OSError("refused"), DOWN, "test_a_hub_that_is_down_is_an_error_that_may_pass"),
    (REFUSES, DOWN, "test_a_hub_that_is_down_is_an_error_that_may_pass"),
    (None, REFUSES, "test_a_hub_that_refuses_is_an_error_that_stays"),
    (DOWN, REFUSES, "test_a_hub_that_refuses_is_an_error_that_stays"),
    (TELLS, REFUSES, "test_an_error_names_the_hub_and_tells_nothing_of_the_update"),
]


@pytest.mark.parametrize(("wrong", "right", "name"), FAILING)
def test_a_failure_that_is_told_otherwise_fails(wrong: Exception | None, right: Exception, name: str) -> None:
    test: Any = getattr(RemotePublisherContract(), name)
    with pytest.raises(AssertionError):
        test(Failing(wrong))
    test(Failing(right))


def test_one_that_cannot_be_closed_after_an_error_fails() -> None:
    class Broken(Failing, ClosedOnce):
        pass

    with pytest.raises(OSError, match="closed already"):
        RemotePublisherContract().test_after_an_error_it_may_be_closed(Broken(DOWN))
    RemotePublisherContract().test_after_an_error_it_may_be_closed(Failing(DOWN))


def test_each_promise_was_seen_broken() -> None:
    tried = {name for _, name in BROKEN} | {name for _, _, name in FAILING}
    promises = {name for name in dir(RemotePublisherContract) if re.match("test_", name)}
    assert promises - tried == {"test_after_an_error_it_may_be_closed"}
