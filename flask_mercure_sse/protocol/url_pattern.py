"""Does a topic match a URL pattern? (`Mercure 1.0, URL Pattern`; `WHATWG URL Pattern`)

Reading and matching is the work of the `urlpattern` library, whose time for a topic is linear, whatever the
pattern. That is not cheap yet, and anybody may bring a pattern (`Mercure 1.0, URL-Pattern Denial of
Service`): ``(\\w{1,1000})`` takes 80 ms to compile, ``(.*[0-9].{20})`` fills 3 MB with the states that topics
lead to, and a thousand places in a pattern are a thousand steps for each character. Rules of this room:

1. What takes long to compile is refused before it is compiled: its *size* is counted in its text.
2. Regular expressions are written anew with ASCII sets, because the parts of a URL are ASCII. ``\\w`` is then
   63 characters and not 140,000, and the library compiles only what was understood here. Look-around, flags,
   anchors, back references and Unicode properties are not, and refused.
3. The states that topics can lead to are found once, as the library would find them. Their number bounds its
   memory; the *width*, at how many places in the pattern a topic can be at once, bounds its time for each
   character.
4. How long a topic may be depends on the width; a longer one matches nothing.
"""

from __future__ import annotations

import importlib
import re
import string
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import chain, compress
from typing import Any, NamedTuple, Protocol, cast
from urllib.parse import quote
from weakref import WeakValueDictionary

from .outline import Outline

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
MAX_TOPIC = 16 * 1024
"""Characters of a topic, percent-encoded, whatever the pattern."""
MAX_EFFORT = 64 * 1024
"""Characters of a topic times the width of the pattern."""
REMEMBERED = 128
"""Patterns, and texts that are none, that are kept though nobody uses them."""

_REFUSED = "is no URL pattern, or one that costs too much"

_DELIMITERS = {"hostname": ".", "pathname": "/"}
_PARTS = ("protocol", "username", "password", "hostname", "port", "pathname", "search", "hash")

_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
_NEVER_ENCODED = "".join(set(_PRINTABLE) - set(" \"'<>^`{|}"))
_ENCODED_SIZE = 12
"""What one character grows to at most: four bytes as ``%F0%9F%98%80``."""


class _Refused(Exception):
    """The pattern is none, or costs too much."""


class _Library(Protocol):
    """What is used of the library's patterns, besides an attribute with the text of each part."""

    def test(self, input: str, base: str, /) -> bool: ...


def _library() -> Callable[[str, str], _Library]:
    # Imported late: some platforms have no wheel, and some hubs never see a URL pattern.
    return cast("Callable[[str, str], _Library]", importlib.import_module("urlpattern").URLPattern)


def is_available() -> bool:
    """Tell whether the library is installed; for some platforms there is none."""
    try:
        _library()
    except ImportError:
        return False
    return True


class UrlPattern:
    """A URL pattern and the hub's URL to which it is relative; make one with :func:`compile_pattern`."""

    __slots__ = ("__weakref__", "_base", "_library", "_longest", "outline", "size", "text")

    def __init__(self, text: str, base: str, library: _Library, longest: int, size: int) -> None:
        self.text: str = text
        self.size: int = size
        """What it cost to compile, in characters."""
        self.outline: Outline = _outline(cast(str, getattr(library, "pathname")))  # noqa: B009 - untyped
        self._base = base
        self._library = library
        self._longest = longest

    def __repr__(self) -> str:
        return f"<UrlPattern {self.text!r}>"

    def parts_of(self, topic: str) -> list[str]:
        """Return the parts of a topic as outlines of URL patterns have them: those of its URL's path."""
        found = None if len(topic) > MAX_TOPIC else _any_url(topic, self._base)
        return found.split("/") if found else []

    def matches(self, topic: str) -> bool:
        """Tell whether `topic`, relative to the hub's URL, matches; what is no URL never does."""
        if len(topic) * _ENCODED_SIZE > self._longest and (
            len(topic) > self._longest or _encoded_size(topic) > self._longest
        ):
            return False
        try:
            return self._library.test(topic, self._base)
        except Exception:
            return False  # it has a lone surrogate, so it is no URL


def compile_pattern(text: str, base: str) -> UrlPattern:
    """Read a URL pattern.

    :param base: The hub's URL, absolute.
    :raises ValueError: `text` is no URL pattern, or one that costs too much.
    """
    pattern = _known(text, base)
    if pattern is None:
        raise ValueError(_REFUSED)
    return pattern


_in_use: WeakValueDictionary[tuple[str, str], UrlPattern] = WeakValueDictionary()


