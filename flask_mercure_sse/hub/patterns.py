"""Which patterns match a topic, without trying each.

Patterns stand in a tree by their outlines. A topic walks down it, at each part both by the part itself and by
how it begins and ends, so that only patterns with a fitting outline are tried, however many there are. What
stands between two expressions of one part, or behind one that may have slashes, is in no outline: patterns
that differ in nothing else are tried one by one.
"""

from __future__ import annotations

from typing import Any

from ..protocol.outline import Ends, Outline
from ..protocol.selectors import Pattern, Selector
from .by_ends import ByEnds

Key = tuple[str, str]
"""What makes two selectors the same."""


class PatternIndex:
    """The selectors, other than exact topics, that match a topic."""

    def __init__(self) -> None:
        self._everything: dict[Key, None] = {}
        self._trees: dict[str, _Tree] = {}

    def add(self, selector: Selector) -> None:
        """Add a selector; an exact one is none of the business here."""
        if selector.selects_everything:
            self._everything[selector.key] = None
        elif selector.pattern is not None:
            tree = self._trees.get(selector.match_type)
            if tree is None:
                tree = self._trees[selector.match_type] = _Tree(selector.pattern)
            tree.add(selector.pattern.outline, selector)

    def remove(self, selector: Selector) -> None:
        """Remove a selector that was added, or one like it."""
        if selector.selects_everything:
            del self._everything[selector.key]
        elif selector.pattern is not None:
            tree = self._trees[selector.match_type]
            tree.remove(selector.pattern.outline, selector)
            if tree.root.is_empty:
                del self._trees[selector.match_type]

    def find(self, topic: str) -> list[Key]:
        """Return the keys of the selectors that match a topic."""
        found = list(self._everything)
        for tree in self._trees.values():
            found += [selector.key for selector in tree.find(topic) if selector.matches(topic)]
        return found


_Selectors = dict[Key, Selector]

_NOTHING: dict[Any, Any] = {}
_NO_ENDS: ByEnds[Any] = ByEnds()
"""Shared by all nodes that hold nothing there, and never written to."""


class _Node:
    """One part of the outlines that lead here.

    Most nodes hold one thing, so each place is made when it is needed.
    """

    __slots__ = ("closed", "exact", "open", "similar")

    def __init__(self) -> None:
        self.exact: dict[str, _Node] = _NOTHING
        """Where a part leads that is known."""
        self.similar: ByEnds[_Node] = _NO_ENDS
        """Where a part leads of which the ends are known."""
        self.closed: _Selectors = _NOTHING
        """Those that end here."""
        self.open: ByEnds[_Selectors] = _NO_ENDS
        """Those that go on from here with anything."""

    @property
    def is_empty(self) -> bool:
        return not (self.exact or self.similar or self.closed or self.open)

    def get(self, part: str | Ends) -> _Node | None:
        """Return where a part of an outline leads."""
        return self.similar.get(part) if isinstance(part, Ends) else self.exact.get(part)

    def get_or_add(self, part: str | Ends) -> _Node:
        """Return where a part of an outline leads, a new node when it leads nowhere."""
        node = self.get(part)
        if node is None:
            node = _Node()
            if isinstance(part, Ends):
                self.similar = self.similar or ByEnds()
                self.similar.add(part, node)
            else:
                self.exact = self.exact or {}
                self.exact[part] = node
        return node

    def remove(self, part: str | Ends) -> None:
        """Let a part of an outline lead nowhere."""
        if isinstance(part, Ends):
            self.similar.remove(part)
        else:
            del self.exact[part]

    def put(self, selector: Selector, rest: Ends | None) -> None:
        """Put a selector where its outline ends."""
        if rest is None:
            self.closed = self.closed or {}
            self.closed[selector.key] = selector
            return
        self.open = self.open or ByEnds()
        place = self.open.get(rest)
        if place is None:
            self.open.add(rest, place := {})
        place[selector.key] = selector

    def take(self, selector: Selector, rest: Ends | None) -> None:
        """Take a selector away from where its outline ends."""
        if rest is None:
            del self.closed[selector.key]
            return
        place = self.open.get(rest) or {}
        del place[selector.key]
        if not place:
            self.open.remove(rest)


class _Tree:
    """Selectors of one match type by outline.

    :param pattern: one of them; all read a topic in the same way.
    """

    def __init__(self, pattern: Pattern) -> None:
        self.root = _Node()
        self._parts_of = pattern.parts_of

    def add(self, outline: Outline, selector: Selector) -> None:
        node = self.root
        for part in outline.parts:
            node = node.get_or_add(part)
        node.put(selector, outline.rest)

    def remove(self, outline: Outline, selector: Selector) -> None:
        """Remove a selector, and the nodes that it alone needed."""
        path = [self.root]
        for part in outline.parts:
            path.append(path[-1].get_or_add(part))
        path[-1].take(selector, outline.rest)
        for node, parent, part in zip(path[:0:-1], path[-2::-1], outline.parts[::-1], strict=True):
            if not node.is_empty:
                break
            parent.remove(part)

    def find(self, topic: str) -> list[Selector]:
        """Return each selector whose outline fits a topic."""
        found: list[Selector] = []
        nodes = [self.root]
        for part in self._parts_of(topic):
            following: list[_Node] = []
            for node in nodes:
                if node.open:
                    for selectors in node.open.find(part, topic):
                        found += selectors.values()
                if (child := node.exact.get(part)) is not None:
                    following.append(child)
                if node.similar:
                    following += node.similar.find(part, part)
            if not following:
                return found
            nodes = following
        for node in nodes:
            for selectors in node.open.find("", topic):
                found += selectors.values()
            found += node.closed.values()
        return found
