"""The command that looks for what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import click

from ..doctor.examination import examine
from ..doctor.finding import Finding
from .group import answer, app_state, errors_told, hub_at, json_option, mercure_commands


@mercure_commands.command("doctor")
@click.option("--hub", "hub_url", metavar="URL", help="A running hub, instead of the one of the settings.")
@click.option("--origin", metavar="ORIGIN", help="Whose pages use the hub, such as https://shop.example.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=5,
    show_default=True,
    metavar="SECONDS",
    help="Until an answer or an update must have come.",
)
@json_option
@click.pass_context
def doctor(
    context: click.Context, hub_url: str | None, origin: str | None, timeout: float, as_json: bool
) -> None:
    """Look at the whole path of updates, and say what to change.

    Keys, the hub, publishing, subscribing, private updates, the cookie, proxies that hold updates back, and
    with --origin what browsers allow. It publishes three updates on a topic of its own, which only those who
    follow everything see. The exit code is 1 when something failed.
    """
    with errors_told(as_json):
        hub = None if hub_url is None else hub_at(hub_url)
    findings = list(examine(app_state(), hub, None if origin is None else origin.rstrip("/"), timeout))
    is_well = all(finding.status != "failed" for finding in findings)
    answer(
        _for_a_person(findings), {"ok": is_well, "checks": [asdict(one) for one in findings]}, as_json=as_json
    )
    if not is_well:
        context.exit(1)


def _for_a_person(findings: Iterable[Finding]) -> str:
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.status:8} {finding.check}: {finding.message}")
        if finding.fix:
            lines.append(f"{'':8} -> {finding.fix}")
    return "\n".join(lines)
