"""Does a topic come from a URI template? (`RFC 6570`; `Mercure 0.x, Topic Selectors`)

Rules of this room:

1. Matching costs time in proportion to the topic, whatever the template. A template becomes a small
   automaton whose states are built as topics need them and forgotten when they are many; there is no
   backtracking. Libraries for URI templates expand them and cannot tell whether a text is an expansion.
2. A template is matched, not expanded backwards: names are not compared, the same name twice need not
   have the same value, and ``:n`` does not limit a length.
3. Text is read in tokens: a percent-encoded byte (``%41``) is one token, any other character is one.

What an expression matches: a run, even empty, of unreserved characters, percent-encoded bytes and commas;
``+`` and ``#`` add the reserved characters; named forms (``;``, ``?``, ``&``) and exploded variables add
``=``. An expression with an operator other than ``+`` is optional as a whole, with the operator's own first
character.
"""

from __future__ import annotations

import re
import string

from .outline import ANYTHING, Ends, Outline

_PERCENT_BYTE = re.compile("%[0-9A-Fa-f]{2}")
_TOKEN = re.compile("%[0-9A-Fa-f]{2}|.", re.DOTALL)
_VARIABLE = r"(?:\w|%[0-9A-Fa-f]{2})(?:\.?(?:\w|%[0-9A-Fa-f]{2}))*(?::[1-9][0-9]{0,3}|\*)?"
_EXPRESSION = re.compile(rf"\{{([+#./;?&]?)({_VARIABLE}(?:,{_VARIABLE})*)\}}", re.ASCII)
_NOT_LITERAL = re.compile("[\\x00-\\x20\"'<>\\\\^`{|}\\x7f-\\x9f]|%(?![0-9A-Fa-f]{2})")

_VALUE = frozenset(string.ascii_letters + string.digits + "-._~,")
_NAMED = _VALUE | {"="}
_RESERVED = _NAMED | frozenset(":/?#[]@!$&'()*+;")
_SEPARATOR = {".": ".", "/": "/", ";": ";", "?": "&", "&": "&"}

MAX_REMEMBERED = 16384
"""Positions in the steps of one template's automaton that are kept; past it they are built again."""


class _State:
    """A set of positions in the template, and the steps from it that were needed so far."""

    __slots__ = ("accepting", "positions", "steps")

    def __init__(self, positions: frozenset[int], accepting: bool) -> None:
        self.positions = positions
        self.accepting = accepting
        self.steps: dict[str, _State] = {}


class UriTemplate:
    """A valid URI template that has at least one expression; make one with :func:`parse`."""

    __slots__ = (
        "_edges",
        "_last",
        "_loops",
        "_remembered",
        "_skips",
        "_start",
        "_states",
        "expressions",
        "outline",
        "prefix",
    )

    def __init__(self, prefix: str, outline: Outline = ANYTHING) -> None:
        self.prefix: str = prefix
        """The literal text before the first expression: a topic without it cannot match."""
        self.outline: Outline = outline
        self.expressions: int = 0
        self._edges: list[list[tuple[str, int]]] = [[]]
        self._loops: list[frozenset[str]] = [frozenset()]
        self._skips: list[list[int]] = [[]]
        self._last = 0
        self._states: dict[frozenset[int], _State] = {}
        self._remembered = 0
        self._start: _State | None = None

    def matches(self, topic: str) -> bool:
        """Tell whether `topic` is an expansion of the template."""
        if not topic.startswith(self.prefix):
            return False
        rest = topic[len(self.prefix) :]
        state = self._start or self._forget()
        for token in _TOKEN.findall(rest) if "%" in rest else rest:
            state = state.steps.get(token) or self._step(state, token)
            if not state.positions:
                return False
        return state.accepting

    @property
    def size(self) -> int:
        """At how many places of the template a topic may be, after the literal text that it begins with."""
        return len(self._edges)

    def parts_of(self, topic: str) -> list[str]:
        """Return the parts of a topic as outlines of templates have them."""
        return topic.split("/")

    # Building: positions are numbered, `_last` is where the next part continues.

    def add_literal(self, text: str) -> None:
        for token in _TOKEN.findall(text):
            self._advance(token)

    def add_expression(self, operator: str, variables: list[str]) -> None:
        self.expressions += 1
        explodes = any(name.endswith("*") for name in variables)
        if operator in ("", "+"):
            self._loop(_RESERVED if operator else _NAMED if explodes else _VALUE)
            return
        start = self._last
        ends = [start]
        run = _RESERVED if operator == "#" else _VALUE if operator in "./" and not explodes else _NAMED
        separator = _SEPARATOR.get(operator, "")
        parts = len(variables) if separator else 1
        for part in range(parts):
            self._advance(separator if part else operator)
            self._loop(run)
            ends.append(self._last)
        if separator and explodes:
            self._edges[self._last].append((separator, self._last))
        self._new_position()
        for end in ends:
            self._skips[end].append(self._last)

    def _loop(self, run: frozenset[str]) -> None:
        # The three runs lie in one another, so two at one place are the larger.
        self._loops[self._last] = max(self._loops[self._last], run, key=len)

    def _new_position(self) -> None:
        self._edges.append([])
        self._loops.append(frozenset())
        self._skips.append([])
        self._last = len(self._edges) - 1

    def _advance(self, token: str) -> None:
        before = self._last
        self._new_position()
        self._edges[before].append((token, self._last))

    # Running: states are sets of positions, closed over what may be skipped.

    def _forget(self) -> _State:
        self._states = {}
        self._remembered = 0
        self._start = self._state({0})
        return self._start

    def _state(self, positions: set[int]) -> _State:
        waiting = list(positions)
        while waiting:
            for target in self._skips[waiting.pop()]:
                if target not in positions:
                    positions.add(target)
                    waiting.append(target)
        key = frozenset(positions)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _State(key, self._last in key)
        return state

    def _step(self, state: _State, token: str) -> _State:
        is_value = len(token) == 3
        reached: set[int] = set()
        for position in state.positions:
            loop = self._loops[position]
            if token in loop or (is_value and loop):
                reached.add(position)
            reached.update(target for wanted, target in self._edges[position] if wanted == token)
        if self._remembered >= MAX_REMEMBERED:
            self._forget()
        following = self._state(reached)
        state.steps[token] = following
        self._remembered += 1 + len(reached)
        return following


def parse(text: str) -> UriTemplate | None:
    """Read a URI template.

    :returns: None when `text` is not a valid template, or has no expression: it is a plain text then.
    """
    parts = list(_EXPRESSION.finditer(text))
    if not parts:
        return None
    bounds = [0, *(position for part in parts for position in part.span()), len(text)]
    literals = [text[start:end] for start, end in zip(bounds[::2], bounds[1::2], strict=True)]
    if any(_NOT_LITERAL.search(literal) for literal in literals):
        return None
    template = UriTemplate(prefix=literals[0], outline=_outline(text))
    for part, literal in zip(parts, literals[1:], strict=True):
        template.add_expression(part[1], part[2].split(","))
        template.add_literal(literal)
    return template


def _outline(text: str) -> Outline:
    """Return the outline of a template: no value of a simple expression has a slash."""
    slashing = re.search(r"\{[+#/;?&.]", text)
    if slashing is None:
        return Outline(tuple(map(_part, text.split("/"))))
    *fixed, last = text[: slashing.start()].split("/")
    return Outline(tuple(map(_part, fixed)), Ends(last.partition("{")[0], text.rpartition("}")[2]))


def _part(text: str) -> str | Ends:
    return Ends(text.partition("{")[0], text.rpartition("}")[2]) if "{" in text else text
