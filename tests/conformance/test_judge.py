"""The judge itself: it knows nothing of the package that it judges, and it does not overlook anything."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from .client import Challenge
from .reader import Event, Reader
from .targets import foreign

HERE = Path(__file__).parent


def _imported(path: Path) -> set[str]:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    return imported


def test_only_the_module_that_starts_the_hubs_knows_the_package() -> None:
    knowing = [
        path.name
        for path in HERE.glob("*.py")
        if any(name.partition(".")[0] == "flask_mercure_sse" for name in _imported(path))
    ]
    assert knowing == ["targets.py"]


def _read(text: bytes) -> list[Event]:
    return Reader().feed(text)


def test_the_reader_reads_an_event() -> None:
    [event] = _read(b":\n\nevent: t\nretry: 5\nid: 1\ndata: a\ndata:  b\ndata:\n\n")
    assert (event.type, event.retry, event.id, event.data) == ("t", 5, "1", "a\n b\n")


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
def test_the_reader_knows_every_line_end_however_the_bytes_come(line_end: bytes) -> None:
    text = line_end.join([b"id: 1", b"data: a", b"", b"id: 2", b"data: b", b"", b":", b""])
    reader, events = Reader(), []
    for position in range(len(text)):
        events += reader.feed(text[position : position + 1])
    assert [(event.id, event.data) for event in events] == [("1", "a"), ("2", "b")]


def test_the_reader_waits_for_the_end_of_an_event() -> None:
    assert _read(b"id: 1\ndata: a\n") == []


def test_the_reader_keeps_lines_that_only_other_parsers_would_split() -> None:
    [event] = _read("id: 1\ndata: a\u2028b\x0bc\x85d\n\n".encode())
    assert event.data == "a\u2028b\x0bc\x85d"


@pytest.mark.parametrize(
    "text",
    [
        b"id: 1\ndata: a\nforged\n\n",
        b"id: 1\ndata: a\nDATA: b\n\n",
        b"id: 1\ndata: a\nid: 2\n\n",
        b"event: x\nid: 1\ndata: a\nevent: y\n\n",
        b"id: 1\ndata: a\nretry: soon\n\n",
        b"id: 1\n\n",
        b"event: x\n\n",
        b"data: a\n\n",
        b"id\ndata: a\n\n",
        b"id: 1\0\ndata: a\n\n",
        b"id: 1\ndata: \xff\n\n",
        b"\xef\xbb\xbfid: 1\ndata: a\n\n",
    ],
)
def test_the_reader_objects_to_what_a_browser_would_drop(text: bytes) -> None:
    with pytest.raises((AssertionError, UnicodeDecodeError)):
        _read(text)


def test_the_reader_accepts_a_time_of_reconnection_alone() -> None:
    assert _read(b"retry: 1000\n\n") == []


def test_a_challenge_is_read_by_its_parts() -> None:
    challenge = Challenge.parse('Bearer error="invalid_token", resource_metadata="https://x/y"')
    assert challenge == Challenge("Bearer", {"error": "invalid_token", "resource_metadata": "https://x/y"})
    assert Challenge.parse("Bearer") == Challenge("Bearer", {})


def test_another_hub_is_described_by_the_environment(tmp_path: Path) -> None:
    pem = tmp_path / "key.pem"
    pem.write_text("a key in a file")
    named = {
        "URL": "https://hub.example/.well-known/mercure",
        "PROTOCOL": "0.x",
        "PUBLISHER_KEY": "a secret",
        "SUBSCRIBER_KEY": str(pem),
        "HISTORY": "off",
        "CORS_ORIGIN": "https://app.example",
    }
    hub = foreign({f"MERCURE_CONFORMANCE_{name}": value for name, value in named.items()})
    assert hub
    assert (hub.protocol, hub.publisher_key, hub.subscriber_key) == ("0.x", "a secret", "a key in a file")
    assert (hub.origin, hub.path) == ("https://hub.example", "/.well-known/mercure")
    assert "history" not in hub.features
    assert "cors" in hub.features
    assert "publish_origins" not in hub.features


def test_a_variable_with_a_slip_of_the_pen_is_an_error() -> None:
    with pytest.raises(ValueError, match="MERCURE_CONFORMANCE_HISTROY"):
        foreign({"MERCURE_CONFORMANCE_HISTROY": "off"})


def test_without_variables_there_is_no_other_hub() -> None:
    assert foreign({}) is None
