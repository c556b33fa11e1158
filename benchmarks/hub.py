"""How much hubs do with a second of CPU, side by side.

    python benchmarks/hub.py
    python benchmarks/hub.py --hub ours --hub other='other-hub --listen 127.0.0.1:{port} --key {key}'
    python benchmarks/hub.py --hub ours --hub other=http://127.0.0.1:3000/.well-known/mercure --pid other=4711

A hub is a command, which is started anew for each load on a free port, or the http URL of one that runs
already; "ours" alone is the standalone hub of this project, and it is what is measured without any. The hubs
take turns, so that all see the same machine, and what they cost is the CPU time of their own processes.
Each update must reach each of its subscribers once. Where it does not, the figures have a mark, and the
command ends with status 1.

Hubs must let in anonymous subscribers. Needs Linux.
"""

from __future__ import annotations

import json
import sys

from hubs.client import Client
from hubs.contender import Contender, HubError, running
from hubs.generator import run_apart
from hubs.load import Outcome
from hubs.options import Options, raise_limit, read_options
from hubs.report import Report, Run
from hubs.subscribing import LoadError


def main() -> int:
    """Measure, print, and return the command's status."""
    options = read_options(__doc__)
    raise_limit(options.sizes.descriptors)
    report = Report(options.sizes, measured(options))
    show(report, options)
    return 1 if report.notes() else 0


def measured(options: Options) -> dict[str, list[Run]]:
    """Put every load on every hub, in turns."""
    runs: dict[str, list[dict[str, Outcome | str]]] = {hub.name: [] for hub in options.hubs}
    for number in range(1, options.runs + 1):
        for found in runs.values():
            found.append({})
        for measure in options.measures:
            for hub in options.hubs:
                print(f"run {number} of {options.runs}: {measure}, {hub.name}", file=sys.stderr)
                runs[hub.name][-1][measure] = put_on(hub, measure, options)
    return {name: list(found) for name, found in runs.items()}


def put_on(hub: Contender, measure: str, options: Options) -> Outcome | str:
    """Put one load on one hub; return what became of it, or why that was not possible."""
    try:
        with running(hub, options.key) as at:
            client = Client(options.protocol, at.url, options.key)
            return run_apart(options.measures[measure](client, options.sizes, at.pid))
    except (HubError, LoadError, OSError) as error:
        return str(error)


def show(report: Report, options: Options) -> None:
    """Print the tables, and write the file that was asked for."""
    tables = [report.ratios(options.against)] if options.against else []
    if options.figures or not tables:
        tables.append(report.figures())
    for table in [*tables, report.growth()]:
        if table.rows:
            print(table.markdown() if options.markdown else table.text(), end="\n\n")
    for note in report.notes():
        print(note)
    if options.json:
        options.json.write_text(json.dumps(report.as_json(), indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
