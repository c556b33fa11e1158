"""What the bindings of one app have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .outbox import Outbox

BULK_MAX = 100
"""Rows of one bulk statement that are published one by one."""


@dataclass(frozen=True, slots=True)
class EventSettings:
    """Defaults of bindings, which the app's configuration sets.

    :param type_is_topic: whether an update without a type is named after its topic.
    :param model_private: whether models' updates are private where their binding does not say.
    :param bulk_max: how many rows of one bulk statement are published one by one.
    :param strict: whether an error in a signal's binding is raised, as tests and debugging want it.
    :param outbox: where updates that wait for a commit are written in its transaction, if anywhere.
    """

    type_is_topic: bool = False
    model_private: bool = False
    bulk_max: int = BULK_MAX
    strict: bool = False
    outbox: Outbox | None = None


DEFAULTS = EventSettings()
