"""The standalone hub's log: one line for each record, as text or JSON, without secrets."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import datetime, timezone
from typing import Any

import gevent

PACKAGE = __name__.partition(".")[0]

HIDDEN = "[hidden]"

# The hub writes none of these itself; texts of other libraries' errors may quote a request.
_SECRETS = re.compile(
    r"eyJ[\w-]{8,}(?:\.[\w-]*)*"  # a JSON Web Token, or the beginning of one
    r"|(?<=authorization=)[^&\s\"']+"
    r"|(?<=access_token=)[^&\s\"']+"
    r"|(?<=Bearer )[^\s,\"']+"
    r"|(?<=Cookie: )[^\r\n]+",
    re.IGNORECASE,
)

_BREAKS = {
    **{number: f"\\x{number:02x}" for number in [*range(32), *range(127, 160)]},
    **{ord(one): escaped for one, escaped in [("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")]},
    **{number: f"\\u{number:04x}" for number in (0x2028, 0x2029)},
}
"""What would begin another line, or move a terminal's cursor."""


def start_logging(*, format: str, level: str) -> None:
    """Send the log of this process to stderr.

    :param format: ``text`` or ``json``.
    :param level: the lowest level that is logged; of other libraries it is at least ``warning``, for their
        lower levels show what they are given.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if format == "json" else TextLines())
    number: int = getattr(logging, level.upper())
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)
    logging.getLogger(PACKAGE).setLevel(number)
    logging.captureWarnings(True)
    _log_failed_greenlets()


class _Lines(logging.Formatter):
    """What the two formats share: the time, and a message without secrets."""

    def time_of(self, record: logging.LogRecord) -> str:
        """Return the time of a record in UTC, as ISO 8601 writes it."""
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def message_of(self, record: logging.LogRecord) -> str:
        """Return the message alone."""
        return _SECRETS.sub(HIDDEN, record.getMessage())

    def error_of(self, record: logging.LogRecord) -> str | None:
        """Return the traceback, None where there is none."""
        return _SECRETS.sub(HIDDEN, self.formatException(record.exc_info)) if record.exc_info else None


class TextLines(_Lines):
    """``2026-01-31T23:59:59.999Z INFO server.front: text``; line breaks are written as ``\\n``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        text = "\n".join(filter(None, [self.message_of(record), self.error_of(record)]))
        name = record.name.removeprefix(f"{PACKAGE}.")
        return f"{self.time_of(record)} {record.levelname} {name}: {text.translate(_BREAKS)}"


class JsonLines(_Lines):
    """An object with ``time``, ``level``, ``logger``, ``message`` and, where there is one, ``error``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        entry = {
            "time": self.time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.message_of(record),
        }
        if error := self.error_of(record):
            entry["error"] = error
        return json.dumps(entry)


def _log_failed_greenlets() -> None:
    """Log what gevent would print: several lines, past the format and past what hides secrets."""
    greenlets: Any = gevent.get_hub()

    def log(context: object, type: Any, value: Any, traceback: Any) -> None:
        logging.getLogger(PACKAGE).error("A greenlet failed", exc_info=(type, value, traceback))

    greenlets.print_exception = log
