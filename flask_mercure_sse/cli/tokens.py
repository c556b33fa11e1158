"""The commands that make and read keys and tokens."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import click

from ..app_keys import ROLES, Role
from ..protocol.errors import MercureError
from ..protocol.keys import Unverified, read_token
from ..protocol.rights import Rights
from ..protocol.selectors import Selector
from .group import answer, app_state, errors_told, json_option, mercure_commands, name_option, topics_option


@mercure_commands.command("gen-secret-key")
@json_option
def gen_secret_key(as_json: bool) -> None:
    """Print a new secret key, long enough for HS256."""
    key = secrets.token_urlsafe(48)
    answer(key, {"secret_key": key}, as_json=as_json)


@mercure_commands.command("subscriber-jwt")
@topics_option
@name_option
@json_option
def subscriber_jwt(topics: tuple[str, ...], hub: str | None, as_json: bool) -> None:
    """Print a subscriber's token for topics."""
    with errors_told(as_json):
        token = app_state().instance.create_subscription_jwt(list(topics), hub=hub)
    answer(token, {"token": token, "subscribe": list(topics)}, as_json=as_json)


@mercure_commands.command("publisher-jwt")
@topics_option
@name_option
@json_option
def publisher_jwt(topics: tuple[str, ...], hub: str | None, as_json: bool) -> None:
    """Print a publisher's token for topics."""
    with errors_told(as_json):
        token = app_state().instance.create_jwt("publisher_secret_key", publish=list(topics), hub=hub)
    answer(token, {"token": token, "publish": list(topics)}, as_json=as_json)


@mercure_commands.command("decode-jwt")
@json_option
@click.argument("given", metavar="[TOKEN]", default="-")
@click.pass_context
def decode_jwt(context: click.Context, as_json: bool, given: str) -> None:
    """Show what TOKEN says, and what it is good for with the app's keys.

    Without TOKEN it is read from the standard input, so that it stays out of the shell's history. The exit
    code is 1 when it is good for nothing.
    """
    token = (sys.stdin.read() if given == "-" else given).strip()
    with errors_told(as_json):
        said = read_token(token)
    document = {
        "header": dict(said.header),
        "claims": dict(said.claims),
        "publisher": _judged("publisher_secret_key", token, said),
        "subscriber": _judged("subscriber_secret_key", token, said),
    }
    answer(_for_a_person(document), document, as_json=as_json)
    if not any(document[role.removesuffix("_secret_key")]["valid"] for role in ROLES):
        context.exit(1)


def _judged(role: Role, token: str, said: Unverified) -> dict[str, Any]:
    """Return whether a token is valid in a role, and what it grants there, or why it is not."""
    state = app_state()
    version = next((one for one in state.versions if one.is_own(said.header.get("typ"))), state.version)
    try:
        rights = state.authority(role).rights(version, token, time.time())
    except MercureError as error:
        return {"valid": False, "reason": str(error)}
    granted = _granted(role, rights)
    if not granted:
        return {"valid": False, "reason": "it is signed with the right key, and grants nothing"}
    return {"valid": True, "topics": granted}


def _granted(role: Role, rights: Rights) -> list[str]:
    selectors: Sequence[Selector] = rights.publish if role == "publisher_secret_key" else rights.subscribe
    return [selector.text for selector in selectors]


def _for_a_person(document: dict[str, Any]) -> str:
    lines = [f"{name}: {json.dumps(document[name], ensure_ascii=False)}" for name in ("header", "claims")]
    expires_at = document["claims"].get("exp")
    if isinstance(expires_at, (int, float)):
        lines.append(f"expires: {_moment(expires_at)}")
    for name in ("publisher", "subscriber"):
        judged = document[name]
        good = f"valid for {', '.join(judged['topics'])}" if judged["valid"] else None
        lines.append(f"{name}: {good or 'not valid: ' + judged['reason']}")
    return "\n".join(lines)


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).isoformat(" ", "seconds")
    except (OverflowError, OSError, ValueError):
        return str(seconds)
