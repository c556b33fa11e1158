"""The command that runs the standalone hub."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Mapping

import click

from .command_line import HELP, hub_options, in_one_line
from .config_file import read_config_file
from .descriptors import raise_limit
from .handover import take_over
from .listeners import listen, open_listener
from .logs import start_logging
from .running import Stopping
from .settings import Settings
from .sources import Source, Told, of_command_line, of_environment, resolve
from .start_lines import (
    address_lines,
    admin_lines,
    connection_lines,
    is_output_kept,
    publisher_lines,
    start_text,
    subscriber_lines,
)

logger: logging.Logger = logging.getLogger(__name__)


@click.command(params=hub_options(), help=HELP)
def main(**given: object) -> None:
    """Run a hub, as :data:`~.command_line.HELP` says."""
    with in_one_line():
        run(told_by(given))


def told_by(given: Mapping[str, object]) -> Told:
    """Return the options that count.

    :param given: what the command line says, by option.
    :raises ConfigurationError: something that was told cannot be used.
    """
    handed_over, defaults = take_over(os.environ)
    given = {**given, **handed_over}
    path = given.pop("config", None) or os.environ.get("MERCURE_CONFIG")
    file: Source = read_config_file(str(path)) if path else {}
    return resolve(of_command_line(given), of_environment(os.environ), file, defaults)


def run(told: Told) -> None:
    """Serve a hub until a signal ends it.

    :raises ConfigurationError: options cannot be used.
    :raises CannotListen: the address cannot be had.
    """
    options = told.options
    files = raise_limit()
    start_logging(format=options.log_format, level="debug" if options.debug else options.log_level)
    listener = open_listener(options.host, options.port, os.environ)
    admin = None
    if options.admin_port is not None:
        admin = listen(options.admin_host, options.admin_port, prefix="admin-")
    settings = Settings(told, listener, files)
    is_terminal = sys.stdout.isatty()
    lines = [
        *address_lines(listener, settings.identity.url),
        *admin_lines(admin),
        *connection_lines(settings.admission.limits.total, files),
        *publisher_lines(
            settings.publisher_key,
            settings.versions.newest,
            wanted=options.print_token,
            is_kept=not is_terminal and is_output_kept(os.environ, os.getpid()),
        ),
        *subscriber_lines(settings.subscriber_key),
    ]
    server = settings.server(admin)
    stopping = Stopping(is_terminal=is_terminal)
    gc.collect()
    gc.freeze()  # what is there now stays; looking through it again and again would hold up the loop
    server.start()
    logger.info("Serving %s", settings.identity.url)
    click.echo(start_text(lines, options.log_format))
    stopping.wait_and_stop(server, options.drain_time)
