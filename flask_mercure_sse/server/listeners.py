"""The socket that the hub listens on: one of its own, or the one that systemd passes."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from ipaddress import ip_address

from ..protocol.errors import ConfigurationError

FIRST_PASSED = 3
"""The descriptor of the first socket that is passed (`sd_listen_fds(3)`)."""

BACKLOG = 4096
"""Connections that wait to be accepted; the system may allow fewer."""

_PASSED_BY = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class CannotListen(Exception):
    """The address cannot be had; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens.

    :param host: the name or address that it was asked for, or a Unix socket's path.
    :param port: the port that it has, None for a Unix socket.
    :param is_loopback: whether only this machine can reach it.
    """

    socket: socket.socket
    host: str
    port: int | None
    is_loopback: bool

    @property
    def address(self) -> str:
        """Where it listens, as people write it."""
        if self.port is None:
            return self.host.replace("\0", "@")  # a name that is no file begins with it
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def open_listener(
    host: str, port: int, environment: MutableMapping[str, str], *, first_passed: int = FIRST_PASSED
) -> Listener:
    """Return the socket that systemd passes, and where it passes none a new one.

    :param host: the address to listen on, unless a socket is passed.
    :param port: 0 for any free one.
    :param environment: says whether sockets are passed; what says so is taken out, for it is no business of
        processes that this one starts.
    :raises ConfigurationError: it is not one socket for connections that is passed.
    :raises CannotListen: the address cannot be had.
    """
    passed = _passed_count(environment)
    opened = listen(host, port) if passed is None else _passed_socket(passed, first_passed)
    name = opened.getsockname()
    if opened.family not in (socket.AF_INET, socket.AF_INET6):
        return Listener(opened, os.fsdecode(name), None, False)  # who reaches it, the proxy before it decides
    address, port = name[:2]
    return Listener(opened, host if passed is None else address, port, ip_address(address).is_loopback)


def _passed_count(environment: MutableMapping[str, str]) -> int | None:
    """Return how many sockets are passed to this process, None where none is."""
    process, count, _names = (environment.pop(name, None) for name in _PASSED_BY)
    if process != str(os.getpid()) or not count or not count.isdigit() or count == "0":
        return None
    return int(count)


def _passed_socket(count: int, descriptor: int) -> socket.socket:
    if count > 1:
        raise ConfigurationError(
            f"LISTEN_FDS: {count} sockets are passed, and the hub takes one; leave one ListenStream= in the "
            "socket unit"
        )
    fix = "give the socket unit a ListenStream="
    try:
        passed = socket.socket(fileno=descriptor)
    except OSError as error:
        raise ConfigurationError(
            f"LISTEN_FDS: the descriptor {descriptor} is no socket ({error.strerror}); {fix}"
        ) from error
    if not _listens(passed):
        passed.close()
        raise ConfigurationError(f"LISTEN_FDS: the socket that is passed takes no connections; {fix}")
    passed.set_inheritable(False)
    passed.setblocking(False)
    return passed


def _listens(passed: socket.socket) -> bool:
    return bool(passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def listen(host: str, port: int, *, prefix: str = "") -> socket.socket:
    """Return a new socket that listens, and does not block.

    :param port: 0 for any free one.
    :param prefix: what the options have before host and port, for the error.
    :raises CannotListen: the address cannot be had.
    """
    is_v6 = ":" in host
    family = socket.AF_INET6 if is_v6 else socket.AF_INET
    everywhere = host == "::" and socket.has_dualstack_ipv6()
    try:
        host.encode("idna")  # what cannot be a name at all is no OSError for the resolver
        found = socket.getaddrinfo(host or None, port, family, socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        opened = socket.create_server(found[0][4], family=family, backlog=BACKLOG, dualstack_ipv6=everywhere)
    except (OSError, UnicodeError) as error:
        address = f"[{host}]:{port}" if is_v6 else f"{host}:{port}"
        raise CannotListen(f"cannot listen on {address}: {_reason(error, prefix)}") from error
    opened.setblocking(False)
    return opened


def _reason(error: OSError | UnicodeError, prefix: str) -> str:
    no_address = f"this machine has no such address; give one of its own with --{prefix}host"
    if isinstance(error, (UnicodeError, socket.gaierror)):
        return no_address
    if error.errno == errno.EADDRINUSE:
        return f"another program has this port; stop it, or give another with --{prefix}port"
    if error.errno == errno.EACCES:
        return f"ports below 1024 are for root; give another with --{prefix}port"
    if error.errno == errno.EADDRNOTAVAIL:
        return no_address
    return error.strerror or str(error)
