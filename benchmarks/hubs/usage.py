"""What a process and its children cost, as Linux tells it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process and the children that it has now have taken so far.

    :raises ProcessLookupError: there is no such process.
    """
    return sum(_clock(member) for member in _family(pid))


def resident_bytes(pid: int) -> int:
    """Return the memory that a process and the children that it has now keep resident, in bytes.

    :raises ProcessLookupError: there is no such process.
    """
    return sum(_resident(member) for member in _family(pid))


def _clock(pid: int) -> float:
    # The clock that clock_getcpuclockid(3) names: exact, where /proc/PID/stat counts in steps of 10 ms.
    with suppress(OSError):  # it has ended
        return time.clock_gettime((~pid << 3) | 2)
    return 0.0


def _resident(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    return 0


def _family(pid: int) -> Sequence[int]:
    if not Path(f"/proc/{pid}").exists():
        raise ProcessLookupError(f"there is no process {pid}")
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            children.setdefault(_parent(entry), []).append(int(entry.name))
    family = [pid]
    for member in family:  # grows while it is gone through
        family.extend(children.get(member, ()))
    return family


def _parent(process: Path) -> int:
    with suppress(OSError):
        # The name of the program, in brackets, may hold spaces and brackets itself.
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    return 0
