"""The group itself, and what its commands have in common: how they answer and how they fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import click
from flask import current_app
from flask.cli import AppGroup

from ..protocol.errors import ConfigurationError, MercureError
from ..protocol.hub_url import checked_hub_url, shown_url
from ..protocol.selectors import EVERYTHING
from ..protocol.versions import has_fixed_path

if TYPE_CHECKING:
    from ..app_state import AppState
    from ..hub_tokens import HubTokens

Command = Callable[..., None]

mercure_commands: AppGroup = AppGroup(
    "mercure",
    help="Tokens, keys, publishing and the hub of Mercure. Exit codes: 0 done, 1 failed, 2 used wrongly.",
)

topics_option: Callable[[Command], Command] = click.option(
    "-t",
    "--topic",
    "topics",
    multiple=True,
    default=[EVERYTHING],
    show_default=True,
    help="Topic; repeatable.",
)

json_option: Callable[[Command], Command] = click.option(
    "--json", "as_json", is_flag=True, help="Answer in JSON, errors included."
)

hub_option: Callable[[Command], Command] = click.option(
    "--hub", "hub", metavar="NAME|URL", help="A hub of MERCURE_HUBS or any other, instead of the app's."
)
name_option: Callable[[Command], Command] = click.option(
    "--hub", "hub", metavar="NAME", help="The hub of MERCURE_HUBS that is to take it, instead of the app's."
)


@dataclass(frozen=True, slots=True)
class ReachedHub:
    """A hub that a command reaches over HTTP.

    :param url: its URL for this process.
    :param tokens: makes the tokens that it takes.
    """

    url: str
    tokens: HubTokens


class Failure(click.ClickException):
    """An error in one line, or as JSON on the standard output."""

    def __init__(self, message: str, as_json: bool) -> None:
        super().__init__(message)
        self._as_json = as_json

    def show(self, file: IO[Any] | None = None) -> None:
        if self._as_json:
            answer("", {"error": self.message}, as_json=True)
        else:
            super().show(file)


def app_state() -> AppState:
    """Return the state of the app that the command is for."""
    return current_app.extensions["mercure_sse"]


def reached_hub(given: str | None) -> ReachedHub:
    """Return the hub that ``--hub`` gives by name or URL; the app's own external one where it is not given.

    :raises ConfigurationError: it is none.
    """
    state = app_state()
    if given is None or given in state.hubs:
        place = state.place(given)
        return ReachedHub(place.hub_url(public=False), place.tokens)
    return ReachedHub(hub_at(given), state.tokens)


def hub_at(url: str) -> str:
    """Return the hub's URL that ``--hub`` gives, with its path.

    :raises ConfigurationError: it is none.
    """
    try:
        return checked_hub_url(url, fixed_path=has_fixed_path(app_state().config.protocol))
    except ValueError as error:
        names = f", or a name of MERCURE_HUBS: {', '.join(app_state().hubs)}" if app_state().hubs else ""
        raise ConfigurationError(f"--hub: {shown_url(url)} {error}{names}") from error


@contextmanager
def errors_told(as_json: bool) -> Generator[None, None, None]:
    """Tell an error of the package without a traceback."""
    try:
        yield
    except MercureError as error:
        raise Failure(str(error), as_json) from error


def answer(text: str, document: object, *, as_json: bool) -> None:
    """Write what a command found: for a person, or as JSON."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2) if as_json else text)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
