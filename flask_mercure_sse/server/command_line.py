"""The standalone hub's options on a command line; light enough for a command that only hands them on."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import cast

import click

from ..protocol.errors import ConfigurationError
from .listeners import CannotListen
from .options import FLAG, OPTIONS, Option

HELP = """Run a Mercure hub.

A key is a secret, a PEM, or the URL of a JWK Set. On a loopback address a missing one is made up, so that the
first try works.

Each option is an environment variable as well, MERCURE_MAX_BODY_SIZE, and a key of the configuration file,
max-body-size. The command line counts before the environment, and that before the file."""


def hub_options() -> list[click.Parameter]:
    """Return click's options of the hub; each is None where it is not given."""
    config = click.Option(["--config"], metavar="FILE", help="TOML file with options; also MERCURE_CONFIG.")
    return [config, *(_click_option(option) for option in OPTIONS.values())]


def _click_option(option: Option) -> click.Option:
    is_flag = option.kind is FLAG
    return click.Option(
        [f"{option.flag}/--no-{option.key}" if is_flag else option.flag],
        default=None,
        metavar=None if is_flag else option.kind.metavar,
        help=f"{option.help}{_default(option)}",
    )


def _default(option: Option) -> str:
    default = option.shown_default or option.default
    return "" if default is None or default == () else f"  [default: {_word(default)}]"


def _word(default: object) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, tuple):
        return ",".join(map(str, cast("tuple[object, ...]", default)))
    return f"{default:g}" if isinstance(default, float) else str(default)


@contextmanager
def in_one_line() -> Generator[None, None, None]:
    """Tell in one line what keeps the hub from starting.

    The status is 2 where a setting must be changed first, and 1 where it may work later.
    """
    try:
        yield
    except ConfigurationError as error:
        raise _WrongSetting(str(error)) from error
    except CannotListen as error:
        raise click.ClickException(str(error)) from error


class _WrongSetting(click.ClickException):
    exit_code = 2
