"""The command that publishes."""

from __future__ import annotations

import click

from .group import Failure, answer, app_state, errors_told, hub_at, hub_option, json_option, mercure_commands


@mercure_commands.command("publish")
@hub_option
@click.option("--jwt", help="Publisher's token, instead of the app's.")
@click.option("--private", is_flag=True, help="Only for subscribers whose token grants the topic.")
@click.option("--id", "event_id", help="Event id.")
@click.option("--type", "event_type", help="Event name.")
@click.option("--retry", type=int, metavar="MS", help="Reconnection time for browsers, in milliseconds.")
@json_option
@click.argument("topic")
@click.argument("data")
def publish(
    hub: str | None,
    jwt: str | None,
    private: bool,
    event_id: str | None,
    event_type: str | None,
    retry: int | None,
    as_json: bool,
    topic: str,
    data: str,
) -> None:
    """Publish DATA to TOPIC on a hub and print the update's id."""
    if hub is None and app_state().hub is not None:
        raise Failure(
            "the app's hub is embedded, so it is in the process that serves the app, which this command is "
            "not. Give --hub the running app's hub URL (the app needs MERCURE_HUB_ALLOW_PUBLISH), or set "
            "MERCURE_HUB_URL.",
            as_json,
        )
    with errors_told(as_json):
        hub_url = hub if hub is None or hub in app_state().hubs else hub_at(hub)
        published = app_state().instance.publish(
            topic, data, private, event_id, event_type, retry, jwt=jwt, hub_url=hub_url, wait=True
        )
    answer(published, {"id": published}, as_json=as_json)
