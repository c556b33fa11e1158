"""What a binding's option may be: a value, a template string or a callable, with one meaning for all.

Each is turned into a function of (subject, arguments) once, when the binding is declared: `subject` is what
the event is about (a signal's sender, a model's object), `arguments` are the signal's, by name.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, cast
from urllib.parse import quote

from flask_mercure_sse.protocol.errors import BindingError
from flask_mercure_sse.protocol.text import text_problem

from .content import SEVERAL

Arguments = Mapping[str, Any]
Option = Callable[[Any, Arguments], Any]

_FIELD = re.compile(r"\{(\w+(?:\.\w+)*)\}")
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def option(name: str, value: object) -> Option:
    """Return the function of an option whose texts are templates.

    :param name: the option's name, for errors.
    :raises BindingError: a template is not valid.
    """
    if isinstance(value, str) and _FIELD.search(value):
        return Template(name, value)
    return call_or_value(value)


def _clean(name: str, text: str) -> Constant:
    if problem := text_problem(text):
        raise BindingError(f"{name}: {text!r} {problem}")
    return Constant(text)


def call_or_value(value: object) -> Option:
    """Return the function of an option whose texts stand for themselves."""
    return adapt(value) if callable(value) else Constant(value)


class Constant:
    """An option with one value for all sends.

    :param value: the value.
    """

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value: object = value

    def __call__(self, subject: object, arguments: Arguments) -> object:
        return self.value


def adapt(function: Callable[..., Any]) -> Option:
    """Return the function that calls `function` with the subject and, by name, the arguments it asks for.

    That is the shape of a blinker receiver: the subject comes first, then any of the signal's arguments
    that the signature names, or all of them for ``**arguments``.

    :raises BindingError: it is a coroutine function.
    """
    refuse_coroutines(function)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        # Some built-in functions do not tell their signature.
        return lambda subject, arguments: function(subject)
    kinds = [parameter.kind for parameter in parameters]
    takes_subject = bool(kinds) and (kinds[0] in _POSITIONAL or inspect.Parameter.VAR_POSITIONAL in kinds)
    others = parameters[1 if takes_subject else 0 :]
    if any(
        parameter.kind is inspect.Parameter.POSITIONAL_ONLY and parameter.default is inspect.Parameter.empty
        for parameter in others
    ):
        raise BindingError(
            f"{_name(function)}: has arguments before the '/' that have no name to be given by; "
            "leave that to the first one"
        )
    names = [
        parameter.name
        for parameter in others
        if parameter.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    ]
    takes_all = inspect.Parameter.VAR_KEYWORD in kinds

    def call(subject: object, arguments: Arguments) -> object:
        asked = arguments if takes_all else {name: arguments[name] for name in names if name in arguments}
        return function(subject, **asked) if takes_subject else function(**asked)

    return call


def refuse_coroutines(function: Callable[..., Any]) -> None:
    """Find out now that a callable would give something to wait for, which is true and no topic.

    :raises BindingError: it would.
    """
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(_method_of_calls(function)):
        raise BindingError(
            f"{_name(function)}: is a coroutine function, and a binding waits for none; give a plain one"
        )


def _method_of_calls(function: Callable[..., Any]) -> object:
    return None if isinstance(function, type) else getattr(type(function), "__call__", None)  # noqa: B004


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", type(function).__qualname__)


class Template:
    """A text with fields, such as ``/orders/{order.id}``.

    A field is a dotted path. Its first name is one of the signal's arguments, ``sender``, or an attribute
    of the subject; the others are attributes, or keys of a mapping. A template reads values and never calls
    anything.

    :param name: the option's name, for errors.
    :param encode: whether to percent-encode what is filled in, so that a value with ``/``, ``?`` or ``{``
        cannot reach another topic; a brace that is no field is an error then.
    :param optional: whether a field that is None, or leads through None, makes the whole text None; else it
        is an error.
    :raises BindingError: the text is not a valid template.
    """

    def __init__(self, name: str, text: str, *, encode: bool = False, optional: bool = False) -> None:
        self._name = name
        self._text = text
        self._encode = encode
        self._optional = optional
        literals_and_paths = _FIELD.split(text)
        self._literals = literals_and_paths[::2]
        self._paths = [path.split(".") for path in literals_and_paths[1::2]]
        self.fields: frozenset[str] = frozenset(path[0] for path in self._paths)
        """The first names of the fields."""
        if encode and any(brace in literal for literal in self._literals for brace in "{}"):
            raise BindingError(
                f"{name}: {text!r} has a brace that is not a field; fields look like {{order.id}}"
            )
        if any(part.startswith("_") or part[0].isdigit() for path in self._paths for part in path):
            raise BindingError(
                f"{name}: {text!r} has a field that starts with '_' or a digit; name a public attribute"
            )

    def __call__(self, subject: object, arguments: Arguments) -> str | None:
        parts = [self._literals[0]]
        has_dots = False
        for path, literal in zip(self._paths, self._literals[1:], strict=True):
            value = self._value(path, subject, arguments)
            if value is None:
                return None
            text = as_text(value)
            has_dots = has_dots or is_dots(text)
            parts.append(quote(text, safe="") if self._encode else text)
            parts.append(literal)
        whole = "".join(parts)
        if has_dots and self._encode and any(map(is_dots, whole.split("/"))):
            raise BindingError(
                f"{self._name}: a field of {self._text!r} is '.' or '..', which leads to another topic"
            )
        return whole

    def _value(self, path: list[str], subject: object, arguments: Arguments) -> object:
        first, *others = path
        if first in arguments:
            value = arguments[first]
        elif first == "sender":
            value = subject
        else:
            value = _member(subject, first)
        for part in others:
            if value is None and self._optional:
                return None
            value = _member(value, part)
        if callable(value) or (value is None and not self._optional):
            what = "None" if value is None else "something to call, and a template calls nothing"
            raise BindingError(f"{self._name}: the field {{{'.'.join(path)}}} of {self._text!r} is {what}")
        return value


def is_dots(part: str) -> bool:
    """Tell whether a part of a topic leads elsewhere where the topic is read as a URL; no encoding helps."""
    return part in (".", "..")


def as_text(value: object) -> str:
    """Return a value as the text that stands for it in a topic and in a body.

    Bytes are hexadecimal.
    """
    value = plain(value)
    return value.hex() if isinstance(value, bytes) else str(value)


def plain(value: object) -> object:
    """Return the text or number that an enumeration's member is, other values as they are."""
    if isinstance(value, Enum) and isinstance(value, (str, int)):
        return cast("object", value.value)
    return value


def _member(value: object, name: str) -> Any:
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value)[name]
    return getattr(value, name)


