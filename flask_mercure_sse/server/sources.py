"""Where options come from, and which source counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..protocol.errors import ConfigurationError
from .options import OPTIONS, Options


@dataclass(frozen=True, slots=True)
class Value:
    """What a source says of an option.

    :param label: the source's own name for the option, for errors.
    """

    value: object = field(repr=False)
    label: str


Source = Mapping[str, Value]
"""What was said, by the names of the options."""


@dataclass(frozen=True, slots=True)
class Told:
    """The options that count, and where they came from."""

    options: Options
    labels: Mapping[str, str]

    def label(self, name: str) -> str:
        """Return what an error calls an option: by its source, or as the command line does."""
        return self.labels.get(name) or OPTIONS[name].flag


def of_command_line(given: Mapping[str, object]) -> Source:
    """Return what a command line says.

    :param given: values by option; None for what it does not have.
    """
    return {name: Value(value, OPTIONS[name].flag) for name, value in given.items() if value is not None}


def of_environment(environment: Mapping[str, str]) -> Source:
    """Return what environment variables say; an empty one says nothing."""
    found: dict[str, Value] = {}
    for name, option in OPTIONS.items():
        variable = next((one for one in option.variables if environment.get(one, "").strip()), None)
        if variable:
            found[name] = Value(environment[variable], variable)
    return found


def resolve(*sources: Source) -> Told:
    """Return what counts: for each option the first source that has it.

    :raises ConfigurationError: values cannot be used; one line names them all.
    """
    values: dict[str, Any] = {}
    labels: dict[str, str] = {}
    problems: list[str] = []
    for name, option in OPTIONS.items():
        found = next((source[name] for source in sources if name in source), None)
        if found is None:
            continue
        labels[name] = found.label
        try:
            values[name] = option.kind.read(found.value)
        except ValueError as error:
            shown = "the value" if option.kind.is_secret else repr(found.value)
            problems.append(f"{found.label}: {shown} {error}")
    if problems:
        raise ConfigurationError("; ".join(problems))
    return Told(Options(**values), labels)
