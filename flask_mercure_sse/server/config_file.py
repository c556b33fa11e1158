"""The standalone hub's configuration file: TOML, with the options' names as keys."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from typing import Any, cast

from ..protocol.errors import ConfigurationError
from .options import OPTIONS, Option
from .sources import Source, Value

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports] - newer ones have it themselves

_BY_KEY = {option.key: option for option in OPTIONS.values()}

_TYPES: dict[type, str] = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


def read_config_file(path: str) -> Source:
    """Return what a configuration file says.

    :raises ConfigurationError: it cannot be read, has an unknown key, or a value of another type than its
        key's; one line names the file and all such keys.
    """
    document = _document(path)
    problems = [
        f"{path}: {key}: {problem}" for key, value in document.items() if (problem := _problem(key, value))
    ]
    if problems:
        raise ConfigurationError("; ".join(problems))
    return {_BY_KEY[key].name: Value(value, f"{path}: {key}") for key, value in document.items()}


def _document(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return cast("dict[str, Any]", tomllib.load(file))  # pyright: ignore[reportUnknownMemberType]
    except OSError as error:
        raise ConfigurationError(
            f"{path}: the configuration file cannot be read ({error.strerror}); give the path of one that can"
        ) from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise ConfigurationError(
            f"{path}: is not TOML ({error}); write each option as: key = value"
        ) from error


def _problem(key: str, value: object) -> str | None:
    option = _BY_KEY.get(key)
    if option is None:
        close = get_close_matches(key, _BY_KEY, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known keys are {', '.join(_BY_KEY)}"
        return f"is not an option; {hint}"
    # A type itself, not a subclass: true is no number.
    return None if type(value) in option.kind.types else _type_problem(option, value)


def _type_problem(option: Option, value: object) -> str:
    found = _TYPES.get(value.__class__, "a date or time")
    shown = "the value" if option.kind.is_secret or isinstance(value, dict) else repr(value)
    return f"{shown} is {found}; give {option.kind.name}"
