"""The signals that tell what became of updates."""

from __future__ import annotations

import logging

from blinker import NamedSignal, Namespace

from ..protocol.errors import PublishError
from ..protocol.update import Update

logger: logging.Logger = logging.getLogger(__name__)

_signals = Namespace()

update_published: NamedSignal = _signals.signal(
    "update_published",
    "Sent when a hub has taken an update. Sender: the app. Argument: `update`. In the background it is sent "
    "by the publishing thread, outside of any request.",
)

publish_failed: NamedSignal = _signals.signal(
    "publish_failed",
    "Sent when an update is not published and will not be, or carries less than it should. Sender: the app, "
    "or the binding that could not make the update. Arguments: `error`, the exception, and `update`, None "
    "where it had not been made. In the background it is sent by the publishing thread, outside of any "
    "request.",
)


def tell_published(sender: object, update: Update) -> None:
    """Send ``update_published``; an error of its receivers goes to the log."""
    if update_published.receivers:
        try:
            update_published.send(sender, update=update)
        except Exception:
            logger.exception("A receiver of update_published failed")


def tell_failed(sender: object, update: Update, error: PublishError) -> None:
    """Send ``publish_failed``; an error of its receivers goes to the log."""
    if publish_failed.receivers:
        try:
            publish_failed.send(sender, update=update, error=error)
        except Exception:
            logger.exception("A receiver of publish_failed failed")
