"""What each way to a hub promises, as tests that a publisher of one's own can be run through."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from ..protocol.errors import PublishError
from ..protocol.update import Update
from ..publishers.publisher import Publisher

Received = Callable[[], Sequence[Update]]
"""Waits until what was published has arrived, and returns it in the order in which the hub has it."""

THREADS = 4
EACH = 25
"""Updates that each of several threads publishes."""

PATIENCE = 20.0
"""Seconds in which an update must be accepted, however long the hub takes then."""


class PublisherContract:
    """What each publisher promises; for pytest: inherit it in a class whose name begins with ``Test``.

    It needs two fixtures there. ``publisher`` is a new publisher; ``received`` a callable that waits until
    what was published has arrived, and returns the updates in the order in which the hub has them.
    """

    def test_it_returns_the_id_under_which_the_hub_knows_the_update(
        self, publisher: Publisher, received: Received
    ) -> None:
        update = Update(("/contract",), "x", id="contract:1")
        assert publisher.publish(update) == "contract:1"
        assert [one.id for one in received()] == ["contract:1"]

    def test_an_update_arrives_as_a_whole(self, publisher: Publisher, received: Received) -> None:
        update = Update(
            ("https://example.com/contract?a=1&b=é", "/alternate"),
            'two\nlines, {"é": "+ %2B"}',
            private=True,
            type="contract",
            retry=1500,
        )
        publisher.publish(update)
        assert list(received()) == [update]

    def test_an_update_without_data_arrives(self, publisher: Publisher, received: Received) -> None:
        update = Update(("/contract",))
        publisher.publish(update)
        assert list(received()) == [update]

    def test_updates_arrive_in_their_order(self, publisher: Publisher, received: Received) -> None:
        updates = [Update(("/contract",), str(number)) for number in range(EACH)]
        for update in updates:
            publisher.publish(update)
        assert [one.data for one in received()] == [update.data for update in updates]

    def test_what_threads_publish_arrives_once_and_in_the_order_of_each(
        self, publisher: Publisher, received: Received
    ) -> None:
        problems: list[Exception] = []

        def publish_all(name: int) -> None:
            try:
                for number in range(EACH):
                    publisher.publish(Update((f"/contract/{name}",), str(number)))
            except Exception as error:
                problems.append(error)

        threads = [threading.Thread(target=publish_all, args=(name,)) for name in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert not problems
        arrived = sorted(received(), key=lambda one: one.topic)  # it keeps the order of each
        found = {topic: [one.data for one in some] for topic, some in groupby(arrived, lambda one: one.topic)}
        wanted = [str(number) for number in range(EACH)]
        assert found == {f"/contract/{name}": wanted for name in range(THREADS)}

    def test_what_was_accepted_arrives_though_it_is_closed(
        self, publisher: Publisher, received: Received
    ) -> None:
        update = Update(("/contract",), "x")
        publisher.publish(update)
        publisher.close()
        assert list(received()) == [update]

    def test_it_may_be_closed_unused_and_more_than_once(self, publisher: Publisher) -> None:
        publisher.close()
        publisher.close()

    def test_a_closed_one_begins_anew(self, publisher: Publisher, received: Received) -> None:
        first, second = Update(("/contract",), "before"), Update(("/contract",), "after")
        publisher.publish(first)
        publisher.close()
        assert publisher.publish(second) == second.id
        assert list(received()) == [first, second]


class RemotePublisherContract(PublisherContract):
    """What each publisher promises whose hub is another program, and may fail.

    It needs two fixtures more. ``publisher_to_nowhere`` is a publisher whose hub cannot be reached;
    ``refused_publisher`` one whose hub answers 403, as to a token that is not for the topic.
    """

    def failure(self, publisher: Publisher, update: Update) -> Any:
        """Publish an update, and return the error that became of it, None where there was none.

        To be overridden where a publisher does not wait for the hub, and tells of the error otherwise.
        """
        try:
            publisher.publish(update)
        except Exception as error:
            return error
        return None

    def test_a_hub_that_is_down_is_an_error_that_may_pass(self, publisher_to_nowhere: Publisher) -> None:
        error = self.failure(publisher_to_nowhere, Update(("/contract",), "x"))
        assert isinstance(error, PublishError), f"{error!r} is not a PublishError"
        assert (error.status, error.is_temporary, error.fault) == (None, True, "hub")

    def test_a_hub_that_refuses_is_an_error_that_stays(self, refused_publisher: Publisher) -> None:
        error = self.failure(refused_publisher, Update(("/contract",), "x"))
        assert isinstance(error, PublishError), f"{error!r} is not a PublishError"
        assert (error.status, error.is_temporary) == (403, False)

    def test_an_error_names_the_hub_and_tells_nothing_of_the_update(
        self, refused_publisher: Publisher
    ) -> None:
        error = self.failure(refused_publisher, Update(("/contract",), "the data", private=True))
        assert isinstance(error, PublishError), f"{error!r} is not a PublishError"
        assert error.hub
        assert error.hub in str(error)
        assert "the data" not in str(error)

    def test_after_an_error_it_may_be_closed(self, publisher_to_nowhere: Publisher) -> None:
        self.failure(publisher_to_nowhere, Update(("/contract",), "x"))
        publisher_to_nowhere.close()
        publisher_to_nowhere.close()
