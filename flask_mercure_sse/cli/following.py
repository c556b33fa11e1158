"""The command that shows what comes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import click

from ..app_state import AppState
from ..config import checked_token
from ..integrations.follower import Follower
from ..protocol.errors import ConfigurationError, SubscribeError
from ..protocol.sse import Event
from ..publishers.source import ByteStream, Source
from .group import Failure, app_state, errors_told, hub_option, json_option, mercure_commands, reached_hub

T = TypeVar("T")


class Tail:
    """A hub that is followed from an update on; see :class:`~flask_mercure_sse.publishers.source.Source`.

    It ends when the first stream cannot be opened; later ones are tried again.

    :param last_event_id: the id of that update, None for the newest.
    """

    def __init__(self, source: Source, last_event_id: str | None) -> None:
        self.failure: SubscribeError | None = None
        self.ended: threading.Event = threading.Event()
        self._source = source
        self._last_event_id = last_event_id
        self._has_opened = False

    def open(self, selectors: Sequence[str], last_event_id: str | None) -> ByteStream:
        stream = self._at_first(lambda: self._source.open(selectors, last_event_id))
        self._has_opened = True
        return stream

    def cursor(self) -> str | None:
        return self._last_event_id or self._at_first(self._source.cursor)

    def _at_first(self, do: Callable[[], T]) -> T:
        try:
            return do()
        except SubscribeError as error:
            if not self._has_opened:
                self.failure = error
                self.ended.set()
            raise


class Printer:
    """Writes updates, a number of them, or until nobody reads them.

    :param count: how many, None for all that come.
    :param ended: set after the last.
    """

    def __init__(self, count: int | None, ended: threading.Event, *, as_json: bool) -> None:
        self.failure: OSError | None = None
        self._left = count
        self._ended = ended
        self._as_json = as_json

    def __call__(self, event: Event) -> None:
        if self._ended.is_set():
            return
        told = {"id": event.id, "type": event.type, "data": event.data}
        if self._as_json:
            text = json.dumps(told, ensure_ascii=False)
        else:
            text = "\n".join(f"{name}: {value}" for name, value in told.items() if value) + "\n"
        try:
            click.echo(text)
        except OSError as error:  # such as the pipe to a `head` that has enough
            self.failure = error
            self._ended.set()
            return
        if self._left is not None:
            self._left -= 1
            if not self._left:
                self._ended.set()


@mercure_commands.command("subscribe")
@hub_option
@click.option("--jwt", help="Subscriber's token, instead of one for the topics.")
@click.option(
    "--last-event-id", metavar="ID", help="Update to go on after; 'earliest' for all that the hub has."
)
@click.option("--count", type=click.IntRange(min=1), help="End after so many updates.")
@json_option
@click.argument("topics", nargs=-1, required=True)
def subscribe(
    hub: str | None,
    jwt: str | None,
    last_event_id: str | None,
    count: int | None,
    as_json: bool,
    topics: tuple[str, ...],
) -> None:
    """Show the updates of TOPICS as they come, until Ctrl-C.

    A connection that breaks is opened again, and goes on after the last update that was shown. With --json
    each update is a line.
    """
    with errors_told(as_json):
        tail = Tail(_source(app_state(), hub, jwt), last_event_id)
    printer = Printer(count, tail.ended, as_json=as_json)
    follower = Follower(tail, topics, printer)
    follower.start()
    try:
        while not tail.ended.wait(1):  # without a limit Windows would not hear Ctrl-C
            pass
    except KeyboardInterrupt:
        pass
    finally:
        follower.stop()
    if tail.failure is not None:
        raise Failure(str(tail.failure), as_json)
    if printer.failure is not None:
        raise printer.failure


def _source(state: AppState, hub: str | None, jwt: str | None) -> Source:
    """Return the hub that is followed.

    :raises ConfigurationError: it is not known, or an argument is not valid.
    """
    if hub is None and state.hub is not None:
        raise ConfigurationError(
            "the app's hub is embedded, so it is in the process that serves the app, which this command is "
            "not. Give --hub the running app's hub URL, or set MERCURE_HUB_URL."
        )
    reached = reached_hub(hub)
    if jwt is not None:
        return state.http_source(reached.url, reached.tokens, _given(jwt), None)
    return state.http_source(
        reached.url, reached.tokens, reached.tokens.for_subscriber, reached.tokens.lifetime
    )


def _given(jwt: str) -> Callable[[Sequence[str]], str]:
    try:
        token = checked_token(jwt)
    except ValueError as error:
        raise ConfigurationError(f"--jwt: the value {error}") from error
    return lambda _topics: token
