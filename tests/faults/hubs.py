"""Hubs in processes of their own, what they say of themselves, and what the system says of them."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlencode

from tests.server.processes import PATIENCE, ROOT, Server
from tests.tokens import encode_token

HUB = "/.well-known/mercure"
PUBLISHER = "the publishers' secret, long enough for HS256"
SUBSCRIBER = "the subscribers' secret, long enough for HS256"
PUBLISHER_TOKEN = encode_token({"mercure": {"publish": ["*"]}}, PUBLISHER)
FORM = "application/x-www-form-urlencoded"


class Process(Server):
    """A hub that runs.

    :param control: the socket through which it reports.
    """

    def __init__(self, process: subprocess.Popen[str], control: socket.socket) -> None:
        self._control = control.makefile("rw")
        self.port: int = 0
        self.clients = ExitStack()
        """Closes what clients have opened, in the end."""
        super().__init__(process, "")
        self.port = self.report()["port"]
        self.url = f"http://127.0.0.1:{self.port}"

    def report(self) -> dict[str, Any]:
        """Return what the hub says of itself; its longest pauses are those since the last report."""
        print(file=self._control, flush=True)
        line = self._control.readline()
        assert line, self.log
        return json.loads(line)

    def wait_until(self, holds: Callable[[dict[str, Any]], object], patience: float = PATIENCE) -> None:
        """Wait until a report is as it should be."""
        deadline = time.monotonic() + patience
        while not holds(report := self.report()):
            assert time.monotonic() < deadline, report
            time.sleep(0.02)

    def settle(self) -> None:
        """Wait until nobody is connected and nobody is counted."""
        # Others that wait at the door were there before.
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as client:
            client.sendall(f"OPTIONS {HUB} HTTP/1.0\r\n\r\n".encode())
            while client.recv(1000):
                pass
        self.wait_until(lambda report: report["streams"] == report["requests"] == report["subscribers"] == 0)
        assert self.report()["counted"] == [0, 0]

    @property
    def memory(self) -> int:
        """Bytes in memory."""
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def descriptors(self) -> int:
        """How many are open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    @property
    def work(self) -> float:
        """Seconds of the CPU that it has taken."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(**options: Any) -> Iterator[Process]:
    """Run a hub, see :mod:`.serve` for its options, and stop it at the end."""
    control, theirs = socket.socketpair()
    control.settimeout(PATIENCE)
    with control:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.serve", str(theirs.fileno()), json.dumps(options)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                pass_fds=[theirs.fileno()],
            )
        hub = Process(process, control)
        try:
            with hub.clients:
                yield hub
        finally:
            hub.stop()
    assert "Traceback" not in hub.log, hub.log


class Publisher:
    """Publishes on one connection, and remembers the ids that were acknowledged, in order."""

    def __init__(self, hub: Process, topic: str = "/a", first: int = 0) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=PATIENCE)
        hub.clients.callback(self._connection.close)
        self._numbers = itertools.count(first)
        self.topic = topic
        self.sent: list[str] = []
        self.acknowledged: list[str] = []

    def publish(self, size: int = 10) -> str:
        """Publish an update with so many bytes of data.

        :raises OSError: the hub was not there or did not answer.
        """
        fields = {"topic": self.topic, "id": f"{self.topic}{next(self._numbers)}", "data": "x" * size}
        headers = {"Authorization": f"Bearer {PUBLISHER_TOKEN}", "Content-Type": FORM}
        self.sent.append(fields["id"])
        self._connection.request("POST", HUB, urlencode(fields), headers)
        answer = self._connection.getresponse()
        text = answer.read().decode()
        assert (answer.status, text) == (200, fields["id"])
        self.acknowledged.append(text)
        return text
