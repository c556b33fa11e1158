"""Publishing at once, with what became of each update told."""

from __future__ import annotations

from collections.abc import Sequence

from ..protocol.errors import PublishError
from ..protocol.update import Update
from .counters import PublishCounters
from .delivery import NotSent
from .outcomes import Outcomes
from .publisher import Publisher


class DirectPublisher:
    """Sends updates through another publisher while the caller waits; see :class:`~.publisher.Publisher`.

    :param outcomes: what is told of each update.
    :param tells_failures: whether that goes for failures as well; the caller may try again by itself.
    """

    def __init__(self, publisher: Publisher, outcomes: Outcomes, *, tells_failures: bool = True) -> None:
        self._tells_failures = tells_failures
        self._publisher = publisher
        self._outcomes = outcomes

    @property
    def counters(self) -> PublishCounters:
        """What was counted."""
        return self._outcomes.counters

    def publish(self, update: Update) -> str:
        try:
            event_id = self._publisher.publish(update)
        except PublishError as error:
            if self._tells_failures:
                self._outcomes.refused_at_once([update], error)
            raise
        self._outcomes.published_at_once((update,))
        return event_id

    def publish_many(self, updates: Sequence[Update]) -> list[str]:
        """Publish updates in their order and return their ids.

        :raises PublishError: the hub did not take one; those before it are published.
        """
        ids: list[str] = []
        for update in updates:
            try:
                ids.append(self.publish(update))
            except PublishError:
                self._tell_unsent(updates[len(ids) + 1 :])
                raise
        return ids

    def _tell_unsent(self, updates: Sequence[Update]) -> None:
        if self._tells_failures and updates:
            error = NotSent(self._outcomes.hub, None, "it did not take one before this")
            self._outcomes.refused_at_once(updates, error)

    def close(self) -> None:
        self._publisher.close()
