"""More connections than there may be."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.hubs import HUB, SUBSCRIBER, Process, Publisher, running
from tests.faults.streams import Stream, open_streams, read_until
from tests.tokens import encode_token

Options = dict[str, Any]


def subscriber_token(name: str) -> tuple[str, ...]:
    token = encode_token({"mercure": {"subscribe": ["*"], "payload": name}}, SUBSCRIBER)
    return (f"Authorization: Bearer {token}",)


@pytest.mark.parametrize(
    ("limits", "options_of", "is_one_for_all"),
    [
        ({"total": 10}, lambda number: {"source": f"127.0.0.{number + 1}"}, True),
        ({"per_address": 9}, lambda number: {"source": "127.0.0.2"}, False),
        ({"per_token": 9}, lambda number: {"headers": subscriber_token("a")}, False),
        (
            {"per_address": 9},
            lambda number: {"source": "127.0.0.2", "headers": (f"X-Forwarded-For: 192.0.2.{number}",)},
            False,
        ),
        (
            {"per_address": 9, "trusted_proxies": ["127.0.0.2"]},
            lambda number: {
                "source": "127.0.0.2",
                "headers": (f"X-Forwarded-For: 192.0.2.{number}, 192.0.2.77, 127.0.0.2",),
            },
            False,
        ),
    ],
    ids=["in all", "of an address", "of a token", "of a client that names others", "behind a proxy"],
)
def test_streams_past_a_limit_are_sent_away_until_others_end(
    limits: dict[str, Any], options_of: Callable[[int], Options], is_one_for_all: bool
) -> None:
    """Mercure 1.0, Subscription; RFC 6585, 429 Too Many Requests."""
    with running(connections=limits) as hub:
        streams = [open_streams(hub, 1, **options_of(number))[0] for number in range(9)]
        over = Stream(hub, **options_of(9))
        read_until([over], lambda: over.has_ended)
        assert over.status == 429
        assert b"\r\nRetry-After: 5\r\n" in over.got
        over.socket.close()
        if not is_one_for_all:
            open_streams(hub, 1, source="127.0.0.3", headers=subscriber_token("b"))
        Publisher(hub).publish()  # there is a way in for publishers
        read_until(streams, lambda: all(one.events == 1 for one in streams))
        streams.pop().socket.close()
        hub.wait_until(lambda report: report["streams"] < 9 + (not is_one_for_all))
        open_streams(hub, 1, **options_of(10))


def test_each_client_behind_a_trusted_proxy_has_a_limit_of_its_own() -> None:
    """RFC 7239, Security Considerations."""
    with running(connections={"per_address": 2, "trusted_proxies": ["127.0.0.0/8"]}) as hub:
        for number in range(20):
            open_streams(hub, 1, headers=(f"X-Forwarded-For: 192.0.2.{number // 2}",))
        over = Stream(hub, headers=("X-Forwarded-For: 192.0.2.3",))
        read_until([over], lambda: over.got)
        assert over.status == 429


def test_clients_that_break_off_leave_their_place_to_others() -> None:
    with running(connections={"per_address": 5, "total": 10}) as hub:
        for sent in (b"", b"GET ", f"GET {HUB}?topic=/a HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()):
            for reset in (0, 1):
                _break_off(hub, 20, sent, reset)
        hub.settle()
        open_streams(hub, 5)
        over = Stream(hub)
        read_until([over], lambda: over.got)
        assert over.status == 429


def _break_off(hub: Process, count: int, sent: bytes, reset: int) -> None:
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", hub.port), 10) as client:
            client.sendall(sent)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", reset, 0))


def test_flood_of_connections_leaves_those_that_are_there_alone() -> None:
    """Past a point they are closed unheard, and what they leave is closed."""
    with running(connections={"total": 50}) as hub:
        publisher = Publisher(hub)
        publisher.publish()
        streams = open_streams(hub, 40)
        for _ in range(3):
            idle = [socket.create_connection(("127.0.0.1", hub.port), 10) for _ in range(500)]
            assert hub.report()["requests"] < 200
            publisher.publish()
            for client in idle:
                client.close()
        hub.wait_until(lambda report: report["requests"] == 1)
        assert hub.report()["counted"] == [41, 40]
        publisher.publish()
        read_until(streams, lambda: all(one.events == 4 for one in streams))
    assert [one.ids for one in streams] == [publisher.acknowledged[1:]] * 40
