"""Which patterns match a topic, without trying each.

Patterns stand in a tree by their outlines. A topic walks down it, at each part both by its own text and by
"anything", so that only patterns with a fitting outline are tried, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..protocol.outline import Outline
from ..protocol.selectors import Pattern, Selector

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


class _Node:
    """One part of the outlines that lead here."""

    __slots__ = ("children", "closed", "open")

    def __init__(self) -> None:
        self.children: dict[str | None, _Node] = {}
        self.closed: dict[Key, Selector] = {}
        """Those that end here."""
        self.open: dict[Key, Selector] = {}
        """Those that go on from here with anything."""

    @property
    def is_empty(self) -> bool:
        return not (self.children or self.closed or self.open)

    def place_of(self, outline: Outline) -> dict[Key, Selector]:
        return self.open if outline.is_open else self.closed


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
            following = node.children.get(part)
            if following is None:
                following = node.children[part] = _Node()
            node = following
        node.place_of(outline)[selector.key] = selector

    def remove(self, outline: Outline, selector: Selector) -> None:
        """Remove a selector, and the nodes that it alone needed."""
        path = [self.root]
        for part in outline.parts:
            path.append(path[-1].children[part])
        del path[-1].place_of(outline)[selector.key]
        for parent, part in zip(path[-2::-1], outline.parts[::-1], strict=True):
            if not parent.children[part].is_empty:
                break
            del parent.children[part]

    def find(self, topic: str) -> Iterator[Selector]:
        """Yield each selector whose outline fits a topic."""
        nodes = [self.root]
        for part in self._parts_of(topic):
            following: list[_Node] = []
            for node in nodes:
                yield from node.open.values()
                for step in (part, None):
                    if (child := node.children.get(step)) is not None:
                        following.append(child)
            if not following:
                return
            nodes = following
        for node in nodes:
            yield from node.open.values()
            yield from node.closed.values()
