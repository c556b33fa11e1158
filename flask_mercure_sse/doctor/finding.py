"""What the doctor finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check has found.

    :param check: its name.
    :param message: what is so.
    :param fix: what to change, empty where nothing is to.
    """

    check: str
    status: Status
    message: str
    fix: str = ""
