"""Connections that come and go, say half of what they wanted to, or say it too slowly."""

from __future__ import annotations

import socket
import struct
import time

import pytest

from tests.faults.hubs import FORM, HUB, PUBLISHER_TOKEN, Process, Publisher, running
from tests.faults.streams import open_streams, read_until

SUBSCRIBE = f"GET {HUB}?topic=/a&topic=/b/{{id}} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
POST = (
    f"POST {HUB} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {PUBLISHER_TOKEN}\r\n"
    f"Content-Type: {FORM}\r\nContent-Length: 1000\r\n\r\ntopic=/a&data="
).encode()
CHUNKS = POST.replace(b"Content-Length: 1000", b"Transfer-Encoding: chunked").replace(
    b"topic", b"ff\r\ntopic"
)

VISITS = [b"", SUBSCRIBE[:40], SUBSCRIBE, POST, CHUNKS, b"\x16\x03\x01 no HTTP\r\n\r\n"]
"""What clients send before they leave."""

RESET = struct.pack("ii", 1, 0)


def visit(hub: Process, count: int) -> None:
    """Connect, say something, and leave: in good order, or as a machine that crashes."""
    for number in range(count):
        with socket.socket() as client:
            client.settimeout(20)
            if number % 2:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.connect(("127.0.0.1", hub.port))
            client.sendall(VISITS[number % len(VISITS)])


def test_clients_that_come_and_go_take_neither_memory_nor_descriptors() -> None:
    limits = {"per_address": 30_000, "per_token": 30_000, "total": 50_000}
    with running(hub={"subscriptions": True}, connections=limits) as hub:
        visit(hub, 4_000)
        hub.settle()
        memory, descriptors = hub.memory, hub.descriptors
        visit(hub, 16_000)
        hub.settle()
        assert hub.descriptors == descriptors
        assert hub.memory - memory < 2_000_000


@pytest.mark.parametrize(
    ("limit", "sent", "behind"),
    [("head_time", b"", SUBSCRIBE), ("body_time", POST, b"x" * 1000), ("body_time", CHUNKS, b"x" * 255)],
)
def test_client_that_speaks_slowly_is_cut_off_and_others_are_not_kept_waiting(
    limit: str, sent: bytes, behind: bytes
) -> None:
    with running(limits={limit: 1.0}) as hub:
        publisher = Publisher(hub)
        streams = open_streams(hub, 5)
        slow = [_connected(hub, sent) for _ in range(50)]
        began = time.monotonic()
        for position in range(len(behind)):
            cut_off = [client for client in slow if not _goes_on(client, behind[position : position + 1])]
            if cut_off:
                break
            publisher.publish()
            read_until(streams, lambda: streams[-1].events == len(publisher.acknowledged))
            time.sleep(0.02)
        assert time.monotonic() - began < 10
        hub.wait_until(lambda report: report["requests"] == 1)
        assert hub.report()["refusals"] == {f"408 {limit}": 50}
        read_until(streams, lambda: all(one.events == len(publisher.acknowledged) for one in streams))
    assert [one.ids for one in streams] == [publisher.acknowledged] * 5


def _connected(hub: Process, sent: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", hub.port), 20)
    hub.clients.callback(client.close)
    client.sendall(sent)
    client.setblocking(False)
    return client


def _goes_on(client: socket.socket, byte: bytes) -> bool:
    """Send a byte; return whether the hub still listens."""
    try:
        client.send(byte)
        return client.recv(1000) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
