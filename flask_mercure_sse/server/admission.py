"""How many may be connected: in all, from one address, and with one token."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from ..protocol.errors import TooManyConnections

Network = IPv4Network | IPv6Network

IPV6_PREFIX = 64
"""Bits of an IPv6 address that tell one customer of a provider from the next."""

RETRY_AFTER = 5
"""Seconds after which those who are sent away may come again."""

MAX_REFUSED_POLITELY = 64
"""Connections past the limit whose requests are read and answered; those beyond are closed at once."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections may be open; 0 stands for no limit.

    :param total: in all, with and without a stream.
    :param per_address: from one address; from one network of 64 bits in IPv6.
    :param per_token: streams with one token.
    :param trusted_proxies: networks whose ``X-Forwarded-For`` tells the address; behind one of them streams
        alone are counted, for a proxy's other connections carry everybody's requests.
    """

    total: int = 0
    per_address: int = 0
    per_token: int = 0
    trusted_proxies: tuple[Network, ...] = ()

    @property
    def streams(self) -> int:
        """How many of all may be streams: publishers need a way in when a hub is full."""
        return self.total - min(64, self.total // 10)


@dataclass(frozen=True, slots=True)
class Place:
    """What an open stream takes.

    :param address: whose, None where addresses are not counted.
    :param token: the hash of its token, None where tokens are not counted.
    """

    address: str | None = None
    token: int | None = None


ANY_PLACE = Place()
"""That of a stream of which nothing is counted but that it is there."""


class Admission:
    """Counts connections and says which are too many.

    A connection arrives and leaves by the address of its peer. While it is a stream it leaves by its place.
    """

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        self.limits: ConnectionLimits = limits or ConnectionLimits()
        self.connections: int = 0
        self.streams: int = 0
        self._addresses: Counter[str] = Counter()
        self._tokens: Counter[int] = Counter()
        self._is_trusted = lru_cache(maxsize=1024)(self._lies_in_trusted)

    @property
    def is_flooded(self) -> bool:
        """Whether new connections must be closed unheard."""
        return 0 < self.limits.total < self.connections - MAX_REFUSED_POLITELY

    def arrive(self, peer: str) -> str | None:
        """Count a connection; return a word for the limit that it is over, None where it is over none."""
        self.connections += 1
        of_address = 0
        if self._counts(peer):
            key = _owner_of(peer)
            of_address = self._addresses[key] = self._addresses[key] + 1
        if 0 < self.limits.total < self.connections:
            return "connections"
        return "connections_per_address" if of_address > self.limits.per_address else None

    def leave(self, peer: str) -> None:
        """Forget a connection that was no stream."""
        self.connections -= 1
        if self._counts(peer):
            _take_one(self._addresses, _owner_of(peer))

    def open_stream(self, peer: str, forwarded_for: str | None, token: str | None) -> Place:
        """Make a connection a stream, and return what it takes.

        :param peer: the address that it has arrived from.
        :param forwarded_for: the header of this name, believed only from a trusted proxy.
        :raises TooManyConnections: there are enough; it remains a connection.
        """
        limits = self.limits
        if limits.total and self.streams >= limits.streams:
            raise TooManyConnections("connections")
        place = ANY_PLACE
        if limits.per_address or limits.per_token:
            place = self._place(peer, forwarded_for, token)
        self.streams += 1
        return place

    def close_stream(self, place: Place) -> None:
        """Forget a stream and its connection."""
        self.streams -= 1
        self.connections -= 1
        if place.address is not None:
            _take_one(self._addresses, place.address)
        if place.token is not None:
            _take_one(self._tokens, place.token)

    def _place(self, peer: str, forwarded_for: str | None, token: str | None) -> Place:
        limits = self.limits
        key = None if token is None or not limits.per_token else hash(token)
        if key is not None and self._tokens[key] >= limits.per_token:
            raise TooManyConnections("connections_per_token")
        address = None
        if limits.per_address:
            is_direct = not self._is_trusted(peer)
            address = _owner_of(peer if is_direct else self._client_of(forwarded_for, peer))
            if not is_direct:
                if self._addresses[address] >= limits.per_address:
                    raise TooManyConnections("connections_per_address")
                self._addresses[address] += 1
        if key is not None:
            self._tokens[key] += 1
        return Place(address, key)

    def _client_of(self, forwarded_for: str | None, peer: str) -> str:
        """Return the last address that is no trusted proxy: those before it anybody may write."""
        for address in reversed([part.strip() for part in (forwarded_for or "").split(",")]):
            if address and not self._is_trusted(address):
                return address
        return peer

    def _counts(self, peer: str) -> bool:
        return bool(self.limits.per_address) and not self._is_trusted(peer)

    def _lies_in_trusted(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return not text  # a Unix socket is a proxy's
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return any((mapped or address) in network for network in self.limits.trusted_proxies)


@lru_cache(maxsize=1024)
def _owner_of(text: str) -> str:
    """Return what the connections of one client have in common."""
    try:
        address = ip_address(text)
    except ValueError:
        return text[:64]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(IPv6Network((address, IPV6_PREFIX), strict=False))
    return text


def _take_one(counter: Counter[str] | Counter[int], key: str | int) -> None:
    counter[key] -= 1  # pyright: ignore[reportArgumentType]
    if not counter[key]:  # pyright: ignore[reportArgumentType]
        del counter[key]  # pyright: ignore[reportArgumentType]
