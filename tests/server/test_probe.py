"""A hub that publishes to itself from time to time."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import gevent
import pytest

from flask_mercure_sse.hub.frame import Frame
from flask_mercure_sse.hub.hub import Hub
from flask_mercure_sse.protocol.update import Update
from flask_mercure_sse.protocol.v0 import MERCURE_0
from flask_mercure_sse.protocol.versions import Versions
from flask_mercure_sse.server.fanout import FanOut
from flask_mercure_sse.server.fanout_line import FanOutLine
from flask_mercure_sse.server.health import MAX_FAILURES, Health
from flask_mercure_sse.server.probe import Line, Probe


@pytest.fixture
def hub() -> Hub:
    return Hub(Versions(MERCURE_0), subscriptions=False)


@pytest.fixture
def fanout(hub: Hub) -> Iterator[FanOut]:
    fanout = FanOut(hub, keepalive_interval=0)
    fanout.start()
    yield fanout
    fanout.stop()


class MemoryLine:
    """A line without a fan-out, which may be cut."""

    def __init__(self) -> None:
        self.is_cut = False
        self.frames: list[Frame] = []

    def deliver(self, frame: Frame) -> None:
        if self.is_cut:
            raise OSError("the line is cut")
        self.frames.append(frame)

    def receive(self) -> bytes:
        gevent.sleep(0)
        return self.frames[-1].encoded

    def close(self) -> None:
        pass


class LateLine(MemoryLine):
    """A line on which each frame comes only when the next is there."""

    def receive(self) -> bytes:
        gevent.sleep(0)
        return b"".join(frame.encoded for frame in self.frames[:-1])


def probe_on(hub: Hub, line: Line, patience: float = 10) -> Probe:
    return Probe(hub, line, interval=0.01, patience=patience)


def wait_until(is_so: Callable[[], bool]) -> None:
    with gevent.Timeout(10):
        while not is_so():
            gevent.sleep(0.005)


def test_an_attempt_through_the_fan_out_works_while_it_writes(hub: Hub, fanout: FanOut) -> None:
    line = FanOutLine(fanout, hub)
    probe = probe_on(hub, line)
    for _ in range(20):
        probe.attempt()
    assert (probe.has_succeeded, probe.failures) == (True, 0)
    line.close()


def test_an_attempt_fails_where_the_fan_out_does_not_write(
    hub: Hub, fanout: FanOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = FanOutLine(fanout, hub)
    probe = probe_on(hub, line, patience=0.05)
    with monkeypatch.context() as stuck:
        stuck.setattr(fanout, "wake", lambda outbox: None)
        probe.attempt()
        assert (probe.has_succeeded, probe.failures) == (False, 1)
    line.close()


def test_what_came_too_late_does_not_count_for_the_next_attempt(hub: Hub) -> None:
    line = LateLine()
    probe = probe_on(hub, line, patience=0.05)
    for _ in range(3):
        probe.attempt()
    assert len(line.frames) == 3
    assert probe.failures == 3


def test_the_line_is_no_stream_of_the_fan_out(hub: Hub, fanout: FanOut) -> None:
    line = FanOutLine(fanout, hub)
    probe_on(hub, line).attempt()
    assert len(fanout) == 0
    line.close()


def test_what_waits_when_the_line_is_closed_reaches_nobody(hub: Hub, fanout: FanOut) -> None:
    line = FanOutLine(fanout, hub)
    hub.probe(Update(("urn:probe",), private=True), line.deliver)
    line.close()
    ours, theirs = socket.socketpair()  # they get the numbers that the line had
    with ours, theirs:
        gevent.sleep(0.01)
        ours.setblocking(False)
        with pytest.raises(BlockingIOError):
            ours.recv(100)


def test_the_line_holds_two_descriptors_and_gives_them_back(hub: Hub, fanout: FanOut) -> None:
    before = len(os.listdir("/proc/self/fd"))
    line = FanOutLine(fanout, hub)
    assert len(os.listdir("/proc/self/fd")) == before + 2
    line.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_error_is_a_failure_and_is_told_once(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    probe = probe_on(hub, MemoryLine())
    with monkeypatch.context() as broken:
        broken.setattr(hub._router, "route", lambda update: 1 / 0)
        for _ in range(3):
            probe.attempt()
    assert probe.failures == 3
    assert caplog.messages == ["The hub does not reach itself: ZeroDivisionError('division by zero')"]
    probe.attempt()
    assert probe.failures == 0
    assert caplog.messages[1:] == ["The hub reaches itself again, after 3 attempts that failed"]


def test_a_probe_that_runs_recovers_by_itself(hub: Hub) -> None:
    line = MemoryLine()
    line.is_cut = True
    probe = probe_on(hub, line)
    assert not probe.is_running
    probe.start()
    wait_until(lambda: probe.failures > 2)
    line.is_cut = False
    wait_until(lambda: probe.failures == 0)
    assert probe.is_running
    probe.stop()
    assert not probe.is_running


# What follows for a hub's health


@dataclass
class Door:
    is_closed: bool = False
    is_accepting: bool = True


@pytest.fixture
def line() -> MemoryLine:
    return MemoryLine()


@pytest.fixture
def probe(hub: Hub, line: MemoryLine) -> Iterator[Probe]:
    probe = Probe(hub, line, interval=3600)
    yield probe
    probe.stop()


def test_a_hub_is_ready_once_it_has_reached_itself(probe: Probe) -> None:
    health = Health(probe, Door())
    assert health.unready() == "starting"
    probe.attempt()
    assert health.unready() is None


def test_one_failure_makes_a_hub_unready_and_not_dead(probe: Probe, line: MemoryLine) -> None:
    health = Health(probe, Door())
    probe.start()
    wait_until(lambda: probe.has_succeeded)
    line.is_cut = True
    probe.attempt()
    assert (health.unready(), health.dead()) == ("self_publish_failed", None)


def test_a_hub_is_dead_when_it_has_failed_for_a_while_and_alive_again_by_itself(
    probe: Probe, line: MemoryLine
) -> None:
    health = Health(probe, Door())
    probe.start()
    wait_until(lambda: probe.has_succeeded)
    line.is_cut = True
    told = []
    for _ in range(MAX_FAILURES):
        told.append(health.dead())
        probe.attempt()
    assert told == [None] * MAX_FAILURES
    assert health.dead() == "self_publish_failed"
    line.is_cut = False
    probe.attempt()
    assert health.dead() is None


@pytest.mark.parametrize(
    ("door", "reason"),
    [(Door(is_closed=True, is_accepting=False), "draining"), (Door(is_accepting=False), "not_accepting")],
)
def test_a_hub_that_takes_no_clients_is_unready_and_alive(probe: Probe, door: Door, reason: str) -> None:
    health = Health(probe, door)
    probe.start()
    wait_until(lambda: probe.has_succeeded)
    assert (health.unready(), health.dead()) == (reason, None)


def test_a_probe_that_has_stopped_is_no_proof_of_life(probe: Probe) -> None:
    probe.start()
    wait_until(lambda: probe.has_succeeded)
    probe.stop()
    assert Health(probe, Door()).dead() == "probe_stopped"
