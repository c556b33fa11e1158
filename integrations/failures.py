"""What becomes of errors in bindings: a line in the log and a signal, and nothing in the app's way."""

from __future__ import annotations

import logging
import traceback

from flask_mercure_sse.protocol.errors import MercureError
from flask_mercure_sse.protocol.update import Update
from flask_mercure_sse.publishers.signals import send_failed


def report(
    logger: logging.Logger, what: str, error: BaseException, *, sender: object, update: Update | None = None
) -> None:
    """Log an error and send ``publish_failed``.

    :param what: the line's beginning, such as who could not do what.
    :param sender: the binding.
    """
    logger.error("%s: %s", what, describe(error))
    tell_failed(logger, error, sender=sender, update=update)


def tell_failed(
    logger: logging.Logger, error: BaseException, *, sender: object, update: Update | None = None
) -> None:
    """Send ``publish_failed``; an error of its receivers goes to the log."""
    if getattr(error, "is_told", False):
        return  # whoever published has done so
    try:
        send_failed(sender, update, error)
    except Exception as failed:
        logger.error("A receiver of publish_failed failed: %s", describe(failed))


def describe(error: BaseException) -> str:
    """Return an error as a line for the log: what it is and where it arose.

    The text of foreign errors stays out, for it may hold values of the app's rows: a database names the
    parameters of its statement, ``int()`` the text that is no number.
    """
    if isinstance(error, MercureError):
        return str(error)
    name = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    return f"{name} in {frames[-1].name}, {frames[-1].filename}:{frames[-1].lineno}" if frames else name
