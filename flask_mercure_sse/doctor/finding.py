"""What the doctor finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "failed", "skipped"]

PATH = "the path"
"""The check that stands for those that cannot be made."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check has found.

    :param check: its name.
    :param message: what is so.
    :param fix: what to change, empty where nothing is to.
    :param hub: the name of the hub in ``MERCURE_HUBS``, None for the app's own.
    """

    check: str
    status: Status
    message: str
    fix: str = ""
    hub: str | None = None
