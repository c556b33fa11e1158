"""WSGI middleware that runs in front of the hub."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any, cast

from ..protocol.text import words

Application = Callable[..., Iterable[bytes]]
"""A WSGI application (`PEP 3333`)."""

Middleware = Callable[[Application], Application]
"""Returns an application that calls the one that it is given."""


def read_middleware(value: object) -> tuple[Middleware, ...]:
    """Return the middleware that a setting names, imported.

    :param value: ``module:name`` of each, in a list or between commas; the first is called first.
    :raises ValueError: one cannot be had, with the end of a sentence.
    """
    names = words(value) if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)):
        raise ValueError(f"is {value!r}; list middleware as module:name")
    return tuple(_found(name) for name in cast("list[object]", names))


def wrapped(application: Application, middleware: Iterable[Middleware]) -> Application:
    """Return an application with middleware in front, the first of it first."""
    for one in reversed(tuple(middleware)):
        application = one(application)
    return application


def _found(name: object) -> Middleware:
    if callable(name):
        return cast(Middleware, name)
    module, colon, attribute = name.partition(":") if isinstance(name, str) else ("", "", "")
    if not (module and colon and attribute.isidentifier()):
        raise ValueError(f"has {name!r}; name middleware as module:name")
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"has {name!r}, which cannot be imported: {error}") from error
    if not callable(found):
        raise ValueError(f"has {name!r}, which is a {type(found).__name__}; name what wraps an application")
    return cast(Middleware, found)
