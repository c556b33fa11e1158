"""URI templates, as Mercure 0.x has them, written as URL patterns, as Mercure 1.0 has them."""

from __future__ import annotations

import re

from . import uri_template

_EXPRESSION = re.compile(r"\{([+#./;?&]?)([^{}]+)\}")
_SCHEME = re.compile("([A-Za-z][A-Za-z0-9+.-]*:)(//)?")
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_SYNTAX = frozenset(":*+?(){}\\")


def pattern_of_template(text: str) -> str:
    """Write a URI template (`RFC 6570`) as a URL pattern.

    A value must not be empty, and what a URL pattern leaves out, such as a query, may be anything.

    :raises ValueError: No URL pattern says the same.
    """
    if uri_template.parse(text) is None:
        raise ValueError(f"{text!r} is no URI template with an expression")
    scheme = _SCHEME.match(text)
    if text.startswith("//") or (scheme and not scheme[2]):
        raise ValueError(f"{text!r} is neither an absolute URL nor a path: write a URL pattern instead")
    return _Converter(is_absolute=scheme is not None).convert(text, scheme.end() if scheme else 0)


class _Converter:
    """Writes one URI template as a URL pattern, and knows in which part of the URL it is."""

    __slots__ = ("_is_absolute", "_names", "_part", "_written")

    def __init__(self, is_absolute: bool) -> None:
        self._is_absolute = is_absolute
        self._part = "host" if is_absolute else "path"
        self._names: set[str] = set()
        self._written = ""

    def convert(self, text: str, position: int) -> str:
        self._written = text[:position]
        for found in _EXPRESSION.finditer(text, position):
            self._add_literal(text[position : found.start()])
            position = found.end()
            if found[1] == "+" and not self._written:
                raise ValueError(f"{found[0]} may be a URL of any host: write a URL pattern instead")
            self._add_expression(found, followed_by=text[position : position + 1])
        self._add_literal(text[position:])
        return self._written

    def _add_literal(self, text: str) -> None:
        if self._part in ("host", "path") and _DOT_SEGMENT.search(text if self._written else f"/{text}"):
            raise ValueError(f"{text!r} has a segment of dots, which no URL keeps: write the path without it")
        for character in text:
            if character == "#":
                self._part = "fragment"
            elif character == "?" and self._part in ("host", "path"):
                self._part = "query"
            elif character == "/" and self._part == "host":
                self._part = "path"
            if character == ":" and not self._is_absolute:
                self._written += "{\\:}"  # even if escaped, it would end a scheme
            else:
                self._written += f"\\{character}" if character in _SYNTAX else character

    def _add_expression(self, found: re.Match[str], followed_by: str) -> None:
        expression, operator, variables = found[0], found[1], found[2].split(",")
        if operator == "":
            wildcard = self._wildcard(variables[0])
            ends_name = not followed_by or (followed_by.isascii() and not re.match(r"[\w$]", followed_by))
            self._written += wildcard if ends_name else f"{{{wildcard}}}"
        elif operator == "+" and self._part != "host":
            self._written += f":{self._name(variables[0])}(.*)"
        elif operator == "/" and self._part == "host":
            self._part = "path"
            first = self._name(variables[0])
            self._written += f"/:{first}(.*)" if variables[0].endswith("*") else f"/{{:{first}}}?"
            self._add_optional("/", variables[1:])
        elif operator == "/" and self._part == "path":
            self._add_optional("/", variables)
        elif operator == "." and self._part in ("host", "path"):
            self._add_optional(".", variables)
        else:
            raise ValueError(f"{expression} has no equivalent in a URL pattern: write a URL pattern instead")

    def _add_optional(self, separator: str, variables: list[str]) -> None:
        for variable in variables:
            modifier = "*" if variable.endswith("*") else "?"
            self._written += f"{{{separator}{self._wildcard(variable)}}}{modifier}"

    def _wildcard(self, variable: str) -> str:
        # By itself a name ends at the next "/" in a path, but in a host at the next dot, in a query nowhere.
        until = {"host": "(.+)", "query": "([^&]+)"}.get(self._part, "")
        return f":{self._name(variable)}{until}"

    def _name(self, variable: str) -> str:
        """Make a name that a URL pattern allows, and that it has not got yet."""
        name = re.sub("[^A-Za-z0-9_]", "_", variable.rstrip("*").partition(":")[0])
        if name[0].isdigit():
            name = f"_{name}"
        number = 1
        unique = name
        while unique in self._names:
            number += 1
            unique = f"{name}_{number}"
        self._names.add(unique)
        return unique
