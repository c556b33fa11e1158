"""Servers as processes of their own, and streams read from them by a client that nobody here wrote."""

from __future__ import annotations

import http.client
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import requests
import sseclient

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0
"""Seconds that a test waits for what must come."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A running server: its URL, and what it has written so far."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self._lines.extend(lines)

    @property
    def log(self) -> str:
        return "".join(self._lines)

    def told(self, text: str) -> str:
        """Wait for a text in what the server writes, and return the rest of its line."""
        deadline = time.monotonic() + PATIENCE
        while "\n" not in self.log.partition(text)[2]:
            assert time.monotonic() < deadline, f"{text!r} is not in: {self.log}"
            time.sleep(0.02)
        return self.log.partition(text)[2].partition("\n")[0]

    def wait_for(self, path: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log
            try:
                requests.get(self.url + path, timeout=5)
            except requests.RequestException:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"the server did not answer: {self.log}")

    def stop(self) -> None:
        """Send SIGTERM, wait, and end the process by force where that does not help."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            # An open stream keeps some servers until their own time limit for shutting down.
            self.process.kill()
            self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)


@contextmanager
def serving(
    *command: str, port: int, path: str = "/", folder: Path = ROOT, **environment: str
) -> Iterator[Server]:
    """Run a Python module, or a program by its path, wait until it answers, and stop it at the end."""
    process = subprocess.Popen(
        command if os.path.isabs(command[0]) else [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "MERCURE_DRAIN_TIME": "0.5", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    server = Server(process, f"http://127.0.0.1:{port}")
    try:
        server.wait_for(path)
        yield server
    finally:
        server.stop()


class Stream:
    """An open stream of a real hub, read in a thread of its own."""

    def __init__(self, url: str, **headers: str) -> None:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        connection.connect()
        self._socket = connection.sock
        connection.request("GET", parts._replace(scheme="", netloc="").geturl(), headers=headers)
        self.response = connection.getresponse()
        self.status = self.response.status
        self.ended = threading.Event()
        self._events: queue.Queue[sseclient.Event] = queue.Queue()
        self.refusal = ""
        if self.status == 200:
            threading.Thread(target=self._read, daemon=True).start()
        else:
            self.refusal = self.response.read().decode()
            connection.close()

    def _read(self) -> None:
        chunks = iter(lambda: self.response.read1(65536), b"")
        try:
            for event in sseclient.SSEClient(chunks).events():
                self._events.put(event)
        except (OSError, http.client.HTTPException):
            pass  # one of the two sides is gone
        self.ended.set()

    def next(self) -> sseclient.Event:
        return self._events.get(timeout=PATIENCE)

    def close(self) -> None:
        """Leave without a word, as a closed tab does."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
