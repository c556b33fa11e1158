"""The hubs that are measured: commands, started anew for each load, and URLs of hubs that run already."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from flask_mercure_sse.protocol.hub_url import checked_hub_url
from flask_mercure_sse.protocol.version import HUB_PATH

START_TIMEOUT = 20.0
"""Seconds until a hub that was started must take connections."""

STOP_TIMEOUT = 5.0
"""Seconds that a hub gets to end when it is told to."""


class HubError(Exception):
    """A hub did not start; says why."""


@dataclass(frozen=True)
class Contender:
    """A hub as it was given.

    :param command: what starts it, with {port}, {key} and {url} to fill in; None for one that runs already.
    :param url: where it is, if it runs already.
    :param pid: the process of one that runs already, if it is known.
    """

    name: str
    command: str | None = None
    url: str | None = None
    pid: int | None = None


@dataclass(frozen=True)
class RunningHub:
    """Where a hub is, and its process, if it is known."""

    url: str
    pid: int | None


def read_contender(text: str) -> Contender:
    """Read NAME=URL or NAME=COMMAND.

    :raises ValueError: it is neither; the end of a sentence.
    """
    name, _, value = text.partition("=")
    if not name or not value:
        raise ValueError("has no name or no hub; give NAME=URL or NAME='COMMAND with {port}'")
    if value.startswith("https://"):
        raise ValueError("is behind TLS, which is not to be measured; give the http URL of the hub itself")
    if value.startswith("http://"):
        return Contender(name, url=checked_hub_url(value, fixed_path=False))
    if "{port}" not in value and "{url}" not in value:
        raise ValueError("is a command without {port}; put {port} where the hub's port belongs")
    try:
        shlex.split(value)
    except ValueError as error:
        raise ValueError(f"is not a command ({error}); quote it as a shell would") from error
    return Contender(name, command=value)


@contextmanager
def running(contender: Contender, key: str) -> Generator[RunningHub, None, None]:
    """Give the hub: a fresh process of a command, stopped at the end, or the one that runs already.

    :param key: what {key} stands for in a command.
    :raises HubError: the command did not bring up a hub.
    """
    if contender.command is None:
        assert contender.url is not None
        yield RunningHub(contender.url, contender.pid)
        return
    port = _free_port()
    url = f"http://127.0.0.1:{port}{HUB_PATH}"
    values = {"{port}": str(port), "{url}": url, "{key}": key}
    with tempfile.TemporaryFile("w+") as errors:
        process = _start(_filled(contender.command, values), errors)
        try:
            _await(process, port, errors)
            yield RunningHub(url, process.pid)
        finally:
            _stop(process)


def _filled(command: str, values: Mapping[str, str]) -> Sequence[str]:
    """Return the command's words with the placeholders filled in."""
    words = shlex.split(command)
    for placeholder, value in values.items():
        words = [word.replace(placeholder, value) for word in words]
    return words


def _start(command: Sequence[str], errors: IO[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True)
    except OSError as error:
        raise HubError(f"{command[0]} cannot be started: {error.strerror}") from error


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # and the children that it left: the session is its own
    process.wait()


def _await(process: subprocess.Popen[bytes], port: int, errors: IO[str]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            errors.seek(0)
            lines = errors.read().splitlines() or ["it wrote no error"]
            raise HubError(f"ended at its start with status {process.returncode}: {lines[-1]}")
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise HubError(f"took no connection within {START_TIMEOUT:g} seconds; is {{port}} in its command?")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
