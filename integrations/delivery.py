"""Publishing what a transaction has held back, after its commit: nothing here may reach the app."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from flask_mercure_sse.protocol.errors import PublishError

from .failures import report, tell_failed
from .outlets import Held, Outlet

logger: logging.Logger = logging.getLogger(__name__)

_outlet = itemgetter(2)


def publish_all(held: list[Held]) -> None:
    """Publish updates in their order; each failure is logged and told by ``publish_failed``."""
    silent: list[Outlet] = []
    begin = 0
    for outlet, group in groupby(held, key=_outlet):
        run = list(group)
        if outlet.never_fails:
            _publish_together(run, outlet)
        elif outlet not in silent and (stop := _publish_each(run, outlet)) is not None:
            # Waiting for it again with each of many updates would hold up the app.
            silent.append(outlet)
            _give_up(held[begin + stop[0] :], outlet, stop[1])
        begin += len(run)


def _publish_together(held: Sequence[Held], outlet: Outlet) -> None:
    try:
        outlet.publish_many([update for _key, _binding, _outlet, update in held])
    except Exception as error:
        what = f"{len(held)} updates of committed changes were not published"
        report(logger, what, error, sender=held[0][1], update=held[0][3])
        for _key, binding, _outlet, update in held[1:]:
            tell_failed(logger, error, sender=binding, update=update)


def _publish_each(held: Sequence[Held], outlet: Outlet) -> tuple[int, PublishError] | None:
    """Publish updates one by one, to the first without an answer; return its position and the error."""
    for position, (_key, binding, _outlet, update) in enumerate(held):
        try:
            outlet.publish(update)
        except Exception as error:
            if isinstance(error, PublishError) and error.status is None:
                return position, error
            what = "1 update of a committed change was not published"
            report(logger, what, error, sender=binding, update=update)
    return None


def _give_up(held: Sequence[Held], silent: Outlet, error: PublishError) -> None:
    lost = [(binding, update) for _key, binding, outlet, update in held if outlet is silent]
    logger.error("%d updates of committed changes were not published: %s", len(lost), error)
    untold = PublishError(error.hub, error.status, error.answer)
    for binding, update in lost[1:] if error.is_told else lost:
        tell_failed(logger, untold, sender=binding, update=update)
