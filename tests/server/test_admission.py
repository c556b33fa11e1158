"""How many may be connected."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from flask_mercure_sse.protocol.errors import TooManyConnections
from flask_mercure_sse.server.admission import MAX_REFUSED_POLITELY, Admission, ConnectionLimits

PROXIES = (ip_network("10.0.0.0/8"), ip_network("::1/128"))


def test_there_is_no_limit_by_default() -> None:
    admission = Admission()
    assert [admission.arrive("192.0.2.1") for _ in range(1000)] == [None] * 1000
    for _ in range(1000):
        admission.open_stream("192.0.2.1", None, "token")


def test_connections_in_all_have_a_limit_until_some_leave() -> None:
    """Mercure 1.0, Subscription."""
    admission = Admission(ConnectionLimits(total=2))
    assert [admission.arrive(f"192.0.2.{number}") for number in range(3)] == [None, None, "connections"]
    for number in (1, 2):
        admission.leave(f"192.0.2.{number}")
    assert (admission.arrive("192.0.2.4"), admission.connections) == (None, 2)


def test_streams_leave_room_for_publishers() -> None:
    admission = Admission(ConnectionLimits(total=20))
    for _ in range(18):
        admission.arrive("192.0.2.1")
        admission.open_stream("192.0.2.1", None, None)
    with pytest.raises(TooManyConnections):
        admission.open_stream("192.0.2.1", None, None)


def test_those_far_beyond_the_limit_are_not_even_heard() -> None:
    admission = Admission(ConnectionLimits(total=1))
    floods: list[bool] = []
    for _ in range(MAX_REFUSED_POLITELY + 2):
        admission.arrive("192.0.2.1")
        floods.append(admission.is_flooded)
    assert floods == [False] * (MAX_REFUSED_POLITELY + 1) + [True]


def test_an_address_has_its_own_limit_and_a_network_of_ipv6_is_one_address() -> None:
    """Mercure 1.0, Subscription: a client that has one address of IPv6 has as many as it likes."""
    for addresses in (
        ["192.0.2.1"] * 3,
        ["2001:db8::1", "2001:db8::2", "2001:db8::3"],
        ["::ffff:192.0.2.1"] * 3,
    ):
        admission = Admission(ConnectionLimits(per_address=2))
        assert [admission.arrive(each) for each in addresses] == [None, None, "connections_per_address"]
        assert admission.arrive("192.0.2.77") is None
        assert admission.arrive("2001:db8:0:1::1") is None


def test_an_address_is_counted_also_while_there_are_too_many_in_all() -> None:
    admission = Admission(ConnectionLimits(total=2, per_address=1))
    for _ in range(2):
        limits = [admission.arrive("192.0.2.1") for _ in range(3)]
        assert limits == [None, "connections_per_address", "connections"]
        for _ in limits:
            admission.leave("192.0.2.1")


def test_a_stream_keeps_counting_for_its_address() -> None:
    admission = Admission(ConnectionLimits(per_address=1))
    admission.arrive("192.0.2.1")
    place = admission.open_stream("192.0.2.1", None, None)
    assert admission.arrive("192.0.2.1") == "connections_per_address"
    admission.leave("192.0.2.1")
    admission.close_stream(place)
    assert (admission.arrive("192.0.2.1"), admission.connections, admission.streams) == (None, 1, 0)


def test_streams_of_one_token_have_a_limit() -> None:
    """Mercure 1.0, Subscription."""
    admission = Admission(ConnectionLimits(per_token=1))
    place = admission.open_stream("192.0.2.1", None, "a")
    admission.open_stream("192.0.2.1", None, "b")
    for _ in range(2):
        admission.open_stream("192.0.2.1", None, None)
    with pytest.raises(TooManyConnections, match="per token"):
        admission.open_stream("192.0.2.2", None, "a")
    admission.close_stream(place)
    admission.open_stream("192.0.2.2", None, "a")


def test_a_trusted_proxy_tells_whose_stream_it_is() -> None:
    admission = Admission(ConnectionLimits(per_address=1, trusted_proxies=PROXIES))
    assert [admission.arrive("10.1.2.3") for _ in range(5)] == [None] * 5
    place = admission.open_stream("10.1.2.3", "192.0.2.1", None)
    admission.open_stream("10.1.2.3", "192.0.2.2", None)
    with pytest.raises(TooManyConnections, match="per address"):
        admission.open_stream("10.1.2.3", "192.0.2.1", None)
    admission.close_stream(place)
    admission.open_stream("10.1.2.3", "192.0.2.1", None)


@pytest.mark.parametrize(
    ("peer", "forwarded_for"),
    [
        ("192.0.2.1", "192.0.2.77"),
        ("10.1.2.3", "192.0.2.77, 192.0.2.1"),
        ("10.1.2.3", "192.0.2.77, 192.0.2.1, 10.9.9.9"),
        ("::ffff:10.1.2.3", "junk, 192.0.2.1"),
        ("", "192.0.2.1"),
    ],
)
def test_what_a_client_says_of_itself_is_not_believed(peer: str, forwarded_for: str) -> None:
    """RFC 7239, Security Considerations: the address that the last trusted proxy saw counts."""
    admission = Admission(ConnectionLimits(per_address=1, trusted_proxies=PROXIES))
    admission.arrive(peer)
    admission.open_stream(peer, forwarded_for, None)
    assert admission.arrive("192.0.2.1") == "connections_per_address"