def topic_option(value: object, *, optional: bool = False) -> Option:
    """Return the function of a topic option: one topic or several, each of any kind.

    :param optional: whether a template whose field is None is no topic; else it is an error.
    """
    if isinstance(value, (list, tuple)):
        if not value:
            raise BindingError("topic: is an empty list; give at least one")
        return Several([topic_option(part, optional=optional) for part in cast("list[object]", value)])
    if isinstance(value, (bytes, bytearray)):
        raise BindingError("topic: is of bytes; decode them to a text")
    if not isinstance(value, str):
        return call_or_value(value)
    if not value:
        raise BindingError("topic: is empty; give the URL or name of what changes")
    if "{" in value or "}" in value:
        return Template("topic", value, encode=True, optional=optional)
    return _clean("topic", value)


class Several:
    """Several topics, of which each option may give none, one or several.

    :param parts: the options.
    """

    def __init__(self, parts: list[Option]) -> None:
        self.parts = parts

    def __call__(self, subject: object, arguments: Arguments) -> list[object]:
        joined: list[object] = []
        for part in self.parts:
            topics = part(subject, arguments)
            if isinstance(topics, SEVERAL):
                joined.extend(cast("Iterable[object]", topics))
            elif topics is not None:
                joined.append(topics)
        return joined


def parts_of(option: Option) -> list[Option]:
    """Return the options that a topic option is made of."""
    return (
        [one for part in option.parts for one in parts_of(part)] if isinstance(option, Several) else [option]
    )


def fields_of(option: Option | None) -> frozenset[str] | None:
    """Return the first names that an option reads of its subject, None where only a callable knows."""
    fields: frozenset[str] = frozenset()
    for part in [] if option is None else parts_of(option):
        if isinstance(part, Template):
            fields |= part.fields
        elif not isinstance(part, Constant):
            return None
    return fields


def data_option(value: object) -> Option:
    """Return the function of a data option: names of a list or tuple are picked from what is at hand."""
    names = names_in(value)
    if not names:
        made = option("data", value)
        return (lambda subject, arguments: copied(value)) if isinstance(made, Constant) else made
    return lambda subject, arguments: {
        name: arguments[name] if name in arguments else _member(subject, name) for name in names
    }


def copied(value: object) -> object:
    """Return data whose dictionaries and lists are others, so that nobody's changes to them last."""
    if isinstance(value, dict):
        return {key: copied(one) for key, one in cast("dict[object, object]", value).items()}
    if isinstance(value, list):
        return [copied(one) for one in cast("list[object]", value)]
    return value


def names_in(value: object) -> tuple[str, ...]:
    """Return the names that a list or tuple consists of, none for anything else."""
    parts = tuple(cast("list[object]", value)) if isinstance(value, (list, tuple)) else ()
    return cast("tuple[str, ...]", parts) if all(isinstance(part, str) for part in parts) else ()


def names_option(name: str, value: object) -> frozenset[str]:
    """Return the names of an option that takes one or several.

    :raises BindingError: the value is neither a text nor a list of texts.
    """
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, (list, tuple, set, frozenset)):
        raise BindingError(f"{name}: {value!r} is not a list of names; give the names of attributes")
    found = frozenset(cast("Iterable[object]", names))
    if not found or not all(isinstance(one, str) for one in found):
        raise BindingError(f"{name}: {value!r} does not consist of names; give the names of attributes")
    return cast("frozenset[str]", found)
