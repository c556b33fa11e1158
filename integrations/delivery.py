"""Publishing what a transaction has held back, after its commit: nothing here may reach the app."""

from __future__ import annotations

import logging

from flask_mercure_sse.protocol.errors import PublishError

from .failures import report, tell_failed
from .outlets import Held, Outlet

logger: logging.Logger = logging.getLogger(__name__)


def publish_all(held: list[Held]) -> None:
    """Publish updates in their order; each failure is logged and told by ``publish_failed``."""
    for position, (_key, binding, outlet, update) in enumerate(held):
        try:
            outlet.publish(update)
        except PublishError as error:
            if error.status is None:
                # Waiting for it again with each of many updates would hold up the app.
                _give_up(held[position:], outlet, error)
                publish_all([one for one in held[position + 1 :] if one[2] is not outlet])
                return
            report(
                logger,
                "1 update of a committed change was not published",
                error,
                sender=binding,
                update=update,
            )
        except Exception as error:
            report(
                logger,
                "An update of a committed change was not published",
                error,
                sender=binding,
                update=update,
            )


def _give_up(held: list[Held], silent: Outlet, error: PublishError) -> None:
    lost = [(binding, update) for _key, binding, outlet, update in held if outlet is silent]
    logger.error("%d updates of committed changes were not published: %s", len(lost), error)
    untold = PublishError(error.hub, error.status, error.answer)
    for binding, update in lost[1:] if error.is_told else lost:
        tell_failed(logger, untold, sender=binding, update=update)
