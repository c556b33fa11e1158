"""From what a call of `publish()` describes to an update."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from .app_state import AppState
from .integrations.content import compose, published, text_of
from .protocol.errors import InvalidUpdate
from .protocol.update import Update

_PARTS = ("topic", "data", "private", "id", "type", "retry")


def composed(
    state: AppState,
    topic: Any,
    data: Any = None,
    private: bool = False,
    id: str | None = None,
    type: str | bool | None = None,
    retry: int | None = None,
) -> Update:
    """Return the update of an app that these arguments of `publish()` describe.

    :raises InvalidUpdate: a part breaks a rule of the protocol, or JSON cannot encode the data.
    """
    topics, subject = published(topic)
    return compose(
        topics,
        text_of(subject if data is None else data, state.encode),
        private=private,
        id=id,
        type=type,
        retry=retry,
        type_is_topic=state.settings.type_is_topic,
    )


def described(state: AppState, one: object) -> Update:
    """Return one of several updates: it is an update, or a mapping of the arguments for one.

    :raises InvalidUpdate: it is something else, or a part breaks a rule of the protocol.
    """
    if isinstance(one, Update):
        return one
    if not isinstance(one, Mapping):
        kind = type(one).__name__
        raise InvalidUpdate("updates", f"has a {kind}; give a list of dictionaries or of Update objects")
    parts = cast("Mapping[str, Any]", one)
    if unknown := [name for name in parts if name not in _PARTS]:
        raise InvalidUpdate("updates", f"has a {unknown[0]!r}; an update has {', '.join(_PARTS)}")
    if "topic" not in parts:
        raise InvalidUpdate("topic", "is missing; an update needs at least one")
    return composed(state, **parts)
