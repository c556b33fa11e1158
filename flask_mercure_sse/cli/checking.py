"""The command that looks for what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import click

from ..doctor.examination import examine
from ..doctor.finding import Finding
from ..server.cors import origin_of
from .group import answer, app_state, errors_told, hub_at, json_option, mercure_commands


def _origin(_context: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    origin = None if given is None else given.rstrip("/")
    if origin is not None and origin_of(origin) != origin:
        raise click.BadParameter(f"{given!r} is none; give scheme and host, such as https://shop.example")
    return origin


@mercure_commands.command("doctor")
@click.option(
    "--hub",
    "hub",
    metavar="NAME|URL",
    help="One hub of MERCURE_HUBS alone, or a running hub, instead of all hubs of the settings.",
)
@click.option(
    "--origin",
    metavar="ORIGIN",
    callback=_origin,
    help="Whose pages use the hub, such as https://shop.example.",
)
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
    context: click.Context, hub: str | None, origin: str | None, timeout: float, as_json: bool
) -> None:
    """Look at the whole path of updates, and say what to change.

    Keys, the hub, publishing, subscribing, private updates, the cookie, proxies that hold updates back, and
    with --origin what browsers allow; the same for each hub of MERCURE_HUBS. An embedded hub is asked in this
    process; to look at the app as it is served, give --hub its URL. It publishes three updates on a topic of
    its own, which only those who follow everything see. The exit code is 1 when something failed.
    """
    with errors_told(as_json):
        if hub is not None and hub not in app_state().hubs:
            hub = hub_at(hub)
    findings = list(examine(app_state(), hub, origin, timeout))
    is_well = all(finding.status != "failed" for finding in findings)
    answer(
        _for_a_person(findings), {"ok": is_well, "checks": [asdict(one) for one in findings]}, as_json=as_json
    )
    if not is_well:
        context.exit(1)


def _for_a_person(findings: Iterable[Finding]) -> str:
    lines: list[str] = []
    for finding in findings:
        check = finding.check if finding.hub is None else f"{finding.hub}: {finding.check}"
        lines.append(f"{finding.status:8} {check}: {finding.message}")
        if finding.fix:
            lines.append(f"{'':8} -> {finding.fix}")
    return "\n".join(lines)
