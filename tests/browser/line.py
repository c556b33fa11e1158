"""The network between browsers and a server: it can be cut, and it remembers what browsers said."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

BLOCK = 65536


class Line:
    """Carries connections to a port of this machine, until it is cut.

    :param port: where the server listens; it may be another one later.
    """

    def __init__(self, port: int = 0) -> None:
        self.target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:{1}".format(*self._listener.getsockname())
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._said: list[bytearray] = []
        self._is_up = True
        self._is_closed = False
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def cursors(self) -> list[str]:
        """The last event ids that browsers have sent, in their order."""
        said = b"".join(self._said).decode("utf-8", "replace")
        return re.findall(r"^last-event-id: (.*)\r$", said, re.MULTILINE | re.IGNORECASE)

    @property
    def count(self) -> int:
        """How many connections have come."""
        return len(self._said)

    def cut(self) -> None:
        """Break every connection that is open now."""
        with self._lock:
            for end in self._open:
                _shut(end)

    @contextmanager
    def down(self) -> Iterator[None]:
        """Break every connection, and meanwhile each that comes."""
        self._is_up = False
        self.cut()
        yield
        self._is_up = True

    def close(self) -> None:
        self._is_closed = True
        socket.create_connection(self._listener.getsockname()).close()  # wakes who waits for one
        self._threads[0].join()
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            browser, _ = self._listener.accept()
            if self._is_closed:
                browser.close()
                return
            self._threads.append(threading.Thread(target=self._carry, args=(browser,), daemon=True))
            self._threads[-1].start()

    def _carry(self, browser: socket.socket) -> None:
        with browser, suppress(OSError), socket.create_connection(("127.0.0.1", self.target)) as server:
            with self._lock:
                self._open |= {browser, server}
                is_up = self._is_up and not self._is_closed
                self._said.append(bytearray())
                said = self._said[-1]
            try:
                if is_up:
                    back = threading.Thread(target=_pump, args=(server, browser), daemon=True)
                    back.start()
                    _pump(browser, server, said)
                    back.join()
            finally:
                with self._lock:
                    self._open -= {browser, server}


def _pump(source: socket.socket, target: socket.socket, seen: bytearray | None = None) -> None:
    """Carry bytes until one side ends, then end both: a stream does not outlive the tab that reads it."""
    with suppress(OSError):
        while block := source.recv(BLOCK):
            if seen is not None:
                seen += block
            target.sendall(block)
    _shut(source)
    _shut(target)


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
