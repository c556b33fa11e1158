"""The command group ``flask mercure``."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from flask import current_app
from flask.cli import AppGroup

from .app_hub import hub_defaults, hub_variables
from .cli_outbox import outbox, relay
from .events import shared_bindings
from .integrations.listing import describe
from .protocol.errors import MercureError
from .protocol.selectors import EVERYTHING
from .server.command_line import HELP, hub_options
from .server.handover import become_hub

if TYPE_CHECKING:
    from .app_state import AppState

Command = Callable[..., None]

mercure_commands: AppGroup = AppGroup("mercure", help="Tokens, keys, publishing and the hub of Mercure.")

mercure_commands.add_command(relay)
mercure_commands.add_command(outbox)

topics_option: Callable[[Command], Command] = click.option(
    "-t",
    "--topic",
    "topics",
    multiple=True,
    default=[EVERYTHING],
    show_default=True,
    help="Topic; repeatable.",
)


def _state() -> AppState:
    return current_app.extensions["mercure_sse"]


@contextmanager
def errors_in_one_line() -> Generator[None, None, None]:
    """Tell an error of the package without a traceback."""
    try:
        yield
    except MercureError as error:
        raise click.ClickException(str(error)) from error


@mercure_commands.command("gen-secret-key")
def gen_secret_key() -> None:
    """Print a new secret key, long enough for HS256."""
    click.echo(secrets.token_urlsafe(48))


@mercure_commands.command("subscriber-jwt")
@topics_option
def subscriber_jwt(topics: tuple[str, ...]) -> None:
    """Print a subscriber's token for topics."""
    with errors_in_one_line():
        click.echo(_state().instance.create_subscription_jwt(list(topics)))


@mercure_commands.command("publisher-jwt")
@topics_option
def publisher_jwt(topics: tuple[str, ...]) -> None:
    """Print a publisher's token for topics."""
    with errors_in_one_line():
        click.echo(_state().instance.create_jwt("publisher_secret_key", publish=list(topics)))


@mercure_commands.command("bindings")
def bindings() -> None:
    """List the bindings: what they listen to, where it goes, and what it carries."""
    found = [*_state().instance.bindings, *(one for one in shared_bindings if one.connected)]
    if not found:
        click.echo("There are no bindings; make one with mercure.model_topic or mercure.publish_signal.")
        return
    rows = [("SOURCE", "TOPIC", "DATA", "PRIVATE"), *(describe(binding) for binding in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(map(str.ljust, row, widths)).rstrip())


@mercure_commands.command("publish")
@click.option("--hub", "hub_url", metavar="URL", help="Hub to publish on, instead of the app's.")
@click.option("--jwt", help="Publisher's token, instead of the app's.")
@click.option("--private", is_flag=True, help="Only for subscribers whose token grants the topic.")
@click.option("--id", "event_id", help="Event id.")
@click.option("--type", "event_type", help="Event name.")
@click.option("--retry", type=int, metavar="MS", help="Reconnection time for browsers, in milliseconds.")
@click.argument("topic")
@click.argument("data")
def publish(
    hub_url: str | None,
    jwt: str | None,
    private: bool,
    event_id: str | None,
    event_type: str | None,
    retry: int | None,
    topic: str,
    data: str,
) -> None:
    """Publish DATA to TOPIC on a hub and print the update's id."""
    if hub_url is None and _state().hub is not None:
        raise click.ClickException(
            "the app's hub is embedded, so it is in the process that serves the app, which this command is "
            "not. Give --hub the running app's hub URL (the app needs MERCURE_HUB_ALLOW_PUBLISH), or set "
            "MERCURE_HUB_URL."
        )
    with errors_in_one_line():
        click.echo(
            _state().instance.publish(
                topic, data, private, event_id, event_type, retry, jwt=jwt, hub_url=hub_url, wait=True
            )
        )


@mercure_commands.command(
    "hub", params=hub_options(), help=f"{HELP}\n\nAt the end count the app's own settings and keys."
)
def hub(**given: object) -> None:
    """Run the standalone hub for the app."""
    state = _state()
    if state.hub is not None:
        click.echo(
            "The app's own hub is embedded, so it does not publish on this one: set MERCURE_HUB_URL to the "
            "URL of this one.",
            err=True,
        )
    become_hub(given, hub_defaults(state), hub_variables())
