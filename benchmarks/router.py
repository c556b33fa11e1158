"""What a publication costs, the more topics and patterns are followed.

    python benchmarks/router.py [--patterns 10000] [--exact 100000] [--url-patterns 1000] [--runs 7]

Prints, for several shapes of patterns, the CPU time of a publication to a topic that one of them matches and
to one that none matches, with a few patterns, with many, and with many exact topics besides. The ratios
compare it with ten patterns of the same shape. The cases take turns, so that all see the same machine, and
the fastest turn of each counts.
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

from flask_mercure_sse.hub.hub import Hub
from flask_mercure_sse.protocol.update import Update
from flask_mercure_sse.protocol.v0 import MERCURE_0
from flask_mercure_sse.protocol.v1 import Mercure1
from flask_mercure_sse.protocol.version import ProtocolVersion
from flask_mercure_sse.protocol.versions import Versions

MERCURE_1 = Mercure1("https://hub.example.com/.well-known/mercure")

FEW = 10
PUBLICATIONS = 2000
"""In one turn."""


class Shape(NamedTuple):
    """Patterns that differ in a number.

    :param pattern: with ``N`` for the number.
    :param hit: a topic that the pattern with a number matches.
    :param miss: a topic that looks alike and that none matches.
    """

    name: str
    pattern: str
    hit: str
    miss: str


TEMPLATES = [
    Shape("prefix", "/books-N/{id}", "/books-N/1", "/books-x/1"),
    Shape("prefix within a part", "/books-N-{id}", "/books-N-1", "/books-x-1"),
    Shape("suffix", "/books/{id}/N", "/books/1/N", "/books/1/x"),
    Shape("suffix within a part", "/books/{id}-N", "/books/1-N", "/books/1-x"),
    Shape("in the middle", "/books/{id}/N/{page}", "/books/1/N/2", "/books/1/x/2"),
    Shape("at both ends", "/{a}/N/{b}", "/1/N/2", "/1/x/2"),
    Shape("optional end", "/books/N{/page}", "/books/N/2", "/books/x/2"),
    Shape("query", "/books-N{?page}", "/books-N?page=2", "/books-x?page=2"),
    Shape("end after any path", "{+path}/N", "/books/1/N", "/books/1/x"),
    Shape(
        "whole URL",
        "https://example.com/books/N/{id}",
        "https://example.com/books/N/1",
        "https://example.com/x",
    ),
]
URL_PATTERNS = [
    Shape("URL pattern: prefix", "/books-N/:id", "/books-N/1", "/books-x/1"),
    Shape("URL pattern: in the middle", "/books/:id/N/:page", "/books/1/N/2", "/books/1/x/2"),
    Shape("URL pattern: open end", "/books/N/*", "/books/N/1/2", "/books/x/1"),
    Shape("URL pattern: prefix within a part", "/books-N-:id", "/books-N-1", "/books-x-1"),
]


def hub_with(version: ProtocolVersion, parameter: str, shape: Shape, patterns: int, exact: int) -> Hub:
    """Make a hub in which each pattern and each exact topic has a subscriber of its own."""
    hub = Hub(Versions(version), subscriptions=False)
    texts = [(parameter, shape.pattern.replace("N", str(number))) for number in range(patterns)]
    own = "topic" if version is MERCURE_0 else "match"
    texts += [(own, f"/exact/{number}") for number in range(exact)]
    for text in texts:
        hub.subscribe(version.subscribe_request([text], None), None)
    return hub


def turn(hub: Hub, topic: str) -> float:
    """Return the CPU microseconds of one publication to a topic."""
    updates = [Update((topic,)) for _ in range(PUBLICATIONS)]
    began = time.process_time()
    for update in updates:
        hub.publish(update)
    return (time.process_time() - began) / PUBLICATIONS * 1e6


def fastest(hubs: list[Hub], topic: str, runs: int) -> list[float]:
    """Return the fastest turn of each hub."""
    turns = [[turn(hub, topic) for hub in hubs] for _ in range(runs)]
    return [min(column) for column in zip(*turns, strict=True)]


def measure(version: ProtocolVersion, parameter: str, shape: Shape, many: int, exact: int, runs: int) -> None:
    """Print one shape's line."""
    counts = [(FEW, 0), (many // 10, 0), (many, 0), (many, exact)]
    hubs = [hub_with(version, parameter, shape, *count) for count in counts]
    texts = [""]
    for topic in (shape.hit.replace("N", str(FEW - 3)), shape.miss):
        few, *more = fastest(hubs, topic, runs)
        texts.append(f"{few:6.2f} us " + " ".join(f"{one / few:6.2f}" for one in more))
    print(f"{shape.name:34}" + "   ".join(texts), flush=True)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--patterns", type=int, default=10_000)
    options.add_argument("--exact", type=int, default=100_000)
    options.add_argument("--url-patterns", type=int, default=1_000, help="each takes about 100 kB")
    options.add_argument("--runs", type=int, default=7)
    given = options.parse_args()
    print(f"{'':34}   hit: {FEW} patterns, then ratios for a tenth, all, all and exact; the same for a miss")
    for shape in TEMPLATES:
        measure(MERCURE_0, "topic", shape, given.patterns, given.exact, given.runs)
    for shape in URL_PATTERNS:
        measure(MERCURE_1, "match_urlpattern", shape, given.url_patterns, given.exact, given.runs)


if __name__ == "__main__":
    main()
