"""Things are found by how a text begins and ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flask_mercure_sse.hub.by_ends import ByEnds
from flask_mercure_sse.protocol.outline import Ends

TEXTS = st.text("ab", max_size=4)
ENDS = st.builds(Ends, TEXTS, TEXTS)


def table_of(*ends: Ends) -> ByEnds[Ends]:
    table: ByEnds[Ends] = ByEnds()
    for one in ends:
        table.get_or_add(one, lambda one=one: one)  # type: ignore[misc]
    return table


@given(st.lists(ENDS, max_size=20), TEXTS)
def test_a_text_finds_each_thing_whose_ends_fit_it_once(ends: list[Ends], text: str) -> None:
    """Mercure 0.x, Topic Selectors."""
    assert sorted(table_of(*ends).find(text, text)) == sorted({one for one in ends if one.fit(text)})


def test_what_stands_under_some_ends_is_made_once() -> None:
    """Mercure 0.x, Topic Selectors."""
    table: ByEnds[list[str]] = ByEnds()
    first = table.get_or_add(Ends("a", "b"), list)
    assert table.get_or_add(Ends("a", "b"), list) is first
    assert table[Ends("a", "b")] is first


@given(st.lists(ENDS, max_size=20, unique=True))
def test_what_is_removed_leaves_nothing(ends: list[Ends]) -> None:
    """Mercure 0.x, Topic Selectors: memory must not grow with what was ever followed."""
    table = table_of(*ends)
    for one in ends:
        assert table
        table.remove(one)
        assert one not in table.find("abab", "abab")
    assert not table
    assert table._lengths == {}
