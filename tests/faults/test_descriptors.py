"""A process that has no descriptors left."""

from __future__ import annotations

import socket
import time

from tests.faults.hubs import Process, Publisher, running
from tests.faults.streams import open_streams, read_until, reading

DESCRIPTORS = 100
SECONDS = 2.0


def knock(hub: Process) -> bytes | None:
    """Connect; return what the hub says, None where it says nothing for long."""
    with socket.create_connection(("127.0.0.1", hub.port), 10) as client:
        client.settimeout(2)
        try:
            return client.recv(1000)
        except ConnectionError:
            return b""
        except TimeoutError:
            return None


def test_hub_without_descriptors_refuses_quickly_and_serves_on() -> None:
    with running(descriptors=DESCRIPTORS) as hub:
        publisher = Publisher(hub)
        publisher.publish()
        streams = open_streams(hub, DESCRIPTORS - hub.descriptors - 2)
        assert hub.report()["is_accepting"]
        while hub.descriptors < DESCRIPTORS:
            streams += open_streams(hub, 1)
        with reading(streams):
            refusals = [knock(hub) for _ in range(20)]
            assert not hub.report()["is_accepting"]
            assert all(answer is not None for answer in refusals)
            assert any(answer.startswith(b"HTTP/1.1 503 ") for answer in refusals if answer)
            for _ in range(20):
                publisher.publish()
        read_until(streams, lambda: all(one.events == 20 for one in streams))
        assert [one.ids for one in streams] == [publisher.acknowledged[1:]] * len(streams)

        waiting = [socket.create_connection(("127.0.0.1", hub.port), 10) for _ in range(20)]
        worked, began = hub.work, time.monotonic()
        time.sleep(SECONDS)
        assert hub.work - worked < 0.3 * (time.monotonic() - began)  # else it is spinning
        for client in waiting:
            client.close()

        for stream in streams[:10]:
            stream.socket.close()
        hub.wait_until(lambda report: report["is_accepting"])
        [late] = open_streams(hub, 1, after=publisher.acknowledged[0])
        read_until([late], lambda: late.ids == publisher.acknowledged[1:])
        for _ in range(20):
            streams.pop().socket.close()
            hub.wait_until(lambda report: report["is_accepting"])
            streams.insert(0, *open_streams(hub, 1))
    assert hub.log.count("descriptors") == 1
