"""A process that becomes the standalone hub: what it knows goes on without being seen.

A hub needs gevent's patches before anything makes a lock or a socket, so it cannot begin where an app is
loaded already. Arguments of a process are seen by all on the machine; its environment is not.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import NoReturn

from .sources import Source, Value

VARIABLE = "MERCURE_HANDED_OVER"


def become_hub(
    given: Mapping[str, object], defaults: Source, variables: Mapping[str, str] | None = None
) -> NoReturn:
    """Replace this process by a standalone hub.

    :param given: what its command line says, by option.
    :param defaults: what counts where nothing else is said.
    :param variables: environment variables that are to have other values.
    """
    entries = {name: [one.value, one.label] for name, one in defaults.items()}
    environment = {**os.environ, **(variables or {}), VARIABLE: json.dumps([dict(given), entries])}
    sys.stdout.flush()
    sys.stderr.flush()
    command = [sys.executable, "-m", "flask_mercure_sse.server"]
    os.execve(sys.executable, command, environment)  # noqa: S606 - no shell, and nothing from outside


def take_over(environment: MutableMapping[str, str]) -> tuple[Mapping[str, object], Source]:
    """Return what was handed over to this process, and take it out of the environment."""
    handed_over = environment.pop(VARIABLE, None)
    if handed_over is None:
        return {}, {}
    given, entries = json.loads(handed_over)
    return given, {name: Value(value, label) for name, (value, label) in entries.items()}
