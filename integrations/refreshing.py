"""Telling that rows have changed where no hook could see it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

from sqlalchemy import inspect
from sqlalchemy.orm import Mapper, object_session

from flask_mercure_sse.protocol.errors import BindingError

from .changes import Change
from .deferring import defer
from .models import ModelBinding
from .muting import is_muted, muted_now
from .outlets import Held, ServedByAnother
from .plans import binding_of, receivers_of
from .rows import model_of, reader_of
from .scope import current_scope
from .writing import ModelWriter


def refresh(target: Any, on_commit: Any = None) -> None:
    """Publish a ``refresh`` of a model to its collection's topics, or of an object to its row's.

    :param target: a model or one of its objects.
    :param on_commit: a session whose commit is waited for; an object's own by default.
    :raises BindingError: no model with a binding is given.
    :raises PublishError: a hub did not take it.
    """
    change = _change(target)
    session = on_commit
    if session is None and change.object is not None:
        session = object_session(change.object)
    muted, scope = muted_now(), current_scope()
    change.transaction = scope.transaction
    for binding in _bindings(change.model):
        if is_muted(muted, binding, change.model):
            continue
        with suppress(ServedByAnother):
            for held in ModelWriter(binding, binding.find_outlet(), scope).updates(change):
                _publish(held, session)


def _change(target: Any) -> Change:
    if isinstance(target, type):
        model = cast("type[Any]", target)
        if isinstance(inspect(model, raiseerr=False), Mapper):
            return Change("refresh", model, None, ())
    elif inspect(target, raiseerr=False) is not None:
        model = model_of(target)
        return Change("refresh", model, target, reader_of(model).identity_of(target))
    raise BindingError(f"refresh: {target!r} is neither a mapped class nor an object of one")


def _bindings(model: type) -> list[ModelBinding]:
    bindings = [binding for receiver in receivers_of(model) if (binding := binding_of(receiver))]
    if not bindings:
        raise BindingError(f"refresh: {model.__name__} is not bound; decorate it with model_topic")
    return bindings


def _publish(held: Held, session: Any) -> None:
    if session is None or not defer(session, held):
        _key, _binding, outlet, update = held
        outlet.publish(update)
