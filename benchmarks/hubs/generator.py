"""Puts a load on a hub: subscribers that count what they get, publishers that wait for each answer.

One thread and one epoll, so that it takes less of the machine than the hub that it drives. An update is
counted by a marker in its data, of which the received bytes are searched; the stream is not parsed. A hub
must therefore not cut a line of data in two with its HTTP chunks, which none does for lines this short.
"""

from __future__ import annotations

import gc
import select
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context

from . import usage
from .load import Load, Outcome
from .subscribing import Subscribers
from .traffic import Traffic


def run_apart(load: Load) -> Outcome:
    """Run a load in a fresh process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=gc.disable) as pool:
        return pool.submit(run, load).result()


def run(load: Load) -> Outcome:
    """Run a load in this process.

    :raises LoadError: a subscriber was not let in.
    :raises OSError: the hub cannot be reached.
    """
    with ExitStack() as stack:
        epoll = stack.enter_context(select.epoll())
        subscribers = Subscribers(epoll, load.address, keep_latencies=load.rate is not None)
        stack.callback(subscribers.close)
        connect_cpu, memory = _connect(load, subscribers)
        traffic = Traffic(load, epoll, subscribers)
        stack.callback(traffic.close)
        cpu = _cpu(load)
        traffic.run()
        spent = _difference(_cpu(load), cpu)
    return _outcome(load, subscribers, traffic, spent, connect_cpu, memory)


def _connect(load: Load, subscribers: Subscribers) -> tuple[float | None, float | None]:
    """Connect all subscribers; return the CPU seconds and the bytes of memory for each, if known."""
    first, others = _parted(load.subscribe)
    subscribers.connect(first)  # what a hub makes with its first requests is not theirs
    time.sleep(load.settle)
    cpu, memory = _cpu(load), _memory(load)
    subscribers.connect(others)
    time.sleep(load.settle)
    connect_cpu, connect_memory = _difference(_cpu(load), cpu), _difference(_memory(load), memory)
    if not others or connect_cpu is None or connect_memory is None:
        return None, None
    return connect_cpu / len(others), connect_memory / len(others)


def _parted(requests: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[bytes]]:
    tenth = -(-len(requests) // 10)
    return requests[:tenth], requests[tenth:]


def _cpu(load: Load) -> float | None:
    return None if load.pid is None else usage.cpu_seconds(load.pid)


def _memory(load: Load) -> float | None:
    return None if load.pid is None else usage.resident_bytes(load.pid)


def _difference(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def _outcome(
    load: Load,
    subscribers: Subscribers,
    traffic: Traffic,
    cpu: float | None,
    connect_cpu: float | None,
    memory: float | None,
) -> Outcome:
    expected = [sum(traffic.taken[topic] for topic in topics) for topics in load.follows]
    missing = [wanted - got for wanted, got in zip(expected, subscribers.counts, strict=True)]
    return Outcome(
        published=sum(traffic.taken),
        refused=traffic.refused,
        refusal=traffic.refusal,
        delivered=subscribers.delivered,
        lost=sum(number for number in missing if number > 0),
        repeated=-sum(number for number in missing if number < 0),
        closed=subscribers.closed,
        latencies=subscribers.latencies(),
        cpu=cpu,
        connect_cpu=connect_cpu,
        memory=memory,
    )
