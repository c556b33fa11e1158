"""What tests of hearing share: a hub in a process of its own that can be killed, and a signal's receiver."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any

from blinker import Signal
from flask import Flask

from flask_mercure_sse import MercureSSE
from tests.conftest import SECRET
from tests.server.processes import PATIENCE, Server, free_port, serving

PATH = "/.well-known/mercure"


class StandaloneHub:
    """Our hub on a port of its own, which it keeps when it is killed and started again."""

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}{PATH}"
        self._options = options
        self._running = ExitStack()
        self._server: Server | None = None
        self.start()

    def start(self) -> None:
        command = ["flask_mercure_sse.server", "--port", str(self.port)]
        keys = ["--publisher-secret", SECRET, "--subscriber-secret", SECRET, "--public-url", self.url]
        self._server = self._running.enter_context(
            serving(*command, *keys, *self._options, port=self.port, path=PATH)
        )

    def kill(self) -> None:
        """End it at once, with all that it knows."""
        assert self._server is not None
        self._server.process.kill()
        self._server.process.wait(PATIENCE)

    def close(self) -> None:
        self._running.close()

    def __enter__(self) -> StandaloneHub:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Instance(MercureSSE):
    """An app's extension with its app, as each process has one.

    :param hub_url: the hub, None for an embedded one.
    """

    def __init__(self, hub_url: str | None, **config: Any) -> None:
        self.app = Flask("instance")
        self.app.config.update({"TESTING": True, "SECRET_KEY": SECRET, **config})
        super().__init__(self.app, hub_url)


class Receiver:
    """Keeps what a signal sends, in order; a test waits for each."""

    def __init__(self, signal: Signal) -> None:
        self._sends: queue.Queue[tuple[object, dict[str, Any]]] = queue.Queue()
        signal.connect(self._receive)

    def _receive(self, sender: object, **arguments: Any) -> None:
        self._sends.put((sender, arguments))

    def next_send(self) -> tuple[object, dict[str, Any]]:
        """Wait for the next send and return its sender and arguments."""
        return self._sends.get(timeout=PATIENCE)

    def next(self, name: str = "data") -> Any:
        """Wait for the next send and return one of its arguments."""
        return self.next_send()[1][name]

    def until(self, last: object) -> list[Any]:
        """Wait for some data, and return all that came up to it."""
        came = [self.next()]
        while came[-1] != last:
            came.append(self.next())
        return came


@contextmanager
def heard(*subscriptions: Any) -> Iterator[None]:
    """Start subscriptions, wait until they are connected, and close them at the end."""
    with ExitStack() as stack:
        for subscription in subscriptions:
            stack.enter_context(subscription)
        for subscription in subscriptions:
            assert subscription.wait_until_connected(PATIENCE)
        yield
