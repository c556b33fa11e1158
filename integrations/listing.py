"""Bindings as a person reads them in a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from .binding import Binding

DEFAULT = "-"
"""Shown where a binding does not say."""


def describe(binding: Binding) -> tuple[str, str, str, str]:
    """Return a binding's source, topics, data and privacy, each in a few words."""
    topic, data, private = (binding.shown[name] for name in ("topic", "data", "private"))
    topic = binding.usual_topics() if topic is None else topic
    source = f"{binding.source} ({binding.name})" if binding.name else binding.source
    return source, _text(topic), _text(data), _text(private)


def _text(value: object) -> str:
    if value is None:
        return DEFAULT
    if callable(value):
        name = getattr(value, "__name__", type(value).__name__)
        return "a callable" if name == "<lambda>" else f"{name}()"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, cast("Iterable[object]", value)))
    return str(value)
