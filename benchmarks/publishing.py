"""What `mercure.publish()` costs the thread of a request, with an external hub.

    python benchmarks/publishing.py [--updates 5000] [--runs 5]

Starts a standalone hub, publishes on it in the background and while the request waits, and prints the CPU
time and the time that a publication takes the caller, as a ratio of the two as well. The two take turns, so
that both see the same machine; the median of the runs counts.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

from flask_mercure_sse import MercureSSE

SECRET = "a secret that is long enough for HS256"


@contextmanager
def hub() -> Iterator[str]:
    """Run a hub and give its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "flask_mercure_sse.server", "--port", str(port)]
    keys = ["--publisher-secret", SECRET, "--subscriber-secret", SECRET]
    process = subprocess.Popen([*command, *keys], stdout=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def costs(mercure: MercureSSE, updates: int, *, wait: bool) -> tuple[float, float]:
    """Return the seconds of CPU and the seconds that one publication takes the caller."""
    cpu, wall = time.thread_time(), time.perf_counter()
    for number in range(updates):
        mercure.publish("/books/7", {"title": "A title", "number": number}, wait=wait)
    return (time.thread_time() - cpu) / updates, (time.perf_counter() - wall) / updates


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--updates", type=int, default=5000)
    options.add_argument("--runs", type=int, default=5)
    given = options.parse_args()
    with hub() as url:
        app = Flask(__name__)
        app.config.update(SECRET_KEY=SECRET, MERCURE_HUB_URL=url, MERCURE_QUEUE_SIZE=2**30)
        mercure = MercureSSE(app)
        with app.app_context():
            mercure.publish("/warm", "up")
            mercure.flush(60)
            background, waiting = [], []
            for _ in range(given.runs):
                background.append(costs(mercure, given.updates, wait=False))
                mercure.flush(600)
                waiting.append(costs(mercure, given.updates // 10, wait=True))
    for name, runs in (("background", background), ("waiting", waiting)):
        cpu, wall = (statistics.median(column) * 1e6 for column in zip(*runs, strict=True))
        print(f"{name:10} {cpu:8.1f} us CPU  {wall:8.1f} us  of the caller's")
    ratio = statistics.median(own[0] / other[0] for own, other in zip(background, waiting, strict=True))
    print(f"ratio      {ratio:8.2f}")


if __name__ == "__main__":
    main()
