"""The command: its options, the hubs that it starts, and what it prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.hubs.contender import HubError, read_contender, running
from benchmarks.hubs.options import read_options

COMMAND = Path(__file__).parents[2] / "benchmarks" / "hub.py"
KEY = "the key of all tokens, long enough for HS256"
TINY = [
    "--subscribers",
    "10",
    "--rate",
    "20",
    "--seconds",
    "0.1",
    "--topics",
    "10",
    "--patterns",
    "10",
    "--publishers",
    "2",
]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--hub here", "--hub: 'here' has no name or no hub; give NAME=URL"),
        ("--hub a=https://hub.example", "--hub: 'a' is behind TLS"),
        ("--hub a=http://[", "--hub: 'a' is not a valid URL"),
        ("--hub a=mercure", "--hub: 'a' is a command without {port}"),
        ("--hub ours --hub ours", "--hub: 'ours' is there twice"),
        ("--hub a=http://127.0.0.1:1", "--key is missing"),
        ("--pid ours=1", "--pid: 'ours=1' is not the process of a hub with a URL"),
        ("--against b", "--against: there is no hub 'b'; give one of: ours"),
        ("--only steady,swift", "--only: there is no load 'swift'; give some of: steady"),
        ("--seconds 0", "--seconds: 0 is not a number above 0"),
        ("--rate inf", "--rate: inf is not a number above 0"),
        ("--runs many", "--runs: invalid int value: 'many'"),
    ],
)
def test_a_wrong_option_is_one_line(arguments: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_options("", arguments.split())
    assert told in capsys.readouterr().err.splitlines()[-1]


def test_the_last_hub_is_what_others_are_compared_with() -> None:
    options = read_options("", ["--hub", "ours", "--hub", "a=a {port}", "--hub", "b=b {port}"])
    assert options.against == "b"


def test_a_command_that_ends_tells_its_last_line() -> None:
    hub = read_contender("""bad=sh -c 'echo "first\nthe port is taken" >&2; exit 3' {port}""")
    with pytest.raises(HubError, match="status 3: the port is taken"), running(hub, KEY):
        pass


def test_a_hub_that_was_started_is_gone_afterwards() -> None:
    [ours] = read_options("", []).hubs
    with running(ours, KEY) as hub:
        assert Path(f"/proc/{hub.pid}").exists()
    assert not Path(f"/proc/{hub.pid}").exists()


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    root = str(COMMAND.parents[1])
    return subprocess.run(
        [sys.executable, str(COMMAND), *TINY, *arguments],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": root},
        timeout=60,
    )


def test_the_command_compares_a_running_hub_with_one_that_it_starts(tmp_path: Path) -> None:
    [ours] = read_options("", []).hubs
    with running(ours, KEY) as there:
        done = benchmark(
            *("--hub", "ours", "--hub", f"there={there.url}", "--pid", f"there={there.pid}", "--key", KEY),
            *("--only", "steady", "--markdown", "--json", str(tmp_path / "found.json")),
        )
        assert Path(f"/proc/{there.pid}").exists()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("|  | ours / there |")
    assert KEY not in done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert all(run["steady"]["delivered"] == 20 for hub in found["hubs"].values() for run in hub["runs"])


def test_the_command_fails_where_a_hub_does() -> None:
    done = benchmark("--hub", "bad=false {port}", "--only", "burst")
    assert done.returncode == 1
    assert "* bad, burst: ended at its start with status 1" in done.stdout
