"""The signals that tell what became of updates."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

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


def tell_published(sender: object, updates: Iterable[Update]) -> None:
    """Send ``update_published`` for each update; an error of its receivers goes to the log."""
    for update in updates if update_published.receivers else ():
        try:
            update_published.send(sender, update=update)
        except Exception:
            logger.exception("A receiver of update_published failed")


def tell_failed(sender: object, updates: Iterable[Update], error: PublishError) -> None:
    """Send ``publish_failed`` for each update; an error of its receivers goes to the log."""
    for update in updates if publish_failed.receivers else ():
        try:
            send_failed(sender, update, error)
        except Exception:
            logger.exception("A receiver of publish_failed failed")


def send_failed(sender: object, update: Update | None, error: BaseException) -> None:
    """Send ``publish_failed``, unless one of its receivers runs: telling what that causes would never end."""
    if getattr(_telling, "is_on", False):
        return
    _telling.is_on = True
    try:
        publish_failed.send(sender, update=update, error=error)
    finally:
        _telling.is_on = False


_telling = threading.local()
