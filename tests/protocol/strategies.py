"""Hypothesis strategies that speak the domain."""

from __future__ import annotations

from hypothesis import strategies as st

from flask_mercure_sse.protocol.update import EARLIEST, MAX_RETRY, Update

any_text = st.text(st.characters(exclude_categories=("Cs",)))
"""Everything that UTF-8 can write."""

texts_with_line_breaks = st.lists(
    st.sampled_from(["\r\n", "\r", "\n", "\v", "\f", "\x85", "\u2028", "\u2029", " ", ":", "\0", "\ufeff"])
    | any_text
).map("".join)

clean_texts = st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs")), min_size=1)

event_ids = clean_texts.filter(lambda text: not text.startswith("#") and text != EARLIEST)


def updates(topics: st.SearchStrategy[str] = clean_texts) -> st.SearchStrategy[Update]:
    """Any update that can be constructed."""
    return st.builds(
        Update,
        st.lists(topics, min_size=1, max_size=4).map(tuple),
        data=texts_with_line_breaks,
        private=st.booleans(),
        id=event_ids,
        type=st.none() | clean_texts,
        retry=st.none() | st.integers(0, MAX_RETRY),
    )
