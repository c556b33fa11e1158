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
        if table.get(one) is None:
            table.add(one, one)
    return table


@given(st.lists(ENDS, max_size=20), TEXTS)
def test_a_text_finds_each_thing_whose_ends_fit_it_once(ends: list[Ends], text: str) -> None:
    """Mercure 0.x, Topic Selectors."""
    assert sorted(table_of(*ends).find(text, text)) == sorted({one for one in ends if one.fit(text)})


@given(st.lists(ENDS, max_size=20), ENDS)
def test_what_stands_under_some_ends_is_looked_up(ends: list[Ends], wanted: Ends) -> None:
    """Mercure 0.x, Topic Selectors."""
    assert table_of(*ends).get(wanted) == (wanted if wanted in ends else None)


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
