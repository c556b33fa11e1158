"""The commands that list what there is."""

from __future__ import annotations

import json
from typing import Any

import click

from ..events import shared_bindings
from ..integrations.listing import describe
from .group import (
    Failure,
    ReachedHub,
    answer,
    app_state,
    errors_told,
    hub_option,
    json_option,
    mercure_commands,
    reached_hub,
    table,
)

IN_ANOTHER_PROCESS = (
    "the app's hub is embedded, so its subscribers are in the process that serves the app, which this "
    "command is not. Give --hub the running app's hub URL, or set MERCURE_HUB_URL."
)


@mercure_commands.command("bindings")
@json_option
def bindings(as_json: bool) -> None:
    """List the bindings: what they listen to, where it goes, and what it carries."""
    found = [*app_state().instance.bindings, *(one for one in shared_bindings if one.connected)]
    rows = [describe(binding) for binding in found]
    text = table([("SOURCE", "TOPIC", "DATA", "PRIVATE"), *rows])
    if not rows:
        text = "There are no bindings; make one with mercure.model_topic or mercure.publish_signal."
    names = ("source", "topic", "data", "private")
    answer(text, [dict(zip(names, row, strict=True)) for row in rows], as_json=as_json)


@mercure_commands.command("subscriptions")
@hub_option
@json_option
@click.argument("topic", required=False)
def subscriptions(hub: str | None, as_json: bool, topic: str | None) -> None:
    """List who follows what, or who follows TOPIC."""
    if hub is None and app_state().hub is not None:
        raise Failure(IN_ANOTHER_PROCESS, as_json)
    with errors_told(as_json):
        found = _ask(reached_hub(hub), topic)
    rows = [(str(one.get("topic")), str(one.get("subscriber")), _shown(one.get("payload"))) for one in found]
    text = table([("TOPIC", "SUBSCRIBER", "PAYLOAD"), *rows]) if rows else "Nobody follows that."
    answer(text, found, as_json=as_json)


def _ask(hub: ReachedHub, topic: str | None) -> list[dict[str, Any]]:
    version = hub.tokens.version
    return version.listed(app_state().read_subscriptions(hub.url, hub.tokens, version.filter_for(topic)))


def _shown(payload: object) -> str:
    return "-" if payload is None else json.dumps(payload, ensure_ascii=False)
