"""The socket that the hub listens on: one of its own, or the one that systemd passes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flask_mercure_sse import ConfigurationError
from flask_mercure_sse.server.listeners import CannotListen, Listener, open_listener
from tests.server.processes import ROOT, Server

HUB = "/.well-known/mercure"

AS_SYSTEMD = """
import os, sys
listener = int(sys.argv[1])
os.dup2(listener, 3)  # may be inherited
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.executable, [sys.executable, "-m", "flask_mercure_sse.server", *sys.argv[2:]])
"""
"""Starts the hub as systemd starts a service with a socket."""


@pytest.fixture
def passed() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def passed_to_me(count: int = 1) -> dict[str, str]:
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(count), "LISTEN_FDNAMES": "hub"}


def start(listener: socket.socket, *options: str, url: str = "") -> Server:
    process = subprocess.Popen(
        [sys.executable, "-c", AS_SYSTEMD, str(listener.fileno()), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=[listener.fileno()],
    )
    return Server(process, url)


def test_the_port_that_is_free_is_known_and_it_is_not_blocking() -> None:
    opened = open_listener("127.0.0.1", 0, {})
    with closing(opened.socket):
        assert opened.port == opened.socket.getsockname()[1] > 0
        assert opened.socket.getblocking() is False


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("::", False), ("", False)],
)
def test_who_can_reach_it_is_told_by_the_address_that_it_has(host: str, is_loopback: bool) -> None:
    opened = open_listener(host, 0, {})
    with closing(opened.socket):
        assert (opened.host, opened.is_loopback) == (host, is_loopback)


def test_every_address_of_ipv6_is_every_address() -> None:
    opened = open_listener("::", 0, {})
    with closing(opened.socket), socket.create_connection(("127.0.0.1", opened.port or 0), timeout=5):
        pass


def test_a_port_that_is_taken_is_told_with_what_to_do(passed: socket.socket) -> None:
    port = passed.getsockname()[1]
    with pytest.raises(CannotListen, match=rf"127.0.0.1:{port}: another program has this port; .* --port"):
        open_listener("127.0.0.1", port, {})


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "no..name", "long" * 20])
def test_an_address_of_another_machine_is_told(host: str) -> None:
    with pytest.raises(CannotListen, match=f"cannot listen on {host}:0: this machine has no such address"):
        open_listener(host, 0, {})


@pytest.mark.parametrize(
    ("host", "port", "address"),
    [
        ("127.0.0.1", 5500, "127.0.0.1:5500"),
        ("::1", 5500, "[::1]:5500"),
        ("/run/mercure.sock", None, "/run/mercure.sock"),
        ("\0mercure", None, "@mercure"),
    ],
)
def test_an_address_is_written_as_people_write_it(
    passed: socket.socket, host: str, port: int | None, address: str
) -> None:
    assert Listener(passed, host, port, is_loopback=True).address == address


def test_a_socket_that_is_passed_is_taken_whatever_the_address_says(passed: socket.socket) -> None:
    environment = passed_to_me()
    opened = open_listener("192.0.2.1", 1, environment, first_passed=os.dup(passed.fileno()))
    with closing(opened.socket):
        assert opened.socket.getsockname() == passed.getsockname()
        assert (opened.host, opened.port, opened.is_loopback) == (*passed.getsockname(), True)
        assert opened.socket.get_inheritable() is False
    assert environment == {}


def test_a_socket_that_is_passed_to_another_process_is_not_taken() -> None:
    for environment in ({"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_PID": str(os.getpid())}, {}):
        opened = open_listener("127.0.0.1", 0, dict(environment), first_passed=-1)
        opened.socket.close()


def test_more_than_one_socket_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="LISTEN_FDS: 2 sockets are passed, and the hub takes one"):
        open_listener("127.0.0.1", 0, passed_to_me(2))


def test_a_descriptor_that_is_no_socket_is_an_error(tmp_path: Path) -> None:
    with (
        (tmp_path / "file").open("wb") as file,
        pytest.raises(ConfigurationError, match=r"LISTEN_FDS: the descriptor .* is no socket"),
    ):
        open_listener("127.0.0.1", 0, passed_to_me(), first_passed=file.fileno())


def test_a_socket_that_does_not_listen_is_an_error() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        pytest.raises(ConfigurationError, match="takes no connections; give the socket unit a ListenStream="),
    ):
        open_listener("127.0.0.1", 0, passed_to_me(), first_passed=os.dup(datagrams.fileno()))


def test_the_hub_serves_on_the_socket_of_systemd(passed: socket.socket) -> None:
    port = passed.getsockname()[1]
    server = start(passed, "--port", "1", url=f"http://127.0.0.1:{port}")
    try:
        server.wait_for(HUB)
        assert server.told("Hub: ") == f"http://127.0.0.1:{port}{HUB}"
    finally:
        server.stop()
    assert server.process.returncode == 0


def test_connections_wait_on_the_socket_of_systemd_while_the_hub_restarts(passed: socket.socket) -> None:
    port = passed.getsockname()[1]
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as waiting:
            waiting.sendall(f"HEAD {HUB}?topic=a HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            server = start(passed)
            try:
                assert waiting.recv(100).startswith(b"HTTP/1.1 200 ")
            finally:
                server.stop()
        assert server.process.returncode == 0


def test_a_unix_socket_needs_the_clients_url_and_keys(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "hub.sock"))
        listener.listen()
        server = start(listener)
        assert server.process.wait(20) == 2
        server.stop()
        assert "--public-url is missing: a Unix socket has no URL" in server.log

        keys = [
            f"--{role}-secret=the {role}s' secret, long enough for it" for role in ("publisher", "subscriber")
        ]
        server = start(listener, "--public-url=https://hub.example", *keys)
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(20)
                client.connect(str(tmp_path / "hub.sock"))
                client.sendall(f"HEAD {HUB}?topic=a HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        finally:
            server.stop()
        assert f"Hub: https://hub.example{HUB}" in server.log


def test_a_port_that_is_taken_ends_the_command_with_a_status_of_its_own(passed: socket.socket) -> None:
    command = [sys.executable, "-m", "flask_mercure_sse.server", "--port", str(passed.getsockname()[1])]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "another program has this port" in ended.stderr
    assert "Traceback" not in ended.stderr
