"""The commands ``flask mercure relay`` and ``flask mercure outbox``."""

from __future__ import annotations

import json
import signal
from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from flask.cli import AppGroup

from ..protocol.errors import ConfigurationError
from .group import Failure, answer, app_state, errors_told, json_option, mercure_commands, table

if TYPE_CHECKING:
    from ..integrations.outbox import Outbox
    from ..integrations.outbox_relay import Sum
    from ..integrations.outbox_store import Store

EMBEDDED = (
    "MERCURE_OUTBOX: the app's hub is embedded, so only the process that serves the app can publish on it. "
    "Set MERCURE_OUTBOX_RELAY for a relay in that process, or MERCURE_HUB_URL for a hub of its own."
)

SHOWN = 100
"""Rows that a list shows of each table."""


@contextmanager
def _in_one_line(as_json: bool) -> Generator[None, None, None]:
    try:
        from sqlalchemy.exc import SQLAlchemyError
    except ModuleNotFoundError as error:
        raise Failure("MERCURE_OUTBOX: is not set; it needs SQLAlchemy, too", as_json) from error
    from ..integrations.failures import describe

    try:
        with errors_told(as_json):
            yield
    except SQLAlchemyError as error:
        raise Failure(f"the outbox's database failed: {describe(error)}", as_json) from error


def _outbox() -> Outbox:
    outbox = app_state().outbox
    if outbox is None:
        raise ConfigurationError("MERCURE_OUTBOX: is not set, so there is no outbox; set it to True")
    if not outbox.stores:
        raise ConfigurationError("MERCURE_OUTBOX: has no table; call mercure.outbox_table(db.metadata)")
    return outbox


@mercure_commands.command("relay")
@click.option("--once", is_flag=True, help="Publish what is left now, and end.")
@json_option
@click.pass_context
def relay(context: click.Context, once: bool, as_json: bool) -> None:
    """Publish what is left in the outbox, until stopped; several relays share the work.

    With --once the exit code is 1 when something is left because a hub fails. With --json each turn that has
    moved something is a line.
    """
    with _in_one_line(as_json):
        outbox = _outbox()
        if app_state().hub is not None:
            raise ConfigurationError(EMBEDDED)
        from ..integrations.outbox_relay import Relay

        runner = Relay(outbox, tell=_print_turn if as_json and not once else None)
        runner.check()
        with _stopped_by_signals(runner.stop):
            if not once:
                runner.run()
                return
            total = runner.once()
    text = f"{total.published} published, {total.refused} given up, {total.delayed} put off"
    answer(text, _document(total), as_json=as_json)
    if total.delayed:
        context.exit(1)


def _document(total: Sum) -> dict[str, int]:
    return {"published": total.published, "given_up": total.refused, "put_off": total.delayed}


def _print_turn(total: Sum) -> None:
    click.echo(json.dumps(_document(total)))


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Generator[None, None, None]:
    before = {
        number: signal.signal(number, lambda _number, _frame: stop())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@mercure_commands.group("outbox", cls=AppGroup, invoke_without_command=True)
@json_option
@click.pass_context
def outbox(context: click.Context, as_json: bool) -> None:
    """List the outbox: what waits for a hub, and what was given up and why."""
    if context.invoked_subcommand is None:
        context.invoke(list_outbox, as_json=as_json)
    elif as_json:
        raise click.UsageError(f"--json: give it after {context.invoked_subcommand}")


@outbox.command("list")
@json_option
def list_outbox(as_json: bool) -> None:
    """List what waits for a hub, and what was given up and why."""
    with _in_one_line(as_json):
        found = _listed()
    answer(_for_a_person(found), found, as_json=as_json)


def _listed() -> list[dict[str, Any]]:
    from ..integrations.outbox_listing import entries

    return [
        {
            "id": _shown(number, entry.id),
            "state": "given up" if entry.failed else "waits",
            "tries": entry.attempts,
            "age": round(entry.age, 3),
            "topic": entry.topic,
            "error": entry.error or None,
        }
        for number, store in enumerate(_outbox().stores)
        for entry in entries(store, SHOWN)
    ]


def _for_a_person(found: Sequence[dict[str, Any]]) -> str:
    if not found:
        return "The outbox is empty."
    rows = [
        (one["id"], one["state"], str(one["tries"]), f"{one['age']:.0f}s", one["topic"], one["error"] or "")
        for one in found
    ]
    return table([("ID", "STATE", "TRIES", "AGE", "TOPIC", "ERROR"), *rows])


ids_argument: Callable[[Callable[..., None]], Callable[..., None]] = click.argument(
    "ids", nargs=-1, metavar="[ID]..."
)
all_option: Callable[[Callable[..., None]], Callable[..., None]] = click.option(
    "--all", "every", is_flag=True, help="All that were given up."
)


@outbox.command("retry")
@ids_argument
@all_option
@json_option
def retry_outbox(ids: tuple[str, ...], every: bool, as_json: bool) -> None:
    """Let updates be sent again that were given up or wait because a hub failed."""
    with _in_one_line(as_json):
        from ..integrations.outbox_listing import retry

        number = _apply(retry, ids, every)
    answer(f"{number} to be sent again", {"retried": number}, as_json=as_json)


@outbox.command("drop")
@ids_argument
@all_option
@json_option
def drop_outbox(ids: tuple[str, ...], every: bool, as_json: bool) -> None:
    """Delete updates, which nobody will get then."""
    with _in_one_line(as_json):
        from ..integrations.outbox_listing import drop

        number = _apply(drop, ids, every)
    answer(f"{number} deleted", {"dropped": number}, as_json=as_json)


def _apply(action: Callable[[Store, Sequence[int] | None], int], ids: tuple[str, ...], every: bool) -> int:
    if bool(ids) == every:
        raise click.UsageError("ID: give some, or --all for all that were given up")
    stores = _outbox().stores
    if every:
        return sum(action(store, None) for store in stores)
    chosen: defaultdict[int, list[int]] = defaultdict(list)
    for text in ids:
        number, found = _read(text, len(stores))
        chosen[number].append(found)
    return sum(action(stores[number], some) for number, some in chosen.items())


def _shown(number: int, row: int) -> str:
    """Return a row's id; those of a second table and more begin with its number."""
    return f"{number + 1}:{row}" if number else str(row)


def _read(text: str, stores: int) -> tuple[int, int]:
    number, _, row = text.rpartition(":")
    if not row.isdecimal() or not (number or "1").isdecimal() or not 1 <= int(number or 1) <= stores:
        raise click.UsageError(f"ID: {text!r} is none; take one from the list of `flask mercure outbox`")
    return int(number or 1) - 1, int(row)