@lru_cache(maxsize=REMEMBERED)
def _known(text: str, base: str) -> UrlPattern | None:
    # One object for all that use a pattern: it takes 70 kB and more.
    pattern = _in_use.get((text, base))
    if pattern is None:
        try:
            pattern = _in_use.setdefault((text, base), _compile(text, base))
        except (_Refused, TypeError, ValueError):
            return None
    return pattern


def _compile(text: str, base: str) -> UrlPattern:
    rewritten, size = _rewritten(text)
    library = _library()(rewritten, base)
    survey = _Survey()
    for name in _PARTS:
        part = cast(str, getattr(library, name))
        if part != "*" and _HAS_SYNTAX.search(part):
            survey.add(_parse(part, _DELIMITERS.get(name, "")))
    return UrlPattern(text, base, library, min(MAX_TOPIC, MAX_EFFORT // survey.width), size)


def _outline(path: str) -> Outline:
    """Return the outline of a pattern's path: up to the first part that may have a slash, or be optional."""
    parts: list[str | None] = []
    for part in path.split("/"):
        if _NAMED_PART.fullmatch(part):
            parts.append(None)
        elif _HAS_SYNTAX.search(part) or "\\" in part:
            return Outline(tuple(parts), is_open=True)
        else:
            parts.append(part)
    return Outline(tuple(parts))


_NAMED_PART = re.compile(r":[A-Za-z_][A-Za-z0-9_]*")


def _any_url(topic: str, base: str) -> str | None:
    """Return the path of a topic's URL, None where it is none."""
    try:
        found = _everything()(topic, base)
    except Exception:
        return None  # it has a lone surrogate
    return found["pathname"]["input"] if found else None


@lru_cache(maxsize=1)
def _everything() -> Callable[[str, str], Any]:
    return cast("Any", _library())({}).exec


def _encoded_size(text: str) -> int:
    return len(quote(text, safe=_NEVER_ENCODED, errors="replace"))


# Regular expressions are read into a tree.


class _One(NamedTuple):
    """One character out of a set; the set is a number that has the bits of its characters."""

    characters: int


class _Sequence(NamedTuple):
    parts: list[_Node]


class _Choice(NamedTuple):
    branches: list[_Node]


class _Repeat(NamedTuple):
    part: _Node
    least: int
    most: int | None
    lazy: bool


_Node = _One | _Sequence | _Choice | _Repeat


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


def _expression(text: str, position: int) -> tuple[_Node, str, int]:
    """Read a regular expression that begins at `position`, up to its closing parenthesis.

    :returns: The expression, how it is written with ASCII sets, and where the text goes on.
    """
    open_groups: list[list[list[_Node]]] = [[[]]]
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
            group = _Choice([_Sequence(branch) for branch in branches])
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
    raise _Refused


def _repeat(part: _Node, found: re.Match[str]) -> _Repeat:
    if found["times"]:
        least, most = _TIMES[found["times"]]
    else:
        least = int(found["least"])
        most = least if not found["range"] else int(found["most"]) if found["most"] else None
    if most is not None and most < least:
        raise _Refused
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
        raise _Refused  # operations with sets, or what looks like them
    characters = position = 0
    while found := _MEMBER.match(text, position):
        position = found.end()
        if found["named"]:
            characters |= _NAMED[found["named"]]
            continue
        first = _code(found["first"])
        last = _code(found["last"] or found["first"])
        if last < first:
            raise _Refused
        characters |= (2 << last) - (1 << first)
    if position < len(text):
        raise _Refused
    return characters & _ANY


def _code(character: str) -> int:
    return int(character[2:], 16) if character.startswith("\\x") else ord(character[-1])


@lru_cache(maxsize=REMEMBERED)
def _as_set(characters: int) -> str:
    members = "".join(character if characters >> ord(character) & 1 else "\n" for character in _PRINTABLE)
    runs = list(filter(None, members.split("\n")))
    if not runs:
        raise _Refused
    ranges = "".join(map(_as_range, runs))
    return ranges if len(runs) == len(runs[0]) == 1 else f"[{ranges}]"


def _as_range(run: str) -> str:
    first, last = (end if end.isalnum() else f"\\x{ord(end):02x}" for end in (run[0], run[-1]))
    return first if len(run) == 1 else f"{first}-{last}"


# Patterns are plain text, wildcards and regular expressions.

_PLAIN = re.compile(r"(?:\\.|[^\\(])+|\\", re.DOTALL)


def _split(text: str) -> Iterator[tuple[str, _Node | None, str]]:
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


def _rewritten(text: str) -> tuple[str, int]:
    """Write a pattern with ASCII sets, and count its size; refuse it when it takes long to compile."""
    if len(text) > MAX_SIZE:
        raise _Refused
    size = 0
    written: list[str] = []
    for given, expression, with_sets in _split(text):
        if expression is None:
            size += _encoded_size(given)
            size += sum(given.count(symbol) * more for symbol, more in _SYMBOL_SIZES.items())
        else:
            size += _WILDCARD_SIZE + _SET_CHARACTER_SIZE * len(with_sets)
            size += _POSITION_SIZE * _positions(expression)
        # The library knows its wildcards by their text, and matches them faster than other expressions.
        written.append(given if given in _WILDCARDS else with_sets)
        if size > MAX_SIZE:
            raise _Refused
    return "".join(written), size


def _positions(node: _Node) -> int:
    """Count the positions of an expression, each as often as it is repeated."""
    if isinstance(node, _One):
        return 1
    if isinstance(node, _Repeat):
        return max(node.least, node.most or 1) * (1 + _positions(node.part))
    parts = node.parts if isinstance(node, _Sequence) else node.branches
    return 1 + sum(map(_positions, parts))


_HAS_SYNTAX = re.compile("[*:{(]")
_NAME = r":(?:[A-Za-z0-9_$]|[^\x00-\x7f])+"
_WILDCARD = rf"(?:{_NAME})?\([0-9]+\)|{_NAME}|\*"
_TEXT = r"(?:\\.|[^\\*+?{}:(])"
_UNIT = re.compile(
    rf"(?P<text>(?:(?!/[:*(]){_TEXT})+)"
    rf"|(?P<slash>/)?(?P<bare>{_WILDCARD})(?P<times>[*+?])?"
    rf"|\{{(?P<before>{_TEXT}*)(?P<inner>{_WILDCARD})?(?P<after>{_TEXT}*)\}}(?P<braced>[*+?])?"
)


def _parse(part: str, delimiter: str) -> list[_Node]:
    """Read the pattern of one part of a URL, as the library gives it back: valid and canonical."""
    expressions: list[_Node] = []
    numbered = ""
    for given, expression, _ in _split(part):
        if expression is not None:
            expressions.append(expression)
        numbered += given if expression is None else f"({len(expressions) - 1})"

    def wildcard(text: str) -> _Node:
        if text == "*":
            return _Repeat(_One(_ANY), 0, None, False)
        if text.endswith(")"):
            return expressions[int(text[text.index("(") + 1 : -1])]
        return _Repeat(_One(_ANY & ~_set(delimiter)), 1, None, True)

    parts: list[_Node] = []
    position = 0
    while position < len(numbered):
        found = _UNIT.match(numbered, position)
        if found is None:
            raise _Refused
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


def _literals(text: str | None) -> list[_Node]:
    return [_LITERALS[character] for character in re.sub(r"\\(.)", r"\1", text)] if text else []


def _repeated(
    before: list[_Node], wildcard: _Node | None, after: list[_Node], times: str | None
) -> list[_Node]:
    """Give what a group and its modifier mean."""
    whole: list[_Node] = [*before, *([_Choice([wildcard])] if wildcard else []), *after]
    if not times:
        return [_Sequence(whole)] if wildcard else whole
    least, most = _TIMES[times]
    if wildcard is None or times == "?" or len(whole) == 1:
        return [_Repeat(_Sequence(whole), least, most, False)]
    again = _Repeat(_Sequence([*after, *before, wildcard]), 0, None, False)
    once_or_more = _Sequence([*before, wildcard, again, *after])
    return [_Repeat(once_or_more, least, 1, False)]


class _Survey:
    """Where topics can lead in a pattern.

    An automaton as the library has it: some places read a character and lead to one other, the others read
    nothing and lead to several, the preferred one first. The library makes of it, as topics need it, another
    whose states are the places at which a topic can be at once.
    """

    __slots__ = ("_closures", "_leads", "_reads", "_work", "states", "width")

    def __init__(self) -> None:
        self.states = 0
        self.width = 1
        self._work = 0
        self._reads: list[int] = []
        self._leads: list[tuple[int, ...]] = []
        self._closures: dict[int, tuple[int, ...]] = {}

    def add(self, parts: list[_Node]) -> None:
        """Look at the pattern of one more part of a URL."""
        # The library compares the text at both ends, outside of groups, before it matches the rest.
        inner = [index for index, part in enumerate(parts) if not isinstance(part, _One)]
        pattern = _Sequence(parts[inner[0] : inner[-1] + 1] if inner else [])
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
                        raise _Refused

    def _place(self, reads: int, leads: tuple[int, ...]) -> int:
        if len(self._reads) > 4 * MAX_STATES:
            raise _Refused
        self._reads.append(reads)
        self._leads.append(leads)
        return len(self._reads) - 1

    def _build(self, node: _Node, then: int) -> int:
        if isinstance(node, _One):
            return self._place(node.characters, (then,))
        if isinstance(node, _Sequence):
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
            raise _Refused
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
