"""The command that runs the standalone hub."""

from __future__ import annotations

import click

from ..app_hub import hub_defaults, hub_variables
from ..server.command_line import HELP, hub_options
from ..server.handover import become_hub
from .group import app_state, mercure_commands


@mercure_commands.command(
    "hub", params=hub_options(), help=f"{HELP}\n\nAt the end count the app's own settings and keys."
)
def hub(**given: object) -> None:
    """Run the standalone hub for the app."""
    state = app_state()
    if state.hub is not None:
        click.echo(
            "The app's own hub is embedded, so it does not publish on this one: set MERCURE_HUB_URL to the "
            "URL of this one.",
            err=True,
        )
    become_hub(given, hub_defaults(state), hub_variables())
