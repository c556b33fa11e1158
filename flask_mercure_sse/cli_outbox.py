"""The commands ``flask mercure relay`` and ``flask mercure outbox``."""

from __future__ import annotations

import signal
from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext

from .protocol.errors import ConfigurationError, MercureError

if TYPE_CHECKING:
    from .integrations.outbox import Outbox
    from .integrations.outbox_store import Store

EMBEDDED = (
    "MERCURE_OUTBOX: the app's hub is embedded, so only the process that serves the app can publish on it. "
    "Set MERCURE_OUTBOX_RELAY for a relay in that process, or MERCURE_HUB_URL for a hub of its own."
)

SHOWN = 100
"""Rows that a list shows of each table."""


@contextmanager
def _in_one_line() -> Generator[None, None, None]:
    from sqlalchemy.exc import SQLAlchemyError

    from .integrations.failures import describe

    try:
        yield
    except MercureError as error:
        raise click.ClickException(str(error)) from error
    except SQLAlchemyError as error:
        raise click.ClickException(f"the outbox's database failed: {describe(error)}") from error


def _outbox() -> Outbox:
    outbox: Outbox | None = current_app.extensions["mercure_sse"].outbox
    if outbox is None:
        raise ConfigurationError("MERCURE_OUTBOX: is not set, so there is no outbox; set it to True")
    if not outbox.stores:
        raise ConfigurationError("MERCURE_OUTBOX: has no table; call mercure.outbox_table(db.metadata)")
    return outbox


@click.command("relay")
@click.option("--once", is_flag=True, help="Publish what is left now, and end.")
@with_appcontext
def relay(once: bool) -> None:
    """Publish what is left in the outbox, until stopped; several relays share the work."""
    try:
        with _in_one_line():
            _relay(once)
    except ModuleNotFoundError as error:
        raise click.ClickException("MERCURE_OUTBOX: is not set; it needs SQLAlchemy, too") from error


def _relay(once: bool) -> None:
    outbox = _outbox()
    if current_app.extensions["mercure_sse"].hub is not None:
        raise ConfigurationError(EMBEDDED)
    from .integrations.outbox_relay import Relay

    runner = Relay(outbox)
    runner.check()
    with _stopped_by_signals(runner.stop):
        if not once:
            runner.run()
            return
        total = runner.once()
    click.echo(f"{total.published} published, {total.refused} given up, {total.delayed} put off")
    if total.delayed:
        raise click.exceptions.Exit(1)


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


@click.group("outbox", cls=AppGroup, invoke_without_command=True)
@click.pass_context
@with_appcontext
def outbox(context: click.Context) -> None:
    """List the outbox: what waits for a hub, and what was given up and why."""
    if context.invoked_subcommand is None:
        context.invoke(list_outbox)


@outbox.command("list")
def list_outbox() -> None:
    """List what waits for a hub, and what was given up and why."""
    from .integrations.outbox_listing import entries

    with _in_one_line():
        stores = _outbox().stores
        rows = [
            (
                _shown(number, entry.id),
                "given up" if entry.failed else "waits",
                str(entry.attempts),
                f"{entry.age:.0f}s",
                entry.topic,
                entry.error,
            )
            for number, store in enumerate(stores)
            for entry in entries(store, SHOWN)
        ]
    if not rows:
        click.echo("The outbox is empty.")
        return
    rows.insert(0, ("ID", "STATE", "TRIES", "AGE", "TOPIC", "ERROR"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(map(str.ljust, row, widths)).rstrip())


ids_argument: Callable[[Callable[..., None]], Callable[..., None]] = click.argument(
    "ids", nargs=-1, metavar="[ID]..."
)
all_option: Callable[[Callable[..., None]], Callable[..., None]] = click.option(
    "--all", "every", is_flag=True, help="All that were given up."
)


@outbox.command("retry")
@ids_argument
@all_option
def retry_outbox(ids: tuple[str, ...], every: bool) -> None:
    """Let updates be sent again that were given up or wait because a hub failed."""
    from .integrations.outbox_listing import retry

    click.echo(f"{_apply(retry, ids, every)} to be sent again")


@outbox.command("drop")
@ids_argument
@all_option
def drop_outbox(ids: tuple[str, ...], every: bool) -> None:
    """Delete updates, which nobody will get then."""
    from .integrations.outbox_listing import drop

    click.echo(f"{_apply(drop, ids, every)} deleted")


def _apply(action: Callable[[Store, Sequence[int] | None], int], ids: tuple[str, ...], every: bool) -> int:
    if bool(ids) == every:
        raise click.UsageError("ID: give some, or --all for all that were given up")
    with _in_one_line():
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
