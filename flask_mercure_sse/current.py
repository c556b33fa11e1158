"""Publishing on the hub of whichever app is current, for code that has no extension object at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blinker import Namespace, Signal
from flask import current_app, has_app_context

from .app_state import AppState
from .events import shared_bindings
from .extension import EXTENSION, MercureSSE
from .integrations.binding import Bound
from .integrations.computed import DataOption, FlagOption, RetryOption, TextOption, TopicOption
from .integrations.signals import publish_signal as bind_signal
from .protocol.errors import ConfigurationError


def _current_mercure() -> MercureSSE:
    state = current_app.extensions.get(EXTENSION) if has_app_context() else None
    if not isinstance(state, AppState):
        raise ConfigurationError("there is no app with MercureSSE here; use it within the context of one")
    return state.instance


def mercure_publish(topic: Any, data: Any = None, **options: Any) -> str:
    """Publish an update on the hub of the current app; see :meth:`MercureSSE.publish`."""
    return _current_mercure().publish(topic, data, **options)


def publish_signal(
    signal: Signal | Namespace,
    topic: TopicOption = None,
    data: DataOption = None,
    signal_name_as_type: bool = False,
    signal_kwargs_as_data: bool = False,
    marshaler: Callable[[Any], Any] | None = None,
    callback: Callable[[dict[str, Any]], Any] | None = None,
    *,
    private: FlagOption = None,
    type: TextOption = None,
    id: TextOption = None,
    retry: RetryOption = None,
    when: FlagOption = None,
    jwt: str | None = None,
    hub_url: str | None = None,
    hub: str | None = None,
    **options: Any,
) -> Bound:
    """Bind a signal to topics on the hub of whichever app is current when it is sent.

    Arguments as for :meth:`MercureSSE.publish_signal`; no app is needed yet.
    """
    return bind_signal(
        lambda: _current_mercure().outlet(hub_url, jwt, hub=hub),
        signal,
        topic,
        data,
        signal_name_as_type,
        signal_kwargs_as_data,
        marshaler,
        callback,
        on_bind=shared_bindings.append,
        private=private,
        type=type,
        id=id,
        retry=retry,
        when=when,
        **options,
    )
