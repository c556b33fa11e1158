"""A hub that does what a test wants of it."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from benchmarks.hubs.load import Load


class Broadcaster(threading.Thread):
    """The least that passes for a hub: who sends GET gets the data of every POST.

    :param deliver: what the subscriber with this number gets instead of a frame; "|" parts what is sent apart.
    :param answer: the first line of the answer to a publish request, empty for none at all.
    :param welcome: the same for subscribe requests.
    """

    def __init__(
        self,
        deliver: Callable[[int, bytes], bytes] = lambda _number, frame: frame,
        answer: bytes = b"HTTP/1.1 200 OK",
        welcome: bytes = b"HTTP/1.1 200 OK",
    ) -> None:
        super().__init__(daemon=True)
        self.topics: list[str] = []
        self.deliver, self._answer, self._welcome = deliver, answer, welcome
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.streams: list[socket.socket] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Broadcaster:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.join()
        for stream in self.streams:
            stream.close()

    def load(self, **options: object) -> Load:
        """Return a load of three subscribers and ten updates."""
        return Load(
            self._listener.getsockname(),
            subscribe=[b"GET / HTTP/1.1\r\n\r\n"] * 3,
            follows=[[0]] * 3,
            topics=["/a"],
            publish=b"POST / HTTP/1.1\r\n",
            **{"rate": 100, "seconds": 0.1, "settle": 0, "patience": 0.3, **options},
        )

    def run(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=[self._listener.accept()[0]], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):
            while request := connection.recv(65536):
                if request.startswith(b"GET"):
                    self.streams.append(connection)
                    connection.sendall(self._welcome + b"\r\n\r\n:\n")
                    return
                self._publish(request)
                if self._answer:
                    connection.sendall(self._answer + b"\r\nContent-Length: 2\r\n\r\nok")
        connection.close()

    def _publish(self, request: bytes) -> None:
        topic, data = re.search(rb"topic=(.*)&data=(.*)", request, re.DOTALL).groups()
        with self._lock:
            self.topics.append(topic.decode())
            for number, stream in enumerate(self.streams):
                for part in self.deliver(number, b"data: " + data + b"\n\n").split(b"|"):
                    stream.sendall(part)
                    time.sleep(0.001 if part else 0)
