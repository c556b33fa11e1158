"""Many open streams read by one thread, each as the bytes that came."""

from __future__ import annotations

import ctypes
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from tests.faults.hubs import HUB, Process
from tests.server.processes import PATIENCE

_ID = re.compile(rb"^id: (.*)\n(?:[^\n]+\n)*\n", re.MULTILINE)
_RETRY = re.compile(rb"^retry: (\d+)\n", re.MULTILINE)
_EVENT = b"\nid: "
_SO_ATTACH_FILTER = 26


class Stream:
    """An open stream, or a request for one.

    :param asks: whether the request is sent at once; else :meth:`ask` does it.
    :param after: the last event id of the client.
    :param buffer: bytes that the system keeps for it, None for the usual.
    """

    def __init__(
        self,
        hub: Process,
        *,
        topic: str = "/a",
        after: str | None = None,
        buffer: int | None = None,
        source: str = "127.0.0.1",
        headers: tuple[str, ...] = (),
        asks: bool = True,
    ) -> None:
        self.got = bytearray()
        self.events = 0
        """How many have begun to come."""
        self.has_ended = False
        self.ended_at = 0.0
        """On the monotonic clock, as far as it was read."""
        self.socket = socket.socket()
        hub.clients.callback(self.socket.close)
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.bind((source, 0))
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", hub.port))
        lines = [f"GET {HUB}?topic={topic} HTTP/1.1", "Host: localhost", *headers]
        if after is not None:
            lines.append(f"Last-Event-ID: {after}")
        self._request = "".join(f"{line}\r\n" for line in [*lines, ""]).encode()
        self.socket.setblocking(False)
        if asks:
            self.ask()

    def ask(self) -> None:
        """Send the request."""
        self.socket.sendall(self._request)

    @property
    def status(self) -> int:
        """Of the response, 0 while there is none."""
        return int(self.got[9:12] or 0)

    @property
    def ids(self) -> list[str]:
        """The ids of all events that came whole."""
        return [match.decode() for match in _ID.findall(self.got)]

    @property
    def retry(self) -> int | None:
        """The last hint when to come back, in milliseconds."""
        hints = _RETRY.findall(self.got)
        return int(hints[-1]) if hints else None

    def read(self, size: int = 1 << 20) -> None:
        """Take what is there."""
        try:
            data = self.socket.recv(size)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        start = max(0, len(self.got) - len(_EVENT) + 1)
        self.got += data
        self.events += self.got.count(_EVENT, start)
        if not data:
            self.has_ended, self.ended_at = True, time.monotonic()

    def reset(self) -> None:
        """End the connection as a machine that crashes and comes back does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def vanish(self) -> None:
        """Be gone without a word: the system drops all that comes, so that nothing is acknowledged."""
        drop_all = struct.pack("HBBI", 6, 0, 0, 0)  # a filter of one instruction: return 0 bytes
        memory = ctypes.create_string_buffer(drop_all, len(drop_all))
        program = struct.pack("HP", 1, ctypes.addressof(memory))
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def read_while(streams: Iterable[Stream], goes_on: Callable[[], object]) -> None:
    """Read streams as long as something holds; streams that have ended are left alone."""
    open_streams = {stream.socket.fileno(): stream for stream in streams if not stream.has_ended}
    poll = select.poll()
    for fd in open_streams:
        poll.register(fd, select.POLLIN)
    while goes_on():
        for fd, _events in poll.poll(20):
            stream = open_streams[fd]
            stream.read()
            if stream.has_ended:
                poll.unregister(fd)


def read_until(streams: Iterable[Stream], holds: Callable[[], object], patience: float = PATIENCE) -> None:
    """Read streams until something holds."""
    deadline = time.monotonic() + patience

    def goes_on() -> bool:
        assert time.monotonic() < deadline, "it did not come"
        return not holds()

    read_while(streams, goes_on)


def read_for(seconds: float, streams: Iterable[Stream]) -> None:
    """Read streams for some time."""
    until = time.monotonic() + seconds
    read_while(streams, lambda: time.monotonic() < until)


@contextmanager
def reading(streams: Sequence[Stream]) -> Iterator[None]:
    """Read streams in a thread."""
    done = threading.Event()
    thread = threading.Thread(target=read_while, args=(streams, lambda: not done.is_set()))
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(PATIENCE)


def open_streams(hub: Process, count: int, **options: object) -> list[Stream]:
    """Open streams and wait until the hub serves them."""
    streams = [Stream(hub, **options) for _ in range(count)]  # type: ignore[arg-type]
    read_until(streams, lambda: all(stream.got for stream in streams))
    assert {stream.status for stream in streams} == {200}
    return streams
