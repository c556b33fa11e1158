"""What a URL pattern costs, found out before it costs it (`Mercure 1.0, URL-Pattern Denial of Service`).

Anybody may bring a pattern: ``(\\w{1,1000})`` takes 80 ms to compile, ``(.*[0-9].{20})`` fills 3 MB with the
states that topics lead to, and a thousand places in a pattern are a thousand steps for each character.
Rules of this room:

1. What takes long to compile is refused before it is compiled: its *size* is counted in its text.
2. Regular expressions are written anew with ASCII sets, because the parts of a URL are ASCII. ``\\w`` is then
   63 characters and not 140,000, and the library compiles only what was understood here. Look-around, flags,
   anchors, back references and Unicode properties are not, and refused.
3. The states that topics can lead to are found once, as the library would find them. Their number bounds its
   memory; the *width*, at how many places in the pattern a topic can be at once, bounds its time for each
   character.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, compress
from typing import NamedTuple, cast
from urllib.parse import quote

MAX_SIZE = 4096
"""Of what is compiled, in characters; what takes longer than a character counts more."""
MAX_STATES = 256
"""States that topics can lead to, in all parts of a URL; the library needs up to 1 kB for each."""
MAX_WIDTH = 64
"""Places in the pattern at which a topic can be at once."""
MAX_WORK = 12_000
"""Steps to find the states and the width."""
MAX_DEPTH = 10
"""Groups within groups of a regular expression."""

_DELIMITERS = {"hostname": ".", "pathname": "/"}

_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
_NEVER_ENCODED = "".join(set(_PRINTABLE) - set(" \"'<>^`{|}"))
ENCODED_SIZE = 12
"""What one character grows to at most: four bytes as ``%F0%9F%98%80``."""


class Refused(Exception):
    """The pattern is none, or costs too much."""


def encoded_size(text: str) -> int:
    """Return how many characters a text has once it is percent-encoded in a URL."""
    return len(quote(text, safe=_NEVER_ENCODED, errors="replace"))


# Regular expressions are read into a tree.


class _One(NamedTuple):
    """One character out of a set; the set is a number that has the bits of its characters."""

    characters: int


class Sequence(NamedTuple):
    """One after the other."""

    parts: list[Node]


class _Choice(NamedTuple):
    branches: list[Node]


class _Repeat(NamedTuple):
    part: Node
    least: int
    most: int | None
    lazy: bool


Node = _One | Sequence | _Choice | _Repeat


def _set(characters: str) -> int:
    return sum(1 << ord(character) for character in set(characters))


_ANY = _set(_PRINTABLE)
_LITERALS = {character: _One(_set(character)) for character in _PRINTABLE}
_DIGITS, _WORD, _SPACE = _set(string.digits), _set(string.ascii_letters + string.digits + "_"), _set(" ")
_NAMED = {
    "d": _DIGITS,
    "D": _ANY & ~_DIGITS,
    "w": _WORD,
    "W": _ANY & ~_WORD,
    "s": _SPACE,
    "S": _ANY & ~_SPACE,
}
_TIMES = {"*": (0, None), "+": (1, None), "?": (0, 1)}

_ESCAPED = r"\\x[0-9A-Fa-f]{2} | \\[!-/:;=?@\[-`{-~]"
_TOKEN = re.compile(
    rf"""
      (?P<open> \( \?: )
    | (?P<close> \) )
    | (?P<or> \| )
    | (?: (?P<times> [*+?] ) | \{{ (?P<least> [0-9]{{1,4}} ) (?P<range> , (?P<most> [0-9]{{1,4}} )? )? \}} )
      (?P<lazy> \? )?
    | (?P<dot> \. )
    | \\ (?P<named> [dDwWsS] )
    | \[ (?: (?P<not> \^ ) | (?! \^ ) ) (?P<members> (?: [^\[\]\\] | \\ . )+ ) \]
    | (?P<one> {_ESCAPED} | [^\\^$.*+?()\[\]{{}}|] )
    """,
    re.VERBOSE,
)
_MEMBER = re.compile(
    rf"""
      \\ (?P<named> [dDwWsS] ) (?! -. )
    | (?P<first> {_ESCAPED} | [^\\] ) (?! - \\ [dDwWsS] ) (?: - (?P<last> {_ESCAPED} | [^\\] ) )?
    """,
    re.VERBOSE,
)


def _expression(text: str, position: int) -> tuple[Node, str, int]:
    """Read a regular expression that begins at `position`, up to its closing parenthesis.

    :returns: The expression, how it is written with ASCII sets, and where the text goes on.
    """
    open_groups: list[list[list[Node]]] = [[[]]]
    written: list[str] = []
    while len(open_groups) <= MAX_DEPTH and len(written) * _POSITION_SIZE <= MAX_SIZE:
        found = _TOKEN.match(text, position)
        if found is None:
            break
        position = found.end()
        branches = open_groups[-1]
        parts = branches[-1]
        if found["close"]:
            open_groups.pop()
            group = _Choice([Sequence(branch) for branch in branches])
            if not open_groups:
                return group, "".join(written), position
            open_groups[-1][-1].append(group)
            written.append(")")
        elif found["open"]:
            open_groups.append([[]])
            written.append("(?:")
        elif found["or"]:
            branches.append([])
            written.append("|")
        elif found["times"] or found["least"]:
            if not parts or isinstance(parts[-1], _Repeat):
                break
            parts.append(_repeat(parts.pop(), found))
            written.append(found[0])
        else:
            characters = _characters(found)
            parts.append(_One(characters))
            written.append(_as_set(characters))
    raise Refused


def _repeat(part: Node, found: re.Match[str]) -> _Repeat:
    if found["times"]:
        least, most = _TIMES[found["times"]]
    else:
        least = int(found["least"])
        most = least if not found["range"] else int(found["most"]) if found["most"] else None
    if most is not None and most < least:
        raise Refused
    return _Repeat(part, least, most, bool(found["lazy"]))


def _characters(found: re.Match[str]) -> int:
    if found["dot"]:
        return _ANY
    if found["named"]:
        return _NAMED[found["named"]]
    if found["one"]:
        return 1 << _code(found["one"]) & _ANY
    members = _members(found["members"])
    return _ANY & ~members if found["not"] else members


def _members(text: str) -> int:
    """Read what stands between square brackets."""
    if re.search("&&|--|~~", text):
        raise Refused  # operations with sets, or what looks like them
    characters = position = 0
    while found := _MEMBER.match(text, position):
        position = found.end()
        if found["named"]:
            characters |= _NAMED[found["named"]]
            continue
        first = _code(found["first"])
        last = _code(found["last"] or found["first"])
        if last < first:
            raise Refused
        characters |= (2 << last) - (1 << first)
    if position < len(text):
        raise Refused
    return characters & _ANY


def _code(character: str) -> int:
    return int(character[2:], 16) if character.startswith("\\x") else ord(character[-1])


@lru_cache(maxsize=128)
def _as_set(characters: int) -> str:
    members = "".join(character if characters >> ord(character) & 1 else "\n" for character in _PRINTABLE)
    runs = list(filter(None, members.split("\n")))
    if not runs:
        raise Refused
    ranges = "".join(map(_as_range, runs))
    return ranges if len(runs) == len(runs[0]) == 1 else f"[{ranges}]"


def _as_range(run: str) -> str:
    first, last = (end if end.isalnum() else f"\\x{ord(end):02x}" for end in (run[0], run[-1]))
    return first if len(run) == 1 else f"{first}-{last}"


# Patterns are plain text, wildcards and regular expressions.

_PLAIN = re.compile(r"(?:\\.|[^\\(])+|\\", re.DOTALL)


def _split(text: str) -> Iterator[tuple[str, Node | None, str]]:
    """Yield the plain texts and regular expressions of a pattern: as given, as read, with ASCII sets."""
    position = 0
    while position < len(text):
        if text[position] == "(":
            expression, with_sets, end = _expression(text, position + 1)
            yield text[position:end], expression, f"({with_sets})"
            position = end
        else:
            plain = cast("re.Match[str]", _PLAIN.match(text, position))
            yield plain[0], None, plain[0]
            position = plain.end()


# Sizes follow the time to compile, the time to look at the result included.
_WILDCARD_SIZE = 128
_SYMBOL_SIZES = {"*": _WILDCARD_SIZE, ":": _WILDCARD_SIZE, "{": 16}
_POSITION_SIZE = 16
_SET_CHARACTER_SIZE = 4

_WILDCARDS = {"(.*)", "([^/]+?)", "([^\\.]+?)", "(.+?)"}


def rewritten_pattern(text: str) -> tuple[str, int]:
    """Write a pattern with ASCII sets, and count its size; refuse it when it takes long to compile."""
    if len(text) > MAX_SIZE:
        raise Refused
    size = 0
    written: list[str] = []
    for given, expression, with_sets in _split(text):
        if expression is None:
            size += encoded_size(given)
            size += sum(given.count(symbol) * more for symbol, more in _SYMBOL_SIZES.items())
        else:
            size += _WILDCARD_SIZE + _SET_CHARACTER_SIZE * len(with_sets)
            size += _POSITION_SIZE * _positions(expression)
        # The library knows its wildcards by their text, and matches them faster than other expressions.
        written.append(given if given in _WILDCARDS else with_sets)
        if size > MAX_SIZE:
            raise Refused
    return "".join(written), size


def _positions(node: Node) -> int:
    """Count the positions of an expression, each as often as it is repeated."""
    if isinstance(node, _One):
        return 1
    if isinstance(node, _Repeat):
        return max(node.least, node.most or 1) * (1 + _positions(node.part))
    parts = node.parts if isinstance(node, Sequence) else node.branches
    return 1 + sum(map(_positions, parts))


HAS_SYNTAX = re.compile("[*:{(]")
_NAME = r":(?:[A-Za-z0-9_$]|[^\x00-\x7f])+"
_WILDCARD = rf"(?:{_NAME})?\([0-9]+\)|{_NAME}|\*"
_TEXT = r"(?:\\.|[^\\*+?{}:(])"
_UNIT = re.compile(
    rf"(?P<text>(?:(?!/[:*(]){_TEXT})+)"
    rf"|(?P<slash>/)?(?P<bare>{_WILDCARD})(?P<times>[*+?])?"
    rf"|\{{(?P<before>{_TEXT}*)(?P<inner>{_WILDCARD})?(?P<after>{_TEXT}*)\}}(?P<braced>[*+?])?"
)


def parse_part(name: str, part: str) -> list[Node]:
    """Read the pattern of one part of a URL, as the library gives it back: valid and canonical.

    :param name: the part's name, such as ``pathname``.
    """
    delimiter = _DELIMITERS.get(name, "")
    expressions: list[Node] = []
    numbered = ""
    for given, expression, _ in _split(part):
        if expression is not None:
            expressions.append(expression)
        numbered += given if expression is None else f"({len(expressions) - 1})"

    def wildcard(text: str) -> Node:
        if text == "*":
            return _Repeat(_One(_ANY), 0, None, False)
        if text.endswith(")"):
            return expressions[int(text[text.index("(") + 1 : -1])]
        return _Repeat(_One(_ANY & ~_set(delimiter)), 1, None, True)

    parts: list[Node] = []
    position = 0
    while position < len(numbered):
        found = _UNIT.match(numbered, position)
        if found is None:
            raise Refused
        position = found.end()
        before, after = _literals(found["before"] or found["slash"]), _literals(found["after"])
        inner = found["bare"] or found["inner"]
        if found["text"]:
            parts += _literals(found["text"])
            continue
        if found["slash"] and delimiter != "/":
            parts += before
            before = []
        times = found["times"] or found["braced"]
        parts += _repeated(before, wildcard(inner) if inner else None, after, times)
    return parts


def _literals(text: str | None) -> list[Node]:
    return [_LITERALS[character] for character in re.sub(r"\\(.)", r"\1", text)] if text else []


def _repeated(before: list[Node], wildcard: Node | None, after: list[Node], times: str | None) -> list[Node]:
    """Give what a group and its modifier mean."""
    whole: list[Node] = [*before, *([_Choice([wildcard])] if wildcard else []), *after]
    if not times:
        return [Sequence(whole)] if wildcard else whole
    least, most = _TIMES[times]
    if wildcard is None or times == "?" or len(whole) == 1:
        return [_Repeat(Sequence(whole), least, most, False)]
    again = _Repeat(Sequence([*after, *before, wildcard]), 0, None, False)
    once_or_more = Sequence([*before, wildcard, again, *after])
    return [_Repeat(once_or_more, least, 1, False)]


class Survey:
    """Where topics can lead in a pattern.

    An automaton as the library has it: some places read a character and lead to one other, the others read
    nothing and lead to several, the preferred one first. The library makes of it, as topics need it, another
    whose states are the places at which a topic can be at once.
    """

    __slots__ = ("_closures", "_leads", "_reads", "_work", "states", "width")

    def __init__(self) -> None:
        self.states: int = 0
        self.width: int = 1
        self._work = 0
        self._reads: list[int] = []
        self._leads: list[tuple[int, ...]] = []
        self._closures: dict[int, tuple[int, ...]] = {}

    def add(self, parts: list[Node]) -> None:
        """Look at the pattern of one more part of a URL."""
        # The library compares the text at both ends, outside of groups, before it matches the rest.
        inner = [index for index, part in enumerate(parts) if not isinstance(part, _One)]
        pattern = Sequence(parts[inner[0] : inner[-1] + 1] if inner else [])
        self._reads, self._leads, self._closures = [], [], {}
        waiting = [self._reached((self._build(pattern, self._place(0, ())),))]
        known = set(waiting)
        while waiting:
            for following in self._following(waiting.pop()):
                if following not in known:
                    known.add(following)
                    waiting.append(following)
                    self.states += 1
                    if self.states > MAX_STATES:
                        raise Refused

    def _place(self, reads: int, leads: tuple[int, ...]) -> int:
        if len(self._reads) > 4 * MAX_STATES:
            raise Refused
        self._reads.append(reads)
        self._leads.append(leads)
        return len(self._reads) - 1

    def _build(self, node: Node, then: int) -> int:
        if isinstance(node, _One):
            return self._place(node.characters, (then,))
        if isinstance(node, Sequence):
            for part in reversed(node.parts):
                then = self._build(part, then)
            return then
        if isinstance(node, _Choice):
            return self._place(0, tuple(self._build(branch, then) for branch in node.branches))
        part, least, most, lazy = node
        end = then
        if most is None:
            loop = self._place(0, ())
            first = self._build(part, loop)
            self._leads[loop] = (then, first) if lazy else (first, then)
            then = first if least else self._place(0, self._leads[loop])
            least -= 1
        else:
            for _ in range(most - least):
                first = self._build(part, then)
                then = self._place(0, (end, first) if lazy else (first, end))
        for _ in range(least):
            then = self._build(part, then)
        return then

    def _reached(self, places: tuple[int, ...]) -> tuple[int, ...]:
        """Give the places that are reached from some: those that read a character, and the end, in order."""
        reached = dict.fromkeys(chain.from_iterable(map(self._closure, places)))
        self._work += len(reached)
        self.width = max(self.width, len(reached))
        if self.width > MAX_WIDTH or self._work > MAX_WORK:
            raise Refused
        return tuple(place for place in reached if self._reads[place] or not self._leads[place])

    def _closure(self, place: int) -> tuple[int, ...]:
        closure = self._closures.get(place)
        if closure is None:
            seen: dict[int, None] = {}
            waiting = [place]
            while waiting and len(seen) <= MAX_WIDTH:
                reached = waiting.pop()
                if reached not in seen:
                    seen[reached] = None
                    if not self._reads[reached]:
                        waiting.extend(reversed(self._leads[reached]))
            closure = self._closures[place] = tuple(seen)
            self._work += len(closure)
        return closure

    def _following(self, state: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Yield the states to which one character leads."""
        reads = [self._reads[place] for place in state]
        leads = [self._leads[place] for place in state]
        followings: set[tuple[int, ...]] = set()
        for characters in _apart(frozenset(reads)):
            self._work += len(state)
            followings.add(tuple(chain(*compress(leads, map(characters.__and__, reads)))))
        for following in followings:
            if following:
                yield self._reached(following)


@lru_cache(maxsize=1024)
def _apart(sets: frozenset[int]) -> list[int]:
    """Split all characters by whether they are in each of some sets."""
    alike = [_ANY]
    for some in sets:
        alike = [part for group in alike for part in (group & some, group & ~some) if part]
    return alike
