"""Clean text, of which topics, selectors, ids and event types are made."""

from __future__ import annotations

import pytest

from flask_mercure_sse.protocol.text import text_problem


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/books/1",
        "with a space",
        "/Bücher/東京",
        "/party/🎉",
        "no-break\u00a0space",
        "a line separator\u2028is no line break here",
        "combining e\u0301",
        "",
    ],
)
def test_clean_text_has_no_problem(text: str) -> None:
    """Mercure 1.0, Terminology."""
    assert text_problem(text) is None


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_control_characters_are_not_clean(code: int) -> None:
    """Mercure 1.0, Terminology: U+0000-001F and U+007F-009F."""
    for text in (chr(code), f"a{chr(code)}b", f"é{chr(code)}"):
        assert "control character" in (text_problem(text) or "")


@pytest.mark.parametrize(
    "invisible",
    ["\u00ad", "\u200b", "\u200d", "\u202e", "\u2066", "\ufeff", "\U000e0041"],
    ids=["soft hyphen", "zero width space", "joiner", "override", "isolate", "byte order mark", "tag"],
)
def test_format_characters_are_not_clean(invisible: str) -> None:
    """Mercure 1.0, Terminology: category Cf."""
    assert f"U+{ord(invisible):04X}" in (text_problem(f"/books{invisible}/1") or "")


@pytest.mark.parametrize("code", [0xD800, 0xDC80, 0xDFFF])
def test_what_utf8_cannot_write_is_not_clean(code: int) -> None:
    """Mercure 1.0, Terminology: clean text is valid UTF-8."""
    assert "surrogate" in (text_problem(f"/books/{chr(code)}") or "")
