"""What a process costs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.hubs import usage

BUSY = "import time\nwhile time.process_time() < 0.1: pass\nprint(flush=True)\ntime.sleep(60)"


def test_the_cpu_time_and_the_memory_of_children_count() -> None:
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        with process.stdout as lines:
            lines.readline()
        assert usage.cpu_seconds(process.pid) >= 0.1
        [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        own = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * usage.PAGE
        assert usage.resident_bytes(process.pid) > own
    finally:
        os.killpg(process.pid, 9)
        process.wait()
    assert child


def test_a_process_that_is_not_there_is_an_error() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(ProcessLookupError, match=f"no process {process.pid}"):
        usage.cpu_seconds(process.pid)
