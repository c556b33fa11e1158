"""How many open files the system allows, and how many connections that makes."""

from __future__ import annotations

import logging
import resource
import socket
import subprocess
import sys
from contextlib import ExitStack, closing

import pytest

from flask_mercure_sse.server.descriptors import FEWEST, OWN, RESERVE, connections_for, raise_limit
from tests.server.processes import ROOT, Server, Stream, free_port, serving

HUB = "/.well-known/mercure"

LIMITED = """
import resource, sys
from flask_mercure_sse.server.descriptors import raise_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300))
print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""

AS_HUB = """
import os, resource, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
os.execv(sys.executable, [sys.executable, "-m", "flask_mercure_sse.server", *sys.argv[2:]])
"""
"""Starts the hub with a limit of open files."""


def test_the_limit_is_raised_to_the_most_that_is_allowed() -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, timeout=30)
    assert done.stdout.split() == ["300", "300", "300"], done.stderr


def test_a_limit_that_the_system_refuses_is_tried_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [256, resource.RLIM_INFINITY]

    def set_limit(_which: int, wanted: tuple[int, int]) -> None:
        if not 0 < wanted[0] <= 10240:
            raise ValueError("current limit exceeds maximum limit")
        limits[:] = wanted

    monkeypatch.setattr(resource, "getrlimit", lambda _which: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", set_limit)
    assert raise_limit() == 10240
    assert limits == [10240, resource.RLIM_INFINITY]


def test_a_limit_that_is_too_low_for_a_hub_is_told() -> None:
    command = [sys.executable, "-c", AS_HUB, "10", "--port", "0", "--admin-port", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "Error: the system allows 10 open files, and a hub needs 64: raise LimitNOFILE= of the systemd unit, "
        "or ulimit -n\n"
    )


def test_a_hub_with_the_fewest_open_files_takes_the_connections_that_it_promises() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", AS_HUB, str(FEWEST), "--port", "0", "--admin-port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    server = Server(process, "")
    try:
        address = ("127.0.0.1", int(server.told("Hub: http://127.0.0.1:").partition("/")[0]))
        promised = int(server.told("Connections: up to ").split()[0])
        request = f"OPTIONS {HUB} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        with ExitStack() as stack:
            for _ in range(promised):
                client = stack.enter_context(socket.create_connection(address, 10))
                client.sendall(request)
                assert client.recv(1000).startswith(b"HTTP/1.1 204 ")
    finally:
        server.stop()
    assert "New connections are refused" not in server.log


def test_connections_are_as_many_as_there_may_be_files_less_a_reserve() -> None:
    assert connections_for(20_000, 0) == 20_000 - RESERVE
    assert connections_for(100, 0) == 75
    assert connections_for(FEWEST, 0) == FEWEST - OWN


def test_a_lower_number_is_taken_as_it_is() -> None:
    assert connections_for(20_000, 50) == 50


def test_a_number_that_the_files_do_not_allow_is_lowered_and_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert connections_for(1000, 5000) == 900
    assert "1000 open files, so 900 connections and not 5000: raise LimitNOFILE=" in caplog.text


def test_without_a_limit_of_files_there_is_none_of_connections() -> None:
    assert (connections_for(None, 0), connections_for(None, 7)) == (0, 7)


def test_the_hub_says_how_many_connections_it_takes() -> None:
    port = free_port()
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with serving("flask_mercure_sse.server", "--port", str(port), port=port, path=HUB) as server:
        assert server.told("Connections: ") == f"up to {connections_for(hard, 0)} (of {hard} open files)"


def test_connections_past_the_number_are_refused() -> None:
    port = free_port()
    options = ("--port", str(port), "--max-connections", "2")
    with serving("flask_mercure_sse.server", *options, port=port, path=HUB) as server:
        assert server.told("Connections: ").startswith("up to 2 (of")
        url = f"{server.url}{HUB}?topic=/a"
        with closing(Stream(url)) as first, closing(Stream(url)) as second, closing(Stream(url)) as third:
            assert [first.status, second.status, third.status] == [200, 200, 429]
