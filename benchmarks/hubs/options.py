"""The options of ``benchmarks/hub.py``."""

from __future__ import annotations

import argparse
import math
import os
import resource
import secrets
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .contender import Contender, read_contender
from .measures import MEASURES, MakeLoad, Sizes

KEY_VARIABLE = "MERCURE_BENCHMARK_KEY"
PROTOCOLS = ("0.x", "1.0")
SIZES = {
    "subscribers": "streams",
    "rate": "updates per second of the steady load",
    "seconds": "seconds for which each load publishes",
    "topics": "distinct topics",
    "patterns": "distinct URI templates, in 1.0 URL Patterns",
    "size": "bytes of an update's data",
    "publishers": "connections that publish as fast as they are answered",
}


@dataclass(frozen=True)
class Options:
    """What was asked for.

    :param against: the hub that the others are compared with, None where there is only one.
    :param key: the secret of the tokens.
    :param figures: whether the figures themselves are printed as well.
    :param json: the file for everything that was found.
    """

    hubs: Sequence[Contender]
    against: str | None
    protocol: str
    key: str
    sizes: Sizes
    measures: Mapping[str, MakeLoad]
    runs: int
    figures: bool
    markdown: bool
    json: Path | None


def read_options(description: str | None, arguments: Sequence[str] | None = None) -> Options:
    """Read the command line; end the process with one line about what is wrong with it."""
    parser = _parser(description)
    given = parser.parse_args(arguments)
    try:
        hubs = _hubs(given.hub or ["ours"], given.pid, given.protocol)
        return Options(
            hubs=hubs,
            against=_against(given.against, hubs),
            protocol=given.protocol,
            key=_key(given.key, hubs),
            sizes=replace(Sizes(), **{name: getattr(given, name) for name in SIZES}),
            measures=_measures(given.only),
            runs=given.runs,
            figures=given.figures,
            markdown=given.markdown,
            json=given.json,
        )
    except ValueError as error:
        parser.error(str(error))


def raise_limit(descriptors: int) -> None:
    """Let this process and its children open as many files as they may.

    Ends the process where that is not enough.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and descriptors > hard:
        sys.exit(
            f"--subscribers: so many take {descriptors:,} open files and {hard:,} are allowed;"
            f" give fewer, or raise the limit with: ulimit -Hn {descriptors}"
        )


def _parser(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--hub",
        action="append",
        metavar="NAME=HUB",
        help="a hub, or 'ours' for this project's; may be repeated",
    )
    parser.add_argument("--pid", action="append", default=[], metavar="NAME=PID", help="a URL's process")
    parser.add_argument("--against", metavar="NAME", help="the hub to compare with (default: the last)")
    parser.add_argument("--protocol", choices=PROTOCOLS, default=PROTOCOLS[0], help="version that all speak")
    parser.add_argument("--key", help=f"secret of the tokens, for URLs (default: {KEY_VARIABLE})")
    parser.add_argument("--runs", type=_positive(int), default=1, help="runs, of which the median counts")
    parser.add_argument("--only", metavar="LOADS", help=f"some loads only, of: {', '.join(MEASURES)}")
    for name, text in SIZES.items():
        default: int | float = getattr(Sizes(), name)
        text = f"{text} (default: {default:g})"
        parser.add_argument(
            f"--{name}", type=_positive(type(default)), default=default, metavar="N", help=text
        )
    parser.add_argument("--figures", action="store_true", help="print the figures as well as the ratios")
    parser.add_argument("--markdown", action="store_true", help="print the tables in Markdown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found")
    return parser


def _positive(kind: type[int] | type[float]) -> Callable[[str], int | float]:
    def number(text: str) -> int | float:
        value = kind(text)
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"{text} is not a number above 0; give one")
        return value

    number.__name__ = kind.__name__  # argparse names it where the text is no number at all
    return number


def _hubs(given: Sequence[str], pids: Sequence[str], protocol: str) -> Sequence[Contender]:
    hubs: dict[str, Contender] = {}
    for text in given:
        try:
            hub = read_contender(f"ours={_our_command(protocol)}" if text == "ours" else text)
        except ValueError as error:
            raise ValueError(f"--hub: {text.partition('=')[0]!r} {error}") from error
        if hub.name in hubs:
            raise ValueError(f"--hub: {hub.name!r} is there twice; give each hub another name")
        hubs[hub.name] = hub
    for text in pids:
        name, _, pid = text.partition("=")
        if name not in hubs or hubs[name].url is None or not pid.isdigit():
            raise ValueError(f"--pid: {text!r} is not the process of a hub with a URL; give NAME=NUMBER")
        hubs[name] = replace(hubs[name], pid=int(pid))
    return list(hubs.values())


def _our_command(protocol: str) -> str:
    keys = "--publisher-secret {key} --subscriber-secret {key}"
    return (
        f"{shlex.quote(sys.executable)} -m flask_mercure_sse.server"
        f" --port {{port}} --public-url {{url}} --protocol {protocol} {keys}"
    )


def _against(name: str | None, hubs: Sequence[Contender]) -> str | None:
    names = [hub.name for hub in hubs]
    if name is not None and name not in names:
        raise ValueError(f"--against: there is no hub {name!r}; give one of: {', '.join(names)}")
    return (name or names[-1]) if len(names) > 1 else None


def _key(given: str | None, hubs: Sequence[Contender]) -> str:
    key = given or os.environ.get(KEY_VARIABLE)
    if key:
        return key
    if any(hub.url for hub in hubs):
        raise ValueError(f"--key is missing: a hub with a URL has one already; set it or {KEY_VARIABLE}")
    return secrets.token_hex(32)


def _measures(only: str | None) -> Mapping[str, MakeLoad]:
    if only is None:
        return MEASURES
    names = [name.strip() for name in only.split(",")]
    for name in names:
        if name not in MEASURES:
            raise ValueError(f"--only: there is no load {name!r}; give some of: {', '.join(MEASURES)}")
    return {name: MEASURES[name] for name in names}
