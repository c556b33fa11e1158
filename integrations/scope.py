"""What the updates of one request or transaction share, so that a browser can tell its own changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask_mercure_sse.protocol.ids import new_urn


def new_transaction() -> str:
    """Return the id of a new transaction, a UUID."""
    return new_urn().removeprefix("urn:uuid:")


@dataclass(slots=True, eq=False)
class Scope:
    """What the updates of one request, or of one transaction outside of requests, have in common.

    :param transaction: the id that all of them carry.
    :param origin: what the request said that it comes from, such as the id of a browser's tab.
    :param used: whether an update carries the id.
    """

    transaction: str
    origin: str | None = None
    used: bool = False


_finders: list[Callable[[], Scope | None]] = []


def find_scope_with(finder: Callable[[], Scope | None]) -> None:
    """Let a framework say to which scope the running code belongs; None where it does not know."""
    if finder not in _finders:
        _finders.append(finder)


def current_scope() -> Scope:
    """Return the scope of the running code, a new one outside of requests; it is used from now on."""
    found = next((scope for finder in _finders if (scope := finder())), None) or Scope(new_transaction())
    found.used = True
    return found
